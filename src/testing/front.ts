import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { UnreachableError } from '../errors.ts'
import { errorAnswer } from './answers.ts'
import { discard } from './bodies.ts'
import { readUrl, type FaultyRequest, type Next, type Part } from './fault.ts'
import type { OpenEntry, RequestLog } from './log.ts'
import { sendAnswer } from './send-answer.ts'

/** Certificate and key in PEM. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** Which server a front is, and how it speaks. */
export interface FrontOptions {
  readonly part: Part
  /** Speaks HTTPS with it. */
  readonly tls?: TlsFiles | undefined
  /** The name that its URL has instead of `127.0.0.1`, where it listens in any case. */
  readonly name?: string | undefined
}

/** A server on loopback that does with each request what a function says. */
export interface Front {
  readonly origin: string
  readonly port: number
  /** Ends all connections, and waits until no request is at work. Idempotent. */
  readonly close: () => Promise<void>
}

/** What a front needs to answer: where the requests are noted, what answers them, and where the others are. */
export interface FrontWork {
  readonly log: RequestLog
  readonly next: Next
  /** Asked with each request, since the servers do not start at once. */
  readonly origins: () => FaultyRequest['origins']
}

/** Listens on a free port of loopback. It keeps no process alive. */
export async function startFront(
  work: FrontWork,
  { part, tls, name = '127.0.0.1' }: FrontOptions,
): Promise<Front> {
  const exchanges = new Map<Promise<void>, AbortController>()
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    const controller = new AbortController()
    const exchange = serveExchange({ ...work, part, request, response, controller })
    const ended = exchange.finally(() => exchanges.delete(ended))
    exchanges.set(ended, controller)
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  const port = await listen(server)
  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    const closed = once(server, 'close')
    server.close()
    for (const controller of exchanges.values())
      controller.abort(new UnreachableError('the server is closing'))
    server.closeAllConnections()
    await Promise.all([closed, ...exchanges.keys()])
  }
  const origin = `${tls === undefined ? 'http' : 'https'}://${name}:${port}`
  return { origin, port, close: () => (closing ??= close()) }
}

/** Listens on a free port of loopback, and lets the process end. Returns the port. */
export async function listen(server: Server): Promise<number> {
  // A fault may take its time, and so may an upload.
  server.requestTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  server.on('connection', (socket) => socket.unref())
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

interface Exchange extends FrontWork {
  readonly part: Part
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly controller: AbortController
}

/** Never rejects: what a fault throws is noted. */
async function serveExchange(exchange: Exchange): Promise<void> {
  const { part, log, request, response, controller } = exchange
  const { method = '', url = '', headers, rawHeaders } = request
  const entry = log.begin(request.socket, { at: part, method, url, headers, rawHeaders })
  response.on('close', () => {
    if (!response.writableFinished) controller.abort(new UnreachableError('the client has gone'))
  })
  // Writing to a client that has gone; the close event tells of it.
  response.on('error', () => undefined)
  try {
    await answer(exchange, entry)
  } catch (error) {
    if (!controller.signal.aborted) entry.error ??= error
    response.destroy()
  } finally {
    entry.isOver = true
  }
}

async function answer(
  { part, request, response, controller, next, origins }: Exchange,
  entry: OpenEntry,
): Promise<void> {
  const { signal } = controller
  const body = countedBody(request, entry)
  const faulty: FaultyRequest = {
    ...readUrl(entry.url),
    at: part,
    method: entry.method,
    headers: entry.headers,
    body,
    origins: origins(),
    signal,
  }
  const given = await next(faulty).catch((error: unknown) => {
    signal.throwIfAborted()
    entry.error = error
    return errorAnswer(500, { code: 'UNKNOWN', message: `a fault failed: ${String(error)}` })
  })
  entry.status = given.status
  const sending = sendAnswer({ request, response, signal, entry }, given)
  // What the client still sends must leave the connection before its next request can be seen.
  const reading = (given.ending ?? 'whole') === 'whole' ? drain(request, body) : undefined
  await sending
  await reading
}

/** One iterator for all iterations: a second one would wait for ever where only the end is still to come. */
function countedBody(request: IncomingMessage, entry: OpenEntry): AsyncIterable<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = request.iterator({ destroyOnReturn: false })
  return {
    async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
      for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
        entry.receivedBytes += next.value.length
        yield next.value
      }
    },
  }
}

/** Never rejects. When its answer has been sent, a request no longer hears that its connection was closed. */
async function drain({ socket }: IncomingMessage, body: AsyncIterable<Uint8Array>): Promise<void> {
  if (socket.destroyed) return
  const closed = Promise.withResolvers<void>()
  socket.once('close', closed.resolve)
  await Promise.race([closed.promise, discard(body).catch(() => undefined)])
  socket.off('close', closed.resolve)
}
