import { expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { extendedCopy } from '../../src/copy/extended-copy.ts'
import { walk } from '../../src/graph/walk.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Target } from '../../src/targets/target.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { describePeers, samplePath } from '../support/peers.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { sampleDigest, sampleSbom } from './layout-files.ts'
import { peerCopy } from './peer-copy.ts'

interface Shape {
  readonly name: string
  readonly drawing: TestGraph
  /** Where the copy begins. */
  readonly node: string
  /** What of it neither of the two copies. */
  readonly left: readonly string[]
}

const shapes: readonly Shape[] = [
  {
    name: 'an index with referrers on it and on its children',
    drawing: graph({
      index: ['m1', 'm2'],
      m1: ['c1', 'shared'],
      m2: ['c2', 'shared'],
      onIndex: { children: ['empty', 'a'], subject: 'index' },
      onFirst: { children: ['empty', 'b'], subject: 'm1' },
      onSecond: { children: ['empty', 'c'], subject: 'm2' },
    }),
    node: 'index',
    left: ['onFirst', 'b', 'onSecond', 'c'],
  },
  {
    name: 'referrers of referrers, one of which is an index',
    drawing: graph({
      image: ['config', 'layer'],
      proofs: { kind: 'index', children: ['p1', 'p2'], subject: 'image' },
      p1: ['empty', 'a'],
      p2: ['empty', 'b'],
      signature: { children: ['empty', 'c'], subject: 'proofs' },
      countersignature: { children: ['empty', 'd'], subject: 'signature' },
      onProof: { children: ['empty', 'e'], subject: 'p2' },
    }),
    node: 'image',
    left: ['onProof', 'e'],
  },
  {
    name: 'a child of an index',
    drawing: graph({
      index: ['m1', 'm2'],
      m1: ['c1', 'shared'],
      m2: ['c2', 'shared'],
      onIndex: { children: ['empty', 'a'], subject: 'index' },
      onChild: { children: ['empty', 'b'], subject: 'm1' },
    }),
    node: 'm1',
    left: ['index', 'm2', 'c2', 'onIndex', 'a'],
  },
  {
    name: 'a signature, whose subject has others',
    drawing: graph({
      image: ['config', 'layer'],
      one: { children: ['empty', 'a'], subject: 'image' },
      two: { children: ['empty', 'b'], subject: 'image' },
      onOne: { children: ['empty', 'c'], subject: 'one' },
    }),
    node: 'one',
    left: ['two', 'b'],
  },
]

/** The repositories of a registry that is fresh: the source, and the two that are copied to. */
interface Places {
  readonly source: Target
  readonly ours: Target
  readonly theirs: Target
}

function placesOf({ repositories }: TestRegistry): Places {
  const [source, ours, theirs] = ['app', 'copy', 'team/other'].map((name) => repositories.get(name))
  const missing = new MemoryTarget()
  return { source: source ?? missing, ours: ours ?? missing, theirs: theirs ?? missing }
}

/** Copies the tag `v1` of `app` with what refers to its node: by us to `copy`, by oras-go to `team/other`. */
async function copyTwice({ name }: TestRegistry): Promise<void> {
  await using source = new Repository(`${name}/app`)
  await using destination = new Repository(`${name}/copy`)
  await extendedCopy(source, 'v1', destination, { referrers: 'root' })
  const [from, to] = ['app', 'team/other'].map((path) => ({ repository: `${name}/${path}`, reference: 'v1' }))
  if (from !== undefined && to !== undefined) await peerCopy('orascopy', from, to, { isExtended: true })
}

/** Digests of those nodes that a target has, and of what its tag `v1` names. */
async function found(target: Target, nodes: readonly Descriptor[]): Promise<readonly string[]> {
  const there = await Promise.all(nodes.map((node) => target.exists(node)))
  const tagged = await target.resolve('v1')
  return [...nodes.filter((_, index) => there[index]).map(({ digest }) => digest), tagged.digest]
}

describePeers(['orascopy', 'sample'], 'An extended copy with the referrers of the root', () => {
  it.each(shapes)('reaches what that of oras-go reaches: $name', async ({ drawing, node, left }) => {
    await using registry = await startRegistry()
    const { source, ours, theirs } = placesOf(registry)
    await drawing.pushTo(source)
    await source.tag(drawing.descriptor(node), 'v1')
    await copyTwice(registry)
    const nodes = drawing.names.map((name) => drawing.descriptor(name))
    const reached = drawing.names.filter((name) => !left.includes(name))
    const expected = [...reached, node].map((name) => drawing.descriptor(name).digest)
    expect(await found(theirs, nodes)).toEqual(expected)
    expect(await found(ours, nodes)).toEqual(expected)
  })

  it('reaches what that of oras-go reaches: the sample image with its SBOMs', async () => {
    await using registry = await startRegistry()
    const { source, ours, theirs } = placesOf(registry)
    const sample = new OciLayout(samplePath())
    const nodes: Descriptor[] = []
    for await (const listed of sample.listed()) {
      await copyGraph(sample, listed, source)
      for await (const { descriptor } of walk(sample, listed)) nodes.push(descriptor)
    }
    const [multi, single] = await Promise.all([sampleDigest('multi'), sampleDigest('single')])
    await source.tag(await source.resolve(multi), 'v1')
    await copyTwice(registry)
    const reached = await found(ours, nodes)
    expect(await found(theirs, nodes)).toEqual(reached)
    expect(reached).toContain(await sampleSbom(multi))
    expect(reached).not.toContain(await sampleSbom(single))
  })
})
