import { join } from 'node:path'
import type { Descriptor } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import { InvalidLayoutError, LockedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { acquireLock, type Lock } from '../lock.ts'
import { isFileError, readSmallFile, type FileStatus } from '../read-file.ts'
import type { Change, Mutation } from './changes.ts'
import type { LayoutFileSystem } from './file-system.ts'
import {
  emptyIndexJson,
  maxIndexJsonBytes,
  parseIndexJson,
  serializeIndexJson,
  type Entry,
  type IndexJson,
} from './index-json.ts'
import type { Ingest } from './ingest.ts'

/** What the index.json of a layout works with. */
export interface IndexFileSetting {
  readonly directory: string
  readonly fs: LayoutFileSystem
  readonly ingest: Ingest
  readonly lockTimeoutMilliseconds: number | undefined
  /** Decides which untagged manifests are listed after these changes. */
  readonly settle: (snapshot: Snapshot, index: IndexJson, changes: readonly Change[]) => Promise<IndexJson>
}

/** An index.json as it was read. */
export interface Snapshot {
  readonly index: IndexJson
  /** By tag; where a foreign tool has written a tag twice, the last entry, as that is the newer one. */
  readonly named: ReadonlyMap<string, Entry>
  /** By digest; the same bytes may be listed as several nodes. */
  readonly listed: ReadonlyMap<Digest, readonly Descriptor[]>
  /** Changes when somebody else has written the file. */
  readonly generation: number
}

/** Of a layout that has nothing in it. */
export const emptySnapshot: Snapshot = snapshotOf(emptyIndexJson, 0)

interface Waiting {
  readonly mutation: Mutation
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

type Outcome = { readonly change: Change } | { readonly error: unknown }

/**
 * The index.json of a layout. Writers of this process stand in one queue, and all that wait are written together;
 * writers of other processes are kept out by a lock. The file is replaced as a whole, and never if it cannot be read.
 */
export class IndexFile {
  readonly #setting: IndexFileSetting
  readonly #path: string
  readonly #waiting: Waiting[] = []
  /** Those that are being written. */
  #batch: readonly Waiting[] = []
  #runner: Promise<void> | undefined
  #lockWait = new AbortController()
  #identity: string | undefined
  #snapshot: Snapshot = emptySnapshot

  constructor(setting: IndexFileSetting) {
    this.#setting = setting
    this.#path = join(setting.directory, 'index.json')
  }

  /** The newest index.json, parsed again only if it has changed; undefined if there is none. Error: INVALID_LAYOUT. */
  async read({ signal }: SignalOptions): Promise<Snapshot | undefined> {
    signal?.throwIfAborted()
    const status = await this.#status()
    if (status === undefined) return undefined
    const identity = identityOf(status)
    if (identity === this.#identity) return this.#snapshot
    const index = parseIndexJson(await this.#readBytes(signal), this.#path)
    this.#snapshot = snapshotOf(index, this.#snapshot.generation + 1)
    this.#identity = identity
    return this.#snapshot
  }

  /**
   * Changes index.json; creates it if there is none. Resolves when the change is on the disk.
   * Errors: what the mutation throws, INVALID_LAYOUT, LOCKED, those of the file system.
   */
  async change(mutation: Mutation, { signal }: SignalOptions): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = { mutation, resolve, reject }
    const leave = (): void => this.#leave(waiting, signal?.reason)
    signal?.addEventListener('abort', leave)
    this.#waiting.push(waiting)
    this.#runner ??= this.#run()
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', leave)
      if (this.#lockWait.signal.aborted) await this.#runner
    }
  }

  /** One that is being written can no longer leave. */
  #leave(waiting: Waiting, reason: unknown): void {
    const at = this.#waiting.indexOf(waiting)
    if (at === -1) return
    this.#waiting.splice(at, 1)
    waiting.reject(reason)
    if (this.#waiting.length === 0 && this.#batch.length === 0) this.#lockWait.abort(reason)
  }

  /** Never rejects: errors go to those who wait. */
  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#lockWait = new AbortController()
      try {
        await this.#writeTogether()
      } catch (error) {
        const isForAll = !this.#lockWait.signal.aborted && this.#batch.length === 0
        const failed = isForAll ? this.#waiting.splice(0) : this.#batch
        for (const { reject } of failed) reject(error)
      } finally {
        this.#batch = []
      }
    }
    this.#runner = undefined
  }

  /** Takes all that wait into the batch once the lock is there; who comes later waits for the next one. */
  async #writeTogether(): Promise<void> {
    let written: readonly Outcome[] = []
    for (let attempt = 1; ; attempt++) {
      const lock = await this.#lock()
      let outcomes: readonly Outcome[] | undefined
      let isKept = false
      try {
        if (attempt === 1) this.#batch = this.#waiting.splice(0)
        if (this.#batch.length === 0) return
        // What was written may be lost again to a process that took this lock for dead. Then it is done once more.
        outcomes = await this.#write(this.#batch, lock)
        if (outcomes !== undefined) written = merged(written, outcomes)
      } finally {
        isKept = await lock.release()
      }
      if (outcomes !== undefined && isKept) break
      if (attempt === maxAttempts) throw new LockedError(`${this.#path}.lock was lost ${attempt} times`)
    }
    this.#batch.forEach(({ resolve, reject }, at) => {
      const outcome = written[at]
      if (outcome !== undefined && 'error' in outcome) reject(outcome.error)
      else resolve()
    })
  }

  #lock(): Promise<Lock> {
    const { fs, lockTimeoutMilliseconds } = this.#setting
    return acquireLock(`${this.#path}.lock`, fs, {
      signal: this.#lockWait.signal,
      timeoutMilliseconds: lockTimeoutMilliseconds,
    })
  }

  /** Undefined if the lock was lost before anything was written. */
  async #write(batch: readonly Waiting[], lock: Lock): Promise<readonly Outcome[] | undefined> {
    const found = await this.read({})
    const snapshot = found ?? emptySnapshot
    const outcomes: Outcome[] = []
    let index = snapshot.index
    for (const { mutation } of batch) {
      const outcome = outcomeOf(mutation, index)
      outcomes.push(outcome)
      if ('change' in outcome) index = outcome.change.index
    }
    const changes = outcomes.flatMap((outcome) => ('change' in outcome ? [outcome.change] : []))
    index = await this.#setting.settle(snapshot, index, changes)
    if (found !== undefined && index === snapshot.index) return outcomes
    return (await this.#replace(index, lock)) ? outcomes : undefined
  }

  async #replace(index: IndexJson, lock: Lock): Promise<boolean> {
    const lost = new LockedError(`${this.#path}.lock was taken by another process`)
    const { fs, ingest } = this.#setting
    const place = async (temporary: string): Promise<void> => {
      const identity = identityOf(await fs.lstat(temporary))
      if (!(await lock.isHeld())) throw lost
      await fs.rename(temporary, this.#path)
      this.#identity = identity
      this.#snapshot = snapshotOf(index, this.#snapshot.generation)
    }
    try {
      await ingest.write(oneChunk(serializeIndexJson(index)), place, { sync: true })
      return true
    } catch (error) {
      if (error === lost) return false
      throw error
    }
  }

  async #status(): Promise<FileStatus | undefined> {
    try {
      return await this.#setting.fs.lstat(this.#path)
    } catch (error) {
      if (isFileError(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }

  async #readBytes(signal: AbortSignal | undefined): Promise<Uint8Array> {
    const bytes = await readSmallFile(this.#path, maxIndexJsonBytes, { fs: this.#setting.fs, signal })
    if (bytes === undefined) throw new InvalidLayoutError(`${this.#path} is a link, or no file at all`)
    return bytes
  }
}

const maxAttempts = 10

function snapshotOf(index: IndexJson, generation: number): Snapshot {
  const named = new Map<string, Entry>()
  const listed = new Map<Digest, Descriptor[]>()
  for (const entry of index.entries) {
    const { name, descriptor } = entry
    if (name !== undefined) named.set(name, entry)
    if (descriptor === undefined) continue
    const others = listed.get(descriptor.digest)
    if (others === undefined) listed.set(descriptor.digest, [descriptor])
    else others.push(descriptor)
  }
  return { index, named, listed, generation }
}

function outcomeOf(mutation: Mutation, index: IndexJson): Outcome {
  try {
    return { change: mutation(index) }
  } catch (error) {
    return { error }
  }
}

/** A change that is there already when it is made once more, such as a tag that is gone, did not fail. */
function merged(before: readonly Outcome[], outcomes: readonly Outcome[]): readonly Outcome[] {
  return outcomes.map((outcome, at) => ('error' in outcome ? (before[at] ?? outcome) : outcome))
}

/** Not the time of the last change of the inode, which a rename sets. */
function identityOf({ ino, size, mtimeMs }: FileStatus): string {
  return `${ino} ${size} ${mtimeMs}`
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
