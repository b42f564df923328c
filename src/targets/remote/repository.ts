import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest } from '../../content/digest.ts'
import { standardManifestTypes, type ManifestTypes } from '../../content/manifest-types.ts'
import { isRepository, parseReference } from '../../content/reference.ts'
import { defaultMaxMetadataBytes } from '../../content/verify.ts'
import { InvalidReferenceError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type {
  FetchedManifest,
  FetchReferenceOptions,
  Predecessor,
  PushOptions,
  PushOutcome,
  PushPlanner,
  ReferrersOptions,
  Source,
  TagsOptions,
  Target,
} from '../target.ts'
import { fetchBlob } from './blob-content.ts'
import { blobExists, blobName } from './blobs.ts'
import type { Endpoint, ReferrersMode } from './endpoint.ts'
import { ingestBlob } from './ingest.ts'
import { fetchManifest, fetchReference, manifestExists, resolve } from './manifests.ts'
import { newPushPlan, planPush } from './plan-push.ts'
import { pushManifest, pushManifestByTag, removeManifest } from './push-manifest.ts'
import { listReferrers } from './referrers.ts'
import { removeAt } from './removal.ts'
import { listTags, tagManifest, untag } from './tags.ts'
import { Transport, type TransportOptions } from './transport/transport.ts'
import { UploadJournal } from './upload-journal.ts'
import { pushBlob, type MountCandidate } from './uploads.ts'

/** How a repository is reached and read; what is not said here is found out. */
export interface RepositoryOptions extends TransportOptions {
  /** Shared connections, tokens and limits; the other options of a transport are then not looked at. @default one of its own */
  readonly transport?: Transport | undefined
  /** The media types that are manifests; all others are blobs. @default the standard ones */
  readonly manifestTypes?: ManifestTypes | undefined
  /** The largest manifest, list of tags or list of referrers that is read, in bytes. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
  /** The largest blob that goes in the opening request itself, in bytes. @default 64 KiB */
  readonly singlePostBytes?: number | undefined
  /** A larger blob goes in chunks of so many bytes, more where the registry wants more. @default whole, and in chunks only where the registry refuses that */
  readonly chunkBytes?: number | undefined
  /**
   * A folder in which uploads of blobs larger than 8 MiB are written down while they run, so that after a failure that
   * may pass, and after the end of the process, the next one goes on where the registry stands. Only its owner may read
   * what is in it: the place of an upload can be a capability. @default none
   */
  readonly uploadJournal?: string | undefined
  /** So many tags or repositories are asked for at once, 1000 at most. @default as many as the registry likes */
  readonly tagPageSize?: number | undefined
  /** How referrers are kept: `'api'`, `'tag-schema'`, or `'auto'` to find that out at the first need. @default 'auto' */
  readonly referrers?: 'auto' | ReferrersMode | undefined
  /** A manifest that is read counts against a limit here: a copy reads only those that it must. @default for docker.io alone */
  readonly countsPulls?: boolean | undefined
}

/**
 * A repository in a registry. References are a tag, a digest, or `tag@digest`, of which the digest decides.
 * Errors of every method, besides those of the interface: AUTH, UNREACHABLE, RESPONSE.
 * Content that is iterated must be iterated to its end or given up with `return`, as `for await` does: it holds a
 * connection and one of the places of its host.
 */
export class Repository implements Target {
  /** As in a reference: host, and port where one is given. */
  readonly registry: string
  /** The name within the registry. */
  readonly repository: string
  readonly manifestTypes: ManifestTypes
  readonly isRemote = true
  readonly countsPulls: boolean
  readonly #endpoint: Endpoint
  readonly #ownTransport?: Transport

  /** `name` is `host/repository`. Error: INVALID_REFERENCE. */
  constructor(name: string, options: RepositoryOptions = {}) {
    const { tag, digest, registry, repository } = parseReference(name)
    if (tag !== undefined || digest !== undefined) {
      throw new InvalidReferenceError(`${JSON.stringify(name)} is a reference, not the name of a repository`)
    }
    this.registry = registry
    this.repository = repository
    this.manifestTypes = options.manifestTypes ?? standardManifestTypes
    this.countsPulls = options.countsPulls ?? registry === 'docker.io'
    const transport = options.transport ?? new Transport(options)
    if (transport !== options.transport) this.#ownTransport = transport
    this.#endpoint = makeEndpoint(this, transport, options)
  }

  /** A copy to here begins: from now on one token for reading and writing serves all requests. */
  async prepare(options: SignalOptions = {}): Promise<void> {
    options.signal?.throwIfAborted()
    this.#endpoint.state.isPrepared = true
  }

  async resolve(reference: string, options: SignalOptions = {}): Promise<Descriptor> {
    return resolve(this.#endpoint, reference, options)
  }

  async exists(descriptor: Descriptor, options: SignalOptions = {}): Promise<boolean> {
    return this.#isManifest(descriptor)
      ? manifestExists(this.#endpoint, descriptor, options)
      : blobExists(this.#endpoint, descriptor, options)
  }

  fetch(descriptor: Descriptor, options: SignalOptions = {}): Content {
    return this.#isManifest(descriptor)
      ? fetchManifest(this.#endpoint, descriptor, options)
      : fetchBlob(this.#endpoint, descriptor, options)
  }

  async fetchReference(reference: string, options: FetchReferenceOptions = {}): Promise<FetchedManifest> {
    return fetchReference(this.#endpoint, reference, options)
  }

  async push(descriptor: Descriptor, content: Content, options: PushOptions = {}): Promise<PushOutcome> {
    parseDigest(descriptor.digest)
    return this.#isManifest(descriptor)
      ? pushManifest(this.#endpoint, descriptor, content, options)
      : pushBlob(this.#endpoint, descriptor, content, {
          ...options,
          candidates: this.#mountCandidates(options),
        })
  }

  async pushReference(
    descriptor: Descriptor,
    bytes: Uint8Array,
    reference: string,
    options: SignalOptions = {},
  ): Promise<void> {
    return pushManifestByTag(this.#endpoint, { descriptor, bytes }, reference, options)
  }

  async ingest(content: Content, mediaType: string, options: SignalOptions = {}): Promise<Descriptor> {
    return ingestBlob(this.#endpoint, content, mediaType, options)
  }

  async tag(descriptor: Descriptor, reference: string, options: SignalOptions = {}): Promise<void> {
    return tagManifest(this.#endpoint, descriptor, reference, options)
  }

  async untag(reference: string, options: SignalOptions = {}): Promise<void> {
    return untag(this.#endpoint, reference, options)
  }

  async delete(descriptor: Descriptor, options: SignalOptions = {}): Promise<void> {
    const { digest } = descriptor
    parseDigest(digest)
    if (this.#isManifest(descriptor)) return removeManifest(this.#endpoint, descriptor, options)
    return removeAt(this.#endpoint, `blobs/${digest}`, blobName(this.#endpoint, digest), options)
  }

  /** All pages are read before the first tag comes, since registries sort in several ways. */
  async *tags(options: TagsOptions = {}): AsyncGenerator<string> {
    yield* await listTags(this.#endpoint, options)
  }

  async *referrers(descriptor: Descriptor, options: ReferrersOptions = {}): AsyncGenerator<Descriptor> {
    yield* listReferrers(this.#endpoint, descriptor, options)
  }

  /** The referrers: a registry does not tell which index contains a manifest. */
  async *predecessors(descriptor: Descriptor, options: SignalOptions = {}): AsyncGenerator<Predecessor> {
    for await (const referrer of listReferrers(this.#endpoint, descriptor, options)) {
      yield { descriptor: referrer, edge: 'subject' }
    }
  }

  /** A sibling in the same registry, unless a mount from it was refused before. */
  canMount(source: Source): boolean {
    return (
      source instanceof Repository &&
      this.#isSibling(source) &&
      !this.#endpoint.state.refusedMounts.has(source.repository)
    )
  }

  planPushes(): PushPlanner {
    const plan = newPushPlan(this.#endpoint)
    return (descriptor, content, options) =>
      planPush(plan, descriptor, content, { ...options, candidates: this.#mountCandidates(options) })
  }

  canTag(mediaType: string): boolean {
    return this.manifestTypes.isManifest(mediaType)
  }

  /** Closes the connections, if they are not shared. What is still under way fails. */
  async close(): Promise<void> {
    await this.#ownTransport?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #isManifest({ mediaType }: Descriptor): boolean {
    return this.manifestTypes.isManifest(mediaType)
  }

  #isSibling({ registry, repository }: Repository): boolean {
    return registry === this.registry && repository !== this.repository
  }

  #mountCandidates({ mountFrom = [], source }: PushOptions): readonly MountCandidate[] {
    const invalid = mountFrom.find((name) => !isRepository(name))
    if (invalid !== undefined) {
      throw new InvalidReferenceError(`${JSON.stringify(invalid)} is not a name of a repository`)
    }
    const sibling = source instanceof Repository && this.#isSibling(source) ? source.repository : undefined
    const names = new Set([...mountFrom, ...(sibling === undefined ? [] : [sibling])])
    names.delete(this.repository)
    return [...names].map((repository) => ({ repository, hasBlob: repository === sibling }))
  }
}

function makeEndpoint(
  { registry, repository, manifestTypes }: Repository,
  transport: Transport,
  options: RepositoryOptions,
): Endpoint {
  const {
    maxMetadataBytes = defaultMaxMetadataBytes,
    singlePostBytes = 64 * 1024,
    chunkBytes = Infinity,
    uploadJournal,
    tagPageSize,
    referrers = 'auto',
  } = options
  if (chunkBytes !== Infinity && !(Number.isSafeInteger(chunkBytes) && chunkBytes > 0)) {
    throw new RangeError(`chunkBytes is ${chunkBytes}, expected a number of bytes`)
  }
  return {
    transport,
    registry,
    repository,
    manifestTypes,
    maxMetadataBytes,
    singlePostBytes,
    chunkBytes,
    uploadJournal: uploadJournal === undefined ? undefined : new UploadJournal(uploadJournal),
    tagPageSize,
    referrers: referrers === 'auto' ? undefined : referrers,
    state: {
      isPrepared: false,
      isKnown: false,
      referrers: undefined,
      listUpdates: new Map(),
      takesDelete: true,
      refusedMounts: new Set(),
      failedMounts: new Map(),
      ignoresSubjects: false,
    },
    traits: transport.traits(registry),
  }
}
