import { setTimeout as delay } from 'node:timers/promises'

/** In milliseconds, about 25 days: a timer for longer than that ends at once. */
export const longestTimer: number = 2 ** 31 - 1

/** Resolves after so long. Rejects with the reason of an abort. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
