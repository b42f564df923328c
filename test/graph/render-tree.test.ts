import { describe, expect, it } from 'vitest'
import { buildGraph } from '../../src/graph/graph.ts'
import { renderTree } from '../../src/graph/render-tree.ts'
import { drawing, filled } from './drawing.ts'

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
})
