import { formatBytes } from '../content/format-bytes.ts'
import { formatPlatform } from '../content/platform.ts'
import { printable } from '../content/printable.ts'
import type { ContentGraph, GraphEdge } from './graph.ts'
import { indentTree } from './indent-tree.ts'
import { remarksOn, shortDigest, typeOf } from './label.ts'

/**
 * A graph as an indented tree: successors below what refers to them, then the referrers of a manifest, and what
 * contains the root. A node that stands further up already is named again without what is under it. Text from outside
 * is made printable. Below 50 levels the indentation ends, and the number of the level is written instead.
 * Costs O(nodes + edges) and no call stack.
 */
export function renderTree(graph: ContentGraph): string {
  const seen = new Set<string>()
  const root: Place = { id: graph.graph().root, title: '', cameFrom: undefined, isAbove: true }
  return indentTree(root, (place) => {
    const text = place.title + describe(graph, place.id)
    if (seen.has(place.id)) return { text: `${text} (see above)`, children: [] }
    seen.add(place.id)
    return { text, children: around(graph, place) }
  })
}

interface Place {
  readonly id: string
  readonly title: string
  /** The node whose predecessor this is, where it stands below one: that edge is shown already. */
  readonly cameFrom: string | undefined
  /** True for the root and what is above it, for which what contains them is shown too. */
  readonly isAbove: boolean
}

function around(graph: ContentGraph, { id, cameFrom, isAbove }: Place): readonly Place[] {
  const below = (graph.outEdges(id) ?? [])
    .filter(({ w }) => w !== cameFrom)
    .map(({ w }) => ({ id: w, title: titleOf(graph.edge(id, w)), cameFrom: undefined, isAbove: false }))
  const above = (graph.inEdges(id) ?? []).flatMap(({ v }) => {
    const isReferrer = graph.edge(v, id).edge === 'subject'
    if (!isReferrer && !isAbove) return []
    return [{ id: v, title: isReferrer ? 'referrer ' : 'in ', cameFrom: id, isAbove }]
  })
  return [...below, ...above]
}

function titleOf({ edge, descriptor: { platform } }: GraphEdge): string {
  if (edge === 'subject') return 'subject '
  return platform === undefined ? '' : `${printable(formatPlatform(platform))} `
}

function describe(graph: ContentGraph, id: string): string {
  const node = graph.node(id)
  const words = [shortDigest(node), typeOf(node), formatBytes(node.descriptor.size), ...remarksOn(node)]
  return printable(words.join(' '))
}
