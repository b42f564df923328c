import { join } from 'node:path'
import { InvalidLayoutError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { isFileError } from '../read-file.ts'
import { makeFolder } from '../write-file.ts'
import type { LayoutFileSystem } from './file-system.ts'
import { emptySnapshot, type IndexFile, type Snapshot } from './index-file.ts'
import type { Ingest } from './ingest.ts'
import { hasLayoutFile, writeLayoutFile } from './layout-file.ts'
import type { Partials } from './partials.ts'

/** What the folder of a layout works with. */
export interface LayoutFolderSetting {
  readonly directory: string
  readonly fs: LayoutFileSystem
  readonly ingest: Ingest
  readonly partials: Partials
  readonly index: IndexFile
}

/** The folder as such: whether it is a layout, and how it becomes one. */
export class LayoutFolder {
  readonly #setting: LayoutFolderSetting
  readonly #open: () => Promise<void>
  readonly #writeLayoutFile: () => Promise<void>
  #hasLayoutFile = false
  #isMade = false
  #willWrite = false

  constructor(setting: LayoutFolderSetting) {
    const { directory } = setting
    this.#setting = setting
    this.#open = once(() => openFolder(setting))
    this.#writeLayoutFile = once(() => writeLayoutFile(directory, setting, {}))
  }

  /** From now on a folder that is not there counts as an empty layout. */
  prepare(): void {
    this.#willWrite = true
  }

  /** The newest index.json of a folder that is a layout. Error: INVALID_LAYOUT. */
  async snapshot(options: SignalOptions): Promise<Snapshot> {
    options.signal?.throwIfAborted()
    const { directory, fs, index } = this.#setting
    this.#hasLayoutFile ||= await hasLayoutFile(directory, fs)
    const snapshot = await index.read(options)
    if (snapshot !== undefined && this.#hasLayoutFile) return snapshot
    if (snapshot === undefined && !this.#hasLayoutFile && this.#willWrite) return emptySnapshot
    const missing = this.#hasLayoutFile ? 'index.json' : 'oci-layout'
    throw new InvalidLayoutError(
      `${directory} is not an OCI image layout: there is no file ${join(directory, missing)}`,
    )
  }

  /**
   * Makes the folder a layout, unless it is one; what is damaged is refused, never replaced. All that do it at once share
   * the work, but each one can leave where another process is waited for. Errors: INVALID_LAYOUT, LOCKED.
   */
  async make(options: SignalOptions): Promise<void> {
    if (this.#isMade) return
    const { directory, fs, index } = this.#setting
    await this.#open()
    this.#hasLayoutFile ||= await hasLayoutFile(directory, fs)
    const snapshot = await index.read(options)
    if (snapshot === undefined) await index.change((empty) => ({ index: empty }), options)
    if (!this.#hasLayoutFile) await this.#writeLayoutFile()
    this.#hasLayoutFile = true
    this.#isMade = true
  }
}

async function openFolder({ directory, fs, ingest, partials }: LayoutFolderSetting): Promise<void> {
  try {
    await makeFolder(directory, fs)
  } catch (cause) {
    if (!isFileError(cause, 'EEXIST', 'ENOTDIR')) throw cause
    throw new InvalidLayoutError(`${directory} is not a folder`, { cause })
  }
  await ingest.sweep()
  await partials.sweep()
}

/** Work that is done once for all who want it, and again by the next one after it has failed. */
function once(work: () => Promise<void>): () => Promise<void> {
  let doing: Promise<void> | undefined
  const fail = (error: unknown): never => {
    doing = undefined
    throw error
  }
  return () => (doing ??= work().catch(fail))
}
