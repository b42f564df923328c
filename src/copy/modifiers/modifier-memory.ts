import type { Descriptor } from '../../content/descriptor.ts'

/**
 * What blobs have become, across runs. A key stands for a blob and for all modifiers of a copy, with their parameters;
 * it is short text without secrets. What is remembered is used only where the destination has it, and it is believed to
 * be what these modifiers made: whoever can write to the memory decides what the images of later copies consist of.
 */
export interface ModifierMemory {
  /** What was made, or undefined. What it throws fails the copy. */
  get(key: string): Promise<Descriptor | undefined>
  /** Called when the blob is at the destination, and no modifier has refused the manifest that names it. What it throws fails the copy. */
  set(key: string, made: Descriptor): Promise<void>
}

/** A memory that lasts as long as the process. It grows by one entry of some hundred bytes for each blob that was modified. */
export function createModifierMemory(): ModifierMemory {
  const entries = new Map<string, Descriptor>()
  return {
    get: (key) => Promise.resolve(entries.get(key)),
    set(key, made) {
      entries.set(key, made)
      return Promise.resolve()
    },
  }
}

/**
 * A memory in a folder, which processes share, also at the same time; the folder is made when it is needed, for its owner
 * alone. It grows by one small file for each blob that was modified. Each may be removed at any time, and one that is broken
 * counts as removed. RangeError for an empty path. Errors of its methods: those of the file system.
 */
export function modifierMemoryIn(folder: string): ModifierMemory {
  if (folder === '') throw new RangeError('the folder of a memory is empty, expected a path')
  return {
    async get(key) {
      const { readDescriptorFile } = await import('../../targets/descriptor-file.ts')
      return readDescriptorFile(folder, key)
    },
    async set(key, made) {
      const { writeDescriptorFile } = await import('../../targets/descriptor-file.ts')
      await writeDescriptorFile(folder, key, made)
    },
  }
}
