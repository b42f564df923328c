import type { IncomingHttpHeaders } from 'node:http'
import { parseRoute, type Route } from '../server/routes.ts'

/** Which of the servers of a faulty registry a request came to; each listens on a port, and so is an origin, of its own. */
export type Part = 'registry' | 'storage' | 'tokens'

/** What a path of the API is about. */
export type EndpointName = Route['noun']

/** One request on its way to the registry. A fault hands on another one to change what the registry sees. */
export interface FaultyRequest {
  readonly at: Part
  readonly method: string
  /** The path and query, as they came. */
  readonly url: string
  readonly path: string
  readonly query: URLSearchParams
  /** What the path is about; undefined for a path that is not one of distribution-spec. */
  readonly endpoint: EndpointName | undefined
  /** The name of the repository; empty where the path has none. */
  readonly repository: string
  /** The last part of the path: a tag, a digest or the id of an upload; empty where the path has none. */
  readonly reference: string
  readonly headers: Readonly<IncomingHttpHeaders>
  /** An iteration that stops early is gone on with by the next one; nothing comes twice. */
  readonly body: AsyncIterable<Uint8Array>
  /** Where the servers are, as in `http://127.0.0.1:5000`. */
  readonly origins: Readonly<Record<Part, string>>
  /** Aborts when the client has gone or the server closes. */
  readonly signal: AbortSignal
}

/** Names are in lower case. */
export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>

/** What goes to the client. The headers go out as they are, whether they agree with the body or not. */
export interface FaultyAnswer {
  /** Undefined: no answer; the connection ends at once. */
  readonly status: number | undefined
  readonly headers: HeaderValues
  readonly body: AsyncIterable<Uint8Array>
  /**
   * How it ends after the body: as HTTP wants it (`'whole'`), with the connection closed, or with it reset. A body
   * that is shorter than its Content-Length ends with the connection closed, one that throws with a reset.
   * @default 'whole'
   */
  readonly ending?: 'whole' | 'close' | 'reset'
  /** Neither a length nor chunks: the end of the connection is the end of the body. @default false */
  readonly isCloseDelimited?: boolean
}

/**
 * Answers a request: the registry, or the faults that stand before it. The body of an answer is handed on or read to
 * its end, else it keeps a connection to the registry.
 */
export type Next = (request: FaultyRequest) => Promise<FaultyAnswer>

/**
 * Stands between the client and the registry: it hands a request on to `next` or not, and answers with what came of
 * that or with something else. Many hold state, so each registry gets faults of its own.
 */
export type Fault = (request: FaultyRequest, next: Next) => Promise<FaultyAnswer>

/** The first fault is the nearest to the client. */
export function composeFaults(faults: readonly Fault[], next: Next): Next {
  return faults.reduceRight<Next>((inner, fault) => (request) => fault(request, inner), next)
}

/** The same request with another method, URL, headers or body. */
export function changeRequest(
  request: FaultyRequest,
  change: Partial<Pick<FaultyRequest, 'method' | 'url' | 'headers' | 'body'>>,
): FaultyRequest {
  const changed = { ...request, ...change }
  return change.url === undefined ? changed : { ...changed, ...readUrl(change.url) }
}

type UrlFacts = Pick<FaultyRequest, 'url' | 'path' | 'query' | 'endpoint' | 'repository' | 'reference'>

/** What a request target says. Percent-encoding is undone as far as it is well-formed. */
export function readUrl(url: string): UrlFacts {
  const mark = url.indexOf('?')
  const path = decoded(mark === -1 ? url : url.slice(0, mark))
  const query = new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1))
  const { noun, name = '', reference = '' } = parseRoute(path) ?? {}
  return { url, path, query, endpoint: noun, repository: name, reference }
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}
