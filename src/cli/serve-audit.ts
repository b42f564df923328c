import { isDigest } from '../content/digest.ts'
import { isRepository, isTag } from '../content/reference.ts'
import type { RequestFact } from '../server/handler.ts'
import { parseRoute, type Route } from '../server/routes.ts'
import type { AuditEntry, AuditOperation } from './audit-log.ts'

/**
 * What a request did to what a registry serves, under the registry's `host:port`; undefined for one that neither read
 * nor changed content. An upload is one push, of the request that finishes it.
 */
export function requestEntry(fact: RequestFact, host: string): AuditEntry | undefined {
  const { method, url, status, milliseconds } = fact
  const { route, query } = parse(url)
  const done = route && operationOf(method, route, query)
  if (route === undefined || done === undefined) return undefined
  // A mount that is refused opens an upload, which is no change yet.
  if (done.operation === 'mount' && status === 202) return undefined
  const { reference } = done
  return {
    operation: done.operation,
    target: isRepository(route.name) ? `${host}/${route.name}` : host,
    // What is neither may be anything, also a secret that was pasted into the wrong place.
    reference: isTag(reference) || isDigest(reference) ? reference : undefined,
    error: failureOf(fact),
    durationMilliseconds: milliseconds,
  }
}

/** An answer that has begun well and failed in its middle was cut off too. */
function failureOf({ status, error }: RequestFact): string | undefined {
  if (status === undefined || (error !== undefined && status < 400)) return 'CUT_OFF'
  return status < 400 ? undefined : `HTTP_${status}`
}

interface Done {
  readonly operation: AuditOperation
  readonly reference: string
}

function operationOf(method: string, { noun, reference }: Route, query: URLSearchParams): Done | undefined {
  const operation = operations.get(`${method} ${noun}`)
  if (operation !== undefined) return { operation, reference }
  const mounted = query.get('mount')
  if (method === 'POST' && noun === 'uploads' && mounted !== null) {
    return { operation: 'mount', reference: mounted }
  }
  const digest = query.get('digest')
  const isWhole = (method === 'POST' && noun === 'uploads') || (method === 'PUT' && noun === 'upload')
  return isWhole && digest !== null ? { operation: 'push', reference: digest } : undefined
}

const operations: ReadonlyMap<string, AuditOperation> = new Map([
  ['GET catalog', 'list'],
  ['GET tags', 'list'],
  ['GET referrers', 'list'],
  ['HEAD manifest', 'resolve'],
  ['GET manifest', 'read'],
  ['PUT manifest', 'push'],
  ['DELETE manifest', 'delete'],
  ['HEAD blob', 'exists'],
  ['GET blob', 'read'],
  ['DELETE blob', 'delete'],
])

function parse(url: string): { readonly route: Route | undefined; readonly query: URLSearchParams } {
  // At the first mark alone, as the registry does: what follows a second one is a part of the query too.
  const [path = '', ...rest] = url.split('?')
  const query = rest.join('?')
  try {
    return { route: parseRoute(decodeURIComponent(path)), query: new URLSearchParams(query) }
  } catch {
    return { route: parseRoute(path), query: new URLSearchParams(query) }
  }
}
