import { describe, expect, it } from 'vitest'
import { buildGraph } from '../../src/graph/graph.ts'
import { walkPredecessors } from '../../src/graph/predecessors.ts'
import { renderTree } from '../../src/graph/render.ts'
import { walk } from '../../src/graph/walk.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import type { Source } from '../../src/targets/target.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'
import { RecordingSource } from '../support/spy.ts'

//  signature ─subject─► sbom ─subject─► index ──► m1 ──► c1, shared
//                                         └─────► m2 ──► c2, shared
const drawing = graph({
  index: ['m1', 'm2'],
  m1: { children: ['c1', 'shared'], platform: { os: 'linux', architecture: 'amd64' } },
  m2: { children: ['c2', 'shared'], platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
  sbom: { children: ['empty', 'spdx'], subject: 'index', artifactType: 'application/spdx+json' },
  signature: {
    children: ['empty', 'sig'],
    subject: 'sbom',
    artifactType: 'application/vnd.example.\u001b[31msig',
  },
})

async function filled(names: readonly string[] = drawing.names): Promise<MemoryTarget> {
  const target = new MemoryTarget({ manifestTypes: ownTypes })
  await drawing.pushTo(target, names)
  return target
}

function nameOf(digest: string, among: TestGraph = drawing): string {
  return among.names.find((name) => among.descriptor(name).digest === digest) ?? '?'
}

describe('walk', () => {
  it('yields each node once, level by level, and reads only manifests', async () => {
    const source = new RecordingSource(await filled())
    const nodes = await Array.fromAsync(walk(source, drawing.descriptor('index')))
    expect(nodes.map(({ descriptor, depth }) => `${depth} ${nameOf(descriptor.digest)}`)).toEqual([
      '0 index',
      '1 m1',
      '1 m2',
      '2 c1',
      '2 shared',
      '2 c2',
    ])
    expect(source.fetched.map((digest) => nameOf(digest)).sort()).toEqual(['index', 'm1', 'm2'])
  })

  it('reads no further than its consumer asks', async () => {
    const source = new RecordingSource(await filled())
    for await (const node of walk(source, drawing.descriptor('index'))) if (node.depth === 0) break
    expect(source.fetched.map((digest) => nameOf(digest))).toEqual(['index'])
  })

  it('names a missing subject, and fails on a missing child', async () => {
    const withoutIndex = await filled(['empty', 'spdx', 'sbom'])
    const nodes = await Array.fromAsync(walk(withoutIndex, drawing.descriptor('sbom')))
    expect(nodes.find(({ isMissing }) => isMissing)?.descriptor.digest).toBe(
      drawing.descriptor('index').digest,
    )
    const withoutChild = await filled(['c1', 'shared', 'm1', 'index'])
    await expect(Array.fromAsync(walk(withoutChild, drawing.descriptor('index')))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
  })

  it.each([{ maxDepth: 1 }, { maxNodes: 4 }, { maxMetadataBytes: 10 }])(
    'ends at its limit %o',
    async (limit) => {
      const walked = Array.fromAsync(walk(await filled(), drawing.descriptor('index'), limit))
      await expect(walked).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    },
  )

  it('rejects with the reason of an abort, and leaves nothing running', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const source = new RecordingSource(await filled(), async ({ digest }, signal) => {
      if (digest === drawing.descriptor('m1').digest) controller.abort(reason)
      signal?.throwIfAborted()
    })
    const walked = Array.fromAsync(walk(source, drawing.descriptor('index'), { signal: controller.signal }))
    await expect(walked).rejects.toBe(reason)
    expect(source.active).toBe(0)
  })

  it('handles 5,000 levels without the call stack', async () => {
    const levels = Object.fromEntries(
      Array.from({ length: 5000 }, (_, level) => [
        `l${level}`,
        { kind: 'index' as const, children: level === 0 ? [] : [`l${level - 1}`] },
      ]),
    )
    const deep = graph(levels)
    const source = new MemoryTarget()
    await deep.pushTo(source)
    const nodes = await Array.fromAsync(walk(source, deep.descriptor('l4999'), { maxDepth: 5000 }))
    expect(nodes).toHaveLength(5000)
  })
})

describe('walkPredecessors', () => {
  it('yields every edge above a node with its kind', async () => {
    const edges = await Array.fromAsync(walkPredecessors(await filled(), drawing.descriptor('shared')))
    expect(
      edges.map(
        ({ descriptor, edge, of, depth }) =>
          `${depth} ${nameOf(descriptor.digest)} ${edge} ${nameOf(of.digest)}`,
      ),
    ).toEqual([
      '1 m1 contains shared',
      '1 m2 contains shared',
      '2 index contains m1',
      '2 index contains m2',
      '3 sbom subject index',
      '4 signature subject sbom',
    ])
  })

  it('ends when predecessors run in a circle', async () => {
    const a = drawing.descriptor('m1')
    const b = drawing.descriptor('m2')
    const memory = await filled()
    const circle: Source = {
      resolve: (reference) => memory.resolve(reference),
      exists: (descriptor) => memory.exists(descriptor),
      fetch: (descriptor) => memory.fetch(descriptor),
      async *predecessors({ digest }) {
        yield { descriptor: digest === a.digest ? b : a, edge: 'subject' }
      },
    }
    expect(await Array.fromAsync(walkPredecessors(circle, a))).toHaveLength(2)
  })

  it('refuses a source without the ability before any I/O', async () => {
    const source = new RecordingSource(await filled())
    const walked = Array.fromAsync(walkPredecessors(source, drawing.descriptor('m1')))
    await expect(walked).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(source.fetched).toEqual([])
  })
})

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
    const tree = renderTree(await buildGraph(source, drawing.descriptor('sbom'), { referrers: false }))
    expect(tree).toContain(`subject ${drawing.descriptor('index').digest.slice(0, 19)}`)
    expect(tree).toContain('(not in the source)')
  })

  it('reads each manifest once, however many referrers share a subject', async () => {
    const names = Array.from({ length: 30 }, (_, at) => `signature${at}`)
    const signed = graph({
      index: ['m1', 'm2'],
      m1: ['c1', 'shared'],
      m2: ['c2', 'shared'],
      ...Object.fromEntries(
        names.map((name) => [name, { children: ['empty', 'sig'], subject: 'index', annotations: { name } }]),
      ),
    })
    const memory = new MemoryTarget()
    await signed.pushTo(memory)
    const source = Object.assign(new RecordingSource(memory), {
      predecessors: (node: Parameters<MemoryTarget['predecessors']>[0]) => memory.predecessors(node),
    })
    const built = await buildGraph(source, signed.descriptor('index'))
    expect(built.nodeCount()).toBe(signed.names.length)
    expect(source.fetched).toHaveLength(3 + names.length)
    await expect(buildGraph(source, signed.descriptor('index'), { maxNodes: 20 })).rejects.toMatchObject({
      code: 'SIZE_EXCEEDS_LIMIT',
    })
  })

  it('takes names that are dangerous as ids of graphlib for data', async () => {
    const odd = graph({
      image: { children: ['config', '__proto__'], annotations: { ['__proto__']: 'x', constructor: 'y' } },
    })
    const source = new MemoryTarget()
    await odd.pushTo(source)
    const built = await buildGraph(source, odd.descriptor('image'))
    expect(built.nodeCount()).toBe(3)
    expect(Object.keys(Object.prototype)).toEqual([])
  })
})
