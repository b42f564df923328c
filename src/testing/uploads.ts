import { headerOf } from './answers.ts'
import { bodyOf, discard } from './bodies.ts'
import { changeRequest, type Fault, type FaultyRequest, type Next } from './fault.ts'

/** The session of the upload that a request goes on with is thrown away first: the registry does not know it any more. */
export function dropUpload(): Fault {
  return async (request, next) => {
    if (request.endpoint === 'upload') await cancel(request, next)
    return next(request)
  }
}

/** An upload whose connection breaks is over, as in docker-registry: the session is thrown away with what it has. */
export function forgetBrokenUploads(): Fault {
  return async (request, next) => {
    const answer = await next(request)
    if (request.endpoint === 'upload' && answer.status === undefined) await cancel(request, next)
    return answer
  }
}

/** How `moveUploads` makes the places of uploads. */
export interface MoveOptions {
  /** A place can be used once; each answer names the next one. @default false */
  readonly isSingleUse?: boolean | undefined
}

/**
 * Uploads go on at places of its own: `place` makes a URL, absolute or not, of the path that the registry gave. Its
 * query must come back as it is; `digest` may stand behind it. What else is asked for there is answered with 404.
 */
export function moveUploads(
  place: (path: string, request: FaultyRequest) => string,
  { isSingleUse = false }: MoveOptions = {},
): Fault {
  const known = new Map<string, { readonly path: string; readonly query: string }>()
  return async (request, next) => {
    const { pathname, search } = new URL(request.url, request.origins.registry)
    const found = known.get(pathname)
    const moved = found?.query === ownQuery(search) ? `${found.path}${search}` : undefined
    const answer = await next(moved === undefined ? request : changeRequest(request, { url: moved }))
    // Who was asked to log in comes back.
    if (isSingleUse && answer.status !== 401) known.delete(pathname)
    const path = headerOf(answer, 'location')
    if (path === undefined || !path.includes('/blobs/uploads/')) return answer
    const location = place(path, request)
    const outer = new URL(location, request.origins.registry)
    known.set(outer.pathname, { path, query: ownQuery(outer.search) })
    return { ...answer, headers: { ...answer.headers, location } }
  }
}

/** What was there before a client put `digest` behind it. */
function ownQuery(search: string): string {
  return search.replace(/[?&]digest=[^&]*$/, '')
}

async function cancel(request: FaultyRequest, next: Next): Promise<void> {
  const dropping = changeRequest(request, { method: 'DELETE', headers: {}, body: bodyOf('') })
  await discard((await next(dropping)).body)
}
