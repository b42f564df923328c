import { setTimeout } from 'node:timers/promises'
import { bodyOf, brokenOffAfter, corrupted, discard, firstBytes, inPieces, lengthened } from './bodies.ts'
import { changeRequest, type Fault, type FaultyAnswer } from './fault.ts'

/** How the end of a body is told. */
export type Framing = 'length' | 'chunked' | 'close-delimited'

/** Waits before the request is handed on. */
export function delay(milliseconds: number): Fault {
  return async (request, next) => {
    await setTimeout(milliseconds, undefined, { signal: request.signal })
    return next(request)
  }
}

/** Ends the connection without an answer; the registry never sees the request. */
export function dropConnection(ending: 'close' | 'reset' = 'reset'): Fault {
  return async () => noAnswer(ending)
}

/** The request is performed, and its answer lost with the connection. */
export function loseAnswer(ending: 'close' | 'reset' = 'reset'): Fault {
  return async (request, next) => {
    await discard((await next(request)).body)
    return noAnswer(ending)
  }
}

/** Resets the connection when so many bytes of the answer's body have been sent; a shorter answer is not touched. */
export function resetResponseAfter(bytes: number): Fault {
  return async (request, next) => {
    const answer = await next(request)
    return { ...answer, body: brokenOffAfter(answer.body, bytes) }
  }
}

/**
 * Resets the connection when so many bytes of the request's body have come. The registry has seen these bytes and the
 * end of the connection before the client learns of it. A shorter request is not touched.
 */
export function resetRequestAfter(bytes: number): Fault {
  return (request, next) => next(changeRequest(request, { body: brokenOffAfter(request.body, bytes) }))
}

/** The fault when so many bytes of the request's body have come. These are lost for the registry. */
export function afterBytes(bytes: number, fault: Fault): Fault {
  return async (request, next) => {
    await discard(request.body, bytes)
    return fault(request, next)
  }
}

/**
 * Sends no more than so many bytes of the answer's body. With a length, the connection closes before they are all
 * there; in chunks, before the last one; close-delimited, the answer looks whole.
 */
export function truncateResponse(bytes: number, framing: Framing = 'length'): Fault {
  return async (request, next) => {
    const answer = framed(await next(request), framing)
    const body = firstBytes(answer.body, bytes)
    return { ...answer, body, ...(framing !== 'close-delimited' && { ending: 'close' }) }
  }
}

/** Sends so many bytes more than there are. With a length, they follow on the connection after the end of the body. */
export function lengthenResponse(bytes: number, framing: Framing = 'length'): Fault {
  return async (request, next) => {
    const answer = framed(await next(request), framing)
    return { ...answer, body: lengthened(answer.body, bytes) }
  }
}

/** Turns over a bit of the answer's body, and leaves its headers as they are. */
export function corruptResponse(): Fault {
  return async (request, next) => {
    const answer = await next(request)
    return { ...answer, body: corrupted(answer.body) }
  }
}

/** Sends so many bytes of the answer's body, waits, and so on. */
export function trickleResponse(bytes: number, everyMilliseconds: number): Fault {
  return async (request, next) => {
    const answer = await next(request)
    return { ...answer, body: trickled(answer.body, { bytes, everyMilliseconds, signal: request.signal }) }
  }
}

/** Answers without a length, as `framing` says. */
export function reframeResponse(framing: Exclude<Framing, 'length'>): Fault {
  return async (request, next) => framed(await next(request), framing)
}

/** The connection ends, and there was no answer. */
export function noAnswer(ending: 'close' | 'reset'): FaultyAnswer {
  return { status: undefined, headers: {}, body: bodyOf(''), ending }
}

function framed(answer: FaultyAnswer, framing: Framing): FaultyAnswer {
  if (framing === 'length') return answer
  const headers = { ...answer.headers, 'content-length': undefined }
  return { ...answer, headers, isCloseDelimited: framing === 'close-delimited' }
}

interface Pace {
  readonly bytes: number
  readonly everyMilliseconds: number
  readonly signal: AbortSignal
}

async function* trickled(body: AsyncIterable<Uint8Array>, pace: Pace): AsyncGenerator<Uint8Array> {
  for await (const piece of inPieces(body, pace.bytes)) {
    yield piece
    await setTimeout(pace.everyMilliseconds, undefined, { signal: pace.signal })
  }
}
