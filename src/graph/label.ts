import type { Edge } from '../content/manifest-types.ts'
import { formatBytes } from '../content/format-bytes.ts'
import { formatPlatform } from '../content/platform.ts'
import { printable } from '../content/printable.ts'
import type { ContentGraph, GraphNode, GraphNodeState } from './graph.ts'
import { isImageConfig, kindOf, type NodeKind } from './node-kind.ts'

/** A node as every picture shows it. All text is printable, and of a bounded length but for `title`. */
export interface LabelledNode {
  /** A letter and a number of our own, whatever the graph has. */
  readonly id: string
  readonly kind: NodeKind
  readonly state: GraphNodeState | undefined
  readonly isMissing: boolean
  readonly isRoot: boolean
  /** From two to four. */
  readonly lines: readonly string[]
  /** The whole digest and media type. */
  readonly title: string
}

/** An edge between two such nodes. */
export interface LabelledEdge {
  readonly from: string
  readonly to: string
  readonly edge: Edge
}

/** A graph as every picture shows it. */
export interface LabelledGraph {
  readonly nodes: readonly LabelledNode[]
  readonly edges: readonly LabelledEdge[]
}

/** What all pictures say of a graph, in its order. Costs O(nodes + edges). */
export function labelGraph(graph: ContentGraph): LabelledGraph {
  const { root } = graph.graph()
  const ids = new Map(graph.nodes().map((id, at) => [id, `n${at}`]))
  return {
    nodes: [...ids].map(([known, id]) => ({ ...labelNode(graph.node(known), id), isRoot: known === root })),
    edges: graph.edges().flatMap(({ v, w }) => {
      const [from, to] = [ids.get(v), ids.get(w)]
      return from === undefined || to === undefined ? [] : [{ from, to, edge: graph.edge(v, w).edge }]
    }),
  }
}

/** The colours of a node: that of its state, or else of its kind. */
export function fillOf({ kind, state }: Pick<LabelledNode, 'kind' | 'state'>): string {
  return state === undefined ? kindFills[kind] : stateFills[state]
}

/** By kind. Dark text is readable on each. */
export const kindFills: Readonly<Record<NodeKind, string>> = {
  index: '#bfdbfe',
  image: '#bbf7d0',
  artifact: '#fde68a',
  config: '#e9d5ff',
  layer: '#e2e8f0',
  blob: '#ffffff',
}

/** By state, in the graph of a plan. */
export const stateFills: Readonly<Record<GraphNodeState, string>> = {
  copy: '#86efac',
  skip: '#e5e7eb',
  mount: '#93c5fd',
  rewrite: '#fdba74',
  filtered: '#fca5a5',
}

/** The algorithm and the first twelve characters. */
export function shortDigest({ descriptor: { digest } }: GraphNode): string {
  return digest.slice(0, digest.indexOf(':') + 13)
}

/** Tags, state, and what is not there or was not read; nothing for most nodes. */
export function remarksOn({ tags = [], state, isMissing, isUnread }: GraphNode): readonly string[] {
  return [
    ...(tags.length > 0 ? [`[${tagsOf(tags)}]`] : []),
    ...(state === undefined ? [] : [`(${state})`]),
    ...(isMissing === true ? ['(not in the source)'] : []),
    ...(isUnread === true && isMissing !== true ? ['(not read)'] : []),
  ]
}

/** An artifact's type, else the media type. */
export function typeOf({ descriptor, artifactType }: GraphNode): string {
  return artifactType === undefined || isImageConfig(artifactType) ? descriptor.mediaType : artifactType
}

function labelNode(node: GraphNode, id: string): Omit<LabelledNode, 'isRoot'> {
  const { descriptor, state, isMissing = false } = node
  const { digest, mediaType, platform, size } = descriptor
  const kind = kindOf(node)
  const what = platform === undefined ? typeOf(node) : formatPlatform(platform)
  const lines = [`${kind} ${shortDigest(node)}`, what, formatBytes(size), ...remarksOn(node)]
  return {
    id,
    kind,
    state,
    isMissing,
    lines: lines.map((line) => clip(printable(line))),
    title: printable(`${digest} ${mediaType}`),
  }
}

const maxTags = 5

function tagsOf(tags: readonly string[]): string {
  const more = tags.length > maxTags ? `, ${tags.length - maxTags} more` : ''
  return tags.slice(0, maxTags).join(', ') + more
}

/** As a box has room for; names of media types may have 255 characters. */
const maxLength = 64

function clip(line: string): string {
  const characters = Array.from(line)
  return characters.length <= maxLength ? line : `${characters.slice(0, maxLength - 1).join('')}…`
}
