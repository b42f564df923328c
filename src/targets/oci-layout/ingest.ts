import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { currentOwner, isNamedOwnerGone, ownerName, ownerNamePattern } from '../owner.ts'
import { isFileError, isUntouched, namesIn } from '../read-file.ts'
import { makeFolder, removeFile, writeFile, type WriteFileOptions } from '../write-file.ts'
import type { LayoutFileSystem } from './file-system.ts'

/**
 * The folder for what is being written. It is there only while it is needed, and each file in it names its process, so
 * that those of dead processes can be told from those of living ones.
 */
export class Ingest {
  readonly #directory: string
  readonly #fs: LayoutFileSystem
  #active = 0
  #prefix: Promise<string> | undefined
  #count = 0

  constructor(directory: string, fs: LayoutFileSystem) {
    this.#directory = directory
    this.#fs = fs
  }

  /** Writes a temporary file, and has `place` move it away; nothing is left of it otherwise. */
  write<T>(
    content: AsyncIterable<Uint8Array>,
    place: (path: string) => Promise<T>,
    options: WriteFileOptions = {},
  ): Promise<T> {
    return this.#use((path) => writeFile(path, content, () => place(path), { ...options, fs: this.#fs }))
  }

  /** Makes a temporary second name for a file, and has `place` move it away; false if the file cannot be linked here. */
  link(existing: string, place: (path: string) => Promise<boolean>): Promise<boolean> {
    return this.#use(async (path) => {
      try {
        await makeFolder(this.#directory, this.#fs)
        await this.#fs.link(existing, path)
      } catch (error) {
        // Another disk, a file system without links, a file of another user: whatever it was, a copy will do or tell.
        if (isFileError(error, ...unlinkable)) return false
        throw error
      }
      try {
        return await place(path)
      } finally {
        await removeFile(path, this.#fs)
      }
    })
  }

  /** Removes what dead processes of this host have left, and what nobody has touched for so long that its process must be dead. */
  async sweep(): Promise<void> {
    const self = await currentOwner()
    for (const name of await namesIn(this.#directory, this.#fs)) {
      const [, owner] = namePattern.exec(name) ?? []
      if (owner === undefined) continue
      const path = join(this.#directory, name)
      const isLeft = isNamedOwnerGone(owner, self) || (await isUntouched(path, this.#fs, oldMilliseconds))
      if (isLeft) await removeFile(path, this.#fs)
    }
    if (this.#active === 0) await this.#removeIfEmpty()
  }

  async #use<T>(work: (path: string) => Promise<T>): Promise<T> {
    this.#active += 1
    try {
      const prefix = await (this.#prefix ??= makePrefix())
      return await work(join(this.#directory, `${prefix}-${this.#count++}`))
    } finally {
      this.#active -= 1
      if (this.#active === 0) await this.#removeIfEmpty()
    }
  }

  /** Fails for a folder that is gone or in use, and on a disk that fails anyway: the write itself tells. */
  async #removeIfEmpty(): Promise<void> {
    await this.#fs.rmdir(this.#directory).catch(() => {})
  }
}

const unlinkable = [
  'EXDEV',
  'EPERM',
  'EACCES',
  'EMLINK',
  'ENOENT',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EINVAL',
]

const oldMilliseconds = 7 * 24 * 60 * 60 * 1000

const namePattern = new RegExp(`^copygraph-(${ownerNamePattern})-[0-9a-f]{16}-\\d+$`)

async function makePrefix(): Promise<string> {
  return `copygraph-${ownerName(await currentOwner())}-${randomBytes(8).toString('hex')}`
}
