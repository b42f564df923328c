import { layout } from '@dagrejs/dagre'
import { Graph } from '@dagrejs/graphlib'
import { SizeExceedsLimitError, UnsupportedError } from '../errors.ts'
import type { LabelledEdge, LabelledGraph, LabelledNode } from './label.ts'

/** A graph laid out from left to right, in pixels. */
export interface Picture {
  readonly width: number
  readonly height: number
  readonly boxes: readonly Box[]
  readonly arrows: readonly Arrow[]
}

/** A node in its place. */
export interface Box extends Rectangle {
  readonly node: LabelledNode
}

/** An edge in its place. */
export interface Arrow {
  readonly edge: LabelledEdge
  /** From the middle of the right side of one box to that of the left side of the other; two or more. */
  readonly points: readonly Point[]
}

/** The font of all text in a picture, in pixels. */
export const fontSize = 12
/** From one line of text to the next. */
export const lineHeight = 16
/** Between a box and its text. */
export const padding = 8

/** The most nodes of a picture: from about 2,000 in a chain on, the layout overflows the stack. */
const maxPictureNodes = 1000

/**
 * What the layout works on: nodes, and for each edge the levels that it crosses. So many take a few seconds; a small graph
 * of many long edges could otherwise take hours.
 */
const maxPieces = 5000

/**
 * Lays a graph out with dagre.
 *
 * Errors: SIZE_EXCEEDS_LIMIT above 1,000 nodes, or for too many long edges; UNSUPPORTED for a graph with a cycle, which
 * only a lying store can make.
 */
export function layOut({ nodes, edges }: LabelledGraph): Picture {
  if (nodes.length > maxPictureNodes) {
    throw new SizeExceedsLimitError(`the graph has ${nodes.length} nodes: ${alternatives}`)
  }
  const pieces = countPieces({ nodes, edges })
  if (pieces > maxPieces) {
    throw new SizeExceedsLimitError(
      `the graph has too many long edges (${pieces} > ${maxPieces}): ${alternatives}`,
    )
  }
  const graph = new Graph<GraphSize, Rectangle, Route>({ directed: true })
  // Its ranks are those that countPieces counts with; the other rankers took up to ten times as long.
  graph.setGraph({
    rankdir: 'LR',
    ranker: 'longest-path',
    nodesep: 12,
    ranksep: 48,
    marginx: 16,
    marginy: 16,
  })
  for (const node of nodes) graph.setNode(node.id, { x: 0, y: 0, ...sizeOf(node) })
  for (const { from, to } of edges) graph.setEdge(from, to, { points: [] })
  layoutGraph(graph)
  const { width = 0, height = 0 } = graph.graph()
  return {
    width,
    height,
    boxes: nodes.map((node) => ({ ...graph.node(node.id), node })),
    arrows: edges.map((edge) => ({ edge, points: routeOf(graph, edge) })),
  }
}

/** dagre's own ends stand anywhere on a box, and lead through others; its middle says where to pass between boxes. */
function routeOf(graph: Graph<GraphSize, Rectangle, Route>, { from, to }: LabelledEdge): readonly Point[] {
  const { points } = graph.edge(from, to)
  const [start, end] = [graph.node(from), graph.node(to)]
  return [
    { x: start.x + start.width / 2, y: start.y },
    ...(points.length > 3 ? points.slice(1, -1) : []),
    { x: end.x - end.width / 2, y: end.y },
  ]
}

const alternatives = `a picture has at most ${maxPictureNodes} nodes; a tree, JSON and DOT (for Graphviz) have no limit`

interface Point {
  readonly x: number
  readonly y: number
}

interface Rectangle extends Point {
  /** `x` and `y` are those of its middle. */
  readonly width: number
  readonly height: number
}

interface Route {
  readonly points: readonly Point[]
}

interface GraphSize extends Readonly<Record<string, unknown>> {
  readonly width?: number
  readonly height?: number
}

// oxlint-disable-next-line typescript/no-unsafe-assignment -- dagre's declarations import files without extensions, which resolve to nothing here
const layoutGraph: (graph: Graph<GraphSize, Rectangle, Route>) => unknown = layout

function sizeOf({ lines }: LabelledNode): Pick<Rectangle, 'width' | 'height'> {
  const columns = Math.max(...lines.map(columnsOf))
  return {
    width: Math.ceil(columns * fontSize * 0.61) + 2 * padding,
    height: lines.length * lineHeight + 2 * padding,
  }
}

/** Characters of East Asia, and pictures, are twice as wide in a font of fixed width. */
function columnsOf(line: string): number {
  const widths = Array.from(line, (character) => ((character.codePointAt(0) ?? 0) < 0x1100 ? 1 : 2))
  return widths.reduce((sum: number, width) => sum + width, 0)
}

/** Each node stands as far from the leaves as its longest path to one has edges. */
function countPieces({ nodes, edges }: LabelledGraph): number {
  const ranks = ranksOf({ nodes, edges })
  const rankOf = (id: string): number => ranks.get(id) ?? 0
  return edges.reduce((sum, { from, to }) => sum + rankOf(from) - rankOf(to), nodes.length)
}

function ranksOf({ nodes, edges }: LabelledGraph): ReadonlyMap<string, number> {
  const ranks = new Map(nodes.map(({ id }) => [id, 0]))
  const open = new Map(nodes.map(({ id }) => [id, 0]))
  const parents = new Map<string, string[]>()
  for (const { from, to } of edges) {
    open.set(from, (open.get(from) ?? 0) + 1)
    const known = parents.get(to)
    if (known === undefined) parents.set(to, [from])
    else known.push(from)
  }
  const ready = [...open].filter(([, count]) => count === 0).map(([id]) => id)
  for (const id of ready) {
    for (const parent of parents.get(id) ?? []) {
      const count = (open.get(parent) ?? 0) - 1
      open.set(parent, count)
      ranks.set(parent, Math.max(ranks.get(parent) ?? 0, (ranks.get(id) ?? 0) + 1))
      if (count === 0) ready.push(parent)
    }
  }
  if (ready.length === nodes.length) return ranks
  throw new UnsupportedError('the graph has a cycle: no picture can be drawn of it')
}
