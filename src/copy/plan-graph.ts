import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import {
  standardManifestTypes,
  successorsOf,
  type ManifestTypes,
  type Successor,
} from '../content/manifest-types.ts'
import type { CopyEvent } from '../events.ts'
import { assembleGraph } from '../graph/assemble-graph.ts'
import type { ContentGraph, GraphNode, GraphNodeState } from '../graph/graph.ts'
import type { Plan, PlannedAction, PlannedNode } from './plan-types.ts'

/**
 * Keeps what a plan does not say of its nodes and their graph does: what refers to what, platforms and artifact types.
 * `manifestTypes` and `hear` are options of the plan: they see what it reads anyway, and change nothing of it.
 */
export class PlanGraph {
  /** Those of the source, as the plan is to read manifests. */
  readonly manifestTypes: ManifestTypes
  readonly #met = new Map<string, Descriptor>()
  readonly #successors = new Map<string, readonly Successor[]>()
  readonly #artifactTypes = new Map<string, string | undefined>()

  constructor(types: ManifestTypes = standardManifestTypes) {
    this.manifestTypes = {
      mediaTypes: types.mediaTypes,
      isManifest: (mediaType) => types.isManifest(mediaType),
      read: (descriptor, bytes, limits) => {
        const facts = types.read(descriptor, bytes, limits)
        const key = nodeKey(descriptor)
        this.#successors.set(key, successorsOf(facts))
        this.#artifactTypes.set(key, facts.artifactType)
        return facts
      },
    }
  }

  /** To hear the events of the plan. */
  readonly hear = (event: CopyEvent): void => {
    if (event.type !== 'discovered') return
    const key = nodeKey(event.descriptor)
    if (!this.#met.has(key)) this.#met.set(key, event.descriptor)
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
