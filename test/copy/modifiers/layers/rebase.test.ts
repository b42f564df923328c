import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../../src/content/descriptor.ts'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { copyGraph } from '../../../../src/copy/copy-graph.ts'
import { rebase } from '../../../../src/copy/modifiers/layers/rebase.ts'
import { recompressLayers } from '../../../../src/copy/modifiers/layers/recompress-layers.ts'
import { errorCode } from '../../../../src/errors.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { startFaultyRegistry } from '../../../../src/testing/testing.ts'
import { pushBytes, pushImage, readImage, someTar, type TestLayer } from './image.ts'
import { readJson } from '../../../support/read-json.ts'

const tar = { old1: someTar(1), old2: someTar(2), new1: someTar(3), app1: someTar(4), app2: someTar(5) }
const layers = (...tars: readonly Uint8Array[]): readonly TestLayer[] => tars.map((one) => ({ tar: one }))
const step = (created_by: string, isEmpty = false): object => ({
  created_by,
  ...(isEmpty && { empty_layer: true }),
})

const oldHistory = [step('old 1'), step('old 2'), step('CMD of old', true)]
const newHistory = [step('ENV of new', true), step('new 1')]
const appHistory = [...oldHistory, step('ENV of app', true), step('app 1'), step('app 2'), step('CMD', true)]

interface Bases {
  readonly bases: MemoryTarget
  readonly from: { readonly source: MemoryTarget; readonly descriptor: Descriptor }
  readonly to: { readonly source: MemoryTarget; readonly descriptor: Descriptor }
}

async function pushBases(isDocker = false): Promise<Bases> {
  const bases = new MemoryTarget()
  const old = await pushImage(bases, layers(tar.old1, tar.old2), { history: oldHistory })
  const fresh = await pushImage(bases, layers(tar.new1), { history: newHistory, isDocker })
  return { bases, from: { source: bases, descriptor: old }, to: { source: bases, descriptor: fresh } }
}

async function pushApp(source: MemoryTarget, manifest: object = {}): Promise<Descriptor> {
  return pushImage(source, layers(tar.old1, tar.old2, tar.app1, tar.app2), {
    history: appHistory,
    config: { config: { Env: ['A=1'] } },
    manifest,
  })
}

describe('rebase', () => {
  it('puts the layers and the history of the new base below those of the image, whose settings stay', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const { from, to } = await pushBases()
    const { root } = await copyGraph(source, await pushApp(source), destination, {
      modifiers: [rebase({ from, to })],
    })
    const { tars, config } = await readImage(destination, root)
    expect(tars).toEqual([tar.new1, tar.app1, tar.app2])
    expect(config.history).toEqual([...newHistory, ...appHistory.slice(oldHistory.length)])
    expect(config.config).toEqual({ Env: ['A=1'] })
  })

  it('knows the old base by its tars, however they are compressed', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const { from, to } = await pushBases()
    const modifiers = [recompressLayers({ to: 'zstd' }), rebase({ from, to })]
    const { root } = await copyGraph(source, await pushApp(source), destination, { modifiers })
    expect((await readImage(destination, root)).tars).toEqual([tar.new1, tar.app1, tar.app2])
  })

  it('says on what the image is based, where it did', async () => {
    const { from, to } = await pushBases()
    const base = 'org.opencontainers.image.base'
    const annotations = { [`${base}.digest`]: 'sha256:old', [`${base}.name`]: 'old', other: 'stays' }
    for (const [given, name] of [
      [{ from, to, name: 'new' }, 'new'],
      [{ from, to }, 'old'],
    ] as const) {
      const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
      const app = await pushApp(source, { annotations })
      const { root } = await copyGraph(source, app, destination, { modifiers: [rebase(given)] })
      expect((await readImage(destination, root)).manifest.annotations).toEqual({
        [`${base}.digest`]: to.descriptor.digest,
        [`${base}.name`]: name,
        other: 'stays',
      })
    }
  })

  it('takes the base for the platform of each image out of an index', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const { bases, from } = await pushBases()
    const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }))
    const [amd64, arm64] = [someTar(6), someTar(7)]
    const base = await pushIndex(
      bases,
      await Promise.all(
        [amd64, arm64].map((own, at) => pushImage(bases, layers(own), { config: platforms[at] ?? {} })),
      ),
      platforms,
    )
    const apps = []
    for (const config of platforms) {
      apps.push(await pushImage(source, layers(tar.old1, tar.old2, tar.app1), { config, history: [] }))
    }
    const oldBases = []
    for (const config of platforms)
      oldBases.push(await pushImage(bases, layers(tar.old1, tar.old2), { config }))
    const modifiers = [
      rebase({
        from: { ...from, descriptor: await pushIndex(bases, oldBases, platforms) },
        to: { source: bases, descriptor: base },
      }),
    ]
    const root = await pushIndex(source, apps, platforms)
    const made = await copyGraph(source, root, destination, { modifiers })
    const { manifests } = await readJson(destination, made.root)
    expect((await readImage(destination, manifests[0])).tars).toEqual([amd64, tar.app1])
    expect((await readImage(destination, manifests[1])).tars).toEqual([arm64, tar.app1])
  })

  it('names Docker layers of a base as OCI ones in an OCI image', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const { from, to } = await pushBases(true)
    const { root } = await copyGraph(source, await pushApp(source), destination, {
      modifiers: [rebase({ from, to })],
    })
    const { manifest } = await readImage(destination, root)
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual(
      Array.from({ length: 3 }, () => mediaTypes.ociLayerGzip),
    )
  })

  it('mounts the layers of a base that the registry of the destination has', async () => {
    const source = new MemoryTarget()
    const { bases, from, to } = await pushBases()
    await using registry = await startFaultyRegistry()
    await using base = new Repository(`${registry.host}/base/new`)
    await using destination = new Repository(`${registry.host}/test/app`)
    await copyGraph(bases, to.descriptor, base)
    const modifiers = [rebase({ from, to: { source: base, descriptor: to.descriptor } })]
    const { root } = await copyGraph(source, await pushApp(source), destination, { modifiers })
    expect((await readImage(destination, root)).tars).toEqual([tar.new1, tar.app1, tar.app2])
    const { layers: found } = await readJson(bases, to.descriptor)
    const asked = registry.requests.filter(({ url }) =>
      url.includes(`mount=${encodeURIComponent(found[0].digest)}`),
    )
    expect(asked).toHaveLength(1)
    const blob = `/blobs/${found[0].digest}`
    expect(
      registry.requests.filter(
        ({ method, url }) => method === 'GET' && url.startsWith(`/v2/base/new${blob}`),
      ),
    ).toEqual([])
  })

  it('fails for an image that is built on something else, and names what it should be', async () => {
    const { from, to } = await pushBases()
    for (const tars of [[tar.old2, tar.old1, tar.app1], [tar.old1]]) {
      const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
      const app = await pushImage(source, layers(...tars))
      const copying = copyGraph(source, app, destination, { modifiers: [rebase({ from, to })] })
      expect(errorCode(await copying.catch((error: unknown) => error))).toBe('UNSUPPORTED')
      await expect(copying).rejects.toThrow(`not built on ${from.descriptor.digest}`)
      expect(await destination.exists(app)).toBe(false)
    }
  })

  it('fails where a base is not there, is for another platform, or has damaged content', async () => {
    const { bases, from, to } = await pushBases()
    const source = new MemoryTarget()
    const app = await pushApp(source)
    const failing = async (descriptor: Descriptor, base: MemoryTarget = bases): Promise<unknown> => {
      const modifiers = [rebase({ from, to: { source: base, descriptor } })]
      return errorCode(
        await copyGraph(source, app, new MemoryTarget(), { modifiers }).catch((error: unknown) => error),
      )
    }
    expect(await failing({ ...to.descriptor, digest: `sha256:${'0'.repeat(64)}` })).toBe('NOT_FOUND')
    const foreign = await pushImage(bases, layers(tar.new1), {
      config: { os: 'windows', architecture: 'amd64' },
    })
    expect(await failing(foreign)).toBe('NOT_FOUND')
    const without = new MemoryTarget()
    const image = await readJson(bases, to.descriptor)
    await pushBytes(without, await bytesOf(bases, image.config), image.config.mediaType)
    await pushBytes(without, await bytesOf(bases, to.descriptor), to.descriptor.mediaType)
    expect(await failing(to.descriptor, without)).toBe('NOT_FOUND')
  })
})

async function pushIndex(
  target: MemoryTarget,
  images: readonly Descriptor[],
  platforms: readonly object[],
): Promise<Descriptor> {
  const manifests = images.map((image, at) => ({ ...image, platform: platforms[at] }))
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }
  return pushBytes(target, Buffer.from(JSON.stringify(document)), mediaTypes.ociIndex)
}

async function bytesOf(target: MemoryTarget, descriptor: Descriptor): Promise<Uint8Array> {
  return Buffer.concat(await Array.fromAsync(target.fetch(descriptor)))
}
