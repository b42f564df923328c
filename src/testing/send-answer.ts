import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { headerOf } from './answers.ts'
import type { FaultyAnswer, HeaderValues } from './fault.ts'
import type { OpenEntry } from './log.ts'

/** Where an answer goes, and where it is noted. */
export interface Outlet {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly signal: AbortSignal
  readonly entry: OpenEntry
}

/**
 * Sends an answer at the pace of the client, with all that is wrong with it. What its body throws is thrown, after the
 * connection was reset.
 */
export async function sendAnswer(outlet: Outlet, answer: FaultyAnswer): Promise<void> {
  const { request, response, signal } = outlet
  const { status, ending = 'whole', isCloseDelimited = false } = answer
  if (status === undefined) {
    end(request, ending)
    return
  }
  if (isCloseDelimited) response.removeHeader('transfer-encoding')
  response.writeHead(status, outgoing(answer.headers))
  try {
    await sendBody(outlet, answer)
  } catch (error) {
    signal.throwIfAborted()
    end(request, 'reset')
    throw error
  }
  const isShort = Number(headerOf(answer, 'content-length') ?? 0) > outlet.entry.sentBytes
  if (ending !== 'whole') end(request, ending)
  else if (request.method !== 'HEAD' && status !== 304 && isShort) end(request, 'close')
  else response.end()
}

async function sendBody({ request, response, signal, entry }: Outlet, { body }: FaultyAnswer): Promise<void> {
  response.flushHeaders()
  if (request.method === 'HEAD') return
  for await (const chunk of body) {
    signal.throwIfAborted()
    entry.sentBytes += chunk.length
    await write(response, chunk, signal)
  }
}

/** Until the bytes are with the kernel, so that a reset does not take them back. */
async function write(response: ServerResponse, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  const written = Promise.withResolvers<void>()
  const abort = (): void => written.reject(signal.reason)
  signal.addEventListener('abort', abort)
  response.write(chunk, () => written.resolve())
  try {
    await written.promise
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

function end({ socket }: IncomingMessage, ending: 'whole' | 'close' | 'reset'): void {
  if (ending === 'reset') socket.resetAndDestroy()
  else socket.destroySoon()
}

function outgoing(headers: HeaderValues): OutgoingHttpHeaders {
  const given = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, typeof value === 'string' ? value : [...value]] as const],
  )
  return Object.fromEntries(given)
}
