import type { ContentGraph, GraphNodeState } from './graph.ts'
import { kindFills, labelGraph, stateFills, type LabelledEdge, type LabelledNode } from './label.ts'

/**
 * A graph as a Mermaid flowchart. Of text from outside everything but letters, digits and a few harmless characters is
 * written as a number, so that nothing of it is markup, a directive or an icon. Mermaid itself draws 500 edges and reads 50,000
 * characters when it is not told otherwise. Costs O(nodes + edges).
 */
export function renderMermaid(graph: ContentGraph): string {
  const { nodes, edges } = labelGraph(graph)
  return [
    'flowchart LR',
    ...nodes.map((node) => `  ${node.id}["${node.lines.map(escaped).join('<br/>')}"]:::${classOf(node)}`),
    ...edges.map((edge) => `  ${edge.from} ${arrowOf(edge)} ${edge.to}`),
    ...classes,
    '',
  ].join('\n')
}

function arrowOf({ edge }: LabelledEdge): string {
  return edge === 'subject' ? '-.->|subject|' : '-->'
}

function classOf({ kind, state, isMissing }: LabelledNode): string {
  if (isMissing) return 'kind_missing'
  return state === undefined ? `kind_${kind}` : stateClass(state)
}

function stateClass(state: GraphNodeState): string {
  return `state_${state}`
}

const classes: readonly string[] = [
  ...Object.entries(kindFills).map(([kind, fill]) => classDefinition(`kind_${kind}`, fill)),
  ...Object.entries(stateFills).map(([state, fill]) => classDefinition(`state_${state}`, fill)),
  `${classDefinition('kind_missing', '#ffffff')},stroke-dasharray:4`,
]

function classDefinition(name: string, fill: string): string {
  return `  classDef ${name} fill:${fill},stroke:#475569,color:#0f172a`
}

/** As https://mermaid.js.org/syntax/flowchart.html says of special characters: `#` and the code point in decimal. */
function escaped(text: string): string {
  return text.replace(/[^\p{L}\p{N} ./+,_()-]/gu, (character) => `#${character.codePointAt(0) ?? 0};`)
}
