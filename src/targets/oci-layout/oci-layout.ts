import * as nodeFs from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { contentOf, type Content } from '../../content/content.ts'
import { nodeKey, sameNode, type Descriptor } from '../../content/descriptor.ts'
import { digestOf, isDigest, parseDigest, type Digest } from '../../content/digest.ts'
import { standardManifestTypes, type ManifestTypes } from '../../content/manifest-types.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { defaultMaxMetadataBytes, verifyBytes } from '../../content/verify.ts'
import { InvalidLayoutError, InvalidReferenceError, NotFoundError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type {
  Predecessor,
  PushOptions,
  PushOutcome,
  ReferrersOptions,
  TagsOptions,
  Target,
} from '../target.ts'
import { Blobs } from './blobs.ts'
import {
  addManifest,
  addTaggedManifest,
  forgetDeleted,
  removeNode,
  removeTag,
  setTag,
  type Mutation,
} from './changes.ts'
import type { LayoutFileSystem } from './file-system.ts'
import { emptySnapshot, IndexFile, type Snapshot } from './index-file.ts'
import { Ingest } from './ingest.ts'
import { LayoutFolder } from './layout-folder.ts'
import { settleListing } from './listing.ts'
import { ManifestGraph } from './manifest-graph.ts'
import { Manifests } from './manifests.ts'
import { Partials } from './partials.ts'

/** How a layout reads its disk, and what it takes. */
export interface OciLayoutOptions {
  /** The disk. @default `node:fs/promises` */
  readonly fs?: LayoutFileSystem | undefined
  /** The manifest media types that the layout knows. @default the standard ones */
  readonly manifestTypes?: ManifestTypes | undefined
  /** The largest manifest that is taken or read, in bytes. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
  /** How long to wait for another process that is writing index.json. @default 60 s */
  readonly lockTimeoutMilliseconds?: number | undefined
}

/**
 * A folder in the format of an OCI image layout. Several processes may use it at once. It is made, with the folder,
 * when it is first written to.
 *
 * Everything in it can be tagged, and a tag may be any text but a digest. Files that are no regular files are not read.
 * Errors of the disk come unchanged, with the `code` of Node (ENOSPC, EROFS, ...); besides those of `Target`:
 * INVALID_LAYOUT if the folder is no layout or its index.json cannot be read, LOCKED if another process does not end.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
 */
export class OciLayout implements Target {
  readonly manifestTypes: ManifestTypes
  readonly #directory: string
  readonly #blobs: Blobs
  readonly #manifests: Manifests
  readonly #graph: ManifestGraph
  readonly #index: IndexFile
  readonly #folder: LayoutFolder

  constructor(path: string, options: OciLayoutOptions = {}) {
    const { fs = nodeFs, manifestTypes = standardManifestTypes, lockTimeoutMilliseconds } = options
    const { maxMetadataBytes = defaultMaxMetadataBytes } = options
    this.manifestTypes = manifestTypes
    this.#directory = resolve(path)
    const directory = this.#directory
    const ingest = new Ingest(join(directory, 'ingest'), fs)
    const partials = new Partials(
      join(directory, 'partial'),
      fs,
      async (digest) => (await this.#blobs.size(digest)) !== undefined,
    )
    this.#blobs = new Blobs({
      directory,
      fs,
      ingest,
      partials,
      isLocal: fs === nodeFs,
      assertLayout: async (reading) => void (await this.#folder.snapshot(reading)),
    })
    this.#manifests = new Manifests({ blobs: this.#blobs, manifestTypes, maxMetadataBytes })
    this.#graph = new ManifestGraph(manifestTypes, {
      exists: (manifest) => this.#blobs.exists(manifest),
      read: (manifest, reading) => this.#manifests.facts(manifest, reading),
    })
    const listing = { graph: this.#graph, manifests: this.#manifests, manifestTypes }
    this.#index = new IndexFile({
      directory,
      fs,
      ingest,
      lockTimeoutMilliseconds,
      settle: (snapshot, index, changes) => settleListing(index, changes, snapshot, listing),
    })
    this.#folder = new LayoutFolder({ directory, fs, ingest, partials, index: this.#index })
  }

  /** From now on a folder that is not there counts as an empty layout, since it will be made. */
  async prepare(): Promise<void> {
    this.#folder.prepare()
  }

  async resolve(reference: string, options: SignalOptions = {}): Promise<Descriptor> {
    const snapshot = await this.#folder.snapshot(options)
    if (isDigest(reference)) return this.#resolveDigest(reference, snapshot, options)
    const entry = snapshot.named.get(reference)
    if (entry === undefined) throw this.#notFound(reference)
    const { descriptor } = entry
    if (descriptor === undefined) {
      throw new InvalidLayoutError(
        `the entry of ${JSON.stringify(reference)} in ${join(this.#directory, 'index.json')} is no descriptor`,
      )
    }
    if (await this.#blobs.exists(descriptor)) return descriptor
    throw new NotFoundError(
      `${JSON.stringify(reference)} names ${descriptor.digest}, which is not in ${this.#directory}, or not with ${descriptor.size} bytes`,
    )
  }

  /** Bytes that came as a blob are no manifest yet: nobody has looked whether what they name is there. */
  async exists(descriptor: Descriptor, options: SignalOptions = {}): Promise<boolean> {
    options.signal?.throwIfAborted()
    if (!(await this.#blobs.exists(descriptor))) return false
    if (!this.manifestTypes.isManifest(descriptor.mediaType)) return true
    const snapshot = (await this.#index.read(options)) ?? emptySnapshot
    return (await this.#graph.describeManifest(descriptor, snapshot, options)) !== undefined
  }

  fetch(descriptor: Descriptor, options: SignalOptions = {}): Content {
    return this.#blobs.content(descriptor, options)
  }

  async push(descriptor: Descriptor, content: Content, options: PushOptions = {}): Promise<PushOutcome> {
    const { existing = 'unknown', signal } = options
    signal?.throwIfAborted()
    parseDigest(descriptor.digest)
    await this.#folder.make(options)
    if (this.manifestTypes.isManifest(descriptor.mediaType)) {
      return this.#pushManifest(descriptor, content, options)
    }
    if (existing === 'unknown' && (await this.#blobs.exists(descriptor))) return 'existed'
    await this.#blobs.write(descriptor, content, options)
    return 'copied'
  }

  async pushReference(
    descriptor: Descriptor,
    bytes: Uint8Array,
    reference: string,
    options: SignalOptions = {},
  ): Promise<void> {
    options.signal?.throwIfAborted()
    assertTag(reference)
    verifyBytes(bytes, descriptor)
    if (!this.manifestTypes.isManifest(descriptor.mediaType)) {
      await this.push(descriptor, contentOf(bytes), options)
      return this.tag(descriptor, reference, options)
    }
    await this.#folder.make(options)
    // Another process may delete the manifest before it has its tag.
    do {
      const facts =
        (await this.#manifests.facts(descriptor, options)) ??
        (await this.#manifests.write(descriptor, contentOf(bytes), options))
      this.#graph.add(descriptor, facts)
      const addition = addTaggedManifest(descriptor, this.#manifests.covers(facts), reference)
      await this.#moveTag(reference, addition, options)
    } while (!(await this.#blobs.exists(descriptor)))
  }

  async ingest(content: Content, mediaType: string, options: SignalOptions = {}): Promise<Descriptor> {
    options.signal?.throwIfAborted()
    await this.#folder.make(options)
    if (!this.manifestTypes.isManifest(mediaType)) return this.#blobs.ingest(content, mediaType, options)
    const bytes = await this.#manifests.collect(content, options)
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    await this.push(descriptor, contentOf(bytes), options)
    return descriptor
  }

  async tag(descriptor: Descriptor, reference: string, options: SignalOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    assertTag(reference)
    if (!(await this.#blobs.exists(descriptor))) throw this.#notFound(descriptor.digest)
    await this.#folder.make(options)
    await this.#moveTag(reference, setTag(descriptor, reference), options)
    if (await this.#blobs.exists(descriptor)) return
    // Another process has deleted it meanwhile, and may have done so before the tag was there.
    await this.#relist(forgetDeleted(descriptor.digest, []), options)
    throw this.#notFound(descriptor.digest)
  }

  async untag(reference: string, options: SignalOptions = {}): Promise<void> {
    if (isDigest(reference)) throw new InvalidReferenceError(`${reference} is a digest, not a tag`)
    await this.#folder.snapshot(options)
    await this.#relist(removeTag(reference, this.#directory), options)
  }

  async delete(descriptor: Descriptor, options: SignalOptions = {}): Promise<void> {
    const { digest } = descriptor
    const snapshot = await this.#folder.snapshot(options)
    const size = await this.#blobs.size(digest)
    if (size === undefined) throw this.#notFound(digest)
    const manifest = await this.#graph.describeManifest({ digest, size }, snapshot, options)
    const contained = manifest && (await this.#manifests.containedManifests(manifest, options))
    await this.#relist(removeNode(digest, contained ?? []), options)
    await this.#blobs.remove(digest)
    this.#graph.remove(digest)
    // In between, while the manifest was still there, another process may have listed it anew, as what contained it was
    // removed, or taken what it contained for covered by it.
    if (contained !== undefined) await this.#relist(forgetDeleted(digest, contained), options)
  }

  async *tags(options: TagsOptions = {}): AsyncGenerator<string> {
    const { last, limit = Infinity } = options
    const { named } = await this.#folder.snapshot(options)
    const tags = [...named.keys()].filter((tag) => !isDigest(tag) && (last === undefined || tag > last))
    yield* tags.sort().slice(0, limit)
  }

  async *listed(options: SignalOptions = {}): AsyncGenerator<Descriptor> {
    const { listed } = await this.#folder.snapshot(options)
    const nodes = [...listed.values()].flat()
    yield* new Map(nodes.map((node) => [nodeKey(node), node])).values()
  }

  async *predecessors({ digest }: Descriptor, options: SignalOptions = {}): AsyncGenerator<Predecessor> {
    await this.#graph.refresh(await this.#folder.snapshot(options), options)
    for (const predecessor of this.#graph.predecessors(digest)) {
      if (await this.exists(predecessor.descriptor, options)) yield predecessor
    }
  }

  async *referrers(descriptor: Descriptor, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    const { artifactType } = options
    for await (const { descriptor: referrer, edge } of this.predecessors(descriptor, options)) {
      const isWanted = artifactType === undefined || referrer.artifactType === artifactType
      if (edge === 'subject' && isWanted) yield referrer
    }
  }

  /** Stores a manifest unless it is there, and lists it unless something contains it, or soon will. */
  async #pushManifest(descriptor: Descriptor, content: Content, options: PushOptions): Promise<PushOutcome> {
    const { existing, contained = false } = options
    const isThere = existing !== 'replace' && (await this.#blobs.exists(descriptor))
    if (isThere && contained && this.#graph.manifest(descriptor.digest) !== undefined) return 'existed'
    const listed = isThere ? (await this.#index.read(options))?.listed.get(descriptor.digest) : undefined
    if (listed?.some((node) => sameNode(node, descriptor))) return 'existed'
    const stored = isThere ? await this.#manifests.facts(descriptor, options) : undefined
    const facts = stored ?? (await this.#manifests.write(descriptor, content, options))
    this.#graph.add(descriptor, facts)
    if (!contained) await this.#relist(addManifest(descriptor, this.#manifests.covers(facts)), options)
    return stored === undefined ? 'copied' : 'existed'
  }

  async #resolveDigest(digest: Digest, snapshot: Snapshot, options: SignalOptions): Promise<Descriptor> {
    const size = await this.#blobs.size(digest)
    if (size === undefined) throw this.#notFound(digest)
    const known = await this.#graph.describe({ digest, size }, snapshot, options)
    if (known !== undefined) return known
    const isDamaged = snapshot.listed.has(digest) || this.#graph.manifest(digest) !== undefined
    if (!isDamaged) return { mediaType: mediaTypes.octetStream, digest, size }
    throw new NotFoundError(
      `${digest} is not in ${this.#directory}: its file has a wrong size, ${size} bytes`,
    )
  }

  /** Changes which tag points where; whether the node that lost it stays listed may be a question for the graph. */
  async #moveTag(reference: string, mutation: Mutation, options: SignalOptions): Promise<void> {
    const snapshot = await this.#index.read(options)
    if (snapshot?.named.has(reference)) return this.#relist(mutation, options)
    return this.#index.change(mutation, options)
  }

  /** A change that needs the graph. What can be read before the lock is taken is read before. */
  async #relist(mutation: Mutation, options: SignalOptions): Promise<void> {
    const snapshot = await this.#index.read(options)
    if (snapshot !== undefined) await this.#graph.refresh(snapshot, options)
    await this.#index.change(mutation, options)
  }

  #notFound(reference: string): NotFoundError {
    return new NotFoundError(`${JSON.stringify(reference)} is not in ${this.#directory}`)
  }
}

function assertTag(reference: string): void {
  if (reference !== '' && !isDigest(reference)) return
  throw new InvalidReferenceError(`${JSON.stringify(reference)} cannot be a tag`)
}
