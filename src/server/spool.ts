import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { getuid } from 'node:process'
import { currentOwner, isNamedOwnerGone, ownerName, ownerNamePattern, type Owner } from '../targets/owner.ts'

/** The one file in the folder of an upload. */
export const spoolFile = 'blob'

/**
 * Where the bytes of unfinished uploads are kept, each in a folder of its own that names its process: what a dead
 * process of this host has left is removed before the first folder is made.
 */
export class Spool {
  readonly #directory: string
  #prefix: Promise<string> | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /** A new folder, which the caller removes. Errors: those of the file system. */
  async makeFolder(): Promise<string> {
    const prefix = await (this.#prefix ??= this.#begin())
    await fs.mkdir(this.#directory, { recursive: true })
    return fs.mkdtemp(join(this.#directory, prefix))
  }

  async #begin(): Promise<string> {
    const self = await currentOwner()
    await sweep(this.#directory, self)
    return `.upload-${ownerName(self)}-`
  }
}

const namePattern = new RegExp(`^\\.upload-(${ownerNamePattern})-[A-Za-z0-9]{6}$`)

/** What cannot be read or removed here keeps no upload from being made: making it will tell. */
async function sweep(directory: string, self: Owner): Promise<void> {
  const names = await fs.readdir(directory).catch(() => [])
  for (const name of names) {
    const [, owner] = namePattern.exec(name) ?? []
    if (owner === undefined || !isNamedOwnerGone(owner, self)) continue
    await removeOwn(join(directory, name)).catch(() => undefined)
  }
}

/** Only what this user made: in a folder that all may write to, another one's could be exchanged for a link meanwhile. */
async function removeOwn(folder: string): Promise<void> {
  const status = await fs.lstat(folder)
  if (!status.isDirectory() || (getuid !== undefined && status.uid !== getuid())) return
  await fs.rm(join(folder, spoolFile), { force: true })
  await fs.rmdir(folder)
}
