import { describe, expect, it } from 'vitest'
import { walkPredecessors } from '../../src/graph/predecessors.ts'
import type { Source } from '../../src/targets/target.ts'
import { RecordingSource } from '../support/spy.ts'
import { drawing, filled, nameOf } from './drawing.ts'

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

  it.each([
    [{ maxDepth: 4 }, undefined],
    [{ maxDepth: 3 }, 'SIZE_EXCEEDS_LIMIT'],
    [{ maxNodes: 6 }, undefined],
    [{ maxNodes: 5 }, 'SIZE_EXCEEDS_LIMIT'],
  ])('takes what is just within its limits, and ends beyond: %o %s', async (limits, code) => {
    const edges: number[] = []
    const walked = (async () => {
      const walking = walkPredecessors(await filled(), drawing.descriptor('shared'), limits)
      for await (const { depth } of walking) edges.push(depth)
    })()
    if (code === undefined) await walked
    else await expect(walked).rejects.toMatchObject({ code })
    expect(edges).toEqual(code === undefined ? [1, 1, 2, 2, 3, 4] : [1, 1, 2, 2, 3])
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
