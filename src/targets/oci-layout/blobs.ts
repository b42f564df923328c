import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest, type Digest } from '../../content/digest.ts'
import { verify } from '../../content/verify.ts'
import { DigestMismatchError, InvalidLayoutError, NotFoundError, SizeMismatchError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { isFileError, openRegularFile, readChunks, statusOf } from '../read-file.ts'
import { makeFolder } from '../write-file.ts'
import type { LayoutFileSystem } from './file-system.ts'
import type { Ingest } from './ingest.ts'
import type { Partials, PartialOptions } from './partials.ts'

/** What the blobs of a layout work with. */
export interface BlobsSetting {
  readonly directory: string
  readonly fs: LayoutFileSystem
  readonly ingest: Ingest
  readonly partials: Partials
  /** True if paths mean the same to everybody in this process, so that files may be shared. */
  readonly isLocal: boolean
  /** Fails if there is no layout at all. */
  readonly assertLayout: (options: SignalOptions) => Promise<void>
}

/** The files under `blobs/`. A file that has its final name has the bytes that its name says. */
export class Blobs {
  readonly #setting: BlobsSetting

  constructor(setting: BlobsSetting) {
    this.#setting = setting
  }

  /** The one place that makes a path of a digest. Error: INVALID_DIGEST. */
  path(digest: Digest): string {
    const { algorithm, encoded } = parseDigest(digest)
    return join(this.#setting.directory, 'blobs', algorithm, encoded)
  }

  /** True for a regular file of the right size. Error: INVALID_DIGEST. */
  async exists({ digest, size }: Descriptor): Promise<boolean> {
    return (await this.size(digest)) === size
  }

  /** The size of a regular file; undefined if there is none. Error: INVALID_DIGEST. */
  async size(digest: Digest): Promise<number | undefined> {
    const status = await statusOf(this.path(digest), this.#setting.fs)
    return status?.isFile() === true ? Number(status.size) : undefined
  }

  /** Errors: INVALID_DIGEST here; while iterating NOT_FOUND, INVALID_LAYOUT, SIZE_MISMATCH, DIGEST_MISMATCH. */
  content(descriptor: Descriptor, options: SignalOptions): Content {
    const path = this.path(descriptor.digest)
    const read = (offset?: number): AsyncGenerator<Uint8Array> =>
      this.#read(path, descriptor, options, offset)
    const content: Content = {
      [Symbol.asyncIterator]: () => read(),
      from: read,
      ...(this.#setting.isLocal && { file: path }),
    }
    return verify(content, descriptor)
  }

  /**
   * Stores verified content under its digest. A file that holds it already is shared instead of copied, where the disk
   * can; the content itself is then not read, and the bytes that are read of the file are told as progress. What is
   * kept of an earlier attempt is not read again either.
   */
  async write(descriptor: Descriptor, content: Content, options: PartialOptions): Promise<void> {
    const path = this.path(descriptor.digest)
    const verified = verify(content, descriptor)
    if (content.file !== undefined && (await this.#share(content.file, descriptor, options))) return
    const place = (temporary: string): Promise<void> => this.#place(temporary, path)
    if (await this.#setting.partials.write({ descriptor, content: verified, place }, options)) return
    await this.#setting.ingest.write(verified, place, options)
  }

  /** Stores content whose digest is known only at its end. */
  async ingest(content: Content, mediaType: string, { signal }: SignalOptions): Promise<Descriptor> {
    const hasher = createHash('sha256')
    let size = 0
    const hashed = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of content) {
        hasher.update(chunk)
        size += chunk.length
        yield chunk
      }
    }
    const place = async (temporary: string): Promise<Descriptor> => {
      const digest = `sha256:${hasher.digest('hex')}`
      await this.#place(temporary, this.path(digest))
      return { mediaType, digest, size }
    }
    return this.#setting.ingest.write(hashed(), place, { signal })
  }

  /** Error: NOT_FOUND. */
  async remove(digest: Digest): Promise<void> {
    try {
      await this.#setting.fs.unlink(this.path(digest))
    } catch (cause) {
      if (!isFileError(cause, 'ENOENT')) throw cause
      throw this.#notFound(digest, cause)
    }
  }

  async *#read(
    path: string,
    { digest }: Descriptor,
    { signal }: SignalOptions,
    offset = 0,
  ): AsyncGenerator<Uint8Array> {
    signal?.throwIfAborted()
    const file = await this.#open(path, digest, { signal })
    if (file === undefined)
      throw new InvalidLayoutError(`${path} is a link, or no file at all: it is not read`)
    yield* readChunks(file, { signal, offset })
  }

  async #open(path: string, digest: Digest, options: SignalOptions): ReturnType<typeof openRegularFile> {
    try {
      return await openRegularFile(path, this.#setting.fs)
    } catch (cause) {
      if (!isFileError(cause, 'ENOENT', 'ENOTDIR')) throw cause
      await this.#setting.assertLayout(options)
      throw this.#notFound(digest, cause)
    }
  }

  /** Gives a file a second name here, if the bytes that are under this name are the right ones; false if that cannot be done. */
  async #share(file: string, descriptor: Descriptor, options: SignalOptions): Promise<boolean> {
    if (!this.#setting.isLocal) return false
    return this.#setting.ingest.link(file, async (temporary) => {
      if (!(await this.#holds(temporary, descriptor, options))) return false
      await this.#place(temporary, this.path(descriptor.digest))
      return true
    })
  }

  /** False also for a file that cannot be read, and for a symbolic link: a link to one is one. */
  async #holds(path: string, descriptor: Descriptor, { signal, onEvent }: SignalOptions): Promise<boolean> {
    const { fs } = this.#setting
    try {
      const file = await openRegularFile(path, fs)
      if (file === undefined) return false
      const content = { [Symbol.asyncIterator]: () => readChunks(file, { signal }) }
      for await (const { length } of verify(content, descriptor)) {
        signal?.throwIfAborted()
        onEvent?.({ type: 'progress', descriptor, bytes: length })
      }
      return true
    } catch (error) {
      if (error instanceof SizeMismatchError || error instanceof DigestMismatchError) return false
      if (isFileError(error, 'EACCES', 'EPERM', 'EIO')) return false
      throw error
    }
  }

  async #place(temporary: string, path: string): Promise<void> {
    const { fs } = this.#setting
    try {
      await fs.rename(temporary, path)
    } catch (error) {
      if (!isFileError(error, 'ENOENT')) throw error
      await makeFolder(dirname(path), fs)
      await fs.rename(temporary, path)
    }
  }

  #notFound(digest: Digest, cause: unknown): NotFoundError {
    return new NotFoundError(`${digest} is not in ${this.#setting.directory}`, { cause })
  }
}
