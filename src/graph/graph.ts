import { Graph } from '@dagrejs/graphlib'
import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import type { Edge } from '../content/manifest-types.ts'
import { UnsupportedError } from '../errors.ts'
import type { Source } from '../targets/target.ts'
import { walk, type WalkOptions } from './walk.ts'

/** A node of a finished graph. */
export interface GraphNode {
  readonly descriptor: Descriptor
  readonly artifactType?: string | undefined
  /** A subject that the source does not have. */
  readonly isMissing?: boolean | undefined
}

/** An edge of a finished graph, from a manifest to what it refers to. */
export interface GraphEdge {
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
  const { referrers = source.predecessors !== undefined } = options
  const builder = new Builder(root)
  const open = [root]
  for (const at of open) {
    if (builder.isExplored(at)) continue
    const added = await builder.addUnder(source, at, options)
    if (referrers) open.push(...(await findReferrers(source, added, options)))
  }
  return builder.graph
}

async function findReferrers(
  source: Source,
  manifests: readonly Descriptor[],
  options: BuildGraphOptions,
): Promise<readonly Descriptor[]> {
  const found: Descriptor[] = []
  const { signal, onEvent } = options
  if (source.predecessors === undefined) throw new UnsupportedError('the source has no ability predecessors')
  for (const manifest of manifests) {
    for await (const { descriptor, edge } of source.predecessors(manifest, { signal, onEvent })) {
      if (edge === 'subject') found.push(descriptor)
    }
  }
  return found
}

class Builder {
  readonly graph: ContentGraph
  readonly #ids = new Map<string, string>()
  readonly #explored = new Set<string>()

  constructor(root: Descriptor) {
    this.graph = new Graph<GraphLabel, GraphNode, GraphEdge>({ directed: true })
    this.graph.setGraph({ root: this.#id(root) })
  }

  isExplored(node: Descriptor): boolean {
    return this.#explored.has(nodeKey(node))
  }

  /** Adds what is under a node; resolves to the manifests among it that are new. */
  async addUnder(source: Source, root: Descriptor, options: WalkOptions): Promise<readonly Descriptor[]> {
    const manifests: Descriptor[] = []
    for await (const { descriptor, facts, successors, isMissing } of walk(source, root, options)) {
      if (this.isExplored(descriptor)) continue
      this.#explored.add(nodeKey(descriptor))
      const id = this.#id(descriptor)
      this.graph.setNode(id, { descriptor, artifactType: facts?.artifactType, isMissing })
      if (facts !== undefined) manifests.push(descriptor)
      for (const successor of successors) this.graph.setEdge(id, this.#id(successor.descriptor), successor)
    }
    return manifests
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
