import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { SizeMismatchError } from '../errors.ts'
import type { Answer } from './exchange.ts'

/** The two halves of one exchange with a client. */
export interface Peer {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

/**
 * Sends an answer at the pace of the client. It fails as the body fails; before the first chunk of it, nothing has
 * been sent and another answer can be. Error: SIZE_MISMATCH for a body that is not as long as its Content-Length says.
 */
export async function send({ request, response }: Peer, answer: Answer, signal: AbortSignal): Promise<void> {
  const { status, headers, body } = answer
  const head = { ...commonHeaders, ...contentLength(answer), ...headers }
  if (request.method === 'HEAD' || body === undefined || body instanceof Uint8Array) {
    response.writeHead(status, head)
    response.end(request.method === 'HEAD' ? undefined : body)
  } else {
    let left = Number(headers?.['Content-Length'])
    for await (const chunk of body) {
      signal.throwIfAborted()
      left -= chunk.length
      // The bytes would be taken for the answer to the next request on this connection.
      if (left < 0) throw wrongLength(request, `${-left} bytes or more too many`)
      // Not before the first chunk: until then a failure can be answered.
      if (!response.headersSent) response.writeHead(status, head)
      if (!response.write(chunk)) await once(response, 'drain', { signal })
    }
    if (left > 0) throw wrongLength(request, `${left} bytes too few`)
    if (!response.headersSent) response.writeHead(status, head)
    response.end()
  }
}

/**
 * What is left of a body must leave the connection before its next request can be seen. A client that goes on
 * sending what was refused is cut off.
 */
export function discardBody(request: IncomingMessage, { status }: Answer): void {
  let allowed = status < 300 ? Infinity : maxRefusedBytes
  request.on('data', (chunk: Uint8Array) => {
    allowed -= chunk.length
    if (allowed < 0) request.destroy()
  })
}

/**
 * True while the client has nothing to do but wait: all that it sent has not yet been taken, or there is no more to
 * come, and all that was answered has left.
 */
export function isTurnOfStore({ request, response }: Peer): boolean {
  return (request.complete || request.readableLength > 0) && response.writableLength === 0
}

/** More than what is on its way when a client reads the refusal. */
const maxRefusedBytes = 16 * 1024 * 1024

const commonHeaders = {
  'Docker-Distribution-Api-Version': 'registry/2.0',
  'X-Content-Type-Options': 'nosniff',
}

function wrongLength({ method, url }: IncomingMessage, difference: string): SizeMismatchError {
  return new SizeMismatchError(`for ${method} ${url} the store has ${difference}`)
}

function contentLength({ status, body }: Answer): { 'Content-Length'?: number } {
  if (body instanceof Uint8Array) return { 'Content-Length': body.length }
  return body === undefined && status !== 204 ? { 'Content-Length': 0 } : {}
}
