import type { Content } from '../../content/content.ts'
import { ResponseError, UnsupportedError } from '../../errors.ts'
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
  { content, offset, end }: Chunk & { readonly content: Content },
  options: SignalOptions,
): Promise<boolean> {
  const portions = new Portions(content, offset)
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

/** Hands out content in portions, one after the other. */
class Portions {
  readonly #content: Content
  #chunks: AsyncIterator<Uint8Array, unknown>
  #rest: Uint8Array = new Uint8Array()
  #position: number
  #isClosed = false

  constructor(content: Content, offset: number) {
    this.#content = content
    this.#chunks = iteratorFrom(content, offset)
    this.#position = offset
  }

  /**
   * The next bytes. Who stops before their end gives up all content. A request that is repeated for a new token reads
   * them once more, where content can be read from there on. Error: UNSUPPORTED where it cannot.
   */
  take(bytes: number): AsyncIterable<Uint8Array> {
    const start = this.#position
    return { [Symbol.asyncIterator]: () => this.#portion(start, start + bytes) }
  }

  /** Reads to the end of the content, which may have something to say there. */
  async finish(): Promise<void> {
    if (this.#rest.length === 0) await this.#chunks.next()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#chunks.return?.()
  }

  #portion(start: number, end: number): AsyncIterator<Uint8Array, undefined> {
    let at = start
    const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
      if (at === start && (this.#isClosed || this.#position !== start)) await this.#goTo(start)
      const chunk = at === end ? undefined : await this.#next()
      if (chunk === undefined) return { done: true, value: undefined }
      const value = chunk.subarray(0, end - at)
      this.#rest = chunk.subarray(value.length)
      at += value.length
      this.#position = at
      return { done: false, value }
    }
    const stop = async (): Promise<IteratorReturnResult<undefined>> => {
      if (at < end) await this.close()
      return { done: true, value: undefined }
    }
    return { next, return: stop }
  }

  async #goTo(offset: number): Promise<void> {
    await this.close()
    if (offset > 0 && this.#content.from === undefined) {
      throw new UnsupportedError(
        `content that is asked for again at byte ${offset} can only be read as a whole`,
      )
    }
    this.#chunks = iteratorFrom(this.#content, offset)
    this.#rest = new Uint8Array()
    this.#position = offset
    this.#isClosed = false
  }

  async #next(): Promise<Uint8Array | undefined> {
    if (this.#rest.length > 0) return this.#rest
    const next = await this.#chunks.next()
    return next.done === true ? undefined : next.value
  }
}

function iteratorFrom(content: Content, offset: number): AsyncIterator<Uint8Array, unknown> {
  const rest = offset > 0 && content.from !== undefined ? content.from(offset) : content
  return rest[Symbol.asyncIterator]()
}
