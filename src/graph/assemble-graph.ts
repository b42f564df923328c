import { Graph } from '@dagrejs/graphlib'
import { nodeKey, sameNode, type Descriptor } from '../content/descriptor.ts'
import type { Successor } from '../content/manifest-types.ts'
import type { ContentGraph, GraphEdge, GraphLabel, GraphNode } from './graph.ts'

/**
 * A graph of nodes that are known, each once; `root` is one of them, or else the last one is. `successorsOf` says what each
 * refers to: an edge is in the graph where both its ends are. Costs O(nodes + edges). Error: RangeError without any node.
 */
export function assembleGraph(
  root: Descriptor,
  nodes: readonly GraphNode[],
  successorsOf: (node: Descriptor) => readonly Successor[],
): ContentGraph {
  if (nodes.length === 0) throw new RangeError('a graph has a root: expected one node or more')
  const graph = new Graph<GraphLabel, GraphNode, GraphEdge>({ directed: true })
  const ids = new Map(nodes.map(({ descriptor }, at) => [nodeKey(descriptor), `n${at}`]))
  nodes.forEach((node, at) => graph.setNode(`n${at}`, node))
  nodes.forEach(({ descriptor }, at) => {
    for (const successor of successorsOf(descriptor)) {
      const to = ids.get(nodeKey(successor.descriptor))
      if (to !== undefined) graph.setEdge(`n${at}`, to, successor)
    }
  })
  const rootAt = nodes.findIndex(({ descriptor }) => sameNode(descriptor, root))
  return graph.setGraph({ root: `n${rootAt === -1 ? nodes.length - 1 : rootAt}` })
}

/** One node of each part of a graph that hangs together: the root, and of every other part one to which nothing refers. Costs O(nodes + edges). */
export function partsOf(graph: ContentGraph): readonly string[] {
  const seen = new Set<string>()
  return [graph.graph().root, ...graph.sources()].filter((id) => {
    if (seen.has(id)) return false
    const open = [id]
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      if (seen.has(at)) continue
      seen.add(at)
      open.push(...(graph.neighbors(at) ?? []))
    }
    return true
  })
}
