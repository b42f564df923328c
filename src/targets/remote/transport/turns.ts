/** Lets what has the same key happen one after the other. */
export class Turns {
  /** By key, the end of the last one that was asked for. */
  readonly #last = new Map<string, Promise<void>>()

  /** Runs `act` when all before it have ended, whether well or not. An abort ends the waiting, and nobody's turn. */
  async take(key: string, act: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const previous = this.#last.get(key) ?? Promise.resolve()
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const last = previous.then(() => ended)
    this.#last.set(key, last)
    void last.then(() => {
      if (this.#last.get(key) === last) this.#last.delete(key)
    })
    try {
      await waitFor(previous, signal)
      await act()
    } finally {
      end()
    }
  }
}

/** What comes of something that belongs to somebody else; an abort ends the waiting for it alone. */
export async function waitFor<T>(other: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  signal?.throwIfAborted()
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([other, aborted.promise])
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
