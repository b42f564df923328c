import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import {
  Agent,
  createServer,
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
} from 'node:http'
import { setImmediate } from 'node:timers/promises'
import { createRegistryHandler, type RegistryHandlerOptions } from '../server/handler.ts'
import type { RegistryStore } from '../server/store.ts'
import { bodyOf } from './bodies.ts'
import type { FaultyAnswer, FaultyRequest, Next } from './fault.ts'
import { listen } from './front.ts'
import { noAnswer } from './wire.ts'

/** The embedded registry behind the faults. */
export interface InnerRegistry {
  readonly url: string
  /** Hands a request on to it. A body that breaks off is broken off there too, and was dealt with when the answer comes. */
  readonly next: Next
  close(): Promise<void>
}

/** Serves the store on a port of its own. */
export async function startInner(
  store: RegistryStore,
  options: RegistryHandlerOptions,
): Promise<InnerRegistry> {
  const open = new Map<string, InnerExchange>()
  const current = new AsyncLocalStorage<string>()
  const handler = createRegistryHandler(store, {
    ...options,
    onRequest: () => open.get(current.getStore() ?? '')?.over.resolve(),
  })
  const server = createServer((request, response) => {
    const id = String(request.headers[exchangeHeader])
    const exchange = open.get(id)
    if (exchange !== undefined) exchange.hasArrived = true
    exchange?.arrived.resolve(request)
    current.run(id, () => handler(request, response))
  })
  // A connection that is closed for being idle meets the request that is being sent over it.
  server.keepAliveTimeout = 0
  const port = await listen(server)
  const agent = new Agent({ keepAlive: true, host: '127.0.0.1', port })
  let count = 0
  const next: Next = async (request) => {
    const id = `${count++}`
    const exchange: InnerExchange = {
      arrived: Promise.withResolvers<IncomingMessage>(),
      hasArrived: false,
      over: Promise.withResolvers<void>(),
    }
    open.set(id, exchange)
    try {
      return await forward(request, { exchange, agent, port, id })
    } finally {
      open.delete(id)
    }
  }
  const close = async (): Promise<void> => {
    const closed = once(server, 'close')
    agent.destroy()
    server.close()
    server.closeAllConnections()
    await Promise.all([closed, handler.close()])
  }
  return { url: `http://127.0.0.1:${port}`, next, close }
}

/** Tells the registry's end of an exchange from that of another one. */
const exchangeHeader = 'x-faulty-exchange'

/** Of the client's connection; credentials are the business of faults alone. */
const notForwarded: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'expect',
  'host',
  'keep-alive',
])
const ofConnection: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date'])

/** One request as the registry sees it. */
interface InnerExchange {
  readonly arrived: PromiseWithResolvers<IncomingMessage>
  hasArrived: boolean
  /** Resolved when the registry has done with it. */
  readonly over: PromiseWithResolvers<void>
}

interface Way {
  readonly exchange: InnerExchange
  readonly agent: Agent
  readonly port: number
  readonly id: string
}

async function forward(request: FaultyRequest, way: Way): Promise<FaultyAnswer> {
  const { agent, port, id, exchange } = way
  const { method, url, signal } = request
  const kept = Object.entries(request.headers).filter(([name]) => !notForwarded.has(name))
  const headers = { ...Object.fromEntries(kept), [exchangeHeader]: id }
  const outgoing = httpRequest({ agent, host: '127.0.0.1', port, method, path: url, headers })
  const answered = responseOf(outgoing)
  await send(outgoing, request, exchange)
  const response = await unlessAborted(answered, signal)
  if (response !== undefined) {
    signal.addEventListener('abort', () => response.destroy(), { once: true })
    return answerOf(response, method)
  }
  outgoing.destroy()
  if (exchange.hasArrived) await exchange.over.promise
  return noAnswer('reset')
}

/** Undefined where the exchange broke before there was one. */
function responseOf(outgoing: ClientRequest): Promise<IncomingMessage | undefined> {
  return new Promise((resolve) => {
    outgoing.on('response', resolve)
    outgoing.on('error', () => resolve(undefined))
  })
}

/** Never rejects. A body that fails breaks the request off after all that came before. */
async function send(
  outgoing: ClientRequest,
  { body }: FaultyRequest,
  { arrived }: InnerExchange,
): Promise<void> {
  let hasBegun = false
  try {
    for await (const chunk of body) {
      await write(outgoing, chunk)
      hasBegun = true
    }
    outgoing.end()
  } catch {
    if (hasBegun) await untilTaken(outgoing, await arrived.promise)
    outgoing.destroy()
  }
}

/** What the registry has in its buffers only would be lost with the connection. */
async function untilTaken(outgoing: ClientRequest, inner: IncomingMessage): Promise<void> {
  const written = outgoing.socket?.bytesWritten ?? 0
  while (!inner.destroyed && (inner.socket.bytesRead < written || inner.readableLength > 0))
    await setImmediate()
}

function write(outgoing: ClientRequest, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    outgoing.write(chunk, (error) => (error instanceof Error ? reject(error) : resolve()))
  })
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>()
  const abort = (): void => aborted.resolve(undefined)
  signal.addEventListener('abort', abort)
  try {
    if (signal.aborted) return undefined
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function answerOf(response: IncomingMessage, method: string): FaultyAnswer {
  const kept = Object.entries(response.headers).filter(([name]) => !ofConnection.has(name))
  const answer = { status: response.statusCode ?? 0, headers: Object.fromEntries(kept), body: response }
  if (method !== 'HEAD') return answer
  // Nothing would read its end, and the connection would stay in use.
  response.resume()
  return { ...answer, body: bodyOf('') }
}
