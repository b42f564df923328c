import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { digestOf } from '../../../../src/content/digest.ts'
import type { Descriptor } from '../../../../src/content/descriptor.ts'
import { copyGraph } from '../../../../src/copy/copy-graph.ts'
import { addLayer } from '../../../../src/copy/modifiers/layers/add-layer.ts'
import { dropLayers } from '../../../../src/copy/modifiers/layers/choose-layers.ts'
import { recompressLayers } from '../../../../src/copy/modifiers/layers/recompress-layers.ts'
import { toOci } from '../../../../src/copy/modifiers/to-oci.ts'
import type { Modifier } from '../../../../src/copy/modifiers/modifier.ts'
import { createModifierMemory } from '../../../../src/copy/modifiers/modifier-memory.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { readJson } from '../../../support/read-json.ts'
import { pack, pushBytes, pushImage, readImage, someTar } from './image.ts'

const file = someTar(1, 5000)
const title = { 'org.opencontainers.image.title': 'notes.txt' }
const layer = { tar: file, bytes: file, mediaType: mediaTypes.ociLayer, annotations: title }

/** `oras push` gives files the media type of a layer. */
async function pushArtifact(target: MemoryTarget, fields: object = {}): Promise<Descriptor> {
  const config = await pushBytes(target, Buffer.from('{}'), mediaTypes.ociEmpty)
  const artifactType = 'application/vnd.unknown.artifact.v1'
  return pushImage(target, [layer], { manifest: { config, artifactType, ...fields } })
}

async function pushIndex(target: MemoryTarget, manifests: readonly Descriptor[]): Promise<Descriptor> {
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }
  return pushBytes(target, Buffer.from(JSON.stringify(document)), mediaTypes.ociIndex)
}

describe('An artifact that names a file by the media type of a layer', () => {
  it.each<[string, Modifier]>([
    ['recompressLayers', recompressLayers({ to: 'gzip' })],
    ['addLayer', addLayer({ files: [{ path: 'a', content: Buffer.from('a') }] })],
    ['dropLayers', dropLayers(() => true, null)],
  ])('is left alone by %s', async (_, modifier) => {
    const source = new MemoryTarget()
    const config = await pushBytes(source, Buffer.from('{}'), mediaTypes.ociConfig)
    const artifacts = [await pushArtifact(source), await pushArtifact(source, { config })]
    for (const artifact of artifacts) {
      const destination = new MemoryTarget()
      const { root } = await copyGraph(source, artifact, destination, { modifiers: [modifier] })
      expect(root).toEqual(artifact)
      const { layers } = await readJson(destination, root)
      expect(await destination.exists(layers[0])).toBe(true)
    }
  })

  it('stays, also where an image has the same bytes as a layer, and what that has become is remembered', async () => {
    const source = new MemoryTarget()
    const [artifact, image] = [await pushArtifact(source), await pushImage(source, [layer])]
    const modifiers = [recompressLayers({ to: 'gzip' })]
    const modifierMemory = createModifierMemory()
    const destination = new MemoryTarget()
    for (const entries of [
      [image, artifact],
      [artifact, image],
      [image, artifact],
    ]) {
      const index = await pushIndex(source, entries)
      const { root } = await copyGraph(source, index, destination, { modifiers, modifierMemory })
      const { manifests } = await readJson(destination, root)
      const [made, kept] = [manifests[entries.indexOf(image)], manifests[entries.indexOf(artifact)]]
      expect(kept).toEqual(artifact)
      expect(await destination.exists((await readJson(destination, kept)).layers[0])).toBe(true)
      const read = await readImage(destination, made)
      expect(read.manifest.layers[0]?.mediaType).toBe(mediaTypes.ociLayerGzip)
      expect(read.tars.map((tar) => digestOf(tar))).toEqual([digestOf(file)])
    }
  })
})

describe('A blob that only gets another media type', () => {
  it('is sent as the manifest names it, though a modifier before would take it for something to change then', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const mediaType = 'application/vnd.docker.image.rootfs.diff.tar.zstd'
    const tar = someTar(2)
    const layers = [{ tar, bytes: pack.zstd(tar), mediaType }]
    const image = await pushImage(source, layers, { isDocker: true })
    const copied: Descriptor[] = []
    const { root } = await copyGraph(source, image, destination, {
      modifiers: [recompressLayers({ to: 'none' }), toOci()],
      onEvent(event) {
        if (event.type === 'copied') copied.push(event.result ?? event.descriptor)
      },
    })
    const { manifest, tars } = await readImage(destination, root)
    expect(manifest.layers.map(({ mediaType: now }) => now)).toEqual([mediaTypes.ociLayerZstd])
    expect(tars).toEqual([tar])
    const named = [root, manifest.config, ...manifest.layers].map(({ digest }) => digest)
    expect(new Set(copied.map(({ digest }) => digest))).toEqual(new Set(named))
  })
})
