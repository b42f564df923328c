import { nodeKey, plainDescriptor, type Descriptor } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import type { ManifestFacts } from '../../content/manifest.ts'
import { successorsOf, type ManifestTypes } from '../../content/manifest-types.ts'
import type { SignalOptions } from '../../events.ts'
import { PredecessorIndex } from '../predecessor-index.ts'
import type { Predecessor } from '../target.ts'
import type { Snapshot } from './index-file.ts'
import type { IndexJson } from './index-json.ts'

/** Where the graph finds the manifests of the layout. */
export interface StoredManifests {
  /** True for a file of the right size. */
  readonly exists: (manifest: Descriptor) => Promise<boolean>
  /** Undefined for a manifest that is missing or cannot be read. */
  readonly read: (manifest: Descriptor, options: SignalOptions) => Promise<ManifestFacts | undefined>
}

/**
 * What the manifests of a layout refer to. It knows those that it was told of, and reads the others that index.json
 * leads to when it is first asked. Facts never get old, as a digest names them; whether a manifest is still there is
 * for the caller to look, but for `containedIn`.
 */
export class ManifestGraph {
  readonly #manifestTypes: ManifestTypes
  readonly #stored: StoredManifests
  readonly #index = new PredecessorIndex()
  readonly #known = new Map<Digest, Descriptor>()
  /** Named by index.json or a manifest that is known, but not read; by node, as what names them may have size or type wrong. */
  readonly #unread = new Map<string, Descriptor>()
  /** There, but damaged: not to be tried again before somebody else has changed the layout. */
  readonly #unreadable = new Set<string>()
  #generation = -1
  #newest: IndexJson | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(manifestTypes: ManifestTypes, stored: StoredManifests) {
    this.#manifestTypes = manifestTypes
    this.#stored = stored
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
    const isNamed = this.#index.of(digest).length > 0
    if (manifest !== undefined && isNamed) this.#expect(manifest)
    this.#newest = undefined
  }

  /** A manifest by its digest, as far as it is known. */
  manifest(digest: Digest): Descriptor | undefined {
    return this.#known.get(digest)
  }

  /** What index.json or a manifest says of bytes that are here; that they are a manifest, if anything says so. */
  async describe(
    { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
    snapshot: Snapshot,
    options: SignalOptions,
  ): Promise<Descriptor | undefined> {
    const listed = snapshot.listed.get(digest)?.filter((node) => node.size === size) ?? []
    const manifest = listed.findLast(({ mediaType }) => this.#manifestTypes.isManifest(mediaType))
    if (manifest !== undefined) return manifest
    if (!this.#known.has(digest)) await this.refresh(snapshot, options)
    const contained = this.#known.get(digest)
    return contained?.size === size ? contained : listed.at(-1)
  }

  /** The same for bytes that are a manifest; undefined for a blob. */
  async describeManifest(
    node: Pick<Descriptor, 'digest' | 'size'>,
    snapshot: Snapshot,
    options: SignalOptions,
  ): Promise<Descriptor | undefined> {
    const known = await this.describe(node, snapshot, options)
    return known !== undefined && this.#manifestTypes.isManifest(known.mediaType) ? known : undefined
  }

  /** All manifests that refer to a node, as far as they are known. */
  predecessors(digest: Digest): readonly Predecessor[] {
    return this.#index.of(digest)
  }

  /**
   * Those of the nodes that a holder contains, directly or not. Neither `removed` manifests count nor those that are not
   * there any more, which another process may have removed.
   */
  async containedIn(
    digests: Iterable<Digest>,
    isHolder: (digest: Digest) => boolean,
    removed: ReadonlySet<Digest>,
  ): Promise<ReadonlySet<Digest>> {
    const counted = new Map<Digest, boolean>()
    const counts = async (digest: Digest): Promise<boolean> => {
      const known = counted.get(digest)
      if (known !== undefined) return known
      const isCounted = !removed.has(digest) && (await this.#isThere(digest))
      counted.set(digest, isCounted)
      return isCounted
    }
    const contained = new Set<Digest>()
    for (const digest of digests) {
      if (await this.#isContained(digest, isHolder, counts)) contained.add(digest)
    }
    return contained
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
    this.#expectEntries(index)
    const tried = new Set<string>()
    for (;;) {
      const next = this.#nextUnread(tried)
      if (next.length === 0) return
      options.signal?.throwIfAborted()
      await Promise.all(next.map((manifest) => this.#learn(manifest, options)))
    }
  }

  /** What came from an index.json once stays expected. */
  #expectEntries(index: IndexJson): void {
    if (index === this.#newest) return
    for (const { descriptor } of index.entries) if (descriptor !== undefined) this.#expect(descriptor)
    this.#newest = index
  }

  /** Some that are to be read and were not tried yet; those that are missing are tried once in each refresh. */
  #nextUnread(tried: Set<string>): readonly Descriptor[] {
    const next = this.#unread
      .entries()
      .filter(
        ([key, { digest }]) => !tried.has(key) && !this.#unreadable.has(key) && !this.#known.has(digest),
      )
      .take(readsAtOnce)
      .toArray()
    for (const [key] of next) tried.add(key)
    return next.map(([, manifest]) => manifest)
  }

  async #isContained(
    digest: Digest,
    isHolder: (digest: Digest) => boolean,
    counts: (digest: Digest) => Promise<boolean>,
  ): Promise<boolean> {
    const reached = new Set([digest])
    for (const at of reached) {
      const containers = this.#index.of(at).filter(({ edge }) => edge === 'contains')
      if (containers.length === 0 || (at !== digest && !(await counts(at)))) continue
      for (const { descriptor } of containers) {
        if (isHolder(descriptor.digest) && (await counts(descriptor.digest))) return true
        reached.add(descriptor.digest)
      }
    }
    return false
  }

  /** Forgets a manifest that is not. */
  async #isThere(digest: Digest): Promise<boolean> {
    const manifest = this.#known.get(digest)
    if (manifest !== undefined && (await this.#stored.exists(manifest))) return true
    this.remove(digest)
    return false
  }

  async #learn(manifest: Descriptor, options: SignalOptions): Promise<void> {
    if (!(await this.#stored.exists(manifest))) return
    const facts = await this.#stored.read(manifest, options)
    if (facts === undefined) this.#unreadable.add(nodeKey(manifest))
    else this.add(manifest, facts)
  }

  #expect(node: Descriptor): void {
    if (!this.#manifestTypes.isManifest(node.mediaType) || this.#known.has(node.digest)) return
    this.#unread.set(nodeKey(node), node)
  }
}

const readsAtOnce = 16
