import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { extendedCopyGraph } from '../../../src/copy/extended-copy.ts'
import { stripAttestations } from '../../../src/copy/modifiers/strip-attestations.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import { graph } from '../../support/graph.ts'
import { expectUnchanged, modify } from './modify.ts'

const amd64 = { os: 'linux', architecture: 'amd64' }
const unknown = { os: 'unknown', architecture: 'unknown' }
const layer = (text: string) => ({ mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.from(text) })
const images = graph({ image: ['config', 'layer'], layer: layer('layer') })

const drawing = graph({
  root: { kind: 'index', children: ['image', 'attestation', 'sbom'], annotations: { kept: 'yes' } },
  image: { children: ['config', 'layer'], platform: amd64 },
  layer: layer('layer'),
  attestation: {
    children: ['attestationConfig', 'statement'],
    platform: unknown,
    entry: {
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': images.descriptor('image').digest,
      },
    },
  },
  statement: { mediaType: 'application/vnd.in-toto+json', bytes: Buffer.from('{}') },
  sbom: { children: ['empty', 'packages'], artifactType: 'application/spdx+json', subject: 'image' },
  signature: { children: ['empty', 'signed'], artifactType: 'application/sig', subject: 'attestation' },
  odd: {
    children: ['empty', 'content'],
    entry: { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } },
  },
  marked: { kind: 'index', children: ['image', 'odd'] },
  bundle: { kind: 'index', children: ['image', 'signature'] },
  plain: { kind: 'index', children: ['image'] },
})

describe('stripAttestations', () => {
  it('removes the attestations of an index, and with them what only they name', async () => {
    const { document, destination, result } = await modify(drawing, [stripAttestations()])
    expect(document).toEqual({
      schemaVersion: 2,
      mediaType: mediaTypes.ociIndex,
      manifests: [drawing.descriptor('image'), drawing.descriptor('sbom')],
      annotations: { kept: 'yes' },
    })
    const names = ['attestation', 'attestationConfig', 'statement']
    const there = await Promise.all(names.map((name) => destination.exists(drawing.descriptor(name))))
    expect(there).toEqual([false, false, false])
    expect(result.filtered.nodes).toBe(1)
  })

  it('keeps the bytes of an index without any', async () => {
    await expectUnchanged(drawing, [stripAttestations()], 'plain')
  })

  it('keeps an attestation that was asked for itself', async () => {
    await expectUnchanged(drawing, [stripAttestations()], 'attestation')
  })

  it('removes an entry that is marked as one, whatever it is', async () => {
    const { document } = await modify(drawing, [stripAttestations()], 'marked')
    expect(document.manifests).toEqual([drawing.descriptor('image')])
  })

  it('removes one that is met only below what signs it, and that too', async () => {
    const { document, destination, result } = await modify(drawing, [stripAttestations()], 'bundle')
    expect(document.manifests).toEqual([drawing.descriptor('image')])
    expect(result.invalidated).toHaveLength(1)
    expect(await destination.exists(drawing.descriptor('attestation'))).toBe(false)
  })

  it('leaves out what signs them, and says so', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    await drawing.pushTo(source)
    const { invalidated } = await extendedCopyGraph(source, drawing.descriptor('root'), destination, {
      modifiers: [stripAttestations()],
    })
    expect(invalidated).toEqual([
      expect.objectContaining({ artifactType: 'application/sig', disposition: 'drop' }),
    ])
    expect(await destination.exists(drawing.descriptor('signature'))).toBe(false)
    expect(await destination.exists(drawing.descriptor('sbom'))).toBe(true)
  })
})
