import { describe, expect, it } from 'vitest'
import { buildGraph } from '../../src/graph/graph.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'
import { RecordingSource } from '../support/spy.ts'
import { drawing, filled } from './drawing.ts'

describe('buildGraph', () => {
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

  it('goes down only, on request or where the source cannot go up', async () => {
    const source = new RecordingSource(await filled())
    const built = await buildGraph(source, drawing.descriptor('index'))
    expect(built.nodeCount()).toBe(6)
    expect(
      (await buildGraph(await filled(), drawing.descriptor('index'), { direction: 'down' })).nodeCount(),
    ).toBe(6)
    const attempt = buildGraph(source, drawing.descriptor('index'), { direction: 'both' })
    await expect(attempt).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })
})
