import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { contentOf, type Content } from '../content/content.ts'
import { NotFoundError, SizeExceedsLimitError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import { openRegularFile, readChunks } from '../targets/read-file.ts'
import { isFullBatch, writeChunks, type ChunkWriter } from '../targets/write-file.ts'
import { spoolFile, type Spool } from './spool.ts'

/**
 * An upload that was begun and is not finished. The bytes that have come are in a file, in a folder of its own that
 * is made when the first come. One request at a time may use it.
 */
export class UploadSession {
  readonly id: string
  /** The repository that the upload belongs to. */
  readonly name: string
  readonly #spool: Spool
  #folder: string | undefined
  #offset = 0
  /** Resolves when the request that uses it has ended; undefined while there is none. */
  #use: Promise<void> | undefined
  #isDropped = false

  constructor(id: string, name: string, spool: Spool) {
    this.id = id
    this.name = name
    this.#spool = spool
  }

  /** How many bytes have been received. */
  get offset(): number {
    return this.#offset
  }

  get isBusy(): boolean {
    return this.#use !== undefined
  }

  /** It was ended by another request, or for its age. */
  get isDropped(): boolean {
    return this.#isDropped
  }

  /** Runs an action that no other may overlap; undefined, and the action not run, while another runs or after `drop`. */
  async exclusively<T>(action: () => Promise<T>): Promise<T | undefined> {
    if (this.#use !== undefined || this.#isDropped) return undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#use = promise
    try {
      return await action()
    } finally {
      this.#use = undefined
      resolve()
      await this.#removeIfDropped()
    }
  }

  /** Resolves when no request uses it, or after so many milliseconds. */
  async untilIdle(milliseconds: number): Promise<void> {
    if (this.#use === undefined) return
    const ended = new AbortController()
    try {
      await Promise.race([this.#use, delay(milliseconds, undefined, { signal: ended.signal })])
    } finally {
      ended.abort()
    }
  }

  /**
   * Appends what a body yields, in large writes. What came before a body broke off is kept, and counts. Ends at the
   * next chunk when the upload is dropped.
   * Error: SIZE_EXCEEDS_LIMIT where the whole would have more than `maxBytes`.
   */
  async append(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<void> {
    const handle = await this.#open()
    const batch: Uint8Array[] = []
    let batched = 0
    const flush = async (): Promise<void> => {
      batched = 0
      await writeChunks(this.#writer(handle), batch.splice(0))
    }
    try {
      for await (const chunk of body) {
        if (this.#isDropped) return
        if (this.#offset + batched + chunk.length > maxBytes) throw tooLarge(maxBytes)
        batch.push(chunk)
        batched += chunk.length
        if (isFullBatch(batch, batched)) await flush()
      }
    } finally {
      try {
        await flush()
      } finally {
        await handle.close()
      }
    }
  }

  /** All that has been received. Not verified. */
  content({ signal }: SignalOptions = {}): Content {
    if (this.#folder === undefined) return contentOf(new Uint8Array())
    const file = join(this.#folder, spoolFile)
    const read = async function* (offset: number): AsyncGenerator<Uint8Array> {
      const opened = await openRegularFile(file, fs)
      if (opened === undefined) throw new NotFoundError(`${file} is gone`)
      yield* readChunks(opened, { signal, offset })
    }
    return { file, from: read, [Symbol.asyncIterator]: () => read(0) }
  }

  /** Removes what has been received: at once, or as soon as the request that uses the upload has ended. */
  async drop(): Promise<void> {
    this.#isDropped = true
    if (this.#use === undefined) await this.#remove()
  }

  async #open(): Promise<fs.FileHandle> {
    if (this.#folder !== undefined) return fs.open(join(this.#folder, spoolFile), 'r+')
    this.#folder = await this.#spool.makeFolder()
    return fs.open(join(this.#folder, spoolFile), 'wx')
  }

  /** At its place, not at the end of the file: a write that failed half-way has left something there. */
  #writer(handle: fs.FileHandle): ChunkWriter {
    return {
      writev: async (chunks) => {
        const written = await handle.writev(chunks, this.#offset)
        this.#offset += written.bytesWritten
        return written
      },
    }
  }

  async #removeIfDropped(): Promise<void> {
    if (this.#isDropped) await this.#remove()
  }

  async #remove(): Promise<void> {
    if (this.#folder !== undefined) await fs.rm(this.#folder, { recursive: true, force: true })
    this.#folder = undefined
  }
}

function tooLarge(maxBytes: number): SizeExceedsLimitError {
  return new SizeExceedsLimitError(`an upload has more than ${maxBytes} bytes`)
}
