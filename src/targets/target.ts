import type { Content } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import type { Edge, ManifestTypes } from '../content/manifest-types.ts'
import type { SignalOptions } from '../events.ts'

/** A node that refers to the one that was asked about. Its descriptor carries the artifact type and annotations of the manifest. */
export interface Predecessor {
  readonly descriptor: Descriptor
  readonly edge: Edge
}

/** A manifest with its bytes, verified. */
export interface FetchedManifest {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

/** How much a manifest that nobody has seen yet may hold. */
export interface FetchReferenceOptions extends SignalOptions {
  /** The largest manifest that is accepted, in bytes. @default 4 MiB */
  readonly maxBytes?: number | undefined
}

/** Which referrers are wanted. */
export interface ReferrersOptions extends SignalOptions {
  /** Only referrers of this artifact type. */
  readonly artifactType?: string | undefined
}

/** Which part of the tags is wanted. */
export interface TagsOptions extends SignalOptions {
  /** Only tags after this one in lexical order (distribution-spec, "Listing Tags"). */
  readonly last?: string | undefined
  /** At most so many. */
  readonly limit?: number | undefined
}

/** What the caller knows of the content, so that the target can take the shortest way. */
export interface PushOptions extends SignalOptions {
  /**
   * What is known of the content at the target. `'unknown'`: the target looks first, and resolves `'existed'`
   * without reading what is there. `'absent'`: the caller has just looked. `'replace'`: what is there is damaged and is written over.
   * @default 'unknown'
   */
  readonly existing?: 'unknown' | 'absent' | 'replace' | undefined
  /** Where the content comes from: a target that can take it from there by a shorter way does. */
  readonly source?: Source | undefined
  /** Names of repositories in the same registry to try to mount a blob from, in order. */
  readonly mountFrom?: readonly string[] | undefined
  /**
   * Keeps what has come of a large blob when `signal` aborts, where the target can go on from there the next time. After
   * a failure of the network it is kept in any case. @default false
   */
  readonly keepPartial?: boolean | undefined
  /** A manifest that contains this one is about to be pushed, so that a store which lists its roots need not list it meanwhile. @default false */
  readonly contained?: boolean | undefined
}

/** How content came to be at the target. */
export type PushOutcome = 'copied' | 'mounted' | 'existed'

/** A push that is only planned. */
export interface PlanPushOptions extends PushOptions {
  /** The tag, where `pushReference` would be called. */
  readonly reference?: string | undefined
}

/** What a push would do. */
export interface PlannedPush {
  readonly outcome: PushOutcome
  /** HTTP exchanges, if mounts and uploads in one request succeed, without authentication and repetitions. */
  readonly requests: number
  /** Why there may be more or fewer requests, for people. */
  readonly uncertainty?: string | undefined
}

/**
 * Says what one push of a copy would do, after those that it was asked about before. It may ask, and writes nothing. It
 * reads the content of a manifest where the push would, and never that of a blob.
 */
export type PushPlanner = (
  descriptor: Descriptor,
  content: Content,
  options: PlanPushOptions,
) => Promise<PlannedPush>

/** Something that content can be read from. Its optional methods are abilities that only some targets have. */
export interface Source {
  /** The manifest media types that this target knows. @default the standard ones */
  readonly manifestTypes?: ManifestTypes
  /** Each manifest that is read counts against a limit, and `resolve` does not: a copy then reads only what it must. @default false */
  readonly countsPulls?: boolean
  /** Each read is a request. @default false */
  readonly isRemote?: boolean
  /**
   * The descriptor of a tag or a digest; a digest of a blob too.
   * Errors: NOT_FOUND, INVALID_REFERENCE.
   */
  resolve(reference: string, options?: SignalOptions): Promise<Descriptor>
  /** Whether the content is there, by digest. A malformed digest is an INVALID_DIGEST error. */
  exists(descriptor: Descriptor, options?: SignalOptions): Promise<boolean>
  /** The content, lazily: NOT_FOUND comes with the first chunk. Errors while iterating: SIZE_MISMATCH, DIGEST_MISMATCH. */
  fetch(descriptor: Descriptor, options?: SignalOptions): Content
  /** A manifest by tag or digest in one round trip. Errors: NOT_FOUND, SIZE_EXCEEDS_LIMIT, DIGEST_MISMATCH. */
  fetchReference?(reference: string, options?: FetchReferenceOptions): Promise<FetchedManifest>
  /** The manifests that refer to a node; none for a node that is not known. */
  predecessors?(descriptor: Descriptor, options?: SignalOptions): AsyncIterable<Predecessor>
  /** The manifests whose subject is this one; each descriptor carries artifact type and annotations. */
  referrers?(descriptor: Descriptor, options?: ReferrersOptions): AsyncIterable<Descriptor>
  /** All tags in lexical order; digests are not tags. */
  tags?(options?: TagsOptions): AsyncIterable<string>
  /** All nodes that the store lists, tagged or not, each once: where to begin without a tag. */
  listed?(options?: SignalOptions): AsyncIterable<Descriptor>
}

/** Something that content can be copied to. */
export interface Destination {
  /** The manifest media types that this target knows. @default the standard ones */
  readonly manifestTypes?: ManifestTypes
  /** Each question costs a round trip: a copy then asks only where it must. @default false */
  readonly isRemote?: boolean
  /** Hears that writes will follow, before the first request of a copy: a registry is then asked for both rights at once. */
  prepare?(options?: SignalOptions): Promise<void>
  /** As in `Source`. */
  exists(descriptor: Descriptor, options?: SignalOptions): Promise<boolean>
  /**
   * Stores content under its digest, verified: content that does not match is never shown.
   * May be called many times at once, also for the same descriptor.
   * Errors: INVALID_DIGEST, SIZE_MISMATCH, DIGEST_MISMATCH, UNSUPPORTED, and whatever the content throws, unchanged.
   */
  push(descriptor: Descriptor, content: Content, options?: PushOptions): Promise<PushOutcome>
  /**
   * Points a tag at content that is there; moves the tag if it pointed elsewhere.
   * Errors: NOT_FOUND, INVALID_REFERENCE, UNSUPPORTED (a blob in a registry).
   */
  tag(descriptor: Descriptor, reference: string, options?: SignalOptions): Promise<void>
  /** As in `Source`, where the target can be read. */
  resolve?(reference: string, options?: SignalOptions): Promise<Descriptor>
  /** As in `Source`, where the target can be read. */
  fetch?(descriptor: Descriptor, options?: SignalOptions): Content
  /** Pushes a manifest and points a tag at it in one round trip. */
  pushReference?(
    descriptor: Descriptor,
    bytes: Uint8Array,
    reference: string,
    options?: SignalOptions,
  ): Promise<void>
  /** Stores a blob whose digest is known only at its end. */
  ingest?(content: Content, mediaType: string, options?: SignalOptions): Promise<Descriptor>
  /** True if blobs of this source are likely to be mounted by `push`, so that asking `exists` first would waste a request. */
  canMount?(source: Source): boolean
  /** Begins the plan of a copy to here. Without it, requests of pushes are not known. */
  planPushes?(): PushPlanner
  /** False if `tag` would refuse a node of this media type. Without it, every node can be tagged. */
  canTag?(mediaType: string): boolean
}

/** A store that can be read and written. */
export interface Target extends Source, Destination {
  readonly isRemote?: boolean
  resolve(reference: string, options?: SignalOptions): Promise<Descriptor>
  fetch(descriptor: Descriptor, options?: SignalOptions): Content
  /** Removes a tag and leaves the content. Errors: NOT_FOUND, INVALID_REFERENCE, UNSUPPORTED. */
  untag?(reference: string, options?: SignalOptions): Promise<void>
  /** Removes content and the tags that point at it. Errors: NOT_FOUND, UNSUPPORTED. */
  delete?(descriptor: Descriptor, options?: SignalOptions): Promise<void>
}
