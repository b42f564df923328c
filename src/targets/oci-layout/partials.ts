import { constants } from 'node:fs'
import { join } from 'node:path'
import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { isDigest, parseDigest, type Digest } from '../../content/digest.ts'
import { DigestMismatchError, LockedError, SizeMismatchError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { isLockLeftover, tryLock, type Lock } from '../lock.ts'
import { isFileError, isUntouched, namesIn, statusOf } from '../read-file.ts'
import { isWorthKeeping } from '../worth-keeping.ts'
import { fillFile, makeFolder, removeFile, type WritableFile, type WriteFileOptions } from '../write-file.ts'
import type { LayoutFile, LayoutFileSystem } from './file-system.ts'
import { remainder } from './remainder.ts'

/** How a blob is written that may be gone on with. */
export interface PartialOptions extends WriteFileOptions, SignalOptions {
  /** Keeps what has come when `signal` aborts. @default false */
  readonly keepPartial?: boolean | undefined
}

/** A blob that is to be written. */
export interface BlobToWrite {
  readonly descriptor: Descriptor
  /** Verified for the descriptor. */
  readonly content: Content
  /** Moves the file to where it belongs. */
  readonly place: (path: string) => Promise<void>
}

/**
 * The folder for large blobs that are on their way, under names that the next attempt finds, of this process or of
 * another one. It is there only while something is in it.
 */
export class Partials {
  readonly #directory: string
  readonly #fs: LayoutFileSystem
  readonly #isStored: (digest: Digest) => Promise<boolean>
  #active = 0

  /** `isStored`: whether a blob is at its final place. */
  constructor(directory: string, fs: LayoutFileSystem, isStored: (digest: Digest) => Promise<boolean>) {
    this.#directory = directory
    this.#fs = fs
    this.#isStored = isStored
  }

  /**
   * Writes a large blob behind what an earlier attempt has left of it; the whole is verified. False, with nothing done,
   * for content that is small or cannot be read from an offset on, and for a blob that another writer is at.
   *
   * A failure that says nothing of the content leaves what has come (the network, a registry in trouble, credentials
   * that ran out), and so does an abort with `keepPartial`; any other failure removes it.
   * Errors: SIZE_MISMATCH, DIGEST_MISMATCH, LOCKED if another process has taken the blob over meanwhile; whatever the
   * content, the file system or `place` throws, unchanged.
   */
  async write(blob: BlobToWrite, options: PartialOptions): Promise<boolean> {
    const { descriptor, content } = blob
    if (content.from === undefined || descriptor.size <= largeBytes) return false
    options.signal?.throwIfAborted()
    const { algorithm, encoded } = parseDigest(descriptor.digest)
    return this.#locked(`${algorithm}-${encoded}`, (path, lock) => this.#write(path, lock, blob, options))
  }

  /**
   * Removes what nobody has gone on with for a week, what has arrived otherwise, and what dead processes have left of
   * their locks.
   */
  async sweep(): Promise<void> {
    const files = (await namesIn(this.#directory, this.#fs)).filter((file) => namePattern.test(file))
    for (const file of files.filter(isLockLeftover)) {
      const path = join(this.#directory, file)
      if (!(await isUntouched(path, this.#fs, oldMilliseconds))) continue
      // In a folder of another user it stays, and so does all else in it.
      await removeFile(path, this.#fs).catch(() => {})
    }
    for (const name of new Set(files.map((file) => file.replace(/\..*/, '')))) {
      if (!(await this.#isLeft(name))) continue
      await this.#locked(name, async (path) => {
        if (await this.#isLeft(name)) await removeFile(path, this.#fs)
        return true
      })
    }
  }

  async #isLeft(name: string): Promise<boolean> {
    if (await isUntouched(join(this.#directory, name), this.#fs, oldMilliseconds)) return true
    const digest = name.replace('-', ':')
    return isDigest(digest) && (await this.#isStored(digest))
  }

  async #write(path: string, lock: Lock, blob: BlobToWrite, options: PartialOptions): Promise<boolean> {
    const { descriptor, content, place } = blob
    const { signal, sync, onEvent } = options
    const partial = await this.#open(path, descriptor)
    if (partial === undefined) return false
    const { file, bytes } = partial
    const kept = { path, bytes, fs: this.#fs, signal }
    try {
      const rest = bytes === 0 ? content : remainder(content, descriptor, kept)
      await fillFile(writerAt(file, bytes), rest, { signal, sync })
      if (!(await lock.isHeld())) throw new LockedError(`another process has taken over ${path}`)
      await place(path)
      return true
    } catch (error) {
      const isUseless = isDamage(error) || !isWorthKeeping(error, options)
      const size = await this.#afterFailure(path, isUseless)
      if (bytes === 0 || size !== 0 || !isDamage(error)) throw error
    }
    const message = `what was kept of ${descriptor.digest} is damaged: it is fetched from the beginning`
    onEvent?.({ type: 'warning', message })
    return this.#write(path, lock, blob, options)
  }

  /** Removes a file that is empty or useless; the size that is left, undefined on a disk that fails. */
  async #afterFailure(path: string, isUseless: boolean): Promise<number | undefined> {
    try {
      const size = await this.#size(path)
      if (!isUseless && size !== 0) return size
      await removeFile(path, this.#fs)
      return 0
    } catch {
      // What went wrong first is what the caller must hear of.
      return undefined
    }
  }

  /** Undefined if something else is there, or a file of another user. */
  async #open(
    path: string,
    { size }: Descriptor,
  ): Promise<{ readonly file: LayoutFile; readonly bytes: number } | undefined> {
    const status = await statusOf(path, this.#fs)
    if (status?.isFile() === false) return undefined
    const kept = Number(status?.size ?? 0)
    // With another name it may be anybody's file, which is not written to.
    const isUsable = kept <= size && Number(status?.nlink ?? 1) === 1
    if (!isUsable) await removeFile(path, this.#fs)
    try {
      const file = await this.#fs.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW)
      return { file, bytes: isUsable ? kept : 0 }
    } catch (error) {
      if (isFileError(error, 'EACCES', 'EPERM', 'ELOOP')) return undefined
      throw error
    }
  }

  /** 0 if nothing is there, undefined if something else is. */
  async #size(path: string): Promise<number | undefined> {
    const status = await statusOf(path, this.#fs)
    if (status === undefined) return 0
    return status.isFile() ? Number(status.size) : undefined
  }

  /** False, with nothing done, if another writer has the lock, or the folder is not ours to write to. */
  async #locked(name: string, work: (path: string, lock: Lock) => Promise<boolean>): Promise<boolean> {
    this.#active += 1
    try {
      const path = join(this.#directory, name)
      const lock = await this.#lock(`${path}.lock`)
      if (lock === undefined) return false
      try {
        return await work(path, lock)
      } finally {
        await lock.release()
      }
    } finally {
      this.#active -= 1
      // Fails for a folder that is in use, and on a disk that fails anyway.
      if (this.#active === 0) await this.#fs.rmdir(this.#directory).catch(() => {})
    }
  }

  /** Another process may remove the folder before the lock is in it. */
  async #lock(path: string): Promise<Lock | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (attempt > 1) await makeFolder(this.#directory, this.#fs)
        return await tryLock(path, this.#fs)
      } catch (error) {
        if (isFileError(error, 'EACCES', 'EPERM', 'ENOTDIR', 'EEXIST')) return undefined
        if (!isFileError(error, 'ENOENT') || attempt === lockAttempts) throw error
      }
    }
  }
}

/** Up to this size a blob is fetched again sooner than it is gone on with. */
const largeBytes = 1024 * 1024
const lockAttempts = 20
const oldMilliseconds = 7 * 24 * 60 * 60 * 1000
const namePattern = /^sha(?:256|384|512)-[0-9a-f]+(?:\.lock(?:\..*)?)?$/

/** At a position of its own: whoever else might have the file open cannot shift what is written. */
function writerAt(file: LayoutFile, start: number): WritableFile {
  let position = start
  return {
    async writev(buffers) {
      const written = await file.writev(buffers, position)
      position += written.bytesWritten
      return written
    },
    datasync: () => file.datasync(),
    close: () => file.close(),
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof SizeMismatchError || error instanceof DigestMismatchError
}
