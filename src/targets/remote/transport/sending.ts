import type { StreamedBody } from './http.ts'

/**
 * Content on its way out: what it threw is kept apart from what the network did, and its end can be waited for. The
 * last chunk leaves when the content has ended without an error, so that no request is complete before.
 */
export class Sending implements AsyncIterable<Uint8Array> {
  readonly #body: StreamedBody
  #finished: Promise<void> = Promise.resolve()
  #isStopped = false
  failure: { readonly error: unknown } | undefined
  isComplete = false
  isFinished = false

  constructor(body: StreamedBody) {
    this.#body = body
  }

  /** Resolves when nothing is read any more. */
  get finished(): Promise<void> {
    return this.#finished
  }

  /**
   * Without `throw`: a stream throws into its iterator what the network did, which is no failure of the content.
   * The content hears at once that nobody wants more of it; the generator would tell it only after the next chunk.
   */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const content = this.#body.content[Symbol.asyncIterator]()
    const chunks = this.#chunks({ [Symbol.asyncIterator]: () => content })
    return {
      next: () => chunks.next(),
      return: async () => {
        this.#isStopped = true
        await Promise.allSettled([content.return?.()])
        return chunks.return(undefined)
      },
    }
  }

  async *#chunks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#finished = promise
    try {
      let held: Uint8Array | undefined
      for await (const chunk of content) {
        if (held !== undefined) yield held
        held = chunk
      }
      this.isComplete = !this.#isStopped
      if (held !== undefined) yield held
    } catch (error) {
      if (!this.#isStopped) this.failure = { error }
      throw error
    } finally {
      this.isFinished = true
      resolve()
    }
    return undefined
  }
}
