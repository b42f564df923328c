import { InvalidManifestError } from '../errors.ts'

/**
 * Which nodes wait for which. Content cannot name itself, but a lying store or a function of the caller's can make a
 * cycle, and memoised promises in a cycle would wait for ever.
 */
export class WaitGraph {
  readonly #waits = new Map<string, readonly string[]>()

  /** To be called before any of the successors is visited: then whichever edge closes a cycle is checked last. */
  begin(key: string, successors: readonly string[]): void {
    this.#waits.set(key, successors)
  }

  end(key: string): void {
    this.#waits.delete(key)
  }

  /** Fails if waiting for `successor` would make `key` wait for itself. Costs O(edges among unfinished manifests below it). Error: INVALID_MANIFEST. */
  refuseCycle(key: string, successor: string): void {
    const seen = new Set([successor])
    for (const at of seen) {
      if (at === key)
        throw new InvalidManifestError(`${key.split(' ', 1)[0]} refers to itself through its successors`)
      for (const next of this.#waits.get(at) ?? []) seen.add(next)
    }
  }
}
