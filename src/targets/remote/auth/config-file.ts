import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { contentOf } from '../../../content/content.ts'
import { tryParseJson, type Reviver } from '../../../content/try-parse-json.ts'
import { AuthError, LockedError } from '../../../errors.ts'
import { acquireLock, type Lock } from '../../lock.ts'
import { privateFiles } from '../../private-files.ts'
import { isFileError, readSmallFile } from '../../read-file.ts'
import { makeFolder, writeFile } from '../../write-file.ts'

/** docker's config.json or podman's auth.json. */
export interface ConfigFile {
  /** Entries by key, as they stand there. */
  readonly auths: ReadonlyMap<string, unknown>
  /** Names of credential helpers by registry. */
  readonly credHelpers: ReadonlyMap<string, string>
  /** The credential helper for all other registries. */
  readonly credsStore: string | undefined
}

export interface ConfigFileOptions {
  readonly signal?: AbortSignal | undefined
}

/**
 * Reads such a file; undefined if there is none. An empty one is an empty configuration.
 * Errors: AUTH for something else than such a file, without what stands in it; SIZE_EXCEEDS_LIMIT.
 */
export async function readConfigFile(
  path: string,
  options: ConfigFileOptions = {},
): Promise<ConfigFile | undefined> {
  const text = await readText(await followLinks(path), options)
  return text === undefined ? undefined : configOf(parseDocument(text, path), path)
}

/**
 * Changes the entries of a file, which only its owner may read afterwards; all else in it stays. It is replaced as a
 * whole, one writer after the other; where it is a symbolic link, what that names is replaced. The file and its folder
 * are made if they are missing. Undefined from `change` leaves it as it is.
 * Errors: as of `readConfigFile`; LOCKED; those of the file system.
 */
export async function changeConfigFile(
  path: string,
  change: (config: ConfigFile) => ReadonlyMap<string, unknown> | undefined,
  options: ConfigFileOptions = {},
): Promise<void> {
  const file = await followLinks(path)
  await makeFolder(dirname(file), privateFiles)
  const lock = await acquireLock(`${file}.lock`, privateFiles, options)
  try {
    const text = (await readText(file, options)) ?? ''
    const config = configOf(parseDocument(text, path), path)
    const { auths: entries, ...others } = parseDocument(text, path, exactNumber)
    const auths = change({ ...config, auths: new Map(Object.entries(entries ?? {})) })
    if (auths === undefined) return
    const document = serialize({ ...others, auths: Object.fromEntries(auths) }, path)
    await replace(file, Buffer.from(`${document}\n`), lock, options)
  } finally {
    await lock.release()
  }
}

const maxConfigBytes = 4 * 1024 * 1024

type Document = Readonly<Record<string, unknown>>

async function readText(path: string, { signal }: ConfigFileOptions): Promise<string | undefined> {
  let bytes: Uint8Array | undefined
  try {
    bytes = await readSmallFile(path, maxConfigBytes, { fs, signal })
  } catch (error) {
    // ENOTDIR: a home such as /dev/null, which services have.
    if (isFileError(error, 'ENOENT', 'ENOTDIR')) return undefined
    if (!isFileError(error, 'EACCES', 'EPERM')) throw error
    throw new AuthError(`the credentials in ${path} cannot be read`, { cause: error })
  }
  if (bytes === undefined) throw notConfig(path)
  return Buffer.from(bytes).toString()
}

function parseDocument(text: string, path: string, reviver?: Reviver): Document {
  const { data } = documentSchema.safeParse(text.trim() === '' ? {} : tryParseJson(text, reviver))
  if (data === undefined) throw notConfig(path)
  return data
}

declare global {
  interface JSON {
    /** ECMAScript 2026, which Node has and TypeScript does not know. */
    rawJSON(text: string): unknown
  }
}

/** What is not known here is written as it was: 12345678901234567890 is no number of JavaScript, and 1.10 is another text. */
function exactNumber(_key: string, value: unknown, { source }: { readonly source?: string } = {}): unknown {
  return typeof value === 'number' && source !== undefined ? JSON.rawJSON(source) : value
}

/** What can be read, however deep it is, cannot always be written: that uses the call stack. */
function serialize(document: Document, path: string): string {
  try {
    return JSON.stringify(document, undefined, '\t')
  } catch (cause) {
    throw new AuthError(`${path} is nested too deeply to be written again`, { cause })
  }
}

/** By hand: zod would lose a key such as `__proto__`, and what is not known is kept. */
const documentSchema: z.ZodType<Document> = z.custom<Document>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
)

const configSchema = z.object({
  auths: documentSchema.nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
  credsStore: z.string().nullish(),
})

function configOf(document: Document, path: string): ConfigFile {
  const { data } = configSchema.safeParse(document)
  if (data === undefined) throw notConfig(path)
  return {
    auths: new Map(Object.entries(data.auths ?? {})),
    credHelpers: new Map(Object.entries(data.credHelpers ?? {})),
    credsStore: data.credsStore || undefined,
  }
}

function notConfig(path: string): AuthError {
  return new AuthError(`${path} is no file of credentials as docker and podman have them (JSON with "auths")`)
}

async function replace(
  file: string,
  bytes: Uint8Array,
  lock: Lock,
  { signal }: ConfigFileOptions,
): Promise<void> {
  const temporary = `${file}.${randomUUID()}.tmp`
  const place = async (): Promise<void> => {
    await keepOwner(file, temporary)
    if (!(await lock.isHeld())) throw new LockedError(`${file}.lock was taken by another process`)
    await fs.rename(temporary, file)
  }
  await writeFile(temporary, contentOf(bytes), place, { fs: privateFiles, signal, sync: true })
}

/** Root may work in the home of somebody, who could not read the file of root in its place. */
async function keepOwner(file: string, temporary: string): Promise<void> {
  const [present, next] = await Promise.all([statusOf(file), fs.lstat(temporary)])
  if (present === undefined || (present.uid === next.uid && present.gid === next.gid)) return
  try {
    // Whoever owns the folder could have put a link there meanwhile, to a file of root's.
    await fs.lchown(temporary, present.uid, present.gid)
  } catch (error) {
    if (!isFileError(error, 'EPERM')) throw error
  }
}

async function statusOf(file: string): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  try {
    return await fs.stat(file)
  } catch (error) {
    if (isFileError(error, 'ENOENT')) return undefined
    throw error
  }
}

const maxLinks = 40

/** What a path names in the end, also if that is not there: as docker does, a link stays a link when it is written. */
async function followLinks(path: string): Promise<string> {
  let file = resolve(path)
  for (let count = 0; count < maxLinks; count++) {
    let link: string
    try {
      link = await fs.readlink(file)
    } catch (error) {
      // EINVAL: no link; UNKNOWN: the same on Windows. What else is wrong shows when it is read.
      if (isFileError(error, 'EINVAL', 'UNKNOWN', 'ENOENT', 'ENOTDIR', 'EACCES')) return file
      throw error
    }
    // From where the link really is: the folder may be a link itself.
    file = resolve(await fs.realpath(dirname(file)), link)
  }
  throw new AuthError(`${path} is a symbolic link to itself`)
}
