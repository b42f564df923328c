import { describe, expect, it } from 'vitest'
import { walk } from '../../src/graph/walk.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'
import { RecordingSource } from '../support/spy.ts'
import { drawing, filled, nameOf } from './drawing.ts'

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
