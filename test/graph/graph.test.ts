import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { buildGraph, type ContentGraph } from '../../src/graph/graph.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import type { Source } from '../../src/targets/target.ts'
import { graph } from '../support/graph.ts'
import { RecordingSource } from '../support/spy.ts'
import { drawing, filled, nameOf } from './drawing.ts'

/** Writes down what is read and whose predecessors are asked for. */
function recording(memory: MemoryTarget): RecordingSource & Source & { readonly asked: string[] } {
  const asked: string[] = []
  const predecessors = (descriptor: Descriptor): ReturnType<MemoryTarget['predecessors']> => {
    asked.push(descriptor.digest)
    return memory.predecessors(descriptor)
  }
  return Object.assign(new RecordingSource(memory), { asked, predecessors })
}

function namesIn(built: ContentGraph): readonly string[] {
  return built.nodes().map((id) => nameOf(built.node(id).descriptor.digest))
}

function edgesIn(built: ContentGraph): readonly string[] {
  const name = (id: string): string => nameOf(built.node(id).descriptor.digest)
  return built.edges().map(({ v, w }) => `${name(v)} ${built.edge(v, w).edge} ${name(w)}`)
}

function unreadIn(built: ContentGraph): readonly string[] {
  const unread = built.nodes().filter((id) => built.node(id).isUnread)
  return unread.map((id) => nameOf(built.node(id).descriptor.digest))
}

describe('buildGraph', () => {
  it('reads each manifest once, and asks each once, however many referrers share a subject', async () => {
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
    const source = recording(memory)
    const built = await buildGraph(source, signed.descriptor('index'))
    expect(built.nodeCount()).toBe(signed.names.length)
    expect(source.fetched).toHaveLength(3 + names.length)
    expect(source.asked).toHaveLength(3 + names.length)
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

  it('goes down only, on request or where the source cannot go up, and asks for no predecessors then', async () => {
    const source = new RecordingSource(await filled())
    expect((await buildGraph(source, drawing.descriptor('index'))).nodeCount()).toBe(6)
    const able = recording(await filled())
    const built = await buildGraph(able, drawing.descriptor('index'), { direction: 'down' })
    expect(built.nodeCount()).toBe(6)
    expect(able.asked).toEqual([])
  })

  it.each(['up', 'both'] as const)(
    'refuses to go %s in a source that cannot, before any I/O',
    async (direction) => {
      const source = new RecordingSource(await filled())
      const attempt = buildGraph(source, drawing.descriptor('index'), { direction })
      await expect(attempt).rejects.toMatchObject({ code: 'UNSUPPORTED' })
      expect(source.fetched).toEqual([])
    },
  )

  it('goes up from a blob by every edge, and reads nothing', async () => {
    const source = recording(await filled())
    const built = await buildGraph(source, drawing.descriptor('shared'), { direction: 'up' })
    expect(edgesIn(built).toSorted()).toEqual([
      'index contains m1',
      'index contains m2',
      'm1 contains shared',
      'm2 contains shared',
      'sbom subject index',
      'signature subject sbom',
    ])
    expect(source.fetched).toEqual([])
    const sbom = built.nodes().find((id) => nameOf(built.node(id).descriptor.digest) === 'sbom')
    expect(built.node(sbom ?? '')).toMatchObject({ artifactType: 'application/spdx+json', isUnread: true })
  })

  it('goes both ways: what contains the root stands alone, with its referrers', async () => {
    const source = recording(await filled())
    const built = await buildGraph(source, drawing.descriptor('m1'), { direction: 'both' })
    expect(namesIn(built).toSorted()).toEqual(
      ['c1', 'empty', 'index', 'm1', 'sbom', 'shared', 'sig', 'signature', 'spdx'].toSorted(),
    )
    expect(unreadIn(built)).toEqual(['index'])
    expect(source.fetched.map(nameOf).toSorted()).toEqual(['m1', 'sbom', 'signature'])
  })

  it.each([
    [0, ['index'], []],
    [1, ['index', 'm1', 'm2', 'sbom'], ['index']],
    [
      2,
      ['index', 'm1', 'm2', 'sbom', 'c1', 'shared', 'c2', 'empty', 'spdx', 'signature'],
      ['index', 'm1', 'm2', 'sbom'],
    ],
  ])(
    'leaves out what is further away than %i, and does not read what is as far',
    async (depth, names, read) => {
      const source = recording(await filled())
      const built = await buildGraph(source, drawing.descriptor('index'), { depth })
      expect(namesIn(built).toSorted()).toEqual(names.toSorted())
      expect(source.fetched.map(nameOf).toSorted()).toEqual(read.toSorted())
      const manifests = names.filter((name) => ['index', 'm1', 'm2', 'sbom', 'signature'].includes(name))
      expect(unreadIn(built).toSorted()).toEqual(manifests.filter((name) => !read.includes(name)).toSorted())
    },
  )

  it.each([-1, NaN])('refuses the depth %d', async (depth) => {
    const attempt = buildGraph(await filled(), drawing.descriptor('index'), { depth })
    await expect(attempt).rejects.toBeInstanceOf(RangeError)
  })

  it('names what the source lacks, but fails without the root', async () => {
    const sparse = await filled(['c1', 'shared', 'm1', 'index'])
    const built = await buildGraph(sparse, drawing.descriptor('index'))
    const missing = built.nodes().filter((id) => built.node(id).isMissing)
    expect(missing.map((id) => nameOf(built.node(id).descriptor.digest))).toEqual(['m2'])
    const attempt = buildGraph(sparse, drawing.descriptor('sbom'))
    await expect(attempt).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('has the tags that it was given, and the annotations of manifests', async () => {
    const annotated = graph({ image: { children: ['config'], annotations: { made: 'today' } } })
    const source = new MemoryTarget()
    await annotated.pushTo(source)
    const root = annotated.descriptor('image')
    const built = await buildGraph(source, root, { tags: new Map([[root.digest, ['v1']]]) })
    expect(built.node('n0')).toMatchObject({ tags: ['v1'], annotations: { made: 'today' } })
    expect(built.node('n1').tags).toBeUndefined()
  })

  it('keeps the platform of an entry apart from that of another', async () => {
    const image = { children: ['config'], platform: { os: 'linux', architecture: 'amd64' } }
    const parents = graph({ image, one: { kind: 'index', children: ['image'] } })
    const source = new MemoryTarget()
    await parents.pushTo(source)
    const built = await buildGraph(source, parents.descriptor('image'), { direction: 'up' })
    expect(built.edge('n1', 'n0').descriptor.platform).toBeUndefined()
  })

  it.each([{ maxDepth: 1 }, { maxNodes: 4 }, { maxMetadataBytes: 10 }])(
    'fails at its limit %o',
    async (limit) => {
      const attempt = buildGraph(await filled(), drawing.descriptor('index'), limit)
      await expect(attempt).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    },
  )

  it('counts the predecessors of one node as they come', async () => {
    const memory = await filled()
    let told = 0
    const endless = Object.assign(new RecordingSource(memory), {
      async *predecessors() {
        for (;;) {
          told += 1
          yield { descriptor: drawing.descriptor('sbom'), edge: 'subject' as const }
        }
      },
    })
    const attempt = buildGraph(endless, drawing.descriptor('index'), { maxNodes: 50 })
    await expect(attempt).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(told).toBe(51)
  })

  it('ends where predecessors run in a circle', async () => {
    const memory = await filled()
    const [a, b] = [drawing.descriptor('m1'), drawing.descriptor('m2')]
    const circle = Object.assign(new RecordingSource(memory), {
      async *predecessors({ digest }: Descriptor) {
        yield { descriptor: digest === a.digest ? b : a, edge: 'contains' as const }
      },
    })
    expect((await buildGraph(circle, a, { direction: 'up' })).nodeCount()).toBe(2)
  })

  it('rejects with the reason of an abort, and leaves nothing running', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const memory = await filled()
    const source = new RecordingSource(memory, async ({ digest }, signal) => {
      if (digest === drawing.descriptor('m1').digest) controller.abort(reason)
      signal?.throwIfAborted()
    })
    const attempt = buildGraph(source, drawing.descriptor('index'), { signal: controller.signal })
    await expect(attempt).rejects.toBe(reason)
    expect(source.active).toBe(0)
  })

  it('builds a chain of 20,000 without the call stack', async () => {
    const levels = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, level) => [
        `l${level}`,
        { kind: 'index' as const, children: level === 0 ? [] : [`l${level - 1}`] },
      ]),
    )
    const deep = graph(levels)
    const source = new MemoryTarget()
    await deep.pushTo(source)
    const built = await buildGraph(source, deep.descriptor('l19999'), { maxDepth: 20_000 })
    expect(built.nodeCount()).toBe(20_000)
  })
})
