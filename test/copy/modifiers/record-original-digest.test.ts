import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { copyGraph } from '../../../src/copy/copy-graph.ts'
import { extendedCopyGraph } from '../../../src/copy/extended-copy.ts'
import {
  originalDigestAnnotation,
  recordOriginalDigest,
} from '../../../src/copy/modifiers/record-original-digest.ts'
import { setAnnotations } from '../../../src/copy/modifiers/set-annotations.ts'
import { toOci } from '../../../src/copy/modifiers/to-oci.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import { graph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'
import { expectUnchanged, modify } from './modify.ts'

const drawing = graph({
  root: { kind: 'index', children: ['image', 'other'], annotations: { a: '1' } },
  image: ['config', 'layer'],
  other: ['config', 'more'],
  layer: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('layer') },
  more: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('more') },
  docker: { kind: 'docker', children: ['config', 'layer'] },
  sbom: { children: ['empty', 'packages'], subject: 'root', artifactType: 'application/spdx+json' },
})
const digest = (name: string): string => drawing.descriptor(name).digest

describe('recordOriginalDigest', () => {
  it('writes the digest of the source into a root that another modifier has changed', async () => {
    const { document } = await modify(drawing, [setAnnotations({ k: 'v' }), recordOriginalDigest()])
    expect(document.annotations).toEqual({ a: '1', k: 'v', [originalDigestAnnotation]: digest('root') })
    expect(document.manifests[0]).toEqual(drawing.descriptor('image'))
  })

  it('writes it into one that has changed through what is below it, and not into that', async () => {
    const modifiers = [setAnnotations({ k: 'v' }, { on: 'images' }), recordOriginalDigest('org.example.was')]
    const { document, destination } = await modify(drawing, modifiers)
    expect(document.annotations).toEqual({ a: '1', 'org.example.was': digest('root') })
    expect((await readJson(destination, document.manifests[0])).annotations).toEqual({ k: 'v' })
  })

  it('writes it into one that has only another media type', async () => {
    const { document } = await modify(drawing, [toOci(), recordOriginalDigest()], 'docker')
    expect(document.annotations).toEqual({ [originalDigestAnnotation]: digest('docker') })
  })

  it('keeps the bytes where nothing else has changed', async () => {
    await expectUnchanged(drawing, [recordOriginalDigest()])
    await expectUnchanged(drawing, [toOci(), setAnnotations({ a: '1' }), recordOriginalDigest()])
  })

  it('writes it where a filter has changed the root', async () => {
    const filter = {
      keep: ({ descriptor }: { descriptor: { digest: string } }) => descriptor.digest !== digest('other'),
    }
    const { document } = await modify(drawing, [recordOriginalDigest()], 'root', {
      filter: { ...filter, parents: 'rewrite' },
    })
    expect(document.annotations).toMatchObject({ [originalDigestAnnotation]: digest('root') })
    expect(document.manifests).toHaveLength(1)
  })

  it('names the digest of the last source in a chain of copies', async () => {
    const [first, second, third] = [new MemoryTarget(), new MemoryTarget(), new MemoryTarget()]
    await drawing.pushTo(first)
    const run = (from: MemoryTarget, to: MemoryTarget, node = drawing.descriptor('root'), value = '1') =>
      copyGraph(from, node, to, { modifiers: [setAnnotations({ k: value }), recordOriginalDigest()] })
    const { root } = await run(first, second)
    const again = await run(second, third, root, '2')
    expect((await readJson(third, again.root)).annotations).toMatchObject({
      [originalDigestAnnotation]: root.digest,
    })
  })

  it('takes what was asked for as the root, also where a referrer leads to it', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    await drawing.pushTo(source)
    const { root } = await extendedCopyGraph(source, drawing.descriptor('root'), destination, {
      modifiers: [setAnnotations({ k: 'v' }, { on: 'images' }), recordOriginalDigest()],
      invalidated: 'repoint',
    })
    expect((await readJson(destination, root)).annotations).toMatchObject({
      [originalDigestAnnotation]: digest('root'),
    })
    const [sbom] = await Array.fromAsync(destination.referrers(root))
    expect(sbom?.annotations ?? {}).toEqual({})
  })

  it('refuses an annotation without a name', () => {
    expect(() => recordOriginalDigest('')).toThrow(RangeError)
  })
})
