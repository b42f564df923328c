import { describe, expect, it } from 'vitest'
import { printable } from '../../src/content/printable.ts'
import { buildGraph } from '../../src/graph/graph.ts'
import { renderMermaid } from '../../src/graph/render-mermaid.ts'
import { drawing, filled } from './drawing.ts'
import { chain, contentGraph, fleet, hostileGraph, hostileTexts, node, planned } from './hand-made.ts'

interface Parsed {
  /** Lines of the label, then the class. */
  readonly nodes: ReadonlyMap<string, readonly string[]>
  readonly edges: readonly string[]
  readonly classes: readonly string[]
}

const nodeLine = /^ {2}(n\d+)\["((?:[\p{L}\p{N} ./+,_()-]|#\d+;|<br\/>)*)"\]:::(\w+)$/u
const edgeLine = /^ {2}(n\d+) (-->|-\.->\|subject\|) (n\d+)$/
const classLine =
  /^ {2}classDef (\w+) fill:#[0-9a-f]{6},stroke:#[0-9a-f]{6},color:#[0-9a-f]{6}(?:,stroke-dasharray:4)?$/

/** Reads the lines that are used here, and nothing else. */
function parseMermaid(text: string): Parsed {
  const lines = text.split('\n')
  expect([lines[0], lines.at(-1)]).toEqual(['flowchart LR', ''])
  const nodes = new Map<string, readonly string[]>()
  const edges: string[] = []
  const classes: string[] = []
  for (const line of lines.slice(1, -1)) {
    const [, id, label, nodeClass] = nodeLine.exec(line) ?? []
    const [, from, arrow, to] = edgeLine.exec(line) ?? []
    const [, name] = classLine.exec(line) ?? []
    if (id !== undefined && label !== undefined && nodeClass !== undefined) {
      nodes.set(id, [...label.split('<br/>').map(decode), nodeClass])
    } else if (from !== undefined) edges.push(`${from} ${arrow === '-->' ? 'contains' : 'subject'} ${to}`)
    else if (name === undefined) throw new SyntaxError(line)
    else classes.push(name)
  }
  return { nodes, edges, classes }
}

function decode(text: string): string {
  return text.replace(/#(\d+);/g, (_, point: string) => String.fromCodePoint(Number(point)))
}

describe('renderMermaid', () => {
  it('has every node with its label and class, and every edge', async () => {
    const root = drawing.descriptor('index')
    const built = await buildGraph(await filled(), root)
    const { nodes, edges } = parseMermaid(renderMermaid(built))
    expect(nodes.size).toBe(built.nodeCount())
    expect(nodes.get('n0')).toEqual([
      `index ${root.digest.slice(0, 19)}`,
      root.mediaType,
      `${root.size} B`,
      'kind_index',
    ])
    expect(edges).toHaveLength(built.edgeCount())
    expect(edges).toContain('n3 subject n0')
  })

  it('gives text back as it came, but for what cannot be printed', () => {
    const { nodes } = parseMermaid(renderMermaid(hostileGraph()))
    expect(nodes.size).toBe(hostileTexts.length * 4)
    for (const [at, text] of hostileTexts.entries()) {
      expect(nodes.get(`n${at * 4}`)?.[1]).toBe(printable(text))
      expect(nodes.get(`n${at * 4 + 3}`)?.[3]).toBe(`[${printable(text)}]`)
    }
  })

  it('has a class for each state and kind that a node has', () => {
    const missing = contentGraph([node('gone', { isMissing: true })])
    for (const shown of [planned, fleet(100), missing]) {
      const { nodes, classes } = parseMermaid(renderMermaid(shown))
      const used = new Set([...nodes.values()].map((label) => label.at(-1)))
      expect([...used].filter((name) => !classes.includes(name ?? ''))).toEqual([])
    }
    const { nodes } = parseMermaid(renderMermaid(planned))
    expect(nodes.get('n3')?.slice(-2)).toEqual(['(rewrite)', 'state_rewrite'])
  })

  it('takes large graphs and long chains', () => {
    expect(parseMermaid(renderMermaid(fleet(10_000))).nodes.size).toBe(10_001)
    expect(parseMermaid(renderMermaid(chain(20_000))).edges).toHaveLength(19_999)
  })
})
