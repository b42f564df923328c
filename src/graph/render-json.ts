import type { Annotations } from '../content/annotations.ts'
import type { Digest } from '../content/digest.ts'
import type { Edge } from '../content/manifest-types.ts'
import type { Platform } from '../content/platform.ts'
import { printableJson } from '../content/printable.ts'
import type { ContentGraph, GraphNodeState } from './graph.ts'
import { kindOf, type NodeKind } from './node-kind.ts'

/** A graph as JSON has it; docs/graph.schema.json describes it. */
export interface JsonGraph {
  readonly schemaVersion: 1
  /** The id of the node that was asked about. */
  readonly root: string
  readonly nodes: readonly JsonGraphNode[]
  readonly edges: readonly JsonGraphEdge[]
}

/** A node of it. Its other fields are those of `GraphNode`; one that is absent says that nothing is known. */
export interface JsonGraphNode {
  /** Only good within this document. */
  readonly id: string
  readonly kind: NodeKind
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly artifactType?: string | undefined
  /** As the first parent says. */
  readonly platform?: Platform | undefined
  /** Of the manifest itself. */
  readonly annotations?: Annotations | undefined
  readonly tags?: readonly string[] | undefined
  readonly state?: GraphNodeState | undefined
  readonly isMissing?: true | undefined
  readonly isUnread?: true | undefined
}

/** An edge of it, from the manifest to what it refers to. */
export interface JsonGraphEdge {
  readonly from: string
  readonly to: string
  readonly edge: Edge
  /** As this manifest says. */
  readonly platform?: Platform | undefined
  /** Of the entry in this manifest. */
  readonly annotations?: Annotations | undefined
}

/** A graph as an indented JSON document, whose text from outside can steer no terminal. Costs O(nodes + edges). */
export function renderJson(graph: ContentGraph): string {
  const document: JsonGraph = {
    schemaVersion: 1,
    root: graph.graph().root,
    nodes: graph.nodes().map((id) => jsonNode(graph, id)),
    edges: graph.edges().map(({ v, w }) => jsonEdge(graph, v, w)),
  }
  return printableJson(JSON.stringify(document, undefined, 2))
}

function jsonNode(graph: ContentGraph, id: string): JsonGraphNode {
  const node = graph.node(id)
  const { descriptor, artifactType, annotations, tags, state, isMissing = false, isUnread = false } = node
  const { mediaType, digest, size, platform } = descriptor
  return {
    id,
    kind: kindOf(node),
    mediaType,
    digest,
    size,
    artifactType,
    platform,
    annotations,
    tags,
    state,
    ...(isMissing && { isMissing }),
    ...(isUnread && { isUnread }),
  }
}

function jsonEdge(graph: ContentGraph, from: string, to: string): JsonGraphEdge {
  const { edge, descriptor } = graph.edge(from, to)
  const { platform, annotations } = descriptor
  return { from, to, edge, platform, annotations }
}
