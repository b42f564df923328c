import { Graph } from '@dagrejs/graphlib'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import type { ContentGraph, GraphEdge, GraphLabel, GraphNode } from '../../src/graph/graph.ts'

/** What could end a string, begin markup, be an escape, steer a terminal, or be no character at all. */
export const hostileTexts: readonly string[] = [
  '"];evil [label="x',
  String.raw`back\slash\N\"\l\\`,
  'line\nbreak\r\u2028\u2029\u0085x',
  '</script></title></svg><script>alert(1)</script>',
  '<!-- ]]> <![CDATA[ <?x ?>',
  '&quot;&#34;&amp;&lt;&',
  `'single' onload='x'`,
  '\u0000\u001b[31m\u007f\u009b2J',
  '\u202Eright to left\u200b',
  'no characters \uFFFE\uFFFF \uD800',
  '%%{init: {"theme":"dark"}}%%',
  '`markdown` #quot; $$x$$ fa:fa-ban',
  ':::kind_index @{shape: x} {{x}}',
  '__proto__',
  'wide 漢字 🚀',
]

/** A node whose digest is that of its name. */
export function node(
  name: string,
  facts: Partial<GraphNode> = {},
  fields: Partial<Descriptor> = {},
): GraphNode {
  const descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf(Buffer.from(name)), size: 100 }
  return { ...facts, descriptor: { ...descriptor, ...fields } }
}

/** A graph of nodes `n0`, `n1` and so on, the first of which is the root. */
export function contentGraph(
  nodes: readonly GraphNode[],
  edges: readonly (readonly [from: number, to: number, edge?: GraphEdge['edge']])[] = [],
): ContentGraph {
  const graph: ContentGraph = new Graph<GraphLabel, GraphNode, GraphEdge>({ directed: true })
  graph.setGraph({ root: 'n0' })
  for (const [at, one] of nodes.entries()) graph.setNode(`n${at}`, one)
  for (const [from, to, edge = 'contains'] of edges) {
    graph.setEdge(`n${from}`, `n${to}`, { edge, descriptor: graph.node(`n${to}`).descriptor })
  }
  return graph
}

/** Each hostile text in every place that a node has for text from outside. */
export function hostileGraph(): ContentGraph {
  const nodes = hostileTexts.flatMap((text, at) => [
    node(`type ${at}`, { artifactType: text }),
    node(`media type ${at}`, {}, { mediaType: text }),
    node(`platform ${at}`, {}, { platform: { os: text, architecture: text.slice(0, 5) } }),
    node(`tag ${at}`, { tags: [text], annotations: { [text]: text } }),
  ])
  return contentGraph(
    nodes,
    nodes.slice(1).map((_, at) => [0, at + 1] as const),
  )
}

/** An index, and `length` others that each contain the next: a chain. */
export function chain(length: number): ContentGraph {
  const index = { mediaType: mediaTypes.ociIndex }
  return contentGraph(
    Array.from({ length }, (_, at) => node(`link ${at}`, {}, index)),
    Array.from({ length: length - 1 }, (_, at) => [at, at + 1] as const),
  )
}

/** An index of images that share half of their layers: about as many nodes as asked for. */
export function fleet(count: number): ContentGraph {
  const images = Math.floor(count / 4)
  const nodes = [
    node('index', {}, { mediaType: mediaTypes.ociIndex }),
    ...Array.from({ length: images }, (_, at) => node(`image ${at}`)),
    ...Array.from({ length: images * 3 }, (_, at) =>
      node(`layer ${at}`, {}, { mediaType: mediaTypes.ociLayerGzip }),
    ),
  ]
  const edges = Array.from({ length: images }, (_, at) => [
    [0, at + 1] as const,
    ...[0, 1, 2, 3, 4, 5].map((layer) => [at + 1, 1 + images + ((at * 3 + layer) % (images * 3))] as const),
  ])
  return contentGraph(nodes, edges.flat())
}

/** One node of each state that a plan knows. */
export const planned: ContentGraph = contentGraph(
  (['copy', 'skip', 'mount', 'rewrite', 'filtered'] as const).map((state) => node(state, { state })),
  [1, 2, 3, 4].map((to) => [0, to] as const),
)
