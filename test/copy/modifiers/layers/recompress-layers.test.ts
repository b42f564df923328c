import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Content } from '../../../../src/content/content.ts'
import type { Descriptor } from '../../../../src/content/descriptor.ts'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { readAll } from '../../../../src/content/verify.ts'
import { copy } from '../../../../src/copy/copy.ts'
import { copyGraph } from '../../../../src/copy/copy-graph.ts'
import { recompressLayers } from '../../../../src/copy/modifiers/layers/recompress-layers.ts'
import type { LayerCompression } from '../../../../src/copy/modifiers/layers/layer-types.ts'
import { toOci } from '../../../../src/copy/modifiers/to-oci.ts'
import { errorCode } from '../../../../src/errors.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { OciLayout } from '../../../../src/targets/oci-layout/oci-layout.ts'
import type { Source } from '../../../../src/targets/target.ts'
import { readJson } from '../../../support/read-json.ts'
import { newFolder } from '../../../support/folder.ts'
import { pack, pushImage, readImage, someTar, type ReadImage, type TestLayer } from './image.ts'

const mediaTypeOf = {
  gzip: mediaTypes.ociLayerGzip,
  zstd: mediaTypes.ociLayerZstd,
  none: mediaTypes.ociLayer,
} as const

const compressions: readonly LayerCompression[] = ['gzip', 'zstd', 'none']
const [first, second] = [someTar(1), someTar(2, 40_000)]

const layerIn = (tar: Uint8Array, from: LayerCompression): TestLayer => ({
  tar,
  bytes: pack[from](tar),
  mediaType: mediaTypeOf[from],
})

/** The same source, each blob cut into pieces of so many bytes. */
function inPieces(source: Source, length: number): Source {
  return {
    resolve: (reference) => source.resolve(reference),
    exists: (descriptor) => source.exists(descriptor),
    fetch: (descriptor): Content => ({
      async *[Symbol.asyncIterator]() {
        const bytes = await readAll(source.fetch(descriptor), descriptor, Infinity)
        for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length)
      },
    }),
  }
}

describe('recompressLayers', () => {
  it('makes zstd layers of Docker’s, which have none, if toOci has changed them before', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [{ tar: first }, { tar: second }], { isDocker: true })
    const zstd = recompressLayers({ to: 'zstd' })
    const { root } = await copyGraph(source, image, destination, { modifiers: [toOci(), zstd] })
    const { manifest, tars } = await readImage(destination, root)
    expect(root.mediaType).toBe(mediaTypes.ociManifest)
    expect(manifest.config.mediaType).toBe(mediaTypes.ociConfig)
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([mediaTypeOf.zstd, mediaTypeOf.zstd])
    expect(tars).toEqual([first, second])
    const failure = copyGraph(source, image, new MemoryTarget(), { modifiers: [zstd, toOci()] })
    expect(errorCode(await failure.catch((error: unknown) => error))).toBe('UNSUPPORTED')
  })

  it.each(compressions.flatMap((from) => compressions.map((to) => [from, to] as const)))(
    'makes %s layers %s ones, and leaves tars, diff ids and the config as they are',
    async (from, to) => {
      const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
      const image = await pushImage(source, [layerIn(first, from), layerIn(second, from)])
      const { root } = await copyGraph(source, image, destination, { modifiers: [recompressLayers({ to })] })
      const { manifest, tars } = await readImage(destination, root)
      expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([mediaTypeOf[to], mediaTypeOf[to]])
      expect(tars).toEqual([first, second])
      expect(manifest.config).toEqual((await readImage(source, image)).manifest.config)
      if (from === to) expect(root).toEqual(image)
    },
  )

  it('gives the same bytes however the source cuts them', async () => {
    const source = new MemoryTarget()
    const image = await pushImage(source, [layerIn(first, 'none')])
    for (const to of ['gzip', 'zstd'] as const) {
      const modifiers = [recompressLayers({ to })]
      const roots = []
      for (const from of [source, inPieces(source, 1_000_000), inPieces(source, 997)]) {
        roots.push((await copyGraph(from, image, new MemoryTarget(), { modifiers })).root.digest)
      }
      expect(new Set(roots).size).toBe(1)
    }
  })

  it('writes gzip that names neither time nor system', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [layerIn(first, 'none')])
    const modifiers = [recompressLayers({ to: 'gzip' })]
    const { root } = await copyGraph(source, image, destination, { modifiers })
    const [layer = root] = (await readImage(destination, root)).manifest.layers
    const bytes = Buffer.from(await readAll(destination.fetch(layer), layer))
    expect(bytes.subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff')
  })

  it('uses the level', async () => {
    const source = new MemoryTarget()
    const image = await pushImage(source, [layerIn(first, 'none')])
    const sizes: number[] = []
    for (const [to, level] of [
      ['gzip', 1],
      ['gzip', 9],
      ['zstd', 1],
      ['zstd', 19],
    ] as const) {
      const destination = new MemoryTarget()
      const modifiers = [recompressLayers({ to, level })]
      const { root } = await copyGraph(source, image, destination, { modifiers })
      sizes.push((await readImage(destination, root)).manifest.layers[0]?.size ?? 0)
    }
    expect(sizes[0]).toBeGreaterThan(sizes[1] ?? 0)
    expect(sizes[2]).toBeGreaterThan(sizes[3] ?? 0)
  })

  it.each([
    ['gzip', 0],
    ['gzip', 10],
    ['zstd', 20],
    ['zstd', 1.5],
    ['none', 1],
  ] as const)('refuses the level that there is not: %s:%s', (to, level) => {
    expect(() => recompressLayers({ to, level })).toThrow(RangeError)
  })

  it('reads all members of gzip and all frames of zstd, wherever the source cuts them', async () => {
    const halves = [first.subarray(0, 100_000), first.subarray(100_000)]
    const skippable = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 4, 0, 0, 0]), Buffer.from('skip')])
    const frames = halves.flatMap((half) => [skippable, zstdCompressSync(half)])
    for (const [from, bytes] of [
      ['gzip', Buffer.concat(halves.map((half) => gzipSync(half)))],
      ['zstd', Buffer.concat([...frames, zstdCompressSync(Buffer.alloc(0)), skippable])],
    ] as const) {
      const source = new MemoryTarget()
      const image = await pushImage(source, [{ tar: first, bytes, mediaType: mediaTypeOf[from] }])
      for (const length of [1, 7, 4096, 1_000_000]) {
        const destination = new MemoryTarget()
        const modifiers = [recompressLayers({ to: 'none' })]
        const { root } = await copyGraph(inPieces(source, length), image, destination, { modifiers })
        expect((await readImage(destination, root)).tars).toEqual([first])
      }
    }
  })

  it('goes by what is in a mislabelled layer, and labels it rightly', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [
      { tar: first, bytes: first, mediaType: mediaTypes.ociLayerGzip },
      { tar: second, bytes: pack.zstd(second), mediaType: mediaTypes.ociLayerGzip },
    ])
    const { root } = await copyGraph(source, image, destination, {
      modifiers: [recompressLayers({ to: 'zstd' })],
    })
    const { manifest, tars } = await readImage(destination, root)
    expect(tars).toEqual([first, second])
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([mediaTypeOf.zstd, mediaTypeOf.zstd])
  })

  it('keeps Docker images in Docker media types, and refuses zstd for them', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [{ tar: first }], { isDocker: true })
    const { root } = await copyGraph(source, image, destination, {
      modifiers: [recompressLayers({ to: 'none' })],
    })
    expect((await readImage(destination, root)).manifest.layers[0]?.mediaType).toBe(
      'application/vnd.docker.image.rootfs.diff.tar',
    )
    const refused = copyGraph(source, image, new MemoryTarget(), {
      modifiers: [recompressLayers({ to: 'zstd' })],
    })
    expect(errorCode(await refused.catch((error: unknown) => error))).toBe('UNSUPPORTED')
    await expect(refused).rejects.toThrow('an OCI image first')
  })

  it('reads no blob twice, and sends what it does not change as it is', async () => {
    const read: string[] = []
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const other = { tar: second, bytes: second, mediaType: `${mediaTypes.ociLayerGzip}+encrypted` }
    const image = await pushImage(source, [other, layerIn(first, 'zstd'), layerIn(someTar(3), 'gzip')])
    const watched: Source = {
      resolve: (reference) => source.resolve(reference),
      exists: (descriptor) => source.exists(descriptor),
      fetch: (descriptor) => ({
        async *[Symbol.asyncIterator]() {
          read.push(descriptor.mediaType)
          yield* source.fetch(descriptor)
        },
      }),
    }
    const modifiers = [recompressLayers({ to: 'zstd' })]
    const { root } = await copyGraph(watched, image, destination, { modifiers })
    const [before, after] = [await imageDocument(source, image), await imageDocument(destination, root)]
    const types = [image, before.config, ...before.layers].map(({ mediaType }) => mediaType)
    expect(new Set(read)).toEqual(new Set(types))
    expect(read).toHaveLength(types.length)
    expect([after.config, ...after.layers.slice(0, 2)]).toEqual([before.config, ...before.layers.slice(0, 2)])
    expect(after.layers[2]?.mediaType).toBe(mediaTypes.ociLayerZstd)
  })

  it('drops what says where files were in a layer as it was', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const places = {
      'io.github.containers.zstd-chunked.manifest-position': '1:2:3:1',
      'containerd.io/snapshot/stargz/toc.digest': 'sha256:0',
    }
    const image = await pushImage(source, [
      { ...layerIn(first, 'gzip'), annotations: { ...places, kept: 'yes' } },
      { ...layerIn(second, 'zstd'), annotations: places },
    ])
    const modifiers = [recompressLayers({ to: 'zstd' })]
    const { root } = await copyGraph(source, image, destination, { modifiers })
    const { layers } = (await readImage(destination, root)).manifest
    expect(layers[0]?.annotations).toEqual({ kept: 'yes' })
    expect(layers[1]?.annotations).toEqual(places)
  })
})

const zipped = gzipSync(first)
const framed = zstdCompressSync(first)
const damage = (bytes: Buffer): Buffer => {
  const damaged = Buffer.from(bytes)
  damaged.fill(0xff, 1000, 1100)
  return damaged
}

describe('A layer that is not what it seems', () => {
  it.each<[string, LayerCompression, Buffer, string]>([
    ['gzip that is damaged', 'gzip', damage(zipped), 'INVALID_LAYER'],
    ['gzip that is cut off', 'gzip', zipped.subarray(0, -100), 'INVALID_LAYER'],
    ['gzip with garbage behind it', 'gzip', Buffer.concat([zipped, Buffer.from('garbage')]), 'INVALID_LAYER'],
    [
      'gzip with zeros and more behind it',
      'gzip',
      Buffer.concat([zipped, Buffer.alloc(9), zipped]),
      'INVALID_LAYER',
    ],
    // Without a checksum of its own it decodes, to something else.
    ['zstd that is damaged', 'zstd', damage(framed), 'DIGEST_MISMATCH'],
    ['zstd that is cut off', 'zstd', framed.subarray(0, -100), 'INVALID_LAYER'],
    ['zstd with garbage behind it', 'zstd', Buffer.concat([framed, Buffer.from('garbage')]), 'INVALID_LAYER'],
    ['another tar than the config lists', 'gzip', gzipSync(second), 'DIGEST_MISMATCH'],
  ])('fails the copy, and leaves no tag and no file: %s', async (_, from, bytes, code) => {
    const source = new MemoryTarget()
    await using folder = await newFolder()
    const image = await pushImage(source, [{ tar: first, bytes, mediaType: mediaTypeOf[from] }])
    await source.tag(image, 'v1')
    for (const length of [7, 1_000_000]) {
      const destination = new OciLayout(folder.path)
      const modifiers = [recompressLayers({ to: 'none' })]
      const copying = copy(inPieces(source, length), 'v1', destination, { modifiers })
      expect(errorCode(await copying.catch((error: unknown) => error))).toBe(code)
      expect(await Array.fromAsync(destination.tags())).toEqual([])
      expect(await temporaryFiles(folder.path)).toEqual([])
    }
  })

  it('ends where it unpacks to more than the limit', async () => {
    const source = new MemoryTarget()
    const bomb = Buffer.alloc(8 * 1024 * 1024)
    const image = await pushImage(source, [{ tar: bomb }])
    const modifiers = [recompressLayers({ to: 'zstd', maxUncompressedBytes: bomb.length - 1 })]
    const copying = copyGraph(source, image, new MemoryTarget(), { modifiers })
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('SIZE_EXCEEDS_LIMIT')
    const enough = [recompressLayers({ to: 'zstd', maxUncompressedBytes: bomb.length })]
    await copyGraph(source, image, new MemoryTarget(), { modifiers: enough })
  })
})

async function imageDocument(target: Source, root: Descriptor): Promise<ReadImage['manifest']> {
  return readJson(target, root)
}

async function temporaryFiles(folder: string): Promise<readonly string[]> {
  const [ingest, partial] = await Promise.all(
    ['ingest', 'partial'].map((name) => readdir(join(folder, name)).catch(() => [])),
  )
  return [...(ingest ?? []), ...(partial ?? [])]
}

it('the samples are compressed', () => {
  expect(gunzipSync(zipped)).toEqual(first)
  expect(zipped.length).toBeGreaterThan(2000)
  expect(framed.length).toBeGreaterThan(2000)
})
