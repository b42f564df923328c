import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import type { ManifestFacts } from '../../src/content/manifest.ts'
import { PredecessorIndex } from '../../src/targets/predecessor-index.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'

function factsOf(nodes: TestGraph, name: string): [Descriptor, ManifestFacts] {
  const { descriptor, bytes } = nodes.node(name)
  return [descriptor, ownTypes.read(descriptor, bytes)]
}

describe('PredecessorIndex', () => {
  // index -> m1, m2; m1 -> config, layer, layer; m2 -> config; sbom refers to m1
  const nodes = graph({
    index: ['m1', 'm2'],
    m1: ['config', 'layer', 'layer'],
    m2: ['config'],
    sbom: {
      children: ['config'],
      subject: 'm1',
      artifactType: 'application/x-sbom',
      annotations: { a: 'b' },
    },
  })
  const filled = (): PredecessorIndex => {
    const index = new PredecessorIndex()
    for (const name of ['m1', 'm2', 'sbom', 'index']) index.add(...factsOf(nodes, name))
    return index
  }
  const digests = (index: PredecessorIndex, name: string): string[] =>
    index.of(nodes.descriptor(name).digest).map(({ descriptor }) => descriptor.digest)

  it('knows the manifests that refer to a node, in the order of their coming', () => {
    const expected = ['m1', 'm2', 'sbom'].map((name) => nodes.descriptor(name).digest)
    expect(digests(filled(), 'config')).toEqual(expected)
    expect(digests(filled(), 'index')).toEqual([])
  })

  it('counts a manifest once that names a node twice, or that comes twice', () => {
    const index = filled()
    index.add(...factsOf(nodes, 'm1'))
    expect(digests(index, 'layer')).toEqual([nodes.descriptor('m1').digest])
  })

  it('tells a subject from what is contained', () => {
    expect(filled().of(nodes.descriptor('m1').digest)).toEqual([
      expect.objectContaining({ edge: 'subject' }),
      { edge: 'contains', descriptor: nodes.descriptor('index') },
    ])
  })

  it('lists referrers with artifact type and annotations, and filters them', () => {
    const { digest } = nodes.descriptor('m1')
    const sbom = {
      ...nodes.descriptor('sbom'),
      artifactType: 'application/x-sbom',
      annotations: { a: 'b' },
    }
    expect(filled().referrers(digest)).toEqual([sbom])
    expect(filled().referrers(digest, 'application/x-sbom')).toEqual([sbom])
    expect(filled().referrers(digest, 'application/x-other')).toEqual([])
  })

  it('forgets the edges of a manifest, and only those', () => {
    const index = filled()
    index.remove(nodes.descriptor('m1').digest)
    expect(digests(index, 'layer')).toEqual([])
    expect(digests(index, 'config')).toHaveLength(2)
    index.remove('sha256:unknown')
    index.add(...factsOf(nodes, 'm1'))
    expect(digests(index, 'layer')).toHaveLength(1)
  })

  it('keeps both edges where the subject is contained too', () => {
    const { descriptor } = nodes.node('m1')
    const index = new PredecessorIndex()
    index.add(nodes.descriptor('index'), { subject: descriptor, contains: [descriptor] })
    expect(index.of(descriptor.digest).map(({ edge }) => edge)).toEqual(['subject', 'contains'])
  })
})
