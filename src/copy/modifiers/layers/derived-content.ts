import type { Duplex } from 'node:stream'
import type { Content } from '../../../content/content.ts'
import { InvalidLayerError } from '../../../errors.ts'

/** Chunks that a stage reads, and how to make the reading of the content below it end. */
export interface Chunks extends AsyncIterable<Uint8Array> {
  /** A read that waits settles; afterwards there is nothing more to read. */
  readonly stop: () => Promise<void>
}

/**
 * Content that is made from other content while it is read. Who stops reading while the other content stands still does
 * not wait for its next chunk: a generator alone would.
 */
export function derivedContent(
  content: Content,
  make: (chunks: Chunks) => AsyncGenerator<Uint8Array>,
): Content {
  return {
    [Symbol.asyncIterator]() {
      let input: AsyncIterator<Uint8Array> | undefined
      let output: AsyncGenerator<Uint8Array> | undefined
      const stop = async (): Promise<void> => {
        await input?.return?.()
      }
      const open = (): AsyncGenerator<Uint8Array> => {
        const opened = content[Symbol.asyncIterator]()
        input = opened
        return make({ [Symbol.asyncIterator]: () => opened, stop })
      }
      return {
        next() {
          output ??= open()
          return output.next()
        },
        async return() {
          await stop()
          await output?.return(undefined)
          return { done: true, value: undefined }
        },
      }
    },
  }
}

/** The same way of stopping, for what a stage has made of chunks. */
export function stage({ stop }: Chunks, made: AsyncIterable<Uint8Array>): Chunks {
  return { [Symbol.asyncIterator]: () => made[Symbol.asyncIterator](), stop }
}

/** A stream of zlib's, which counts what it has taken. */
export interface Codec extends Duplex {
  readonly bytesWritten: number
}

/**
 * Chunks as a codec makes them, at most a few of them in memory. When it settles, the codec is closed and nothing reads
 * any more. Errors: INVALID_LAYER for what the codec refuses, or does not take to its end; those of the chunks, unchanged.
 */
export async function* through(chunks: Chunks, open: () => Codec): AsyncGenerator<Uint8Array> {
  const codec = open()
  const feeder = new Feeder(chunks, codec)
  const feeding = feeder.run()
  try {
    for await (const chunk of codec) yield chunk
    feeder.expectAllTaken()
  } catch (error) {
    throw feeder.isOfChunks(error) ? error : invalid(error)
  } finally {
    codec.destroy()
    if (!feeder.isDone) await chunks.stop()
    await feeding
  }
}

/** Writes chunks to a codec, one at a time. */
class Feeder {
  readonly #chunks: Chunks
  readonly #codec: Codec
  #fed = 0
  #error: unknown
  isDone = false

  constructor(chunks: Chunks, codec: Codec) {
    this.#chunks = chunks
    this.#codec = codec
  }

  /** Never rejects: what the chunks throw comes out of the codec. */
  async run(): Promise<void> {
    try {
      for await (const chunk of this.#chunks) {
        if (this.#codec.destroyed) return
        this.#fed += chunk.length
        if (!this.#codec.write(chunk)) await this.#drained()
      }
      this.isDone = true
      this.#codec.end()
    } catch (error) {
      this.isDone = true
      this.#error = error
      this.#codec.destroy(error instanceof Error ? error : new Error('reading failed', { cause: error }))
    }
  }

  isOfChunks(error: unknown): boolean {
    return this.#error !== undefined && (error === this.#error || causeOf(error) === this.#error)
  }

  /** gunzip ends silently before zeros that follow, whatever comes after them. Go refuses what is no further member. */
  expectAllTaken(): void {
    if (this.isDone && this.#codec.bytesWritten === this.#fed) return
    throw new InvalidLayerError('something follows the end of its compressed data')
  }

  async #drained(): Promise<void> {
    const codec = this.#codec
    if (codec.destroyed) return
    const { promise, resolve } = Promise.withResolvers<void>()
    codec.once('drain', resolve).once('close', resolve)
    try {
      await promise
    } finally {
      codec.off('drain', resolve).off('close', resolve)
    }
  }
}

function invalid(error: unknown): Error {
  if (error instanceof InvalidLayerError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new InvalidLayerError(`it cannot be decompressed: ${reason}`, { cause: error })
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined
}
