import type { Descriptor } from '../content/descriptor.ts'
import type { Digest } from '../content/digest.ts'
import type { FilterReason, SkipReason } from '../events.ts'
import type { Invalidated } from './options.ts'
import type { SideRequests } from './plan-book.ts'
import type { PushReason } from './planned-destination.ts'

/** What would become of a node. */
export type PlannedAction = 'copy' | 'skip' | 'mount' | 'rewrite' | 'filter'

/** Why. `'modified'`: a modifier or a filter makes another node of it. */
export type PlannedReason = SkipReason | FilterReason | PushReason | 'modified'

/** A node that a copy would meet. */
export interface PlannedNode {
  /** With `mediaType` and `size`, as in the source. */
  readonly digest: Digest
  readonly mediaType: string
  /** In bytes. */
  readonly size: number
  readonly action: PlannedAction
  readonly reason: PlannedReason
  /** What would be read of content. Undefined where that is known only when a modifier has made it. */
  readonly bytes?: number | undefined
  /** HTTP exchanges for this node alone. */
  readonly requests: SideRequests
  /** What a rewritten node would be at the destination, where that is known. */
  readonly result?: Descriptor | undefined
}

/** The sums of a plan, or of a part of it. */
export interface PlanTotals {
  readonly nodes: Readonly<Record<PlannedAction, number>>
  /** What would be read of content, as far as it is known. */
  readonly bytes: number
  /** Nodes whose bytes are not known. */
  readonly unknown: number
  readonly requests: SideRequests
}

/** The sums of a manifest and its blobs; a blob that several manifests name counts for the one where it was met first. */
export interface PlannedImage extends PlanTotals {
  readonly digest: Digest
  readonly mediaType: string
  /** As its index names it. */
  readonly platform?: string | undefined
}

/** Which operation is planned. */
export type PlannedOperation = 'copy' | 'copyGraph' | 'extendedCopy' | 'extendedCopyGraph'

/** What a copy would do. Plain data, which JSON can hold. */
export interface Plan {
  /** Changes where a reader would have to. */
  readonly schemaVersion: 1
  /** Tells it from the report of a copy. */
  readonly dryRun: true
  readonly operation: PlannedOperation
  /** The reference that was asked for, or the digest of the node. */
  readonly reference: string
  /** What that names in the source. */
  readonly root: Descriptor
  /** The root at the destination; undefined where that is known only when a modifier has made it. */
  readonly descriptor?: Descriptor | undefined
  /** The tags that would point at it. */
  readonly tags: readonly string[]
  /** The tags that were looked up at the destination, and what they point at. */
  readonly destinationTags: readonly { readonly tag: string; readonly digest?: Digest | undefined }[]
  /** Stands for the options of the copy that are data, and the parameters of its modifiers. */
  readonly optionsDigest: Digest
  readonly totals: PlanTotals
  readonly images: readonly PlannedImage[]
  /** Each node once, successors first. */
  readonly nodes: readonly PlannedNode[]
  /** As a copy reports them. */
  readonly invalidated: readonly Invalidated[]
  /** Why there may be more or fewer requests, for people; empty where all is known. */
  readonly uncertainties: readonly string[]
}
