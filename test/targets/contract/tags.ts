import { expect, it } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { plainDescriptor } from '../../../src/content/descriptor.ts'
import { errorCode } from '../../../src/errors.ts'
import { graph } from '../../support/graph.ts'
import { expectRefusal, image, rejection, tagsOf, type Suite } from './support.ts'

/** Tags point at content. */
export function tagSuite({ target, lacks }: Suite): void {
  it('resolves a tag, and moves it', async () => {
    const nodes = graph({ m1: ['config'], m2: ['config', 'layer'] })
    await nodes.pushTo(target())
    await target().tag(nodes.descriptor('m1'), 'latest')
    expect(plainDescriptor(await target().resolve('latest'))).toEqual(nodes.descriptor('m1'))
    await target().tag(nodes.descriptor('m2'), 'latest')
    await target().tag(nodes.descriptor('m2'), 'latest')
    expect(plainDescriptor(await target().resolve('latest'))).toEqual(nodes.descriptor('m2'))
    expect(await tagsOf(target())).toEqual(['latest'])
    expect(await target().exists(nodes.descriptor('m1'))).toBe(true)
  })

  it('lists tags in lexical order, after one, and at most so many', async () => {
    await image().pushTo(target())
    const tags = ['b', 'a', 'v10', 'v2', 'B', '_', 'v1']
    for (const tag of tags) await target().tag(image().descriptor('m1'), tag)
    const sorted = ['B', '_', 'a', 'b', 'v1', 'v10', 'v2']
    expect(await tagsOf(target())).toEqual(sorted)
    expect(await tagsOf(target(), { last: 'a' })).toEqual(sorted.slice(3))
    expect(await tagsOf(target(), { last: 'aa' }), 'last need not exist').toEqual(sorted.slice(3))
    expect(await tagsOf(target(), { limit: 2 })).toEqual(['B', '_'])
    expect(await tagsOf(target(), { last: 'b', limit: 1 })).toEqual(['v1'])
    expect(await tagsOf(target(), { limit: 0 })).toEqual([])
  })

  it.each(['__proto__', 'constructor', 'toString', '_', 'x'.repeat(128)])(
    'has no special tag: %s',
    async (tag) => {
      await image().pushTo(target())
      expect(errorCode(await rejection(target().resolve(tag)))).toBe('NOT_FOUND')
      await target().tag(image().descriptor('m1'), tag)
      expect(plainDescriptor(await target().resolve(tag))).toEqual(image().descriptor('m1'))
      expect(await tagsOf(target())).toEqual([tag])
    },
  )

  it('tags under any text, or refuses what the distribution-spec does not allow', async () => {
    const tag = 'docker.io/library/alpine:3.20 ü'
    await image().pushTo(target())
    const tagging = target().tag(image().descriptor('m1'), tag)
    if (lacks('free-tags')) return expect(errorCode(await rejection(tagging))).toBe('INVALID_REFERENCE')
    await tagging
    expect(plainDescriptor(await target().resolve(tag))).toEqual(image().descriptor('m1'))
  })

  it('takes neither the empty text nor a digest as a tag', async () => {
    await image().pushTo(target())
    const m1 = image().descriptor('m1')
    for (const tag of ['', m1.digest]) {
      expect(errorCode(await rejection(target().tag(m1, tag)))).toBe('INVALID_REFERENCE')
    }
    expect(await tagsOf(target())).toEqual([])
  })

  it('does not tag what is not there', async () => {
    const error = await rejection(target().tag(image().descriptor('m1'), 'v1'))
    expect(errorCode(error)).toBe('NOT_FOUND')
    expect(errorCode(await rejection(target().resolve('v1')))).toBe('NOT_FOUND')
  })

  it('tags a blob, or refuses it and says so beforehand', async () => {
    await image().pushTo(target(), ['layer'])
    const layer = image().descriptor('layer')
    const tagging = target().tag(layer, 'v1')
    if (lacks('tag-blobs')) {
      expect(errorCode(await rejection(tagging))).toBe('UNSUPPORTED')
      return expect(target().canTag?.(layer.mediaType)).toBe(false)
    }
    await tagging
    expect(plainDescriptor(await target().resolve('v1'))).toEqual(layer)
    expect(target().canTag?.(layer.mediaType)).not.toBe(false)
  })
}

/** Tags and content can be removed. */
export function removalSuite({ target, lacks }: Suite): void {
  it('removes a tag and leaves the content, or refuses', async () => {
    await image().pushTo(target())
    for (const tag of ['v1', 'v2']) await target().tag(image().descriptor('m1'), tag)
    const untagging = target().untag?.('v1')
    if (lacks('untag')) {
      await expectRefusal(untagging)
      return expect(await tagsOf(target())).toEqual(['v1', 'v2'])
    }
    await untagging
    expect(await tagsOf(target())).toEqual(['v2'])
    await target().untag?.('v2')
    expect(await tagsOf(target())).toEqual([])
    expect(plainDescriptor(await target().resolve(image().descriptor('m1').digest))).toEqual(
      image().descriptor('m1'),
    )
    expect(errorCode(await rejection(target().untag?.('v2')))).toBe('NOT_FOUND')
    expect(errorCode(await rejection(target().untag?.(image().descriptor('m1').digest)))).toBe(
      'INVALID_REFERENCE',
    )
  })

  it('removes a manifest and the tags that point at it, or refuses', async () => {
    const nodes = graph({ m1: ['config'], m2: ['config', 'layer'] })
    await nodes.pushTo(target())
    await target().tag(nodes.descriptor('m1'), 'old')
    await target().tag(nodes.descriptor('m2'), 'new')
    const deleting = target().delete?.(nodes.descriptor('m1'))
    if (lacks('delete-manifests')) {
      await expectRefusal(deleting)
      return expect(await target().exists(nodes.descriptor('m1'))).toBe(true)
    }
    await deleting
    expect(await target().exists(nodes.descriptor('m1'))).toBe(false)
    if (lacks('tags-of-deleted')) return expect(await tagsOf(target())).toEqual(['new', 'old'])
    expect(errorCode(await rejection(target().resolve('old')))).toBe('NOT_FOUND')
    expect(await tagsOf(target())).toEqual(['new'])
    expect(errorCode(await rejection(target().delete?.(nodes.descriptor('m1'))))).toBe('NOT_FOUND')
  })

  it('removes a blob, or refuses', async () => {
    await image().pushTo(target(), ['layer'])
    const deleting = target().delete?.(image().descriptor('layer'))
    if (lacks('delete-blobs')) {
      await expectRefusal(deleting)
      return expect(await target().exists(image().descriptor('layer'))).toBe(true)
    }
    await deleting
    expect(await target().exists(image().descriptor('layer'))).toBe(false)
    expect(await target().push(image().descriptor('layer'), contentOf(image().node('layer').bytes))).toBe(
      'copied',
    )
  })
}
