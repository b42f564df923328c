import { plainDescriptor, type Descriptor } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import type { ManifestFacts } from '../../content/manifest.ts'
import { successorsOf, type ManifestTypes } from '../../content/manifest-types.ts'
import type { SignalOptions } from '../../events.ts'
import { PredecessorIndex } from '../predecessor-index.ts'
import type { Predecessor } from '../target.ts'
import type { Snapshot } from './index-file.ts'

/** Reads a manifest of the layout; undefined if it is missing or cannot be read. */
export type ReadManifest = (
  manifest: Descriptor,
  options: SignalOptions,
) => Promise<ManifestFacts | undefined>

/**
 * What the manifests of a layout refer to. It knows those that it was told of, and reads the others that index.json
 * leads to when it is first asked. Facts never get old, as a digest names them; whether a manifest is still there is
 * for the caller to look.
 */
export class ManifestGraph {
  readonly #manifestTypes: ManifestTypes
  readonly #read: ReadManifest
  readonly #index = new PredecessorIndex()
  readonly #known = new Map<Digest, Descriptor>()
  /** Named by index.json or a manifest that is known, but not read; by node, as what names them may have size or type wrong. */
  readonly #unread = new Map<string, Descriptor>()
  /** Not to be tried again before somebody else has changed the layout. */
  readonly #unreadable = new Set<string>()
  #generation = -1
  #turn: Promise<void> = Promise.resolve()

  constructor(manifestTypes: ManifestTypes, read: ReadManifest) {
    this.#manifestTypes = manifestTypes
    this.#read = read
  }

  /** Learns of a manifest. O(successors) */
  add(manifest: Descriptor, facts: ManifestFacts): void {
    this.#index.add(manifest, facts)
    this.#known.set(manifest.digest, plainDescriptor(manifest))
    this.#unread.delete(nodeKey(manifest))
    for (const { descriptor } of successorsOf(facts)) this.#expect(descriptor)
  }

  /** Forgets a manifest that is no longer there. */
  remove(digest: Digest): void {
    const manifest = this.#known.get(digest)
    this.#index.remove(digest)
    this.#known.delete(digest)
    if (manifest !== undefined) this.#expect(manifest)
  }

  /** A manifest by its digest, as far as it is known. */
  manifest(digest: Digest): Descriptor | undefined {
    return this.#known.get(digest)
  }

  /** All manifests that refer to a node, as far as they are known. */
  predecessors(digest: Digest): readonly Predecessor[] {
    return this.#index.of(digest)
  }

  /** True if a manifest that `isHolder` says contains the node, directly or not; `removed` ones do not count. */
  isContained(digest: Digest, isHolder: (digest: Digest) => boolean, removed: ReadonlySet<Digest>): boolean {
    const reached = new Set([digest])
    for (const at of reached) {
      const containers = this.#index.of(at).filter(({ edge }) => edge === 'contains')
      for (const { descriptor } of containers) {
        if (removed.has(descriptor.digest) || reached.has(descriptor.digest)) continue
        if (isHolder(descriptor.digest)) return true
        reached.add(descriptor.digest)
      }
    }
    return false
  }

  /** Reads what index.json leads to and is not known yet. O(manifests) the first time, later O(new ones). */
  async refresh(snapshot: Pick<Snapshot, 'index' | 'generation'>, options: SignalOptions): Promise<void> {
    const before = this.#turn
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#turn = promise
    await before
    try {
      await this.#readAll(snapshot, options)
    } finally {
      resolve()
    }
  }

  async #readAll(
    { index, generation }: Pick<Snapshot, 'index' | 'generation'>,
    options: SignalOptions,
  ): Promise<void> {
    if (generation !== this.#generation) this.#unreadable.clear()
    this.#generation = generation
    for (const { descriptor } of index.entries) if (descriptor !== undefined) this.#expect(descriptor)
    for (;;) {
      const next = this.#nextUnread()
      if (next.length === 0) return
      options.signal?.throwIfAborted()
      await Promise.all(next.map((manifest) => this.#learn(manifest, options)))
    }
  }

  #nextUnread(): readonly Descriptor[] {
    return this.#unread
      .values()
      .filter((node) => !this.#known.has(node.digest) && !this.#unreadable.has(nodeKey(node)))
      .take(readsAtOnce)
      .toArray()
  }

  async #learn(manifest: Descriptor, options: SignalOptions): Promise<void> {
    const facts = await this.#read(manifest, options)
    if (facts === undefined) this.#unreadable.add(nodeKey(manifest))
    else this.add(manifest, facts)
  }

  #expect(node: Descriptor): void {
    if (!this.#manifestTypes.isManifest(node.mediaType) || this.#known.has(node.digest)) return
    this.#unread.set(nodeKey(node), node)
  }
}

const readsAtOnce = 16

function nodeKey({ digest, size, mediaType }: Descriptor): string {
  return `${digest} ${size} ${mediaType}`
}
