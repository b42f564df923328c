import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { memfs } from 'memfs'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import type { LayoutFileSystem } from '../../../src/targets/oci-layout/file-system.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { graph, ownTypes } from '../../support/graph.ts'
import { targetContract } from '../contract.ts'
import { filesIn, readIndex, scratchDirectory, writeLayout } from './scratch.ts'

targetContract(
  'OciLayout on the disk',
  async () => {
    const target = new OciLayout(join(await scratchDirectory(), 'layout'), { manifestTypes: ownTypes })
    await target.prepare()
    return { target }
  },
  ['fetch-reference'],
)

targetContract(
  'OciLayout on memfs',
  async () => {
    const target = new OciLayout('/layout', { fs: memfs().fs.promises, manifestTypes: ownTypes })
    await target.prepare()
    return { target }
  },
  ['fetch-reference'],
)

/** image: m1 of config and layer */
const nodes = graph({ m1: ['config', 'layer'] })
const m1 = nodes.descriptor('m1')
const layer = nodes.descriptor('layer')

describe('the folder of a layout', () => {
  it('is made by the first write, with its parents, and holds what the spec says and nothing else', async () => {
    const parent = await scratchDirectory()
    const directory = join(parent, 'a', 'b')
    const layout = new OciLayout(directory)
    await layout.prepare()
    expect(await layout.exists(m1)).toBe(false)
    expect(await readdir(parent)).toEqual([])
    await nodes.pushTo(layout)
    await layout.tag(m1, 'v1')
    expect(await readFile(join(directory, 'oci-layout'), 'utf8')).toBe('{"imageLayoutVersion":"1.0.0"}')
    expect(await readIndex(directory)).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [{ ...m1, annotations: { 'org.opencontainers.image.ref.name': 'v1' } }],
    })
    expect(await filesIn(directory)).toEqual(
      [
        ...nodes.names.map((name) => `blobs/${nodes.descriptor(name).digest.replace(':', '/')}`),
        'index.json',
        'oci-layout',
      ].sort(),
    )
    expect((await readdir(directory)).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it('is made once, by many first writes at once', async () => {
    const directory = join(await scratchDirectory(), 'layout')
    const placed: string[] = []
    const disk: LayoutFileSystem = {
      ...fs,
      async rename(from: string, to: string) {
        if (!to.includes('blobs')) placed.push(basename(to))
        await fs.rename(from, to)
      },
    }
    const layout = new OciLayout(directory, { fs: disk })
    const { descriptor, bytes } = nodes.node('layer')
    const pushes = Array.from({ length: 200 }, () => layout.push(descriptor, contentOf(bytes)))
    expect((await Promise.allSettled(pushes)).filter(({ status }) => status === 'rejected')).toEqual([])
    expect(placed).toEqual(['index.json', 'oci-layout'])
    expect((await readdir(directory)).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it('is made by the next write when the first one failed', async () => {
    const directory = join(await scratchDirectory(), 'layout')
    const layout = new OciLayout(directory)
    await writeFile(directory, 'in the way')
    await expect(nodes.pushTo(layout)).rejects.toMatchObject({ code: 'INVALID_LAYOUT' })
    await rm(directory)
    await nodes.pushTo(layout)
    expect(await layout.resolve(m1.digest)).toEqual(m1)
  })

  it('lists nothing as an empty list', async () => {
    const directory = await scratchDirectory()
    await new OciLayout(directory).push(layer, contentOf(nodes.node('layer').bytes))
    expect(await readFile(join(directory, 'index.json'), 'utf8')).toContain('"manifests":[]')
  })

  it('is taken over with the files that are in it', async () => {
    const directory = await scratchDirectory()
    await writeFile(join(directory, 'README'), 'mine')
    await nodes.pushTo(new OciLayout(directory))
    expect(await readFile(join(directory, 'README'), 'utf8')).toBe('mine')
    expect(await new OciLayout(directory).resolve(m1.digest)).toEqual(m1)
  })

  it.each([
    ['a folder that is not there', async () => {}, 'oci-layout'],
    ['an empty folder', (directory: string) => mkdir(directory), 'oci-layout'],
    [
      'a folder without index.json',
      async (directory: string) => {
        await mkdir(directory)
        await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
      },
      'index.json',
    ],
    ['a file', async (directory: string) => writeFile(directory, ''), 'oci-layout'],
  ])('is not read from %s, and the error says what is missing', async (_what, make, missing) => {
    const directory = join(await scratchDirectory(), 'layout')
    await make(directory)
    const layout = new OciLayout(directory)
    const refused = {
      code: 'INVALID_LAYOUT',
      message: expect.stringContaining(join(directory, missing)),
    }
    await expect(layout.resolve('v1')).rejects.toMatchObject(refused)
    await expect(Array.fromAsync(layout.tags())).rejects.toMatchObject(refused)
    await expect(Array.fromAsync(layout.fetch(m1))).rejects.toMatchObject(refused)
    await expect(Array.fromAsync(layout.predecessors(m1))).rejects.toMatchObject(refused)
    await expect(layout.untag('v1')).rejects.toMatchObject(refused)
    expect(await layout.exists(m1)).toBe(false)
  })

  it('is not made of a file', async () => {
    const directory = join(await scratchDirectory(), 'layout')
    await writeFile(directory, 'mine')
    await expect(nodes.pushTo(new OciLayout(directory))).rejects.toMatchObject({ code: 'INVALID_LAYOUT' })
    expect(await readFile(directory, 'utf8')).toBe('mine')
  })

  it.each([
    ['index.json', ''],
    ['index.json', '{"schemaVersion":2,"manifests":['],
    ['index.json', '{}'],
    ['index.json', '[]'],
    ['index.json', '{"schemaVersion":1,"manifests":[]}'],
    ['index.json', '{"schemaVersion":2,"manifests":[1]}'],
    ['index.json', '{"schemaVersion":2,"manifests":[],"manifests":[]}'],
    ['index.json', '{"schemaVersion":2,"manifests":[],"MANIFESTS":[]}'],
    ['index.json', `{"schemaVersion":2,"manifests":${'['.repeat(10_000)}`],
    ['oci-layout', ''],
    ['oci-layout', '{}'],
    ['oci-layout', '{"imageLayoutVersion":"2.0.0"}'],
  ])('is neither read nor changed with a broken %s: %j', async (name, text) => {
    const directory = await scratchDirectory()
    await writeLayout(directory, { schemaVersion: 2, manifests: [] })
    await writeFile(join(directory, name), text)
    const refused = { code: 'INVALID_LAYOUT', message: expect.stringContaining(join(directory, name)) }
    await expect(new OciLayout(directory).resolve('v1')).rejects.toMatchObject(refused)
    await expect(nodes.pushTo(new OciLayout(directory))).rejects.toMatchObject(refused)
    await expect(new OciLayout(directory).untag('v1')).rejects.toMatchObject(refused)
    expect(await readFile(join(directory, name), 'utf8')).toBe(text)
    expect(await filesIn(directory)).toEqual(['index.json', 'oci-layout'])
  })

  it.each(['index.json', 'oci-layout'])('does not wait for the writer of a FIFO named %s', async (name) => {
    const directory = await scratchDirectory()
    await writeLayout(directory, { schemaVersion: 2, manifests: [] })
    await rm(join(directory, name))
    execFileSync('mkfifo', [join(directory, name)])
    await expect(new OciLayout(directory).resolve('v1')).rejects.toMatchObject({ code: 'INVALID_LAYOUT' })
    await expect(nodes.pushTo(new OciLayout(directory))).rejects.toMatchObject({ code: 'INVALID_LAYOUT' })
  })
})
