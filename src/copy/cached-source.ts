import { contentOf, type Content } from '../content/content.ts'
import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import { standardManifestTypes, type ManifestTypes } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { defaultMaxMetadataBytes, embeddedData, readAll, verify } from '../content/verify.ts'
import type { SignalOptions } from '../events.ts'
import type { Source } from '../targets/target.ts'
import { PlannedSource } from './planned-source.ts'

/** Manifests stay in memory up to this sum; beyond it the oldest are forgotten, and read again when they are needed. */
const budgetBytes = 64 * 1024 * 1024

/** The two bytes that every artifact without a config names: nobody needs to be asked for them. */
const emptyJson = Buffer.from('{}')
const emptyJsonDigest = digestOf(emptyJson)

/** What bounds the reading of manifests. */
export interface CachedSourceOptions extends SignalOptions {
  /** The largest manifest that is read, in bytes; beyond it reading fails with SIZE_EXCEEDS_LIMIT. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
  /** The media types that are manifests. @default those of the source */
  readonly manifestTypes?: ManifestTypes | undefined
}

/** A source whose small documents are read once for a whole copy. */
export class CachedSource implements Source {
  readonly manifestTypes: ManifestTypes
  readonly #inner: Source
  readonly #maxMetadataBytes: number
  readonly #options: SignalOptions
  readonly #bytes = new Map<Digest, Uint8Array>()
  /** What was made on the way, which no source has. */
  readonly #made = new Map<Digest, Uint8Array>()
  /** What is being read now, by node. */
  readonly #reading = new Map<string, Promise<Uint8Array>>()
  #total = 0

  constructor(inner: Source, options: CachedSourceOptions) {
    const { maxMetadataBytes = defaultMaxMetadataBytes, manifestTypes, ...signalOptions } = options
    this.manifestTypes = manifestTypes ?? inner.manifestTypes ?? standardManifestTypes
    this.#inner = inner
    this.#maxMetadataBytes = maxMetadataBytes
    this.#options = signalOptions
  }

  resolve(reference: string): Promise<Descriptor> {
    return this.#inner.resolve(reference, this.#options)
  }

  exists(descriptor: Descriptor): Promise<boolean> {
    return this.#inner.exists(descriptor, this.#options)
  }

  /** Ends with the copy, and with `signal`. */
  fetch(descriptor: Descriptor, { signal }: SignalOptions = {}): Content {
    const { digest } = descriptor
    const known =
      this.#made.get(digest) ?? this.#bytes.get(digest) ?? embeddedData(descriptor) ?? wellKnown(descriptor)
    if (known !== undefined) return verify(contentOf(known), descriptor)
    if (signal === undefined) return this.#document(descriptor)
    const signals = [signal, ...(this.#options.signal === undefined ? [] : [this.#options.signal])]
    return this.#inner.fetch(descriptor, { ...this.#options, signal: AbortSignal.any(signals) })
  }

  /**
   * All of a small document, verified; who asks while it is being read gets the same bytes.
   * Errors: NOT_FOUND, SIZE_EXCEEDS_LIMIT, SIZE_MISMATCH, DIGEST_MISMATCH.
   */
  async read(descriptor: Descriptor): Promise<Uint8Array> {
    const key = nodeKey(descriptor)
    const reading = this.#reading.get(key) ?? this.#readAndRemember(descriptor)
    this.#reading.set(key, reading)
    try {
      return await reading
    } finally {
      this.#reading.delete(key)
    }
  }

  /** What a manifest of verified bytes says. Errors: INVALID_MANIFEST, SIZE_EXCEEDS_LIMIT. */
  parse(descriptor: Descriptor, bytes: Uint8Array): ManifestFacts {
    return this.manifestTypes.read(descriptor, bytes, { maxBytes: this.#maxMetadataBytes })
  }

  /** A plan reads documents, and of blobs that are streamed nothing. */
  #document(descriptor: Descriptor): Content {
    return this.#inner instanceof PlannedSource
      ? this.#inner.document(descriptor, this.#options)
      : this.#inner.fetch(descriptor, this.#options)
  }

  /** Keeps the bytes of something that only this copy knows, to its end. */
  keep({ digest }: Descriptor, bytes: Uint8Array): void {
    this.#made.set(digest, bytes)
  }

  /** Keeps verified bytes for as long as there is room. */
  remember({ digest }: Descriptor, bytes: Uint8Array): void {
    if (this.#bytes.has(digest)) return
    this.#bytes.set(digest, bytes)
    this.#total += bytes.length
    for (const [oldest, { length }] of this.#bytes) {
      if (this.#total <= budgetBytes) return
      this.#bytes.delete(oldest)
      this.#total -= length
    }
  }

  async #readAndRemember(descriptor: Descriptor): Promise<Uint8Array> {
    const bytes = await readAll(this.fetch(descriptor), descriptor, this.#maxMetadataBytes)
    this.remember(descriptor, bytes)
    return bytes
  }
}

function wellKnown({ digest, size }: Descriptor): Uint8Array | undefined {
  return digest === emptyJsonDigest && size === emptyJson.length ? emptyJson : undefined
}
