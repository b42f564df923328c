import type { ContentGraph } from './graph.ts'
import { fillOf, labelGraph, type LabelledEdge, type LabelledNode } from './label.ts'

/**
 * A graph in the DOT language, for Graphviz. Text from outside is printable and can end no string, begin no entity and
 * be no escape. Costs O(nodes + edges).
 */
export function renderDot(graph: ContentGraph): string {
  const { nodes, edges } = labelGraph(graph)
  return [
    'digraph copygraph {',
    '  rankdir=LR',
    '  node [shape=box, style="filled,rounded", fontname="monospace", fontsize=10]',
    '  edge [fontname="monospace", fontsize=8]',
    ...nodes.map((node) => `  ${node.id} [${attributesOf(node)}]`),
    ...edges.map((edge) => `  ${edge.from} -> ${edge.to}${edgeAttributes(edge)}`),
    '}',
    '',
  ].join('\n')
}

function attributesOf(node: LabelledNode): string {
  const { lines, title, isRoot, isMissing } = node
  const label = lines.map((line) => `${escaped(line)}\\l`).join('')
  return [
    `label="${label}"`,
    `tooltip="${escaped(title)}"`,
    `fillcolor="${fillOf(node)}"`,
    ...(isRoot ? ['penwidth=2'] : []),
    ...(isMissing ? ['style="filled,rounded,dashed"'] : []),
  ].join(', ')
}

function edgeAttributes({ edge }: LabelledEdge): string {
  return edge === 'subject' ? ' [style=dashed, label="subject"]' : ''
}

/** Labels have escapes such as `\N` (https://graphviz.org/docs/attr-types/escString/), and entities as HTML has. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('&', '&amp;')
}
