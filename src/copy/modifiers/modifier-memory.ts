import type { Descriptor } from '../../content/descriptor.ts'

/**
 * What blobs have become, across runs. A key stands for a blob and for all modifiers of a copy, with their parameters;
 * it is short text without secrets. What is remembered is used only where the destination has it, and it is believed to
 * be what these modifiers made: whoever can write to the memory decides what the images of later copies consist of.
 */
export interface ModifierMemory {
  /** What was made, or undefined. What it throws fails the copy. */
  get(key: string): Promise<Descriptor | undefined>
  /** Called when the blob is at the destination. What it throws fails the copy. */
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
