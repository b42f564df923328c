import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { z } from 'zod'
import { tryParseJson } from '../content/try-parse-json.ts'
import { LockedError, SizeExceedsLimitError } from '../errors.ts'
import { currentOwner, isGone, type Owner } from './owner.ts'
import { pause } from './pause.ts'
import {
  isFileError,
  readSmallFile,
  type FileStatus,
  type ReadableFile,
  type ReadableFileSystem,
} from './read-file.ts'
import { removeFile, type WritableFile, type WritableFileSystem } from './write-file.ts'

/** The part of a `FileHandle` that a lock needs. */
export interface LockFile extends ReadableFile, WritableFile {
  utimes(accessed: Date, modified: Date): Promise<void>
}

/** The part of `node:fs/promises` that a lock needs. */
export interface LockFileSystem extends ReadableFileSystem, Pick<WritableFileSystem, 'unlink'> {
  open(path: string, flags: number): Promise<LockFile>
  lstat(path: string): Promise<FileStatus>
  rename(from: string, to: string): Promise<void>
  link(existing: string, path: string): Promise<void>
}

/** How long to be patient with another process. */
export interface LockOptions {
  readonly signal?: AbortSignal | undefined
  /** How long to wait for another process. @default 60 s */
  readonly timeoutMilliseconds?: number | undefined
  /** A lock whose holder gives no sign of life for so long is taken over. @default 15 s */
  readonly staleMilliseconds?: number | undefined
  /**
   * A lock whose last sign of life is so long ago is taken over at once: by the clocks of this host and of the disk,
   * which may differ. @default never
   */
  readonly abandonedMilliseconds?: number | undefined
}

/** A lock that this process holds, unless another one has taken it for dead. */
export interface Lock {
  isHeld(): Promise<boolean>
  /** Gives the lock up; false if it was lost before. */
  release(): Promise<boolean>
}

/**
 * Takes a lock that all processes respect: a file that is created exclusively and names its holder, who touches it
 * every few seconds. A holder on this host whose process is gone loses it at once, any other one after a time without
 * a touch. That is measured with the clock of the one who waits, as the clocks of two hosts may differ.
 * Errors: LOCKED, which names the holder; those of the file system.
 */
export async function acquireLock(
  path: string,
  fs: LockFileSystem,
  options: LockOptions = {},
): Promise<Lock> {
  const { signal, timeoutMilliseconds = 60_000, staleMilliseconds = 15_000 } = options
  const { abandonedMilliseconds = Infinity } = options
  const owner = await currentOwner()
  const started = performance.now()
  let observed: Observed | undefined
  for (;;) {
    signal?.throwIfAborted()
    const lock = await createLock(path, fs, owner)
    if (lock !== undefined) return lock
    const seen = await look(path, fs)
    if (seen === undefined) continue
    const now = performance.now()
    if (seen.identity !== observed?.identity) observed = { ...seen, since: now }
    const isAbandoned = Date.now() - seen.changedMilliseconds > abandonedMilliseconds
    if (isAbandoned || isDead(seen, owner) || now - observed.since >= staleMilliseconds) {
      await takeAway(path, fs, { dead: seen, options })
    } else if (now - started >= timeoutMilliseconds) throw lockedError(path, seen)
    else await pause(5 + Math.random() * 20, signal)
  }
}

/**
 * The same without waiting; undefined if another process has the lock. The holder on another host (a container is one)
 * cannot be asked whether it lives, and nobody waits here to see it touch its lock: one that has not done so for an
 * hour, where it would every few seconds, is dead. Errors: those of the file system.
 */
export async function tryLock(path: string, fs: LockFileSystem): Promise<Lock | undefined> {
  try {
    return await acquireLock(path, fs, { timeoutMilliseconds: 0, abandonedMilliseconds: deadMilliseconds })
  } catch (error) {
    if (error instanceof LockedError) return undefined
    throw error
  }
}

/** True for the name of what an attempt at taking a lock over leaves if its process dies meanwhile. */
export function isLockLeftover(name: string): boolean {
  return /\.lock(?:\.takeover|\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})+$/.test(name)
}

const deadMilliseconds = 60 * 60 * 1000
const heartbeatMilliseconds = 3_000
const maxHolderBytes = 4_096

interface Holder extends Owner {
  readonly token: string
}

/** A lock file at one moment. */
interface Seen {
  /** Changes with each new lock and with each sign of life. */
  readonly identity: string
  /** When that was, by the clock of the disk. */
  readonly changedMilliseconds: number
  /** Undefined for a lock whose holder has not yet written its name, or never will. */
  readonly holder: Holder | undefined
}

interface Observed extends Seen {
  readonly since: number
}

/** Undefined if another process has the lock. */
async function createLock(path: string, fs: LockFileSystem, owner: Owner): Promise<Lock | undefined> {
  let file: LockFile
  try {
    file = await fs.open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL)
  } catch (error) {
    if (isFileError(error, 'EEXIST')) return undefined
    throw error
  }
  const holder: Holder = { ...owner, token: randomUUID() }
  try {
    await file.writev([Buffer.from(JSON.stringify(holder))])
  } catch (error) {
    // On a disk that fails, these may fail too: what went wrong first is what counts.
    await file.close().catch(() => {})
    await removeFile(path, fs).catch(() => {})
    throw error
  }
  return heldLock(path, fs, { file, token: holder.token })
}

function heldLock(
  path: string,
  fs: LockFileSystem,
  { file, token }: { readonly file: LockFile; readonly token: string },
): Lock {
  let beat: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    const now = new Date()
    // A failing touch loses the lock in the end, which is noticed before anything is written under it.
    beat = file.utimes(now, now).catch(() => {})
  }, heartbeatMilliseconds)
  const isHeld = async (): Promise<boolean> => (await look(path, fs))?.holder?.token === token
  return {
    isHeld,
    async release() {
      clearInterval(timer)
      await beat
      await file.close()
      if (!(await isHeld())) return false
      await removeFile(path, fs)
      return true
    },
  }
}

function isDead({ holder }: Seen, observer: Owner): boolean {
  return holder !== undefined && isGone(holder, observer)
}

/**
 * Several may judge one lock dead at once. They do it one after the other, under a lock of its own, so that a later one
 * sees that another lock has taken the place of the dead one, and leaves it.
 */
async function takeAway(
  path: string,
  fs: LockFileSystem,
  { dead, options }: { readonly dead: Seen; readonly options: LockOptions },
): Promise<void> {
  const guard = await acquireLock(`${path}.takeover`, fs, options)
  try {
    if ((await look(path, fs))?.identity === dead.identity) await moveAway(path, fs, dead)
  } finally {
    await guard.release()
  }
}

/** A holder that was only slow may wake up and be followed by another one at this very moment, whose lock is put back. */
async function moveAway(path: string, fs: LockFileSystem, dead: Seen): Promise<void> {
  const aside = `${path}.${randomUUID()}`
  try {
    await fs.rename(path, aside)
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return
    throw error
  }
  try {
    const moved = await look(aside, fs)
    // Where a third one has come in between, the holder of the moved lock notices before it writes.
    if (moved?.identity !== dead.identity) await fs.link(aside, path).catch(() => {})
  } finally {
    await removeFile(aside, fs)
  }
}

/** Undefined if there is no lock any more. */
async function look(path: string, fs: LockFileSystem): Promise<Seen | undefined> {
  try {
    const { ino, mtimeMs, ctimeMs } = await fs.lstat(path)
    const text = await readText(path, fs)
    const identity = `${ino} ${mtimeMs} ${text}`
    return {
      identity,
      changedMilliseconds: Number(ctimeMs),
      holder: holderSchema.safeParse(tryParseJson(text)).data,
    }
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return undefined
    throw error
  }
}

async function readText(path: string, fs: LockFileSystem): Promise<string> {
  try {
    const bytes = await readSmallFile(path, maxHolderBytes, { fs })
    if (bytes === undefined) throw new LockedError(`${path} is no regular file, so that nobody can lock it`)
    return Buffer.from(bytes).toString()
  } catch (cause) {
    if (!(cause instanceof SizeExceedsLimitError)) throw cause
    throw new LockedError(`${path} is too large for a lock, so that nobody can lock it`, { cause })
  }
}

const holderSchema: z.ZodType<Holder> = z.object({
  pid: z.int().positive(),
  host: z.string(),
  token: z.string(),
})

function lockedError(path: string, { holder }: Seen): LockedError {
  const name = holder === undefined ? 'an unknown process' : `process ${holder.pid} on ${holder.host}`
  return new LockedError(
    `${path} is held by ${name}: wait for it to end, or remove the file if it does not run`,
  )
}
