import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { copyGraph } from '../../../../src/copy/copy-graph.ts'
import { addLayer } from '../../../../src/copy/modifiers/layers/add-layer.ts'
import {
  dropLayers,
  replaceLayer,
  type LayerState,
} from '../../../../src/copy/modifiers/layers/choose-layers.ts'
import { recompressLayers } from '../../../../src/copy/modifiers/layers/recompress-layers.ts'
import type { Modifier } from '../../../../src/copy/modifiers/modifier.ts'
import { errorCode } from '../../../../src/errors.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { pack, pushImage, readImage, someTar, type ReadImage, type TestImageOptions } from './image.ts'

const [low, middle, high, other] = [someTar(1), someTar(2), someTar(3), someTar(4)]

/** An empty step between the layers, and one on top. */
const history = [
  { created_by: 'low' },
  { created_by: 'ENV', empty_layer: true },
  { created_by: 'middle' },
  { created_by: 'high', empty_layer: false },
  { created_by: 'CMD', empty_layer: true },
]

async function modified(
  modifiers: readonly Modifier[],
  options: TestImageOptions = { history },
): Promise<ReadImage> {
  const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
  const image = await pushImage(source, [{ tar: low }, { tar: middle }, { tar: high }], options)
  const { root } = await copyGraph(source, image, destination, { modifiers })
  return readImage(destination, root)
}

function steps({ config }: ReadImage): readonly string[] {
  const entries: readonly { readonly created_by: string }[] = config.history
  return entries.map((entry) => entry.created_by)
}

describe('dropLayers', () => {
  it('drops layers with their diff ids and history, and keeps steps that changed no file', async () => {
    const seen: LayerState[] = []
    const image = await modified([
      dropLayers((layer) => {
        seen.push(layer)
        return layer.history?.['created_by'] === 'middle'
      }, 'middle'),
    ])
    expect(image.tars).toEqual([low, high])
    expect(steps(image)).toEqual(['low', 'ENV', 'high', 'CMD'])
    expect(seen.map(({ index }) => index)).toEqual([0, 1, 2])
  })

  it('drops all layers, also asynchronously, and without a history', async () => {
    const all = await modified([dropLayers(() => Promise.resolve(true), null)])
    expect([all.tars, steps(all)]).toEqual([[], ['ENV', 'CMD']])
    const without = await modified([dropLayers(({ index }) => index === 1, null)], { history: [] })
    expect([without.tars, without.config.history]).toEqual([[low, high], []])
  })

  it('keeps every byte of an image that has no such layer', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [{ tar: low }], { config: { unknown: ['field', 1.5] } })
    const { root } = await copyGraph(source, image, destination, {
      modifiers: [dropLayers(() => false, null)],
    })
    expect(root).toEqual(image)
  })

  it('keeps what else the config and the manifest say', async () => {
    const { config, manifest } = await modified([dropLayers(({ index }) => index === 0, null)], {
      history,
      config: { config: { Env: ['A=1'] }, unknown: true },
      manifest: { annotations: { a: 'b' } },
    })
    expect(config).toMatchObject({ config: { Env: ['A=1'] }, unknown: true, architecture: 'amd64' })
    expect(manifest.annotations).toEqual({ a: 'b' })
    expect(manifest.config.mediaType).toBe(mediaTypes.ociConfig)
  })

  it.each<[string, TestImageOptions, string]>([
    ['too little history', { history: history.slice(2) }, '3 layers, but its history tells of 2'],
    ['too few diff ids', { diffIds: [] }, '3 layers, but its config has 0 diff ids'],
    ['a diff id that is none', { diffIds: ['a', 'b', 'c'] }, 'no digest'],
  ])('fails for an image whose config does not match its layers: %s', async (_, options, message) => {
    const modifying = modified([dropLayers(() => true, null)], options)
    expect(errorCode(await modifying.catch((error: unknown) => error))).toBe('INVALID_MANIFEST')
    await expect(modifying).rejects.toThrow(message)
  })
})

describe('replaceLayer', () => {
  it.each(['gzip', 'zstd', 'none'] as const)(
    'puts a layer in %s in the place of another, and finds out its diff id',
    async (given) => {
      const content = contentOf(pack[given](other))
      for (const compression of ['gzip', 'zstd', 'none'] as const) {
        const image = await modified([
          replaceLayer(({ index }) => index === 1, { content, compression }, given),
        ])
        expect(image.tars).toEqual([low, other, high])
        expect(steps(image)).toEqual(['low', 'ENV', 'middle', 'high', 'CMD'])
      }
    },
  )

  it('says in the history what it was told to', async () => {
    const replacement = { content: contentOf(other), history: { created_by: 'me' } }
    const image = await modified([replaceLayer(({ index }) => index === 1, replacement, null)])
    expect(steps(image)).toEqual(['low', 'ENV', 'me', 'high', 'CMD'])
  })

  it('fails for content that is damaged', async () => {
    const content = contentOf(pack.gzip(other).subarray(0, 1000))
    const modifying = modified([replaceLayer(() => true, { content, compression: 'gzip' }, null)])
    expect(errorCode(await modifying.catch((error: unknown) => error))).toBe('INVALID_LAYER')
  })
})

describe('addLayer', () => {
  const files = [
    { path: 'etc/a', content: Buffer.from('a') },
    { type: 'directory', path: 'etc' },
  ] as const

  it('adds a layer of files on top, the same each time', async () => {
    const first = await modified([addLayer({ files })])
    const second = await modified([addLayer({ files: files.toReversed() })])
    expect(first.tars.slice(0, 3)).toEqual([low, middle, high])
    expect(first.tars).toHaveLength(4)
    expect(steps(first)).toEqual([...steps(first).slice(0, 5), 'copygraph addLayer'])
    expect(second).toEqual(first)
    expect(addLayer({ files }).parameters).toEqual(addLayer({ files: files.toReversed() }).parameters)
    expect(addLayer({ files, mtime: 1 }).parameters).not.toEqual(addLayer({ files }).parameters)
  })

  it('adds a layer that is there as a tar', async () => {
    const tar = contentOf(pack.zstd(other))
    const image = await modified([addLayer({ tar, parameters: 'other', history: { created_by: 'me' } })])
    expect(image.tars).toEqual([low, middle, high, other])
    expect(image.manifest.layers[3]?.mediaType).toBe(mediaTypes.ociLayerGzip)
    expect(steps(image).at(-1)).toBe('me')
  })

  it('tells no history but its own of an image that has none, so that the numbers match', async () => {
    const { config } = await modified([addLayer({ files })], { history: [] })
    expect(config.history).toEqual([{}, {}, {}, { created_by: 'copygraph addLayer' }])
  })

  it('gives a Docker image a Docker layer', async () => {
    const { manifest } = await modified([addLayer({ files })], { isDocker: true })
    expect(manifest.layers[3]?.mediaType).toBe(mediaTypes.dockerLayer)
    const refused = modified([addLayer({ files, compression: 'zstd' })], { isDocker: true })
    expect(errorCode(await refused.catch((error: unknown) => error))).toBe('UNSUPPORTED')
  })

  it('leaves manifests alone that are no images', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const attestation = await pushImage(source, [
      { tar: low, bytes: low, mediaType: 'application/vnd.in-toto+json' },
    ])
    const { root } = await copyGraph(source, attestation, destination, { modifiers: [addLayer({ files })] })
    expect(root).toEqual(attestation)
  })

  it('refuses wrong files and levels before anything is copied', () => {
    expect(() => addLayer({ files: [{ path: '/etc', content: Buffer.from('') }] })).toThrow(RangeError)
    expect(() => addLayer({ files, compression: 'none', level: 1 })).toThrow(RangeError)
  })
})

it('Modifiers of layers work one after the other', async () => {
  const image = await modified([
    recompressLayers({ to: 'zstd' }),
    dropLayers(({ index }) => index === 0, 0),
    addLayer({ tar: contentOf(other), parameters: 'other', compression: 'zstd' }),
  ])
  expect(image.tars).toEqual([middle, high, other])
  expect(new Set(image.manifest.layers.map(({ mediaType }) => mediaType))).toEqual(
    new Set([mediaTypes.ociLayerZstd]),
  )
})
