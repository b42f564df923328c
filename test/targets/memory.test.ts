import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph, ownTypes } from '../support/graph.ts'
import { targetContract } from './contract.ts'

targetContract('MemoryTarget', async () => ({ target: new MemoryTarget({ manifestTypes: ownTypes }) }), [
  'fetch-reference',
  'push-reference',
])

describe('MemoryTarget', () => {
  const nodes = graph({ m1: ['config', 'layer'] })

  it('counts the edges of a manifest that came as a blob first', async () => {
    const target = new MemoryTarget()
    const { descriptor, bytes } = nodes.node('m1')
    await target.push({ ...descriptor, mediaType: mediaTypes.octetStream }, contentOf(bytes))
    expect(await Array.fromAsync(target.predecessors(nodes.descriptor('layer')))).toEqual([])
    expect(await target.push(descriptor, contentOf(bytes))).toBe('existed')
    expect(await Array.fromAsync(target.predecessors(nodes.descriptor('layer')))).toHaveLength(1)
    expect(await target.resolve(descriptor.digest)).toEqual(descriptor)
  })

  it('refuses a manifest that is larger than its limit', async () => {
    const target = new MemoryTarget({ maxMetadataBytes: 64 })
    const { descriptor, bytes } = nodes.node('m1')
    await expect(target.push(descriptor, contentOf(bytes))).rejects.toMatchObject({
      code: 'SIZE_EXCEEDS_LIMIT',
    })
    expect(await target.exists(descriptor)).toBe(false)
  })

  it('tags a manifest again without its old place', async () => {
    const target = new MemoryTarget()
    await nodes.pushTo(target)
    await target.tag({ ...nodes.descriptor('m1'), annotations: { from: 'the parent' } }, 'v1')
    expect(await target.resolve('v1')).toEqual(nodes.descriptor('m1'))
  })
})
