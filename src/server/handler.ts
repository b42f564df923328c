import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { defaultMaxMetadataBytes } from '../content/verify.ts'
import { UnreachableError } from '../errors.ts'
import { createAuthenticator, type Authenticator } from './authenticate.ts'
import { cachedNames } from './cached-names.ts'
import { answerError, refusal } from './errors.ts'
import { hasBrokenOff, type Answer, type Exchange, type RegistryLimits } from './exchange.ts'
import { answerRoute, isReading, parseRoute } from './routes.ts'
import { discardBody, isTurnOfStore, send, type Peer } from './send.ts'
import type { RegistryStore } from './store.ts'
import { UploadSessions } from './upload-sessions.ts'

/** One request, when it is over. */
export interface RequestFact {
  readonly method: string
  /** The path and query, as the client sent them. */
  readonly url: string
  /** Undefined where the connection ended before there was an answer. */
  readonly status: number | undefined
  readonly milliseconds: number
  /** What the store failed with, if the answer is the registry's fault; what cut an answer short. */
  readonly error?: unknown
}

/** Who may do what, how much of it, and who hears of it. */
export interface RegistryHandlerOptions {
  /**
   * The text of an htpasswd file with hashes of bcrypt. Logins beyond those that may wait to be checked are refused
   * with 429. @default everybody may do everything
   */
  readonly htpasswd?: string | undefined
  /** Refuses all that writes. @default false */
  readonly readOnly?: boolean | undefined
  /** The largest manifest that is taken. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
  /** The largest blob that is taken, in bytes. @default no limit */
  readonly maxBlobBytes?: number | undefined
  /** How many uploads may be unfinished at a time. @default 1000 */
  readonly maxUploads?: number | undefined
  /** How long an upload may lie unused. @default one hour */
  readonly uploadTimeoutMilliseconds?: number | undefined
  /** How many referrers one answer has at most. @default 100 */
  readonly referrersPageSize?: number | undefined
  /** Hears of each request when it is over, synchronously; it must not throw. */
  readonly onRequest?: ((fact: RequestFact) => void) | undefined
}

/** Answers the requests of a node:http server as a registry. */
export interface RegistryHandler {
  (request: IncomingMessage, response: ServerResponse): void
  /** Cuts off the requests that are at work, waits for their end and removes unfinished uploads. Idempotent. */
  close(): Promise<void>
}

/**
 * Serves the repositories of a store by distribution-spec 1.1.
 * Error: UNSUPPORTED for an htpasswd text with hashes of another kind than bcrypt.
 */
export function createRegistryHandler(
  store: RegistryStore,
  options: RegistryHandlerOptions = {},
): RegistryHandler {
  const registry = createRegistry(store, options)
  const atWork = new Map<Promise<void>, AbortController>()
  let isClosed = false
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    if (isClosed) {
      response.destroy()
      return
    }
    const controller = new AbortController()
    const work = serveRequest(registry, { request, response, controller }).finally(() => atWork.delete(work))
    atWork.set(work, controller)
  }
  const close = async (): Promise<void> => {
    isClosed = true
    const reason = new UnreachableError('the registry is closing')
    for (const controller of atWork.values()) controller.abort(reason)
    await Promise.all(atWork.keys())
    await registry.uploads.close()
  }
  return Object.assign(handle, { close })
}

interface Registry {
  readonly store: RegistryStore
  readonly recentNames: () => Promise<readonly string[]>
  readonly uploads: UploadSessions
  readonly limits: RegistryLimits
  readonly readOnly: boolean
  readonly authenticate: Authenticator
  readonly onRequest: ((fact: RequestFact) => void) | undefined
}

interface Connection extends Peer {
  readonly controller: AbortController
}

function createRegistry(store: RegistryStore, options: RegistryHandlerOptions): Registry {
  const { htpasswd, readOnly = false, maxUploads, uploadTimeoutMilliseconds, onRequest } = options
  const {
    maxMetadataBytes = defaultMaxMetadataBytes,
    maxBlobBytes = Infinity,
    referrersPageSize = 100,
  } = options
  return {
    store,
    recentNames: cachedNames(store),
    uploads: new UploadSessions({ directory: store.spoolDirectory, maxUploads, uploadTimeoutMilliseconds }),
    limits: { maxMetadataBytes, maxBlobBytes, referrersPageSize },
    readOnly,
    authenticate: htpasswd === undefined ? async () => undefined : createAuthenticator(htpasswd),
    onRequest,
  }
}

/** Never rejects: what fails is answered, or ends the connection, and is told in the fact. */
async function serveRequest(registry: Registry, connection: Connection): Promise<void> {
  const { request, response, controller } = connection
  const { signal } = controller
  const started = performance.now()
  response.on('close', () => {
    if (!response.writableFinished) controller.abort(new UnreachableError('the client has gone'))
  })
  response.on('timeout', (socket: Socket) => {
    if (isTurnOfStore(connection)) socket.setTimeout(socket.timeout ?? 0)
    else socket.destroy()
  })
  // Writing to a client that has gone; the close event tells of it.
  response.on('error', () => undefined)
  signal.addEventListener('abort', () => response.destroy(), { once: true })
  const failure = await answerRequest(registry, connection)
  if (!response.writableFinished && !signal.aborted) {
    await once(response, 'finish', { signal }).catch(() => undefined)
  }
  // A client that went in the middle of an answer did not get what its status promised.
  const isCutShort = response.headersSent && !response.writableFinished
  const error: unknown = failure ?? (isCutShort ? signal.reason : undefined)
  registry.onRequest?.({
    method: request.method ?? '',
    url: request.url ?? '',
    status: response.headersSent ? response.statusCode : undefined,
    milliseconds: performance.now() - started,
    ...(error !== undefined && { error }),
  })
}

/** Returns what the store failed with. */
async function answerRequest(registry: Registry, connection: Connection): Promise<unknown> {
  const { request, response, controller } = connection
  try {
    const answered = await answer(registry, connection)
    discardBody(request, answered)
    await send(connection, answered, controller.signal)
    return undefined
  } catch (error) {
    if (controller.signal.aborted || hasBrokenOff(request)) return undefined
    // Cut off, a client cannot take what it has for the whole.
    if (response.headersSent) {
      response.destroy()
      return error
    }
    const refused = answerError(error, isReading(request.method) ? 'read' : 'write')
    discardBody(request, refused)
    await send(connection, refused, controller.signal)
    return refused.status >= 500 ? error : undefined
  }
}

async function answer(registry: Registry, { request, controller }: Connection): Promise<Answer> {
  const { store, recentNames, uploads, limits, readOnly } = registry
  const { signal } = controller
  const { authorization } = request.headers
  const refused = await registry.authenticate(authorization, request.socket.remoteAddress, { signal })
  if (refused !== undefined) return refused
  const [path, query] = splitUrl(request.url ?? '')
  const route = parseRoute(path)
  if (route === undefined) return refusal(404, 'UNSUPPORTED', 'no such endpoint')
  const exchange: Exchange = {
    request,
    name: route.name,
    reference: route.reference,
    query: new URLSearchParams(query),
    signal,
    store,
    recentNames,
    uploads,
    limits,
  }
  return answerRoute(route, exchange, readOnly)
}

/** Colons of digests come percent-encoded from some clients; what is malformed stays as it is, and matches no route. */
function splitUrl(url: string): [path: string, query: string] {
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const query = mark === -1 ? '' : url.slice(mark + 1)
  try {
    return [decodeURIComponent(path), query]
  } catch {
    return [path, query]
  }
}
