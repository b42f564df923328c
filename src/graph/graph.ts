import { Graph } from '@dagrejs/graphlib'
import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import type { Edge } from '../content/manifest-types.ts'
import { SizeExceedsLimitError, UnsupportedError } from '../errors.ts'
import type { Source } from '../targets/target.ts'
import { defaultMaxNodes, SeenNodes, walkOn, type WalkedNode, type WalkOptions } from './walk.ts'

/** A node of a finished graph. */
export interface GraphNode {
  /** As its first parent names it. */
  readonly descriptor: Descriptor
  /** Of a manifest that was read. */
  readonly artifactType?: string | undefined
  /** A subject that the source does not have. */
  readonly isMissing?: boolean | undefined
}

/** An edge of a finished graph, from a manifest to what it refers to. */
export interface GraphEdge {
  /** Whether it is the subject of this manifest. */
  readonly edge: Edge
  /** The successor as this manifest names it: with the platform and annotations of its entry. */
  readonly descriptor: Descriptor
}

/** The label of a finished graph. */
export interface GraphLabel {
  /** The id of the node that was asked about. */
  readonly root: string
}

/** Ids are numbers of our own, `n0` and so on: names from outside are not safe as ids of graphlib. */
export type ContentGraph = Graph<GraphLabel, GraphNode, GraphEdge>

/** How far a graph is built; `maxNodes` counts the nodes of the whole. */
export interface BuildGraphOptions extends WalkOptions {
  /** Also what refers to the root and to every manifest under it, and what is under that. @default true where the source can find predecessors */
  readonly referrers?: boolean | undefined
}

/**
 * The graph of a node as a value to look at: all that is under it and, on request, the manifests whose subject is one
 * of those, with all that is under them.
 *
 * Errors: as `walk`; UNSUPPORTED for referrers from a source that cannot find predecessors. Costs O(nodes + edges).
 */
export async function buildGraph(
  source: Source,
  root: Descriptor,
  options: BuildGraphOptions = {},
): Promise<ContentGraph> {
  const { referrers = source.predecessors !== undefined, maxNodes } = options
  const builder = new Builder(root)
  const seen = new SeenNodes(maxNodes)
  const open = [root]
  for (const at of open) {
    for await (const node of walkOn(source, at, seen, options)) {
      builder.add(node)
      if (!referrers || node.facts === undefined) continue
      for (const referrer of await referrersOf(source, node.descriptor, options)) open.push(referrer)
    }
  }
  return builder.graph
}

async function referrersOf(
  source: Source,
  manifest: Descriptor,
  { signal, onEvent, maxNodes = defaultMaxNodes }: BuildGraphOptions,
): Promise<readonly Descriptor[]> {
  if (source.predecessors === undefined) throw new UnsupportedError('the source has no ability predecessors')
  const found: Descriptor[] = []
  for await (const { descriptor, edge } of source.predecessors(manifest, { signal, onEvent })) {
    if (edge === 'subject') found.push(descriptor)
    if (found.length > maxNodes) {
      throw new SizeExceedsLimitError(`${manifest.digest} has more than ${maxNodes} referrers`)
    }
  }
  return found
}

class Builder {
  readonly graph: ContentGraph
  readonly #ids = new Map<string, string>()

  constructor(root: Descriptor) {
    this.graph = new Graph<GraphLabel, GraphNode, GraphEdge>({ directed: true })
    this.graph.setGraph({ root: this.#id(root) })
  }

  add({ descriptor, facts, successors, isMissing }: WalkedNode): void {
    const id = this.#id(descriptor)
    this.graph.setNode(id, { descriptor, artifactType: facts?.artifactType, isMissing })
    for (const successor of successors) this.graph.setEdge(id, this.#id(successor.descriptor), successor)
  }

  #id(descriptor: Descriptor): string {
    const key = nodeKey(descriptor)
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = `n${this.#ids.size}`
    this.#ids.set(key, id)
    this.graph.setNode(id, { descriptor })
    return id
  }
}
