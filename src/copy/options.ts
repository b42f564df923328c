import type { Descriptor } from '../content/descriptor.ts'
import type { ManifestTypes, Successor } from '../content/manifest-types.ts'
import type { Platform } from '../content/platform.ts'
import type { SignalOptions } from '../events.ts'
import type { FilterRule } from './filter.ts'
import type { ModifierMemory } from './modifiers/modifier-memory.ts'
import type { Modifier } from './modifiers/modifier.ts'
import type { Source } from '../targets/target.ts'

/** What a function of the caller's is told of a node. */
export interface NodeState {
  /** As its first parent names it. */
  readonly descriptor: Descriptor
  /** The manifest through which the node was reached; undefined for the root. */
  readonly parent?: Descriptor | undefined
}

/** What `findSuccessors` is told of a manifest. */
export interface SuccessorsState extends NodeState {
  /** What the manifest refers to, its subject first. */
  readonly successors: readonly Successor[]
  /** The source, read through what the copy has in memory. */
  readonly source: Source
}

/** What `mapRoot` is told. */
export interface RootState {
  /** What the reference names in the source. */
  readonly root: Descriptor
  /** The source, read through what the copy has in memory. */
  readonly source: Source
}

/** What becomes of a manifest that says something of a node which has become another one. */
export type Disposition = 'drop' | 'keep' | 'repoint'

/** A manifest whose subject has become another one. */
export interface InvalidatedState {
  readonly descriptor: Descriptor
  readonly artifactType: string | undefined
  /** As it was. */
  readonly subject: Descriptor
}

/** A manifest whose subject has become another one, and what became of it. */
export interface Invalidated extends InvalidatedState {
  readonly disposition: Disposition
  /** For people. */
  readonly reason: string
}

/** How a graph is copied. What a function of the caller's throws fails the copy, as the `cause` of a COPY error. */
export interface CopyGraphOptions extends SignalOptions {
  /** Transfers of more than 1 MiB at once; six times as many small ones and questions. @default 6 */
  readonly concurrency?: number | undefined
  /**
   * How much of what is at the destination already is looked at. `'root'`: a manifest that is there stands for all
   * that it names. `'manifests'`: every manifest is read from the source, and all that it names is asked for.
   * `'full'`: everything that is there is also read back and verified, and replaced where it is damaged.
   * With a filter that leaves manifests sparse, and with `findSuccessors`, `'root'` means `'manifests'`.
   * @default 'root'
   */
  readonly verify?: 'root' | 'manifests' | 'full' | undefined
  /** A subject that the source does not have, which the spec allows: NOT_FOUND, or reported and left out. @default 'error' */
  readonly onMissingSubject?: 'error' | 'skip' | undefined
  /** Non-distributable layers: left out and reported, copied as others, or an UNSUPPORTED error. @default 'skip' */
  readonly foreignLayers?: 'skip' | 'copy' | 'error' | undefined
  /** The largest manifest that is read, in bytes; beyond it the copy fails with SIZE_EXCEEDS_LIMIT. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
  /** The longest path from the root, in edges; beyond it the copy fails with SIZE_EXCEEDS_LIMIT. @default 1,000 */
  readonly maxDepth?: number | undefined
  /** The most nodes; beyond it the copy fails with SIZE_EXCEEDS_LIMIT. @default 1,000,000 */
  readonly maxNodes?: number | undefined
  /** The media types that are manifests; the destination must take the same for manifests. @default those of the source */
  readonly manifestTypes?: ManifestTypes | undefined
  /**
   * Keeps what has come of large blobs when `signal` aborts, where the destination can go on from there the next time (a
   * layout). After a failure of the network it is kept in any case. @default false
   */
  readonly keepPartial?: boolean | undefined
  /** Called before a node is transferred or mounted; `'skip'` leaves it out. A root that is left out is not tagged. */
  readonly preCopy?: ((state: NodeState) => Promise<'skip' | void> | 'skip' | void) | undefined
  /** Called when a node has been transferred, before its parents are. */
  readonly postCopy?: ((state: NodeState) => Promise<void> | void) | undefined
  /** Called for a node that the destination has already, and for a root whose tags are right. */
  readonly onCopySkipped?: ((state: NodeState) => Promise<void> | void) | undefined
  /** Called instead of `postCopy` when a blob was mounted. */
  readonly onMounted?: ((state: NodeState) => Promise<void> | void) | undefined
  /** Repositories in the destination's registry that may have a blob, in order; those of one registry are tried without being named. */
  readonly mountFrom?: ((state: NodeState) => Promise<readonly string[]> | readonly string[]) | undefined
  /** Which nodes below a root are copied, and what becomes of the manifests above the others. @default all of them */
  readonly filter?: FilterRule | undefined
  /** What nodes become on the way, in this order. @default they stay as they are, byte for byte */
  readonly modifiers?: readonly Modifier[] | undefined
  /** Where is kept what blobs have become, so that another run need not make it again. @default nothing is kept */
  readonly modifierMemory?: ModifierMemory | undefined
  /**
   * An existing folder for what modifiers make, where the destination takes only content whose digest is known. The files in it
   * have no names, and are gone when the copy ends, in whatever way. @default that of the system for temporary files
   */
  readonly spoolFolder?: string | undefined
  /**
   * What becomes of a manifest whose subject has become another one, such as a signature, which says something of the old
   * digest: `'drop'` leaves it out, `'keep'` copies it as it is and the old subject with it, `'repoint'` makes it refer to
   * the new one. The result names each. @default 'drop'
   */
  readonly invalidated?:
    Disposition | ((state: InvalidatedState) => Disposition | Promise<Disposition>) | undefined
  /** Chooses what of a manifest is followed. The manifest itself stays as it is. @default all that it refers to */
  readonly findSuccessors?:
    ((state: SuccessorsState) => Promise<readonly Successor[]> | readonly Successor[]) | undefined
}

/** How the graph of a reference is copied and tagged. */
export interface CopyOptions extends CopyGraphOptions {
  /** The tag or tags at the destination; none for an empty list. @default the tag of the source's reference, if it has one */
  readonly destinationReference?: string | readonly string[] | undefined
  /** Takes the first image for this platform out of an index, or fails with NOT_FOUND. Applied after `mapRoot`. @default the whole index */
  readonly platform?: Platform | undefined
  /** Replaces the root, before anything is copied. @default what the reference names */
  readonly mapRoot?: ((state: RootState) => Promise<Descriptor> | Descriptor) | undefined
}

/** So many nodes, and the sum of their sizes. */
export interface Tally {
  readonly nodes: number
  /** By their descriptors, also of nodes that did not move. */
  readonly bytes: number
}

/** What a copy did. A manifest that was skipped stands for all that it names, and counts as one node. */
export interface CopyResult {
  /** The root as it is at the destination. */
  readonly root: Descriptor
  /** The tags that point at the root now. */
  readonly tags: readonly string[]
  /** Transferred. */
  readonly copied: Tally
  /** Taken over by the destination's registry from a repository of its own. */
  readonly mounted: Tally
  /** Not transferred, for a `SkipReason`. */
  readonly skipped: Tally
  /** Left out on purpose, for a `FilterReason`. */
  readonly filtered: Tally
  /** What says something of a node that has become another one. */
  readonly invalidated: readonly Invalidated[]
}
