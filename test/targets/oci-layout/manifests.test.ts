import * as fs from 'node:fs/promises'
import { rm, writeFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { memfs } from 'memfs'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import type { LayoutFileSystem } from '../../../src/targets/oci-layout/file-system.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { graph } from '../../support/graph.ts'
import { blobFile, listedIn, scratchDirectory } from './scratch.ts'

/** image: m1 of config and layer */
const nodes = graph({ m1: ['config', 'layer'] })
const m1 = nodes.descriptor('m1')
const layer = nodes.descriptor('layer')

describe('the manifests of a layout', () => {
  it('are refused when they are larger than the limit', async () => {
    const layout = new OciLayout(await scratchDirectory(), { maxMetadataBytes: 64 })
    await expect(nodes.pushTo(layout)).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(await layout.exists(m1)).toBe(false)
    const ingesting = layout.ingest(contentOf(nodes.node('m1').bytes), m1.mediaType)
    await expect(ingesting).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
  })

  it('count as such when they are ingested, and when they came as a blob first', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const { bytes } = nodes.node('m1')
    await layout.push({ ...m1, mediaType: mediaTypes.octetStream }, contentOf(bytes))
    expect(await layout.resolve(m1.digest)).toEqual({ ...m1, mediaType: mediaTypes.octetStream })
    expect(await layout.ingest(contentOf(bytes), m1.mediaType)).toEqual(m1)
    expect(await layout.resolve(m1.digest)).toEqual(m1)
    expect(await listedIn(directory)).toEqual([m1.digest])
    expect(await Array.fromAsync(layout.predecessors(layer))).toHaveLength(1)
  })

  it('that cannot be read do not hide the others', async () => {
    const directory = await scratchDirectory()
    const many = graph({ index: ['a', 'b'], a: ['config'], b: ['config', 'layer'] })
    await many.pushTo(new OciLayout(directory))
    await writeFile(blobFile(directory, many.descriptor('a').digest), '{}')
    await rm(blobFile(directory, many.descriptor('config').digest))
    const found = await Array.fromAsync(new OciLayout(directory).predecessors(many.descriptor('config')))
    expect(found.map(({ descriptor }) => descriptor.digest)).toEqual([many.descriptor('b').digest])
  })

  it('are found although another manifest has their size wrong', async () => {
    const directory = await scratchDirectory()
    const wrong = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ ...m1, size: 7 }] }))
    const right = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [m1] }))
    await nodes.pushTo(new OciLayout(directory))
    for (const bytes of [wrong, right]) {
      const descriptor = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.length }
      await new OciLayout(directory).push(descriptor, contentOf(bytes))
    }
    expect(await new OciLayout(directory).resolve(m1.digest)).toEqual(m1)
    expect(await Array.fromAsync(new OciLayout(directory).predecessors(layer))).toHaveLength(1)
  })

  it('that another instance has pushed are found', async () => {
    const directory = await scratchDirectory()
    const [one, other] = [new OciLayout(directory), new OciLayout(directory)]
    await nodes.pushTo(one)
    expect(await Array.fromAsync(one.referrers(m1))).toEqual([])
    const sbom = graph({ m1: ['config', 'layer'], sbom: { children: ['config'], subject: 'm1' } })
    await sbom.pushTo(other, ['sbom'])
    const found = await Array.fromAsync(one.referrers(m1))
    expect(found.map(({ digest }) => digest)).toEqual([sbom.descriptor('sbom').digest])
    await other.delete(sbom.descriptor('sbom'))
    expect(await Array.fromAsync(one.referrers(m1))).toEqual([])
  })

  it.each([
    ['gone', (path: string) => rm(path)],
    ['cut', (path: string) => writeFile(path, '{')],
  ])('are not resolved when their file is %s, and come back with a push', async (_what, damage) => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout)
    await layout.tag(m1, 'v1')
    await damage(blobFile(directory, m1.digest))
    for (const reference of ['v1', m1.digest]) {
      for (const instance of [layout, new OciLayout(directory)]) {
        await expect(instance.resolve(reference)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      }
    }
    expect(await layout.push(m1, contentOf(nodes.node('m1').bytes))).toBe('copied')
    expect(await new OciLayout(directory).resolve('v1')).toEqual(m1)
    expect(await layout.resolve(m1.digest)).toEqual(m1)
  })

  it('can be deleted when their file is cut', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout)
    await writeFile(blobFile(directory, m1.digest), '{')
    await layout.delete(m1)
    expect(await listedIn(directory)).toEqual([])
  })

  it('are on the disk before index.json names them', async () => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory), ['config', 'layer'])
    const steps: string[] = []
    const disk: LayoutFileSystem = {
      ...fs,
      async open(path: string, flags: number) {
        const file = await fs.open(path, flags)
        const datasync = file.datasync.bind(file)
        return Object.assign(file, {
          datasync: async () => {
            await datasync()
            steps.push('sync')
          },
        })
      },
      async rename(from: string, to: string) {
        await fs.rename(from, to)
        steps.push(basename(to))
      },
    }
    await nodes.pushTo(new OciLayout(directory, { fs: disk }), ['m1'])
    expect(steps).toEqual(['sync', m1.digest.slice('sha256:'.length), 'sync', 'index.json'])
  })

  it('that were missing are found once another instance has pushed them where nothing had to be listed', async () => {
    // outer -> index -> image
    const nested = graph({ outer: ['index'], index: ['image'], image: ['config'] })
    const directory = await scratchDirectory()
    const [one, other] = [new OciLayout(directory), new OciLayout(directory)]
    await nested.pushTo(one, ['outer'])
    const image = nested.descriptor('image')
    expect(await Array.fromAsync(one.predecessors(image))).toEqual([])
    await nested.pushTo(other, ['index'])
    const found = await Array.fromAsync(one.predecessors(image))
    expect(found.map(({ descriptor }) => descriptor.digest)).toEqual([nested.descriptor('index').digest])
  })

  it('of a deep chain of indexes do not use up the call stack', async () => {
    const layout = new OciLayout('/layout', { fs: memfs().fs.promises })
    let below = m1
    await nodes.pushTo(layout)
    for (let depth = 0; depth < 2_000; depth++) {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [below] }))
      below = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.length }
      await layout.push(below, contentOf(bytes), { contained: depth < 1_999 })
    }
    expect(await Array.fromAsync(layout.predecessors(m1))).toHaveLength(1)
    expect(await layout.resolve(m1.digest)).toEqual(m1)
  })
})
