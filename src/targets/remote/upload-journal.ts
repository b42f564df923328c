import { hash, randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { contentOf } from '../../content/content.ts'
import type { Digest } from '../../content/digest.ts'
import { tryParseJson } from '../../content/try-parse-json.ts'
import { LockedError, SizeExceedsLimitError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { isLockLeftover, tryLock, type Lock } from '../lock.ts'
import { privateFiles } from '../private-files.ts'
import { isFileError, isUntouched, namesIn, readSmallFile } from '../read-file.ts'
import { makeFolder, removeFile, writeFile } from '../write-file.ts'
import { isOwnUrl } from './endpoint.ts'

/** What an upload is known by, in every process. */
export interface UploadName {
  /** Where the repository is, as in `https://ghcr.io/v2/owner/name/`. */
  readonly repositoryUrl: URL
  readonly digest: Digest
}

/** Where an upload goes on. The location may be a capability: whoever knows it may write there. */
export interface RecordedSession {
  readonly location: URL
  readonly minChunkBytes?: number | undefined
}

/**
 * A folder in which uploads are written down while they run, so that a later one, of this process or of another, can
 * go on with what the registry has of them. What goes wrong there is told of in a warning, and is no failure of an upload.
 */
export class UploadJournal {
  readonly #directory: string
  #isSwept = false

  /** Error: RangeError for an empty path. */
  constructor(directory: string) {
    if (directory === '') throw new RangeError('uploadJournal is empty, expected the path of a folder')
    this.#directory = resolve(directory)
  }

  /** The record of an upload, for this holder alone until it is released; undefined while another one has it. */
  async open(name: UploadName, { onEvent }: SignalOptions): Promise<UploadRecord | undefined> {
    const tell = (problem: string): void =>
      onEvent?.({ type: 'warning', message: `uploads are not remembered in ${this.#directory}: ${problem}` })
    let record: UploadRecord | undefined
    await tolerant(tell, async () => {
      await makeFolder(this.#directory, privateFiles)
      await this.#sweep()
      const key = hash('sha256', `${name.repositoryUrl.href}\n${name.digest}`)
      record = await openRecord(join(this.#directory, key), name, tell)
    })
    return record
  }

  /** Removes what nobody has gone on with for a week. */
  async #sweep(): Promise<void> {
    if (this.#isSwept) return
    this.#isSwept = true
    const files = (await namesIn(this.#directory, privateFiles)).filter((file) => namePattern.test(file))
    for (const file of files) {
      const path = join(this.#directory, file)
      if (!(await isUntouched(path, privateFiles, sweptMilliseconds))) continue
      if (isLockLeftover(file) || file.endsWith('.tmp')) await removeFile(path, privateFiles)
      else await sweepRecord(path.replace(/\.lock$/, ''))
    }
  }
}

/** What an `UploadRecord` works with. */
interface RecordSetting {
  readonly path: string
  readonly name: UploadName
  readonly lock: Lock
  readonly tell: (problem: string) => void
}

/** What is written down of an upload. */
export class UploadRecord {
  readonly #setting: RecordSetting
  #record: StoredRecord | undefined

  constructor(setting: RecordSetting, record: StoredRecord | undefined) {
    this.#setting = setting
    this.#record = record
  }

  /** As it is written down; only what may be gone on with. */
  get session(): RecordedSession | undefined {
    return this.#record && { location: this.#record.location, minChunkBytes: this.#record.minChunkBytes }
  }

  /** Writes down where the upload is now. What could not be read again as the registry's own is forgotten. */
  async write({ location, minChunkBytes }: RecordedSession): Promise<void> {
    const { path, name, lock, tell } = this.#setting
    if (location.href === this.#record?.location.href) return
    const record = { location, minChunkBytes, opened: this.#record?.opened ?? Date.now() }
    const bytes = Buffer.from(JSON.stringify(record))
    if (bytes.length > maxRecordBytes || !isUploadPlace(location, name)) return this.remove()
    const temporary = `${path}.${randomUUID()}.tmp`
    const place = async (): Promise<void> => {
      if (!(await lock.isHeld())) throw new LockedError(`another process has taken over ${path}`)
      await privateFiles.rename(temporary, path)
      this.#record = record
    }
    await tolerant(tell, () => writeFile(temporary, contentOf(bytes), place, { fs: privateFiles }))
  }

  /** Forgets the upload, unless the record was lost to another process. */
  async remove(): Promise<void> {
    const { path, lock, tell } = this.#setting
    if (this.#record === undefined) return
    this.#record = undefined
    await tolerant(tell, async () => {
      if (await lock.isHeld()) await removeFile(path, privateFiles)
    })
  }

  /** Lets others have it. */
  async release(): Promise<void> {
    const { lock, tell } = this.#setting
    await tolerant(tell, () => lock.release())
  }
}

interface StoredRecord extends RecordedSession {
  /** When the session was opened, in milliseconds since 1970. */
  readonly opened: number
}

const maxRecordBytes = 16 * 1024
const dayMilliseconds = 24 * 60 * 60 * 1000
const sweptMilliseconds = 7 * dayMilliseconds
const namePattern = /^[0-9a-f]{64}(?:\.lock(?:\..*)?|\.[0-9a-f-]{36}\.tmp)?$/

/** Errors of the disk, and a lock that was lost, are told of. */
async function tolerant(tell: (problem: string) => void, act: () => Promise<unknown>): Promise<void> {
  try {
    await act()
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    tell(error.message)
  }
}

/**
 * On the registry's own origin, among the uploads of the same repository: what is given up there is deleted, and that
 * must never be a manifest, nor anything of a repository whose name goes on. An encoded slash could lead out of it.
 */
function isUploadPlace(location: URL, { repositoryUrl }: UploadName): boolean {
  const { pathname } = location
  return (
    isOwnUrl(location, repositoryUrl) &&
    pathname.startsWith(repositoryUrl.pathname) &&
    /^blobs\/uploads?\/./.test(pathname.slice(repositoryUrl.pathname.length)) &&
    !/%2f|%5c|%2e/i.test(pathname)
  )
}

async function openRecord(
  path: string,
  name: UploadName,
  tell: RecordSetting['tell'],
): Promise<UploadRecord | undefined> {
  const lock = await tryLock(`${path}.lock`, privateFiles)
  if (lock === undefined) return undefined
  try {
    return new UploadRecord({ path, name, lock, tell }, await readRecord(path, name))
  } catch (error) {
    await lock.release()
    throw error
  }
}

/** Undefined if there is none. One that is broken, or older than registries keep uploads for, is removed. */
async function readRecord(path: string, name: UploadName): Promise<StoredRecord | undefined> {
  const record = recordSchema.safeParse(tryParseJson(await readText(path))).data
  // One from the future is of a clock that was wrong.
  const isRecent = record !== undefined && Math.abs(Date.now() - record.opened) < dayMilliseconds
  if (isRecent && isUploadPlace(record.location, name)) return record
  await removeFile(path, privateFiles)
  return undefined
}

/** Empty for what cannot be a record. */
async function readText(path: string): Promise<string> {
  try {
    const bytes = await readSmallFile(path, maxRecordBytes, { fs: privateFiles })
    return Buffer.from(bytes ?? []).toString()
  } catch (error) {
    if (isFileError(error, 'ENOENT') || error instanceof SizeExceedsLimitError) return ''
    throw error
  }
}

const recordSchema: z.ZodType<StoredRecord> = z.object({
  location: z.url().transform((text) => new URL(text)),
  minChunkBytes: z.int().nonnegative().optional(),
  opened: z.int().nonnegative(),
})

async function sweepRecord(path: string): Promise<void> {
  const lock = await tryLock(`${path}.lock`, privateFiles)
  if (lock === undefined) return
  try {
    if (await isUntouched(path, privateFiles, sweptMilliseconds)) await removeFile(path, privateFiles)
  } finally {
    await lock.release()
  }
}
