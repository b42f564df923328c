import { sameNode, type Descriptor } from '../content/descriptor.ts'
import type { Edge } from '../content/manifest-types.ts'
import type { NodeState } from './options.ts'

/** A node where it was met first: what stands above it, and how it hangs there. */
export interface ReachedNode {
  readonly descriptor: Descriptor
  readonly edge: Edge | 'root'
  /** Undefined for the root. */
  readonly parent?: ReachedNode
  /** Edges from the root. */
  readonly depth: number
  /** The config of an image that the destination does not have: new as its image is new, so nobody needs to ask. */
  readonly isNewConfig?: boolean
  /** Nothing is modified from here on. */
  readonly isOriginal?: boolean
  /** What the source has in its place, where `descriptor` is what became of it. */
  readonly original?: Descriptor
}

/** The root of a copy. */
export function rootNode(descriptor: Descriptor): ReachedNode {
  return { descriptor, edge: 'root', depth: 0 }
}

/** A node as what it has become; nothing is modified below it again. */
export function becoming(node: ReachedNode, made: Descriptor): ReachedNode {
  if (sameNode(node.descriptor, made)) return { ...node, isOriginal: true }
  return { ...node, descriptor: made, original: node.descriptor, isOriginal: true }
}

/** What functions of the caller's are told of a node. */
export function nodeState({ descriptor, parent }: ReachedNode): NodeState {
  return { descriptor, parent: parent?.descriptor }
}

/** The nodes from the root down to a node. */
export function pathTo(node: ReachedNode): readonly Descriptor[] {
  const path: Descriptor[] = []
  for (let at: ReachedNode | undefined = node; at !== undefined; at = at.parent) path.unshift(at.descriptor)
  return path
}
