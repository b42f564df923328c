import type { SignalOptions } from '../events.ts'
import { MemoryTarget, type MemoryTargetOptions } from '../targets/memory.ts'
import type { Target } from '../targets/target.ts'

/** How a repository is opened. */
export interface OpenOptions extends SignalOptions {
  /** Makes the repository if there is none. @default false */
  readonly create?: boolean | undefined
}

/** The repositories of a registry. */
export interface RegistryStore {
  /**
   * The repository of this name; undefined if there is none, or none can be made here. The name is legal by
   * distribution-spec. Error: INVALID_REFERENCE for a name that this store cannot have.
   */
  open(name: string, options?: OpenOptions): Promise<Target | undefined>
  /** The names of all repositories, in lexical order. */
  names(options?: SignalOptions): AsyncIterable<string>
  /** Where unfinished uploads are kept, best on the disk of the content. @default the system's temporary folder */
  readonly spoolDirectory?: string | undefined
}

/** Repositories in memory, each made when it is first written to. */
export function memoryStore(options: MemoryTargetOptions = {}): RegistryStore {
  const targets = new Map<string, Target>()
  return {
    ...targetStore(targets),
    async open(name, { create = false } = {}) {
      const known = targets.get(name)
      if (known !== undefined || !create) return known
      const target = new MemoryTarget(options)
      targets.set(name, target)
      return target
    },
  }
}

/** Given targets under given names. Others cannot be made by a client; the map may change while it is served. */
export function targetStore(targets: ReadonlyMap<string, Target>): RegistryStore {
  return {
    open: async (name) => targets.get(name),
    async *names() {
      yield* [...targets.keys()].sort()
    },
  }
}
