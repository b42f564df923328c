import { describe, expect, it } from 'vitest'
import { printable } from '../../src/content/printable.ts'
import { buildGraph } from '../../src/graph/graph.ts'
import { renderDot } from '../../src/graph/render-dot.ts'
import { drawing, filled } from './drawing.ts'
import { chain, contentGraph, fleet, hostileGraph, hostileTexts, node, planned } from './hand-made.ts'

interface Parsed {
  readonly nodes: ReadonlyMap<string, Readonly<Record<string, string>>>
  readonly edges: readonly string[]
}

const attribute = /([a-z]+)=("(?:[^"\\\n]|\\.)*"|[a-z0-9]+)(?:, |$)/y

/** Reads the part of the language that is used here, as https://graphviz.org/doc/info/lang.html defines it, and nothing else. */
function parseDot(text: string): Parsed {
  const lines = text.split('\n')
  expect(lines.slice(0, 2)).toEqual(['digraph copygraph {', '  rankdir=LR'])
  expect(lines.slice(-2)).toEqual(['}', ''])
  const nodes = new Map<string, Readonly<Record<string, string>>>()
  const edges: string[] = []
  for (const line of lines.slice(4, -2)) {
    const [, from, to, attributes = ''] = /^ {2}(n\d+)(?: -> (n\d+))?(?: \[(.*)\])?$/s.exec(line) ?? []
    if (from === undefined) throw new SyntaxError(line)
    const parsed = parseAttributes(attributes)
    if (to === undefined) nodes.set(from, parsed)
    else edges.push(`${from} ${parsed['label'] ?? 'contains'} ${to}`)
  }
  return { nodes, edges }
}

function parseAttributes(text: string): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  attribute.lastIndex = 0
  while (attribute.lastIndex < text.length) {
    const [, name, value] = attribute.exec(text) ?? []
    if (name === undefined || value === undefined) throw new SyntaxError(text)
    found[name] = value.startsWith('"') ? unescape(value.slice(1, -1)) : value
  }
  return found
}

/** A string of the kind escString: of its escapes and entities only those that are written on purpose. */
function unescape(text: string): string {
  return text.replace(/\\(.)|&(\w*;?)/gs, (whole, escape?: string, entity?: string) => {
    if (escape === 'l') return '\n'
    if (escape === '\\' || escape === '"') return escape
    if (entity === 'amp;') return '&'
    throw new SyntaxError(`${whole} in ${text}`)
  })
}

describe('renderDot', () => {
  it('has every node with its label, and every edge', async () => {
    const root = drawing.descriptor('index')
    const built = await buildGraph(await filled(), root, { tags: new Map([[root.digest, ['v1']]]) })
    const { nodes, edges } = parseDot(renderDot(built))
    expect(nodes.size).toBe(built.nodeCount())
    expect(nodes.get('n0')).toMatchObject({
      label: `index ${root.digest.slice(0, 19)}\n${root.mediaType}\n${root.size} B\n[v1]\n`,
      tooltip: `${root.digest} ${root.mediaType}`,
      penwidth: '2',
    })
    expect(nodes.get('n1')?.['label']).toContain('\nlinux/amd64\n')
    expect(edges).toHaveLength(built.edgeCount())
    expect(edges).toContain('n3 subject n0')
  })

  it('gives text back as it came, but for what cannot be printed', () => {
    const { nodes } = parseDot(renderDot(hostileGraph()))
    expect(nodes.size).toBe(hostileTexts.length * 4)
    for (const [at, text] of hostileTexts.entries()) {
      expect(nodes.get(`n${at * 4}`)?.['label']?.split('\n')[1]).toBe(printable(text))
      expect(nodes.get(`n${at * 4 + 1}`)?.['tooltip']).toMatch(new RegExp(`^sha256:[0-9a-f]{64} `))
      expect(nodes.get(`n${at * 4 + 3}`)?.['label']).toContain(`[${printable(text)}]`)
    }
  })

  it('uses no id of the graph, cuts long text, and marks what is missing', () => {
    const odd = contentGraph([node('a', { artifactType: 'x'.repeat(1000), isMissing: true })])
    odd.setNode('"] evil', node('b'))
    const { nodes } = parseDot(renderDot(odd))
    expect([...nodes.keys()]).toEqual(['n0', 'n1'])
    expect(nodes.get('n0')).toMatchObject({
      label: expect.stringMatching(/\nx{63}…\n100 B\n\(not in the source\)\n$/),
      style: 'filled,rounded,dashed',
    })
  })

  it('shows the states of a plan by text and by colour', () => {
    const { nodes } = parseDot(renderDot(planned))
    const labels = [...nodes.values()].map(({ label }) => label)
    for (const state of ['copy', 'skip', 'mount', 'rewrite', 'filtered']) {
      expect(labels.filter((label) => label?.includes(`(${state})`))).toHaveLength(1)
    }
    expect(new Set([...nodes.values()].map(({ fillcolor }) => fillcolor)).size).toBe(5)
  })

  it('is the same each time, and takes large graphs and long chains', () => {
    expect(renderDot(hostileGraph())).toBe(renderDot(hostileGraph()))
    expect(parseDot(renderDot(fleet(10_000))).nodes.size).toBe(10_001)
    expect(parseDot(renderDot(chain(20_000))).nodes.size).toBe(20_000)
  })
})
