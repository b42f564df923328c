import { SizeExceedsLimitError, UnreachableError } from '../errors.ts'

type Body = AsyncIterable<Uint8Array>

/** A body that is in memory. */
export async function* bodyOf(bytes: Uint8Array | string): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield typeof bytes === 'string' ? Buffer.from(bytes) : bytes
}

/** At most so many bytes of the beginning; no more than these are taken. */
export async function* firstBytes(body: Body, count: number): AsyncGenerator<Uint8Array> {
  let left = count
  if (left <= 0) return
  for await (const chunk of body) {
    yield chunk.subarray(0, left)
    left -= chunk.length
    if (left <= 0) return
  }
}

/** Fails when so many bytes have passed; a shorter body passes whole. Error: UNREACHABLE. */
export async function* brokenOffAfter(body: Body, count: number): AsyncGenerator<Uint8Array> {
  let left = count
  for await (const chunk of body) {
    if (left > 0) yield chunk.subarray(0, left)
    left -= chunk.length
    if (left <= 0) throw new UnreachableError(`broken off on purpose after ${count} bytes`)
  }
}

/** The body with so many bytes more than it has. */
export async function* lengthened(body: Body, count: number): AsyncGenerator<Uint8Array> {
  yield* body
  yield Buffer.alloc(count, 'x')
}

/** The body with the lowest bit of its first byte turned over. */
export async function* corrupted(body: Body): AsyncGenerator<Uint8Array> {
  let isFirst = true
  for await (const chunk of body) {
    const [byte] = chunk
    if (isFirst && byte !== undefined) {
      isFirst = false
      const copy = Uint8Array.from(chunk)
      copy[0] = byte ^ 1
      yield copy
    } else {
      yield chunk
    }
  }
}

/** The body in pieces of so many bytes. */
export async function* inPieces(body: Body, bytes: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += bytes) yield chunk.subarray(at, at + bytes)
  }
}

/** All of a body that fits in memory. Error: SIZE_EXCEEDS_LIMIT. */
export async function collect(body: Body, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) throw new SizeExceedsLimitError(`a body has more than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Reads a body to its end, or so many bytes of it, and throws them away. */
export async function discard(body: Body, maxBytes: number = Infinity): Promise<void> {
  let left = maxBytes
  if (left <= 0) return
  for await (const chunk of body) {
    left -= chunk.length
    if (left <= 0) return
  }
}
