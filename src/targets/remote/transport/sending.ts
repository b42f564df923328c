import type { StreamedBody } from './http.ts'

/**
 * Content on its way out: what it threw is kept apart from what the network did, and its end can be waited for. The
 * last chunk leaves when the content has ended without an error, so that no request is complete before.
 */
export class Sending implements AsyncIterable<Uint8Array> {
  readonly #content: AsyncIterator<Uint8Array>
  readonly #chunks: AsyncGenerator<Uint8Array, undefined>
  #first: Promise<IteratorResult<Uint8Array, undefined>> | undefined
  #finished: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined
  failure: { readonly error: unknown } | undefined
  isComplete = false
  isFinished = false

  constructor(body: StreamedBody) {
    const content = body.content[Symbol.asyncIterator]()
    this.#content = content
    this.#chunks = this.#read({ [Symbol.asyncIterator]: () => content })
  }

  /** Resolves when nothing is read any more. */
  get finished(): Promise<void> {
    return this.#finished
  }

  /** Resolves when there is something to send, or the content is at its end. Rejects with what the content throws. */
  async begin(): Promise<void> {
    this.#first = this.#chunks.next()
    await this.#first
  }

  /** Gives the content up. It hears so at once; the generator would tell it only after the next chunk. */
  async stop(): Promise<void> {
    this.#stopping ??= Promise.allSettled([this.#content.return?.()]).then(async () => {
      await this.#chunks.return(undefined)
    })
    await this.#stopping
  }

  /** Without `throw`: a stream throws into its iterator what the network did, which is no failure of the content. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => {
        const first = this.#first
        this.#first = undefined
        return first ?? this.#chunks.next()
      },
      return: async () => {
        await this.stop()
        return { done: true, value: undefined }
      },
    }
  }

  async *#read(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#finished = promise
    try {
      let held: Uint8Array | undefined
      for await (const chunk of content) {
        if (held !== undefined) yield held
        held = chunk
      }
      this.isComplete = this.#stopping === undefined
      if (held !== undefined) yield held
    } catch (error) {
      if (this.#stopping === undefined) this.failure = { error }
      throw error
    } finally {
      this.isFinished = true
      resolve()
    }
    return undefined
  }
}
