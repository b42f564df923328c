import { contentOf, type Content } from '../content/content.ts'
import { plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { digestOf, isDigest, parseDigest, type Digest } from '../content/digest.ts'
import { standardManifestTypes, type ManifestTypes } from '../content/manifest-types.ts'
import { defaultMaxMetadataBytes, readAll, verify } from '../content/verify.ts'
import { InvalidReferenceError, NotFoundError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import { PredecessorIndex } from './predecessor-index.ts'
import type {
  Predecessor,
  PushOptions,
  PushOutcome,
  ReferrersOptions,
  TagsOptions,
  Target,
} from './target.ts'

/** What a store in memory takes. */
export interface MemoryTargetOptions {
  /** The manifest media types that the store knows. @default the standard ones */
  readonly manifestTypes?: ManifestTypes | undefined
  /** The largest manifest that is taken, in bytes. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
}

interface Entry {
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** A store in memory. Everything in it can be tagged and resolved; a tag may be any text but a digest. */
export class MemoryTarget implements Target {
  readonly manifestTypes: ManifestTypes
  readonly #maxMetadataBytes: number
  readonly #entries = new Map<Digest, Entry>()
  readonly #tags = new Map<string, Descriptor>()
  readonly #index = new PredecessorIndex()

  constructor(options: MemoryTargetOptions = {}) {
    const { manifestTypes = standardManifestTypes, maxMetadataBytes = defaultMaxMetadataBytes } = options
    this.manifestTypes = manifestTypes
    this.#maxMetadataBytes = maxMetadataBytes
  }

  async resolve(reference: string, options: SignalOptions = {}): Promise<Descriptor> {
    options.signal?.throwIfAborted()
    const tagged = this.#tags.get(reference)
    if (tagged !== undefined) return tagged
    const entry = this.#entries.get(reference)
    if (entry === undefined) throw new NotFoundError(`${JSON.stringify(reference)} is not in memory`)
    return { mediaType: entry.mediaType, digest: reference, size: entry.bytes.length }
  }

  async exists({ digest, mediaType }: Descriptor, options: SignalOptions = {}): Promise<boolean> {
    options.signal?.throwIfAborted()
    parseDigest(digest)
    return this.#has(digest, mediaType)
  }

  fetch(descriptor: Descriptor, options: SignalOptions = {}): Content {
    const read = (): Content => {
      options.signal?.throwIfAborted()
      return contentOf(this.#entry(descriptor.digest).bytes)
    }
    return verify(
      {
        [Symbol.asyncIterator]: () => read()[Symbol.asyncIterator](),
        async *from(offset) {
          yield* read().from?.(offset) ?? []
        },
      },
      descriptor,
    )
  }

  async push(descriptor: Descriptor, content: Content, options: PushOptions = {}): Promise<PushOutcome> {
    const { existing = 'unknown', signal } = options
    signal?.throwIfAborted()
    parseDigest(descriptor.digest)
    if (existing !== 'replace' && this.#entries.has(descriptor.digest)) return this.#seenAgain(descriptor)
    const bytes = await readAll(content, descriptor, Infinity)
    signal?.throwIfAborted()
    this.#store(descriptor, bytes)
    return 'copied'
  }

  async ingest(content: Content, mediaType: string, options: SignalOptions = {}): Promise<Descriptor> {
    const chunks = await Array.fromAsync(content)
    options.signal?.throwIfAborted()
    const bytes = Buffer.concat(chunks)
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    if (!this.#entries.has(descriptor.digest)) this.#store(descriptor, bytes)
    return descriptor
  }

  async tag(descriptor: Descriptor, reference: string, options: SignalOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    if (reference === '' || isDigest(reference)) {
      throw new InvalidReferenceError(`${JSON.stringify(reference)} cannot be a tag`)
    }
    this.#entry(descriptor.digest)
    this.#tags.set(reference, plainDescriptor(descriptor))
  }

  async untag(reference: string, options: SignalOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    if (isDigest(reference)) throw new InvalidReferenceError(`${reference} is a digest, not a tag`)
    if (!this.#tags.delete(reference))
      throw new NotFoundError(`no tag ${JSON.stringify(reference)} in memory`)
  }

  async delete({ digest }: Descriptor, options: SignalOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    this.#entry(digest)
    for (const [tag, tagged] of this.#tags) {
      if (tagged.digest === digest) this.#tags.delete(tag)
    }
    this.#index.remove(digest)
    this.#entries.delete(digest)
  }

  async *tags(options: TagsOptions = {}): AsyncGenerator<string> {
    const { last, limit = Infinity, signal } = options
    signal?.throwIfAborted()
    const tags = [...this.#tags.keys()].filter((tag) => last === undefined || tag > last).toSorted()
    yield* tags.slice(0, limit)
  }

  async *predecessors({ digest }: Descriptor, options: SignalOptions = {}): AsyncGenerator<Predecessor> {
    options.signal?.throwIfAborted()
    yield* this.#index.of(digest)
  }

  async *referrers({ digest }: Descriptor, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    options.signal?.throwIfAborted()
    yield* this.#index.referrers(digest, options.artifactType)
  }

  /** Bytes that came as a blob are no manifest yet: nobody has looked whether what they name is there. */
  #has(digest: Digest, mediaType: string): boolean {
    const entry = this.#entries.get(digest)
    if (entry === undefined || !this.manifestTypes.isManifest(mediaType)) return entry !== undefined
    return this.manifestTypes.isManifest(entry.mediaType)
  }

  #entry(digest: Digest): Entry {
    const entry = this.#entries.get(digest)
    if (entry === undefined) throw new NotFoundError(`${digest} is not in memory`)
    return entry
  }

  /** Bytes that came as a blob may be named as a manifest later; then their edges count. */
  #seenAgain(descriptor: Descriptor): 'existed' {
    const { bytes, mediaType } = this.#entry(descriptor.digest)
    const isNews =
      this.manifestTypes.isManifest(descriptor.mediaType) && !this.manifestTypes.isManifest(mediaType)
    if (isNews) this.#store(descriptor, bytes)
    return 'existed'
  }

  /** A manifest that is large enough to be an attack, or that cannot be read, is refused before it is visible. */
  #store(descriptor: Descriptor, bytes: Uint8Array): void {
    if (this.manifestTypes.isManifest(descriptor.mediaType)) {
      const facts = this.manifestTypes.read(descriptor, bytes, { maxBytes: this.#maxMetadataBytes })
      this.#index.add(descriptor, facts)
    }
    this.#entries.set(descriptor.digest, { mediaType: descriptor.mediaType, bytes })
  }
}
