import { setTimeout as delay } from 'node:timers/promises'

/** Resolves after so long. Rejects with the reason of an abort. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}
