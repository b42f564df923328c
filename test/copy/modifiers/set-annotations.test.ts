import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { extendedCopy } from '../../../src/copy/extended-copy.ts'
import { setAnnotations } from '../../../src/copy/modifiers/set-annotations.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import { graph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'
import { expectUnchanged, modify } from './modify.ts'

const layer = { mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.from('layer') }
const attestation = { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } }
const statement = { mediaType: 'application/vnd.in-toto+json', bytes: Buffer.from('{}') }
const signature = {
  mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
  bytes: Buffer.from('signature'),
}

const drawing = graph({
  root: {
    kind: 'index',
    children: ['image', 'attestation', 'signature', 'artifact'],
    annotations: { a: '1' },
  },
  image: { children: ['config', 'layer'], annotations: { old: 'x', b: '2' } },
  attestation: { children: ['attestedConfig', 'statement'], entry: attestation },
  signature: { children: ['signedConfig', 'signed'] },
  artifact: { children: ['empty', 'content'], artifactType: 'application/thing' },
  layer,
  statement,
  signed: signature,
  docker: { kind: 'docker', children: ['config', 'layer'] },
  sbom: { children: ['empty', 'packages'], subject: 'image', artifactType: 'application/spdx+json' },
})

describe('setAnnotations', () => {
  it('annotates the root alone, and keeps what it does not name', async () => {
    const { document } = await modify(drawing, [setAnnotations({ team: 'web' })])
    expect(document.annotations).toEqual({ a: '1', team: 'web' })
    expect(document.manifests).toEqual(
      ['image', 'attestation', 'signature', 'artifact'].map((name) => drawing.descriptor(name)),
    )
  })

  it('replaces an annotation in its place, and removes one by null', async () => {
    const { document } = await modify(drawing, [setAnnotations({ b: '3', old: null, new: '4' })], 'image')
    expect(JSON.stringify(document.annotations)).toBe('{"b":"3","new":"4"}')
  })

  it('leaves no empty object behind', async () => {
    const { document } = await modify(drawing, [setAnnotations({ old: null, b: null })], 'image')
    expect(document).not.toHaveProperty('annotations')
  })

  it('annotates every manifest', async () => {
    const { document, destination } = await modify(drawing, [setAnnotations({ k: 'v' }, { on: 'manifests' })])
    expect(document.annotations).toEqual({ a: '1', k: 'v' })
    for (const entry of document.manifests)
      expect((await readJson(destination, entry)).annotations).toMatchObject({ k: 'v' })
  })

  it('annotates images, and no index, artifact, attestation or signature', async () => {
    const { document } = await modify(drawing, [setAnnotations({ k: 'v' }, { on: 'images' })])
    const [image, ...others] = document.manifests
    expect(image.digest).not.toBe(drawing.descriptor('image').digest)
    expect(others).toEqual(['attestation', 'signature', 'artifact'].map((name) => drawing.descriptor(name)))
    expect(document.annotations).toEqual({ a: '1' })
  })

  it('takes what was asked for as the root, also where a referrer leads to it', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    await drawing.pushTo(source, ['config', 'layer', 'image', 'empty', 'packages', 'sbom'])
    await source.tag(drawing.descriptor('image'), 'v1')
    const modifiers = [setAnnotations({ k: 'v' })]
    const options = { modifiers, invalidated: 'repoint' } as const
    const { root, roots } = await extendedCopy(source, 'v1', destination, options)
    expect(roots).toEqual([expect.objectContaining({ digest: drawing.descriptor('sbom').digest })])
    expect((await readJson(destination, root)).annotations).toMatchObject({ k: 'v' })
    const [sbom] = await Array.fromAsync(destination.referrers(root))
    expect(sbom?.annotations ?? {}).toEqual({})
  })

  it('annotates a manifest of Docker’s', async () => {
    const { root, document } = await modify(drawing, [setAnnotations({ k: 'v' })], 'docker')
    expect(root.mediaType).toBe(mediaTypes.dockerManifest)
    expect(document.annotations).toEqual({ k: 'v' })
  })

  it('keeps the bytes where everything is as it should be', async () => {
    await expectUnchanged(drawing, [setAnnotations({ a: '1', missing: null })])
    await expectUnchanged(drawing, [setAnnotations({ missing: null }, { on: 'manifests' })])
    await expectUnchanged(drawing, [setAnnotations({})])
    const empty = graph({ root: { children: ['config'], annotations: {} } })
    await expectUnchanged(empty, [setAnnotations({ missing: null })])
  })

  it('takes any name for a name', async () => {
    const names = ['__proto__', 'constructor', 'toString']
    const changes = Object.fromEntries(names.map((name) => [name, 'text']))
    const { document } = await modify(drawing, [setAnnotations(changes)])
    expect(Object.keys(document.annotations)).toEqual(['a', ...names])
    await expectUnchanged(drawing, [setAnnotations(Object.fromEntries(names.map((name) => [name, null])))])
  })

  it('says in its parameters all that it was given, and does not follow later changes of it', async () => {
    const changes: Record<string, string | null> = { k: 'v', gone: null }
    const modifier = setAnnotations(changes, { on: 'manifests' })
    changes['k'] = 'later'
    expect(modifier.parameters).toEqual({ annotations: { k: 'v', gone: null }, on: 'manifests' })
    const { document } = await modify(drawing, [modifier], 'image')
    expect(document.annotations).toMatchObject({ k: 'v' })
  })

  it('refuses an annotation without a name', () => {
    expect(() => setAnnotations({ '': 'text' })).toThrow(RangeError)
  })
})
