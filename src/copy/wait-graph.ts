import { InvalidManifestError } from '../errors.ts'

/**
 * Which manifests wait for which. Content cannot name itself, but a lying store or a function of the caller's can make
 * a cycle, and memoised promises in a cycle would wait for ever.
 */
export class WaitGraph {
  readonly #waits = new Map<string, readonly string[]>()
  /** How many wait for each. */
  readonly #awaited = new Map<string, number>()

  /**
   * To be called before any of the successors is visited: so the last manifest of a cycle to begin finds itself among
   * what it waits for. Costs O(edges among unfinished manifests below it) if another one waits for it, else O(successors).
   * Error: INVALID_MANIFEST.
   */
  begin(key: string, successors: readonly string[]): void {
    this.#waits.set(key, successors)
    for (const at of successors) this.#awaited.set(at, (this.#awaited.get(at) ?? 0) + 1)
    if (!this.#awaited.has(key)) return
    const below = new Set(successors)
    for (const at of below) {
      if (at === key) throw new InvalidManifestError('it refers to itself through its successors')
      for (const next of this.#waits.get(at) ?? []) below.add(next)
    }
  }

  end(key: string): void {
    for (const at of this.#waits.get(key) ?? []) {
      const count = this.#awaited.get(at) ?? 0
      if (count > 1) this.#awaited.set(at, count - 1)
      else this.#awaited.delete(at)
    }
    this.#waits.delete(key)
  }
}
