import { describe, expect, it } from 'vitest'
import { buildGraph } from '../../src/graph/graph.ts'
import { renderTree } from '../../src/graph/render-tree.ts'
import { drawing, filled } from './drawing.ts'
import { chain, contentGraph, fleet, hostileGraph, hostileTexts, node, planned } from './hand-made.ts'

describe('renderTree', () => {
  it('shows platforms, repeated nodes and referrers, and nothing that could steer a terminal', async () => {
    const tree = renderTree(await buildGraph(await filled(), drawing.descriptor('index')))
    const short = (name: string): string => drawing.descriptor(name).digest.slice(0, 19)
    const config = 'application/vnd.oci.image.config.v1+json'
    const blob = 'application/octet-stream'
    const size = (name: string): string => `${drawing.descriptor(name).size} B`
    expect(tree.split('\n')).toEqual([
      `${short('index')} application/vnd.oci.image.index.v1+json ${size('index')}`,
      `├── linux/amd64 ${short('m1')} application/vnd.oci.image.manifest.v1+json ${size('m1')}`,
      `│   ├── ${short('c1')} ${config} 2 B`,
      `│   └── ${short('shared')} ${blob} 6 B`,
      `├── linux/arm64/v8 ${short('m2')} application/vnd.oci.image.manifest.v1+json ${size('m2')}`,
      `│   ├── ${short('c2')} ${config} 2 B`,
      `│   └── ${short('shared')} ${blob} 6 B (see above)`,
      `└── referrer ${short('sbom')} application/spdx+json ${size('sbom')}`,
      `    ├── ${short('empty')} ${config} 5 B`,
      `    ├── ${short('spdx')} ${blob} 4 B`,
      `    └── referrer ${short('signature')} application/vnd.example.\\u{1b}[31msig ${size('signature')}`,
      `        ├── ${short('empty')} ${config} 5 B (see above)`,
      `        └── ${short('sig')} ${blob} 3 B`,
    ])
  })

  it('shows a subject that is missing', async () => {
    const source = await filled(['empty', 'spdx', 'sbom'])
    const tree = renderTree(await buildGraph(source, drawing.descriptor('sbom'), { direction: 'down' }))
    expect(tree).toContain(`subject ${drawing.descriptor('index').digest.slice(0, 19)}`)
    expect(tree).toContain('(not in the source)')
  })

  it('shows what contains the root, and what that is in, without the edge that led there', async () => {
    const built = await buildGraph(await filled(), drawing.descriptor('shared'), { direction: 'up' })
    const lines = renderTree(built).split('\n')
    const short = (name: string): string => drawing.descriptor(name).digest.slice(0, 19)
    expect(lines[1]).toContain(`├── in ${short('m1')} `)
    expect(lines[2]).toContain(`│   └── in ${short('index')} `)
    expect(
      lines.filter((line) => line.includes(short('shared')) && !line.includes('(see above)')),
    ).toHaveLength(1)
    expect(lines.filter((line) => line.includes(`referrer ${short('sbom')}`))).toHaveLength(1)
  })

  it('shows tags, at most five of them, and the states of a plan', () => {
    const many = node('many', { tags: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] })
    expect(renderTree(contentGraph([many]))).toMatch(/ \[a, b, c, d, e, 2 more\]$/)
    expect(renderTree(planned)).toMatch(/\(copy\)\n.*\(skip\)\n.*\(mount\)\n.*\(rewrite\)\n.*\(filtered\)$/)
  })

  it('lets no text make another line or steer a terminal', () => {
    const text = renderTree(hostileGraph())
    expect(text.split('\n')).toHaveLength(hostileTexts.length * 4)
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
  })

  it('takes a chain of 20,000, whose lines do not get longer with each level, and 10,000 nodes', () => {
    const lines = renderTree(chain(20_000)).split('\n')
    expect(lines).toHaveLength(20_000)
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(400)
    expect(lines.at(-1)).toContain('└── (level 19999) sha256:')
    expect(renderTree(fleet(10_000)).split('\n').length).toBeGreaterThan(10_000)
  })
})
