import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../src/content/descriptor.ts'
import { isForeignLayer, mediaTypes } from '../../../src/content/media-types.ts'
import { toOci } from '../../../src/copy/modifiers/to-oci.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import { graph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'
import { expectUnchanged, imageConfig, modify } from './modify.ts'

const amd64 = { os: 'linux', architecture: 'amd64' }
const docker = 'application/vnd.docker.image.rootfs'
const oci = 'application/vnd.oci.image.layer'
const blob = (mediaType: string, text: string) => ({ mediaType, bytes: Buffer.from(text) })
const foreign = {
  ...blob(`${docker}.foreign.diff.tar.gzip`, 'foreign'),
  entry: { urls: ['https://a.example/l'] } as object,
}

const drawing = graph({
  root: { kind: 'list', children: ['image', 'other'] },
  image: { kind: 'docker', children: ['config', 'gzip', 'tar', 'zstd'], platform: amd64 },
  other: { kind: 'docker', children: ['config', 'gzip', 'foreign', 'foreignTar', 'unknown'] },
  config: { bytes: Buffer.from(JSON.stringify(imageConfig)) },
  gzip: blob(mediaTypes.dockerLayer, 'gzip'),
  tar: blob(`${docker}.diff.tar`, 'tar'),
  zstd: blob(`${docker}.diff.tar.zstd`, 'zstd'),
  foreign,
  foreignTar: blob(`${docker}.foreign.diff.tar`, 'foreign tar'),
  unknown: blob('application/x-model', 'model'),
  annotated: {
    kind: 'docker',
    children: ['config'],
    annotations: { a: 'b' },
    subject: 'sparse',
    artifactType: 'a/b',
  },
  sparse: { kind: 'docker', children: ['config', 'tar'] },
  mixed: ['config', 'gzip', 'ociLayer'],
  ociLayer: blob(mediaTypes.ociLayer, 'layer'),
  index: { kind: 'index', children: ['image', 'plain'] },
  plain: ['config', 'ociLayer'],
})

const typesOf = (layers: readonly Descriptor[]): readonly string[] => layers.map(({ mediaType }) => mediaType)

/** The first of two. */
function foreignIn(layers: readonly Descriptor[]): Descriptor {
  const [layer] = layers.filter(({ mediaType }) => isForeignLayer(mediaType))
  if (layer === undefined) throw new RangeError('no foreign layer')
  return layer
}

describe('toOci', () => {
  it('names manifests, lists, configs and layers by OCI’s media types, with the same bytes in them', async () => {
    const { root, document, destination } = await modify(drawing, [toOci()])
    expect(root.mediaType).toBe(mediaTypes.ociIndex)
    expect(document.mediaType).toBe(mediaTypes.ociIndex)
    const [image, other] = document.manifests
    expect(image).toMatchObject({ mediaType: mediaTypes.ociManifest, platform: amd64 })
    const manifest = await readJson(destination, image)
    expect(manifest).toEqual({
      mediaType: mediaTypes.ociManifest,
      schemaVersion: 2,
      config: { ...drawing.descriptor('config'), mediaType: mediaTypes.ociConfig },
      layers: [
        { ...drawing.descriptor('gzip'), mediaType: mediaTypes.ociLayerGzip },
        { ...drawing.descriptor('tar'), mediaType: mediaTypes.ociLayer },
        { ...drawing.descriptor('zstd'), mediaType: mediaTypes.ociLayerZstd },
      ],
    })
    expect(typesOf((await readJson(destination, other)).layers)).toEqual([
      mediaTypes.ociLayerGzip,
      `${oci}.nondistributable.v1.tar+gzip`,
      `${oci}.nondistributable.v1.tar`,
      'application/x-model',
    ])
    for (const entry of [manifest.config, ...manifest.layers])
      expect(await destination.exists(entry)).toBe(true)
  })

  it('keeps where a foreign layer can be had, and tells of it once', async () => {
    const [source, events] = [new MemoryTarget(), [] as CopyEvent[]]
    await drawing.pushTo(source)
    const onEvent = (event: CopyEvent): void => void events.push(event)
    const { document, result, destination } = await modify(drawing, [toOci()], 'other', { onEvent })
    const layer = foreignIn(document.layers)
    expect(layer.urls).toEqual(['https://a.example/l'])
    expect(await destination.exists(layer)).toBe(false)
    expect(result.filtered.nodes).toBe(2)
    const told = events.filter(
      (event) => event.type === 'filtered' && event.descriptor.digest === layer.digest,
    )
    // Once in each of the two copies.
    expect(told).toHaveLength(2)
  })

  it('copies a foreign layer where that is wanted', async () => {
    const { document, destination } = await modify(drawing, [toOci()], 'other', { foreignLayers: 'copy' })
    const layer = foreignIn(document.layers)
    expect(layer.urls).toEqual(['https://a.example/l'])
    expect(await destination.exists(layer)).toBe(true)
  })

  it('carries no field along that nobody reads in a manifest of Docker’s and everybody does in one of OCI’s', async () => {
    const { document, destination } = await modify(drawing, [toOci()], 'annotated')
    expect(Object.keys(document).toSorted()).toEqual([
      'annotations',
      'config',
      'layers',
      'mediaType',
      'schemaVersion',
    ])
    expect(await destination.exists(drawing.descriptor('sparse'))).toBe(false)
  })

  it('names what of Docker’s is in a manifest of OCI’s', async () => {
    const { document } = await modify(drawing, [toOci()], 'mixed')
    expect(document.layers).toEqual([
      { ...drawing.descriptor('gzip'), mediaType: mediaTypes.ociLayerGzip },
      drawing.descriptor('ociLayer'),
    ])
    const index = await modify(drawing, [toOci()], 'index')
    expect(index.root.mediaType).toBe(mediaTypes.ociIndex)
    expect(index.document.manifests[0].mediaType).toBe(mediaTypes.ociManifest)
    expect(index.document.manifests[1]).toEqual(drawing.descriptor('plain'))
  })

  it('keeps the bytes of what is OCI’s', async () => {
    await expectUnchanged(drawing, [toOci()], 'plain')
  })

  it('sends nothing that a filter has left out, under no media type', async () => {
    const { digest } = drawing.descriptor('tar')
    const { document, destination } = await modify(drawing, [toOci()], 'sparse', {
      filter: { keep: ({ descriptor }) => descriptor.digest !== digest, parents: 'sparse' },
    })
    expect(document.layers).toEqual([{ ...drawing.descriptor('tar'), mediaType: mediaTypes.ociLayer }])
    expect(await destination.exists(document.layers[0])).toBe(false)
    expect(await destination.exists(document.config)).toBe(true)
  })
})
