import { ResponseError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { isTooLarge, lowerLimit, maxChunkBytes } from './body-limits.ts'
import type { Endpoint } from './endpoint.ts'
import { receivedBytes, sendChunk, type Chunk, type UploadSession } from './upload-session.ts'

/**
 * Sends the bytes of a blob from an offset on, in chunks where their size is limited. False if a chunk was too large, and
 * the next one is smaller: the content has then been given up, and where the session stands must be asked.
 */
export async function sendInChunks(
  endpoint: Endpoint,
  session: UploadSession,
  { content, offset, end }: Chunk & { readonly content: AsyncIterable<Uint8Array> },
  options: SignalOptions,
): Promise<boolean> {
  const portions = new Portions(content)
  try {
    for (let at = offset; at < end;) {
      const next = Math.min(end, at + maxChunkBytes(endpoint, session))
      const chunk = { content: portions.take(next - at), offset: at, end: next }
      if (!(await tryChunk(endpoint, session, chunk, options))) return false
      at = next
    }
    await portions.finish()
    return true
  } finally {
    await portions.close()
  }
}

/** Sends a chunk. False if it was too large, and the next one is smaller. */
export async function tryChunk(
  endpoint: Endpoint,
  session: UploadSession,
  chunk: Chunk,
  options: SignalOptions,
): Promise<boolean> {
  try {
    await sendChunk(endpoint, session, chunk, options)
    return true
  } catch (error) {
    const { offset, end } = chunk
    const isRefused = isTooLarge(error) || (await isInPlace(endpoint, session, { error, offset }, options))
    if (!isRefused || !lowerLimit(endpoint, session, 'maxPatchBytes', end - offset)) throw error
    return false
  }
}

/** ghcr says 416 to a chunk that is too large, as all do to one that is not where the session stands. */
async function isInPlace(
  endpoint: Endpoint,
  session: UploadSession,
  { error, offset }: { readonly error: unknown; readonly offset: number },
  options: SignalOptions,
): Promise<boolean> {
  if (!(error instanceof ResponseError) || error.status !== 416) return false
  return offset === 0 || (await receivedBytes(endpoint, session, options)) === offset
}

/** Hands out content in portions, one after the other; it is read once. */
class Portions {
  readonly #chunks: AsyncIterator<Uint8Array, unknown>
  #rest: Uint8Array = new Uint8Array()

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#chunks = content[Symbol.asyncIterator]()
  }

  /** The next bytes, as content that is iterated once. Who stops before its end gives up all content. */
  take(bytes: number): AsyncIterable<Uint8Array> {
    let wanted = bytes
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      const chunk = wanted === 0 ? undefined : await this.#next()
      if (chunk === undefined) return { done: true, value: undefined }
      const value = chunk.subarray(0, wanted)
      this.#rest = chunk.subarray(value.length)
      wanted -= value.length
      return { done: false, value }
    }
    const end = async (): Promise<IteratorReturnResult<undefined>> => {
      if (wanted > 0) await this.close()
      return { done: true, value: undefined }
    }
    return { [Symbol.asyncIterator]: () => ({ next, return: end }) }
  }

  /** Reads to the end of the content, which may have something to say there. */
  async finish(): Promise<void> {
    if (this.#rest.length === 0) await this.#chunks.next()
  }

  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) return this.#rest
    const next = await this.#chunks.next()
    return next.done === true ? undefined : next.value
  }
}
