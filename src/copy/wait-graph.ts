import { InvalidManifestError } from '../errors.ts'

/**
 * Which manifests wait for which. Content cannot name itself, but a lying store or a function of the caller's can make
 * a cycle, and memoised promises in a cycle would wait for ever.
 */
export class WaitGraph {
  readonly #waits = new Map<string, readonly string[]>()

  /**
   * To be called before any of the successors is visited: so the last manifest of a cycle to begin finds itself among
   * what it waits for. Costs O(edges among unfinished manifests below it). Error: INVALID_MANIFEST.
   */
  begin(key: string, successors: readonly string[]): void {
    this.#waits.set(key, successors)
    const below = new Set(successors)
    for (const at of below) {
      if (at === key) throw new InvalidManifestError('it refers to itself through its successors')
      for (const next of this.#waits.get(at) ?? []) below.add(next)
    }
  }

  end(key: string): void {
    this.#waits.delete(key)
  }
}
