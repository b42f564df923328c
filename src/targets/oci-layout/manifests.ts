import { contentOf, type Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import type { ManifestFacts } from '../../content/manifest.ts'
import type { ManifestTypes } from '../../content/manifest-types.ts'
import { readAll } from '../../content/verify.ts'
import { OciError, SizeExceedsLimitError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { Blobs } from './blobs.ts'

/** What the manifests of a layout work with. */
export interface ManifestsSetting {
  readonly blobs: Blobs
  readonly manifestTypes: ManifestTypes
  readonly maxMetadataBytes: number
}

/** Those blobs of a layout that are manifests. */
export class Manifests {
  readonly #blobs: Blobs
  readonly #manifestTypes: ManifestTypes
  readonly #maxBytes: number

  constructor({ blobs, manifestTypes, maxMetadataBytes }: ManifestsSetting) {
    this.#blobs = blobs
    this.#manifestTypes = manifestTypes
    this.#maxBytes = maxMetadataBytes
  }

  /** A manifest as it is stored; undefined if it is missing, damaged, too large or no valid manifest. */
  async facts(manifest: Descriptor, options: SignalOptions): Promise<ManifestFacts | undefined> {
    try {
      const bytes = await readAll(this.#blobs.content(manifest, options), manifest, this.#maxBytes)
      return this.#read(manifest, bytes)
    } catch (error) {
      if (error instanceof OciError) return undefined
      throw error
    }
  }

  /**
   * Stores a manifest, and waits until it is on the disk, since index.json names it next. One that is too large, or
   * cannot be read, is refused before it is visible.
   */
  async write(manifest: Descriptor, content: Content, options: SignalOptions): Promise<ManifestFacts> {
    const bytes = await readAll(content, manifest, this.#maxBytes)
    const facts = this.#read(manifest, bytes)
    await this.#blobs.write(manifest, contentOf(bytes), { ...options, sync: true })
    return facts
  }

  /** All bytes of a manifest whose size nobody knows. Error: SIZE_EXCEEDS_LIMIT. */
  async collect(content: Content, { signal }: SignalOptions): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of content) {
      signal?.throwIfAborted()
      bytes += chunk.length
      if (bytes > this.#maxBytes) {
        throw new SizeExceedsLimitError(`a manifest has more than ${this.#maxBytes} bytes`)
      }
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  /** The manifests that a stored one contains; none for one that cannot be read. */
  async containedManifests(manifest: Descriptor, options: SignalOptions): Promise<readonly Descriptor[]> {
    const facts = await this.facts(manifest, options)
    return facts === undefined ? [] : this.contained(facts)
  }

  /** Those of the manifests that are here. */
  async here(manifests: readonly Descriptor[]): Promise<readonly Descriptor[]> {
    const isHere = await Promise.all(manifests.map((manifest) => this.#blobs.exists(manifest)))
    return manifests.filter((_manifest, at) => isHere[at])
  }

  /** Of what a manifest contains, that which is a manifest too. */
  contained({ contains }: ManifestFacts): readonly Descriptor[] {
    return contains.filter(({ mediaType }) => this.#manifestTypes.isManifest(mediaType))
  }

  /** True for a manifest that contains others. */
  covers(facts: ManifestFacts): boolean {
    return this.contained(facts).length > 0
  }

  #read(manifest: Descriptor, bytes: Uint8Array): ManifestFacts {
    return this.#manifestTypes.read(manifest, bytes, { maxBytes: this.#maxBytes })
  }
}
