import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../src/content/descriptor.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { copyGraph } from '../../../src/copy/copy-graph.ts'
import { extendedCopyGraph } from '../../../src/copy/extended-copy.ts'
import { stripAttestations } from '../../../src/copy/modifiers/strip-attestations.ts'
import { toDocker } from '../../../src/copy/modifiers/to-docker.ts'
import { toOci } from '../../../src/copy/modifiers/to-oci.ts'
import { errorCode } from '../../../src/errors.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import { graph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'
import { expectUnchanged, imageConfig, modify } from './modify.ts'

const amd64 = { os: 'linux', architecture: 'amd64' }
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const docker = 'application/vnd.docker.image.rootfs'
const oci = 'application/vnd.oci.image.layer'
const blob = (mediaType: string, text: string) => ({ mediaType, bytes: Buffer.from(text) })

const drawing = graph({
  root: { kind: 'index', children: ['image', 'other'], annotations: { on: 'index' } },
  image: { children: ['config', 'gzip', 'tar'], platform: amd64, annotations: { on: 'image' } },
  other: { children: ['config', 'gzip', 'foreign', 'foreignTar'], platform: arm64 },
  config: { bytes: Buffer.from(JSON.stringify(imageConfig)) },
  gzip: blob(mediaTypes.ociLayerGzip, 'gzip'),
  tar: blob(mediaTypes.ociLayer, 'tar'),
  foreign: blob(`${oci}.nondistributable.v1.tar+gzip`, 'foreign'),
  foreignTar: blob(`${oci}.nondistributable.v1.tar`, 'foreign tar'),
  zstd: blob(mediaTypes.ociLayerZstd, 'zstd'),
  foreignZstd: blob(`${oci}.nondistributable.v1.tar+zstd`, 'foreign zstd'),
  encrypted: blob(`${oci}.v1.tar+gzip+encrypted`, 'encrypted'),
  statement: blob('application/vnd.in-toto+json', '{}'),

  zstdImage: ['config', 'gzip', 'zstd'],
  foreignZstdImage: ['config', 'foreignZstd'],
  encryptedImage: ['config', 'encrypted'],
  attestation: {
    children: ['config', 'statement'],
    platform: { os: 'unknown', architecture: 'unknown' },
    entry: { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } },
  },
  attested: { kind: 'index', children: ['image', 'attestation'] },
  artifact: { children: ['config', 'gzip'], artifactType: 'application/thing' },
  withdrawn: { kind: 'artifact', children: ['gzip'] },
  indexOfArtifacts: { kind: 'index', children: ['withdrawn'] },
  artifactIndex: { kind: 'index', children: ['image'], artifactType: 'application/thing' },
  withoutPlatform: { kind: 'index', children: ['plain'] },
  plain: ['config', 'gzip'],
  referring: { children: ['config', 'gzip'], subject: 'plain' },
  sbom: { children: ['empty', 'packages'], subject: 'image', artifactType: 'application/spdx+json' },
  dockerImage: { kind: 'docker', children: ['config', 'dockerLayer'] },
  dockerLayer: blob(mediaTypes.dockerLayer, 'docker'),
})

const helm = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    config: { ...drawing.descriptor('config'), mediaType: 'application/vnd.cncf.helm.config.v1+json' },
    layers: [],
  }),
)

describe('toDocker', () => {
  it('names manifests, indexes, configs and layers by Docker’s media types, with the same bytes in them', async () => {
    const { root, document, destination } = await modify(drawing, [toDocker()])
    expect(root.mediaType).toBe(mediaTypes.dockerList)
    expect(document).toMatchObject({ mediaType: mediaTypes.dockerList, annotations: { on: 'index' } })
    const [image, other] = document.manifests
    expect(image).toMatchObject({ mediaType: mediaTypes.dockerManifest, platform: amd64 })
    expect(other).toMatchObject({ mediaType: mediaTypes.dockerManifest, platform: arm64 })
    const manifest = await readJson(destination, image)
    expect(manifest).toEqual({
      mediaType: mediaTypes.dockerManifest,
      schemaVersion: 2,
      config: { ...drawing.descriptor('config'), mediaType: mediaTypes.dockerConfig },
      layers: [
        { ...drawing.descriptor('gzip'), mediaType: mediaTypes.dockerLayer },
        { ...drawing.descriptor('tar'), mediaType: `${docker}.diff.tar` },
      ],
      annotations: { on: 'image' },
    })
    const layers: readonly Descriptor[] = (await readJson(destination, other)).layers
    expect(layers.map(({ mediaType }) => mediaType)).toEqual([
      mediaTypes.dockerLayer,
      `${docker}.foreign.diff.tar.gzip`,
      `${docker}.foreign.diff.tar`,
    ])
  })

  it('is undone by toOci, to the byte', async () => {
    const there = await modify(drawing, [toDocker()])
    const destination = new MemoryTarget()
    const { root } = await copyGraph(there.destination, there.root, destination, { modifiers: [toOci()] })
    expect(root).toEqual(drawing.descriptor('root'))
  })

  it('keeps the bytes of what is Docker’s', async () => {
    await expectUnchanged(drawing, [toDocker()], 'dockerImage')
  })

  it('converts an index whose attestations are stripped', async () => {
    const { document } = await modify(drawing, [stripAttestations(), toDocker()], 'attested')
    expect(document.mediaType).toBe(mediaTypes.dockerList)
    expect(document.manifests).toHaveLength(1)
  })

  it.each<[string, string]>([
    ['zstdImage', 'the layer sha256:'],
    ['foreignZstdImage', 'tar+zstd'],
    ['encryptedImage', 'tar+gzip+encrypted'],
    ['attestation', 'stripAttestations'],
    ['attested', 'stripAttestations'],
    ['artifact', '"application/thing"'],
    ['withdrawn', mediaTypes.ociArtifact],
    ['indexOfArtifacts', mediaTypes.ociArtifact],
    ['artifactIndex', '"application/thing"'],
    ['withoutPlatform', 'an entry without a platform: sha256:'],
    ['referring', 'a subject'],
    ['sbom', '"application/spdx+json"'],
  ])('fails for what Docker cannot say, and names it: %s', async (name, message) => {
    const copying = modify(drawing, [toDocker()], name)
    await expect(copying).rejects.toMatchObject({ operation: 'modifier to-docker', origin: 'caller' })
    await expect(copying).rejects.toThrow(message)
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('UNSUPPORTED')
  })

  it('fails for an artifact that only its config declares', async () => {
    const charts = graph({
      root: { kind: 'index', children: ['chart'] },
      chart: { bytes: helm, mediaType: mediaTypes.ociManifest, platform: amd64 },
      config: { bytes: Buffer.from(JSON.stringify(imageConfig)) },
    })
    const copying = modify(charts, [toDocker()], 'chart')
    await expect(copying).rejects.toThrow('application/vnd.cncf.helm.config.v1+json')
  })

  it('leaves a referrer that comes along as it is, with its new subject', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    await drawing.pushTo(source)
    const { root } = await extendedCopyGraph(source, drawing.descriptor('image'), destination, {
      modifiers: [toDocker()],
      invalidated: 'repoint',
    })
    expect(root.mediaType).toBe(mediaTypes.dockerManifest)
    const [sbom] = await Array.fromAsync(destination.referrers(root))
    expect(sbom).toMatchObject({ mediaType: mediaTypes.ociManifest, artifactType: 'application/spdx+json' })
  })

  it('puts nothing raw of a document into its message', async () => {
    const odd = graph({ root: { children: ['config', 'layer'] }, layer: blob('a/b\u001B[31m', 'layer') })
    const error: unknown = await modify(odd, [toDocker()]).catch((thrown: unknown) => thrown)
    expect(String(error)).toContain('\\u{1b}')
    expect(String(error)).not.toContain('\u001B')
  })
})
