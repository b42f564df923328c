import type { Content } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import type { ManifestTypes } from '../content/manifest-types.ts'
import { UnsupportedError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Source } from '../targets/target.ts'
import type { PlanBook } from './plan-book.ts'

/** The source of a copy that is planned: documents are read, and of what would be streamed nothing. */
export class PlannedSource implements Source {
  readonly inner: Source
  /** What a reader of unread content is told. */
  readonly refusal: UnsupportedError = new UnsupportedError('a plan does not read the content of blobs')
  readonly #book: PlanBook
  readonly #unread = new Set<string>()
  #found: Descriptor | undefined
  declare readonly manifestTypes?: ManifestTypes
  declare readonly countsPulls?: boolean
  declare readonly fetchReference?: NonNullable<Source['fetchReference']>
  declare readonly predecessors?: NonNullable<Source['predecessors']>
  declare readonly tags?: NonNullable<Source['tags']>

  constructor(inner: Source, book: PlanBook) {
    this.inner = inner
    this.#book = book
    const { manifestTypes, countsPulls } = inner
    const fetchReference = inner.fetchReference?.bind(inner)
    const predecessors = inner.predecessors?.bind(inner)
    const tags = inner.tags?.bind(inner)
    if (manifestTypes !== undefined) this.manifestTypes = manifestTypes
    if (countsPulls !== undefined) this.countsPulls = countsPulls
    if (predecessors !== undefined) {
      this.predecessors = (descriptor, options = {}) =>
        predecessors(descriptor, book.counted('source', descriptor, options))
    }
    if (tags !== undefined) this.tags = (options = {}) => tags(book.counted('source', undefined, options))
    if (fetchReference === undefined) return
    this.fetchReference = async (reference, options = {}) => {
      const found = await fetchReference(reference, book.counted('source', undefined, options))
      this.#found ??= found.descriptor
      return found
    }
  }

  async resolve(reference: string, options: SignalOptions = {}): Promise<Descriptor> {
    const found = await this.inner.resolve(reference, this.#book.counted('source', undefined, options))
    this.#found ??= found
    return found
  }

  exists(descriptor: Descriptor, options: SignalOptions = {}): Promise<boolean> {
    return this.inner.exists(descriptor, this.#book.counted('source', descriptor, options))
  }

  /** What would be streamed: it fails with `refusal` when it is read. */
  fetch({ digest }: Descriptor): Content {
    this.#unread.add(digest)
    return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(this.refusal) }) }
  }

  /** A document: it may be read. */
  document(descriptor: Descriptor, options: SignalOptions): Content {
    const { digest } = descriptor
    this.#unread.add(digest)
    const content = this.inner.fetch(descriptor, this.#book.counted('source', descriptor, options))
    return {
      [Symbol.asyncIterator]: () => {
        this.#unread.delete(digest)
        return content[Symbol.asyncIterator]()
      },
    }
  }

  /** What the copy would have to ask for to have the content: nothing for what is in memory by then. */
  requestsFor({ digest }: Descriptor): number {
    return this.inner.isRemote === true && this.#unread.has(digest) ? 1 : 0
  }

  /** What was looked up first: what the copy was asked for. */
  get found(): Descriptor | undefined {
    return this.#found
  }
}
