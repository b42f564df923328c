import { createHash } from 'node:crypto'
import { contentOf, type Content } from '../content/content.ts'
import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import { digestOf } from '../content/digest.ts'
import { standardManifestTypes, type ManifestTypes } from '../content/manifest-types.ts'
import { readAll } from '../content/verify.ts'
import { causesOf, NotFoundError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type {
  Destination,
  PlannedPush,
  PlanPushOptions,
  PushOptions,
  PushOutcome,
  PushPlanner,
  Source,
} from '../targets/target.ts'
import type { PlanBook } from './plan-book.ts'
import type { PlannedSource } from './planned-source.ts'

/** Why a node would be pushed. */
export type PushReason =
  /** The destination was asked, and does not have it. */
  | 'absent'
  /** It is taken to be absent: asking costs about as much as sending. */
  | 'unasked'
  /** Another repository of the registry has it. */
  | 'mountable'

/** The destination of a copy that is planned: it is asked, and what would be written is only written down. */
export class PlannedDestination implements Destination {
  readonly #inner: Destination
  readonly #source: PlannedSource
  readonly #book: PlanBook
  readonly #plan: PushPlanner
  readonly #asked = new Set<string>()
  readonly #written = new Set<string>()
  readonly #reasons = new Map<string, PushReason>()
  readonly #tags = new Map<string, string | undefined>()
  declare readonly manifestTypes?: ManifestTypes
  declare readonly isRemote?: boolean
  declare readonly resolve?: NonNullable<Destination['resolve']>
  declare readonly fetch?: NonNullable<Destination['fetch']>
  declare readonly pushReference?: NonNullable<Destination['pushReference']>

  constructor(inner: Destination, source: PlannedSource, book: PlanBook) {
    this.#inner = inner
    this.#source = source
    this.#book = book
    this.#plan = inner.planPushes?.() ?? ((...push) => this.#planWithoutRequests(...push))
    const { manifestTypes, isRemote } = inner
    if (manifestTypes !== undefined) this.manifestTypes = manifestTypes
    if (isRemote !== undefined) this.isRemote = isRemote
    if (isRemote === true && inner.planPushes === undefined) {
      book.uncertainties.add('the destination does not say how many requests a push is')
    }
    const resolve = inner.resolve?.bind(inner)
    if (resolve !== undefined) {
      this.resolve = (reference, options = {}) =>
        this.#find(reference, () => resolve(reference, this.#counted(options)))
    }
    if (inner.fetch !== undefined) this.fetch = (descriptor) => this.#readBack(descriptor)
    if (inner.pushReference !== undefined) {
      this.pushReference = async (descriptor, bytes, reference, options = {}) => {
        await this.#push(descriptor, contentOf(bytes), { ...options, existing: 'absent', reference })
      }
    }
  }

  async prepare(options: SignalOptions = {}): Promise<void> {
    await this.#inner.prepare?.(options)
  }

  async exists(descriptor: Descriptor, options: SignalOptions = {}): Promise<boolean> {
    const key = nodeKey(descriptor)
    this.#asked.add(key)
    if (!this.#written.has(key)) {
      return this.#inner.exists(descriptor, this.#book.counted('destination', descriptor, options))
    }
    this.#count(descriptor, 1)
    return true
  }

  async push(descriptor: Descriptor, content: Content, options: PushOptions = {}): Promise<PushOutcome> {
    const { source } = options
    const isOurs = source === this.#source
    const { outcome } = await this.#push(descriptor, content, {
      ...options,
      source: isOurs ? this.#source.inner : source,
    })
    if (outcome === 'copied' && !this.#isManifest(descriptor)) {
      this.#book.addBytes(descriptor, descriptor.size)
      if (isOurs) this.#book.addRequests('source', descriptor, this.#source.requestsFor(descriptor))
    }
    return outcome
  }

  /**
   * What a modifier brings of its own is hashed; what it makes of content of the source is not known. So it is in a plan
   * also where the copy would spool it.
   */
  async ingest(content: Content, mediaType: string): Promise<Descriptor> {
    const { unknown, uncertainties } = this.#book
    uncertainties.add('how many requests it takes to store what modifiers make is not known')
    const hasher = createHash('sha256')
    let size = 0
    try {
      for await (const chunk of content) {
        hasher.update(chunk)
        size += chunk.length
      }
      return { mediaType, digest: `sha256:${hasher.digest('hex')}`, size }
    } catch (error) {
      if (!causesOf(error).includes(this.#source.refusal)) throw error
      const digest = digestOf(Buffer.from(`not known before it is made: ${unknown.size}`))
      unknown.add(digest)
      return { mediaType, digest, size: 0 }
    }
  }

  /** Where `pushReference` is missing. */
  async tag(descriptor: Descriptor): Promise<void> {
    this.#count(descriptor, 1)
  }

  canMount(source: Source): boolean {
    const original = source === this.#source ? this.#source.inner : source
    return this.#inner.canMount?.(original) === true
  }

  canTag(mediaType: string): boolean {
    return this.#inner.canTag?.(mediaType) ?? true
  }

  /** Why a node would be pushed; undefined for one that would not. */
  reasonFor(descriptor: Descriptor): PushReason | undefined {
    return this.#reasons.get(nodeKey(descriptor))
  }

  /** The tags that were looked up, with the digests that they have, if any. */
  get tags(): ReadonlyMap<string, string | undefined> {
    return this.#tags
  }

  async #push(descriptor: Descriptor, content: Content, options: PlanPushOptions): Promise<PlannedPush> {
    const key = nodeKey(descriptor)
    const planned = await this.#plan(descriptor, await this.#examined(descriptor, content), options)
    const { outcome, requests, uncertainty } = planned
    this.#book.addRequests('destination', descriptor, requests)
    if (uncertainty !== undefined) this.#book.uncertainties.add(uncertainty)
    this.#written.add(key)
    const reason = this.#asked.has(key) || options.existing === 'replace' ? 'absent' : 'unasked'
    if (outcome !== 'existed') this.#reasons.set(key, outcome === 'mounted' ? 'mountable' : reason)
    return planned
  }

  /** What names something that is not known before it is made is not known either. */
  async #examined(descriptor: Descriptor, content: Content): Promise<Content> {
    const { unknown } = this.#book
    if (unknown.size === 0 || !this.#isManifest(descriptor)) return content
    const bytes = await readAll(content, descriptor, Infinity)
    const named =
      Buffer.from(bytes)
        .toString()
        .match(/sha(?:256|384|512):[0-9a-f]{64,128}/g) ?? []
    if (named.some((digest) => unknown.has(digest))) unknown.add(descriptor.digest)
    return contentOf(bytes)
  }

  async #planWithoutRequests(
    descriptor: Descriptor,
    content: Content,
    { existing = 'unknown', signal, onEvent }: PlanPushOptions,
  ): Promise<PlannedPush> {
    const isThere = existing === 'unknown' && (await this.#inner.exists(descriptor, { signal, onEvent }))
    if (isThere) return { outcome: 'existed', requests: 0 }
    if (this.#isManifest(descriptor)) await readAll(content, descriptor, Infinity)
    return { outcome: 'copied', requests: 0 }
  }

  async #find(reference: string, resolve: () => Promise<Descriptor>): Promise<Descriptor> {
    try {
      const found = await resolve()
      this.#tags.set(reference, found.digest)
      return found
    } catch (error) {
      if (error instanceof NotFoundError) this.#tags.set(reference, undefined)
      throw error
    }
  }

  /** Not read, since that would move all of it. */
  #readBack(descriptor: Descriptor): Content {
    this.#count(descriptor, 1)
    this.#book.uncertainties.add(
      'what is there is not read back by a plan, so that nothing is known to be damaged',
    )
    return contentOf(new Uint8Array())
  }

  #counted(options: SignalOptions): SignalOptions {
    return this.#book.counted('destination', undefined, options)
  }

  #count(descriptor: Descriptor, requests: number): void {
    if (this.isRemote === true) this.#book.addRequests('destination', descriptor, requests)
  }

  #isManifest({ mediaType }: Descriptor): boolean {
    return (this.manifestTypes ?? standardManifestTypes).isManifest(mediaType)
  }
}
