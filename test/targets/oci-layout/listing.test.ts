import * as fs from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import type { LayoutFileSystem } from '../../../src/targets/oci-layout/file-system.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { graph } from '../../support/graph.ts'
import { blobFile, filesIn, listedIn, scratchDirectory } from './scratch.ts'

// top -> index -> m1, m2; m1 -> config; m2 -> config, layer; sbom refers to m1
const nodes = graph({
  top: ['index'],
  index: ['m1', 'm2'],
  m1: ['config'],
  m2: ['config', 'layer'],
  sbom: { children: ['config'], subject: 'm1' },
})
const digest = (name: string): string => nodes.descriptor(name).digest
const inOrder = (...names: readonly string[]): string[] => names.map(digest).sort()

describe('index.json lists', () => {
  it('an untagged manifest until something contains it, and a referrer always', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout, ['config', 'layer', 'm1', 'm2', 'sbom'])
    expect(await listedIn(directory)).toEqual(inOrder('m1', 'm2', 'sbom'))
    await nodes.pushTo(layout, ['index'])
    expect(await listedIn(directory)).toEqual(inOrder('index', 'sbom'))
    await nodes.pushTo(layout, ['top'])
    expect(await listedIn(directory)).toEqual(inOrder('top', 'sbom'))
  })

  it('nothing that comes after its parent', async () => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory), ['index'])
    await nodes.pushTo(new OciLayout(directory), ['m1', 'm2', 'config', 'layer'])
    expect(await listedIn(directory)).toEqual([digest('index')])
  })

  it('nothing that is pushed as contained, until it is pushed for itself', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const { descriptor, bytes } = nodes.node('m1')
    await nodes.pushTo(layout, ['config'])
    expect(await layout.push(descriptor, contentOf(bytes), { contained: true })).toBe('copied')
    expect(await listedIn(directory)).toEqual([])
    expect(await layout.push(descriptor, contentOf(bytes))).toBe('existed')
    expect(await listedIn(directory)).toEqual([digest('m1')])
  })

  it('a root that is nested deeper once, when it comes with its tag', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout, ['config', 'layer', 'm1', 'm2'])
    await layout.push(nodes.descriptor('index'), contentOf(nodes.node('index').bytes), { contained: true })
    expect(await listedIn(directory), 'what is not covered yet stays listed').toEqual(inOrder('m1', 'm2'))
    await layout.pushReference(nodes.descriptor('top'), nodes.node('top').bytes, 'v1')
    expect(await listedIn(directory)).toEqual([`v1 ${digest('top')}`])
  })

  it('a child that has a tag of its own', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout, ['config', 'layer', 'm1', 'm2'])
    await layout.tag(nodes.descriptor('m1'), 'child')
    await nodes.pushTo(layout, ['index'])
    expect(await listedIn(directory)).toEqual([`child ${digest('m1')}`, digest('index')])
    await layout.untag('child')
    expect(await listedIn(directory)).toEqual([digest('index')])
  })

  it('an untagged manifest that lost its tag, and no blob that did', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout, ['config', 'layer', 'm1', 'm2'])
    await layout.tag(nodes.descriptor('m1'), 'latest')
    await layout.tag(nodes.descriptor('m2'), 'latest')
    expect(await listedIn(directory)).toEqual([`latest ${digest('m2')}`, digest('m1')])
    await layout.untag('latest')
    expect(await listedIn(directory)).toEqual(inOrder('m1', 'm2'))
    await layout.tag(nodes.descriptor('layer'), 'blob')
    await layout.untag('blob')
    expect(await listedIn(directory)).toEqual(inOrder('m1', 'm2'))
  })

  it('the children of an index that was deleted, as far as they are there', async () => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory), ['config', 'm1', 'index', 'top'])
    await new OciLayout(directory).delete(nodes.descriptor('index'))
    expect(await listedIn(directory)).toEqual(inOrder('m1', 'top'))
  })

  it('a manifest that was contained in what another instance has deleted', async () => {
    const directory = await scratchDirectory()
    const [one, other] = [new OciLayout(directory), new OciLayout(directory)]
    await nodes.pushTo(one, ['config', 'm1', 'index'])
    await other.delete(nodes.descriptor('index'))
    await nodes.pushTo(one, ['top'])
    expect(await listedIn(directory)).toEqual(inOrder('m1', 'top'))
    expect(await new OciLayout(directory).resolve(digest('m1'))).toEqual(nodes.descriptor('m1'))
  })

  it('a manifest that another instance took for covered while its container was being deleted', async () => {
    const directory = await scratchDirectory()
    const other = new OciLayout(directory)
    const disk: LayoutFileSystem = {
      ...fs,
      async unlink(path: string) {
        if (path === blobFile(directory, digest('index'))) await nodes.pushTo(other, ['top'])
        await fs.unlink(path)
      },
    }
    await nodes.pushTo(other, ['config', 'm1', 'index'])
    await new OciLayout(directory, { fs: disk }).delete(nodes.descriptor('index'))
    expect(await listedIn(directory)).toEqual(inOrder('m1', 'top'))
  })

  it.each([
    ['before its container is taken out of index.json', 'index.json.lock', 'm1'],
    ['but is still there when its container is', 'blobs', 'index'],
  ])('no manifest that another instance deletes %s', async (_when, moment, second) => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout, ['config', 'm1', 'index'])
    const disk = interrupted(moment, () => layout.delete(nodes.descriptor(second)))
    const first = second === 'm1' ? 'index' : 'm1'
    await new OciLayout(directory, { fs: disk }).delete(nodes.descriptor(first))
    expect(await listedIn(directory)).toEqual([])
    expect(await filesIn(directory)).not.toContain(blobFile('', digest('m1')))
  })

  it('a manifest that another instance pushes again when it has just been deleted', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const { descriptor, bytes } = nodes.node('m1')
    await nodes.pushTo(layout, ['config', 'm1'])
    const disk: LayoutFileSystem = {
      ...fs,
      async unlink(path: string) {
        await fs.unlink(path)
        if (path === blobFile(directory, digest('m1'))) await layout.pushReference(descriptor, bytes, 'again')
      },
    }
    await new OciLayout(directory, { fs: disk }).delete(descriptor)
    expect(await listedIn(directory)).toEqual([`again ${digest('m1')}`])
  })

  it('a manifest that comes with its tag while another instance deletes it, and has it then', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const { descriptor, bytes } = nodes.node('m1')
    await nodes.pushTo(layout, ['config', 'm1'])
    const disk = interrupted('index.json.lock', () => layout.delete(descriptor))
    await new OciLayout(directory, { fs: disk }).pushReference(descriptor, bytes, 'v1')
    expect(await listedIn(directory)).toEqual([`v1 ${digest('m1')}`])
    expect(await filesIn(directory)).toContain(blobFile('', digest('m1')))
  })

  it.each(['m1', 'config'])('no tag of %s, which another instance deletes as it is tagged', async (name) => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const descriptor = nodes.descriptor(name)
    await nodes.pushTo(layout, ['config', 'm1'])
    const disk = interrupted('index.json.lock', () => layout.delete(descriptor))
    const tagging = new OciLayout(directory, { fs: disk }).tag(descriptor, 'v1')
    await expect(tagging).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(await listedIn(directory)).toEqual(name === 'm1' ? [] : [digest('m1')])
  })

  it.each(['push', 'tag'] as const)(
    'no tag without content, whenever another instance deletes (%s)',
    async (way) => {
      const { descriptor, bytes } = nodes.node('m1')
      for (let round = 0; round < 40; round++) {
        const directory = await scratchDirectory()
        const [one, other] = [new OciLayout(directory), new OciLayout(directory)]
        await nodes.pushTo(one, ['config', 'm1'])
        await other.resolve(descriptor.digest)
        const tagging =
          way === 'tag' ? other.tag(descriptor, 'v1') : other.pushReference(descriptor, bytes, 'v1')
        const [tagged, deleted] = await Promise.allSettled([tagging, one.delete(descriptor)])
        expect(deleted.status).toBe('fulfilled')
        if (tagged.status === 'rejected') {
          expect([way, tagged.reason]).toMatchObject(['tag', { code: 'NOT_FOUND' }])
        }
        const tags = await Array.fromAsync(new OciLayout(directory).tags())
        for (const tag of tags) expect(await new OciLayout(directory).resolve(tag)).toEqual(descriptor)
      }
    },
  )

  it('a manifest whose bytes are listed as a blob too, which hides neither', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const { descriptor, bytes } = nodes.node('m1')
    const asBlob = { ...descriptor, mediaType: mediaTypes.octetStream }
    await nodes.pushTo(layout, ['config'])
    await layout.push(asBlob, contentOf(bytes))
    await layout.tag(asBlob, 'blob')
    await layout.push(descriptor, contentOf(bytes))
    expect(await listedIn(directory)).toEqual([`blob ${digest('m1')}`, digest('m1')])
    const opened = new OciLayout(directory)
    expect(await opened.resolve('blob')).toEqual(asBlob)
    expect(await opened.resolve(digest('m1'))).toEqual(descriptor)
    expect(await Array.fromAsync(opened.predecessors(nodes.descriptor('config')))).toHaveLength(1)
    await layout.tag(descriptor, 'blob')
    await layout.tag(asBlob, 'blob')
    expect(await listedIn(directory), 'a tag that goes to the blob leaves the manifest').toEqual([
      `blob ${digest('m1')}`,
      digest('m1'),
    ])
  })

  it('the same in the same order, however the content came', async () => {
    const [one, other] = [await scratchDirectory(), await scratchDirectory()]
    const tags = ['b', 'a', 'c']
    for (const [directory, order] of [
      [one, tags],
      [other, tags.toReversed()],
    ] as const) {
      const layout = new OciLayout(directory)
      await nodes.pushTo(layout, order === tags ? ['m1', 'sbom', 'm2'] : ['m2', 'm1', 'sbom'])
      for (const tag of order) await layout.tag(nodes.descriptor('m1'), tag)
    }
    expect(await listedIn(one)).toEqual(await listedIn(other))
    expect((await listedIn(one)).slice(0, 3)).toEqual(['a', 'b', 'c'].map((tag) => `${tag} ${digest('m1')}`))
  })
})

/** The disk, where something happens before the first file whose path has a part of this name is created or removed. */
function interrupted(part: string, happen: () => Promise<void>): LayoutFileSystem {
  let isDone = false
  const before = async (path: string, isChange: boolean): Promise<void> => {
    if (isDone || !isChange || !path.split('/').includes(part)) return
    isDone = true
    await happen()
  }
  return {
    ...fs,
    async open(path: string, flags: number) {
      await before(path, (flags & fs.constants.O_CREAT) !== 0)
      return fs.open(path, flags)
    },
    async unlink(path: string) {
      await before(path, true)
      await fs.unlink(path)
    },
  }
}
