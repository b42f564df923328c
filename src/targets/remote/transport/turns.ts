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

async function waitFor(previous: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  void previous.then(resolve)
  try {
    await promise
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}
