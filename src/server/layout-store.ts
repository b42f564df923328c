import type { Dirent, Stats } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import type { ManifestTypes } from '../content/manifest-types.ts'
import { isRepository } from '../content/reference.ts'
import { InvalidReferenceError, SizeExceedsLimitError } from '../errors.ts'
import { OciLayout } from '../targets/oci-layout/oci-layout.ts'
import { isFileError } from '../targets/read-file.ts'
import type { RegistryStore } from './store.ts'

/** How the layouts of a store are read. */
export interface LayoutStoreOptions {
  /** The manifest media types that the layouts know. @default the standard ones */
  readonly manifestTypes?: ManifestTypes | undefined
}

/**
 * The image layouts of a folder: each is the repository that its relative path names, and a push makes new ones. A
 * folder that is a layout itself is one repository, under its own name in the letters of a legal one.
 * Symbolic links are not followed, and no repository is made where a file is in the way. Error of `open`:
 * INVALID_REFERENCE for a name with a part that stands for something else in a layout (`blobs`, `ingest`,
 * `partial`, `oci-layout`, `index.json` and all that begins with it).
 */
export function layoutStore(directory: string, options: LayoutStoreOptions = {}): RegistryStore {
  const root = resolve(directory)
  const openLayout = openLayouts(options)
  return {
    spoolDirectory: root,
    async open(name, { create = false } = {}) {
      if (await isLayout(root)) return name === ownName(root) ? openLayout(root, true) : undefined
      const parts = name.split('/')
      if (parts.some(isReserved)) {
        throw new InvalidReferenceError(
          `${name} cannot be a folder of layouts: part of it is a name inside them`,
        )
      }
      if (await leadsElsewhere(root, parts)) return undefined
      const path = join(root, ...parts)
      const isThere = await isLayout(path)
      return isThere || create ? openLayout(path, isThere) : undefined
    },
    async *names({ signal } = {}) {
      if (await isLayout(root)) yield ownName(root)
      else yield* (await findLayouts(root, signal)).sort()
    },
  }
}

/** A layout in a layout would be possible under `blobs`, and would break it under the others. */
const reserved: ReadonlySet<string> = new Set(['blobs', 'ingest', 'partial', 'oci-layout'])
const maxOpenLayouts = 1000
const maxFolders = 100_000
/** A folder of somebody else's, which must not hide all the others. */
const forbidden = ['EACCES', 'EPERM']

/** Beside index.json are its locks. */
function isReserved(part: string): boolean {
  return reserved.has(part) || part.startsWith('index.json')
}

interface OpenLayout {
  readonly layout: OciLayout
  /** It has been seen on the disk. */
  readonly wasThere: boolean
}

/**
 * The layouts that are open. A layout remembers what it has read of its manifests, so that requests share it; those
 * not used for long are forgotten, and one that was removed from the disk begins anew.
 */
function openLayouts(options: LayoutStoreOptions): (path: string, isThere: boolean) => Promise<OciLayout> {
  const layouts = new Map<string, OpenLayout>()
  return async (path, isThere) => {
    const known = layouts.get(path)
    const isGone = known?.wasThere === true && !isThere
    const layout = known === undefined || isGone ? new OciLayout(path, options) : known.layout
    layouts.delete(path)
    layouts.set(path, { layout, wasThere: isThere })
    const [oldest] = layouts.keys()
    if (layouts.size > maxOpenLayouts && oldest !== undefined) layouts.delete(oldest)
    if (!isThere) await layout.prepare()
    return layout
  }
}

async function findLayouts(root: string, signal: AbortSignal | undefined): Promise<string[]> {
  const found: string[] = []
  const folders = ['']
  for (let visited = 0; visited < folders.length; visited++) {
    signal?.throwIfAborted()
    if (visited >= maxFolders) throw new SizeExceedsLimitError(`more than ${maxFolders} folders to look into`)
    const name = folders[visited] ?? ''
    for (const entry of await readFolder(join(root, name))) {
      const inner = name === '' ? entry.name : `${name}/${entry.name}`
      if (entry.isFile() && entry.name === 'oci-layout') found.push(name)
      else if (entry.isDirectory() && !isReserved(entry.name) && isRepository(inner)) folders.push(inner)
    }
  }
  return found
}

async function isLayout(path: string): Promise<boolean> {
  return (await statIfThere(join(path, 'oci-layout')))?.isFile() ?? false
}

/** A link, or a file, is where there should be a folder. */
async function leadsElsewhere(root: string, parts: readonly string[]): Promise<boolean> {
  for (const depth of parts.keys()) {
    const stats = await statIfThere(join(root, ...parts.slice(0, depth + 1)))
    if (stats === undefined) return false
    if (!stats.isDirectory()) return true
  }
  return false
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path)
  } catch (error) {
    if (isFileError(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

async function readFolder(path: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    if (isFileError(error, 'ENOENT', 'ENOTDIR', ...forbidden)) return []
    throw error
  }
}

/** The name of a folder in the letters that a repository may have. */
function ownName(root: string): string {
  const folder = basename(root).toLowerCase()
  if (isRepository(folder)) return folder
  const words = folder.split(/[^a-z0-9]+/).filter((word) => word !== '')
  return isRepository(words.join('-')) ? words.join('-') : 'layout'
}
