import type { Descriptor } from '../content/descriptor.ts'
import type { Edge } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { pathTo, type ReachedNode } from './reached-node.ts'
import type { Workshop } from './transfer.ts'

/** A node in its place, as a filter sees it. */
export interface FilteredNode {
  /** As the manifest names it that refers to it. */
  readonly descriptor: Descriptor
  /** How it is referred to; on the way up, how it refers to `parent`. */
  readonly edge: Edge
  /** Where the copy came from: down, the manifest that refers to the node; up, the node that it refers to. */
  readonly parent: Descriptor
  /** Whether it was met below its parent, or above it. */
  readonly direction: 'down' | 'up'
  /** From the node where the copy began to the parent. */
  readonly path: readonly Descriptor[]
  /** Down, all that the parent refers to, this node among them; up, none. */
  readonly siblings: readonly Descriptor[]
  /** The tag that led to the node, if it is one named after a digest. */
  readonly tag?: string | undefined
  /** What the manifest says; undefined for a blob. It is read once for the whole copy. */
  read(): Promise<ManifestFacts | undefined>
  /** Tells a warning to who watches the copy. */
  warn(message: string): void
}

/** True for a node that is to be copied. What it throws fails the copy. */
export type NodeFilter = (node: FilteredNode) => Promise<boolean> | boolean

/** Which nodes below a root are copied, and what becomes of the manifests that refer to the others. */
export interface FilterRule {
  /** Asked for each edge downwards. */
  readonly keep: NodeFilter
  /**
   * A manifest one of whose successors is left out: `'sparse'` keeps its bytes and so its digest, which many registries
   * refuse; `'rewrite'` leaves the successor out of it too, and gives it, and all above it, a new digest; `'error'`
   * fails with UNSUPPORTED.
   */
  readonly parents: 'sparse' | 'rewrite' | 'error'
}

/** The place of a successor, for a filter. */
export function placeBelow(
  parent: ReachedNode,
  { descriptor, edge }: { readonly descriptor: Descriptor; readonly edge: Edge },
  siblings: readonly Descriptor[],
  workshop: Workshop,
): FilteredNode {
  const path = pathTo(parent)
  return {
    descriptor,
    edge,
    parent: parent.descriptor,
    direction: 'down',
    path,
    siblings,
    ...abilities(descriptor, workshop),
  }
}

/** What a filter can do with a node, wherever it is. */
export function abilities(
  descriptor: Descriptor,
  { source, lanes, ledger }: Workshop,
): Pick<FilteredNode, 'read' | 'warn'> {
  return {
    async read() {
      if (!source.manifestTypes.isManifest(descriptor.mediaType)) return undefined
      return source.parse(descriptor, await lanes.ask(() => source.read(descriptor)))
    },
    warn: (message) => ledger.side('source')({ type: 'warning', message }),
  }
}
