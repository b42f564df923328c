import type { RegistryStore } from './store.ts'

/**
 * The names of a store, as they were some seconds ago at most: reading them can mean to walk through many folders.
 * One reading is for all who ask meanwhile, so that none of them can abort it.
 */
export function cachedNames(store: RegistryStore): () => Promise<readonly string[]> {
  let names: Promise<readonly string[]> | undefined
  let validUntil = 0
  return () => {
    if (names !== undefined && performance.now() < validUntil) return names
    validUntil = Infinity
    names = Array.fromAsync(store.names()).finally(() => {
      validUntil = performance.now() + maxAgeMilliseconds
    })
    return names
  }
}

const maxAgeMilliseconds = 5_000
