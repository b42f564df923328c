import type { Descriptor } from '../content/descriptor.ts'
import type { Edge } from '../content/manifest-types.ts'
import type { NodeState } from './options.ts'

/** A node where it was met first: what stands above it, and how it hangs there. */
export interface Place {
  readonly descriptor: Descriptor
  readonly edge: Edge | 'root'
  readonly parent?: Place
  readonly depth: number
  /** The config of an image that the destination does not have: new as its image is new, so nobody needs to ask. */
  readonly isNewConfig?: boolean
}

export function rootPlace(descriptor: Descriptor): Place {
  return { descriptor, edge: 'root', depth: 0 }
}

export function nodeState({ descriptor, parent }: Place): NodeState {
  return { descriptor, parent: parent?.descriptor }
}

/** The nodes from the root down to a place. */
export function pathTo(place: Place): readonly Descriptor[] {
  const path: Descriptor[] = []
  for (let at: Place | undefined = place; at !== undefined; at = at.parent) path.unshift(at.descriptor)
  return path
}
