import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import { standardManifestTypes, type Successor } from '../content/manifest-types.ts'
import { readAll } from '../content/verify.ts'
import type { CopyEvent } from '../events.ts'
import { assembleGraph } from '../graph/assemble-graph.ts'
import type { ContentGraph, GraphNode, GraphNodeState } from '../graph/graph.ts'
import type { SuccessorsState } from './options.ts'
import type { Plan, PlannedAction, PlannedNode } from './plan-types.ts'

/**
 * Keeps what a plan does not say of its nodes and their graph does: what refers to what, platforms and artifact types. Its
 * two methods are options of the plan; both are called as the plan is made, so that nothing is asked for twice.
 */
export class PlanGraph {
  readonly #met = new Map<string, Descriptor>()
  readonly #successors = new Map<string, readonly Successor[]>()
  readonly #artifactTypes = new Map<string, string | undefined>()

  /** To hear the events of the plan. */
  readonly hear = (event: CopyEvent): void => {
    if (event.type !== 'discovered') return
    const key = nodeKey(event.descriptor)
    if (!this.#met.has(key)) this.#met.set(key, event.descriptor)
  }

  /** The `findSuccessors` of the plan: all of them. */
  readonly findSuccessors = async (state: SuccessorsState): Promise<readonly Successor[]> => {
    const { descriptor, successors, source } = state
    const key = nodeKey(descriptor)
    if (!this.#successors.has(key)) {
      this.#successors.set(key, successors)
      const bytes = await readAll(source.fetch(descriptor), descriptor, Infinity)
      const { artifactType } = (source.manifestTypes ?? standardManifestTypes).read(descriptor, bytes)
      this.#artifactTypes.set(key, artifactType)
    }
    return successors
  }

  /**
   * The graph of a plan: each of its nodes, as it is in the source, with what becomes of it as its `state`. A manifest that
   * is skipped stands for all that is under it. A plan of one platform has its image as the root.
   */
  of(plan: Plan): ContentGraph {
    const root = rootOf(plan)
    const nodes = plan.nodes.map((node) => this.#node(node, node === root ? plan.tags : []))
    return assembleGraph(root ?? plan.root, nodes, (node) => this.#successors.get(nodeKey(node)) ?? [])
  }

  #node(node: PlannedNode, tags: readonly string[]): GraphNode {
    const { mediaType, digest, size, action } = node
    const key = nodeKey(node)
    const descriptor = this.#met.get(key) ?? { mediaType, digest, size }
    const artifactType = this.#artifactTypes.get(key) ?? descriptor.artifactType
    return { descriptor, artifactType, tags, state: states[action] }
  }
}

const states: Readonly<Record<PlannedAction, GraphNodeState>> = {
  copy: 'copy',
  skip: 'skip',
  mount: 'mount',
  rewrite: 'rewrite',
  filter: 'filtered',
}

/** What was asked for, or what a choice of platform has made of it. */
function rootOf({ root, descriptor, nodes }: Plan): PlannedNode | undefined {
  return (
    nodes.find((node) => nodeKey(node) === nodeKey(root)) ??
    nodes.find(({ digest, result }) => (result?.digest ?? digest) === descriptor?.digest)
  )
}
