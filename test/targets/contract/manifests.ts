import { expect, it } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { plainDescriptor } from '../../../src/content/descriptor.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { errorCode } from '../../../src/errors.ts'
import { graph } from '../../support/graph.ts'
import { blob, expectRefusal, image, read, rejection, tagsOf, type Suite } from './support.ts'

/** Manifests are known by their media types. */
export function manifestSuite({ target, lacks }: Suite): void {
  it('resolves a manifest by digest with its media type, and a blob too', async () => {
    await image().pushTo(target())
    const m1 = image().descriptor('m1')
    const layer = image().descriptor('layer')
    expect(plainDescriptor(await target().resolve(m1.digest))).toEqual(m1)
    expect(await target().resolve(layer.digest)).toMatchObject({ digest: layer.digest, size: layer.size })
    expect(await read(target().fetch(m1))).toEqual(image().node('m1').bytes)
  })

  it('resolves the child of an index with its media type', async () => {
    const nodes = graph({ index: ['m1'], m1: { kind: 'docker', children: ['config', 'layer'] } })
    await nodes.pushTo(target())
    expect(plainDescriptor(await target().resolve(nodes.descriptor('m1').digest))).toEqual(
      nodes.descriptor('m1'),
    )
  })

  it('takes a manifest whose subject is missing', async () => {
    const nodes = graph({ m1: ['config'], sbom: { children: ['config'], subject: 'm1' } })
    await nodes.pushTo(target(), ['config', 'sbom'])
    expect(await target().exists(nodes.descriptor('sbom'))).toBe(true)
    expect(await target().exists(nodes.descriptor('m1'))).toBe(false)
  })

  it.each([
    ['own-types', 'bundle'],
    ['artifact-manifests', 'artifact'],
  ] as const)('takes a manifest of the kind %s, or refuses it', async (lack, kind) => {
    const nodes = graph({ special: { kind, children: ['part'] } })
    await nodes.pushTo(target(), ['part'])
    const push = nodes.pushTo(target(), ['special'])
    if (lacks(lack)) return expectRefusal(push)
    await push
    expect(plainDescriptor(await target().resolve(nodes.descriptor('special').digest))).toEqual(
      nodes.descriptor('special'),
    )
  })

  it.each([
    ['both layers and manifests', '"config":CONFIG,"layers":[],"manifests":[]'],
    ['a key twice', '"config":CONFIG,"layers":[],"layers":[]'],
    ['another media type inside', `"mediaType":"${mediaTypes.ociIndex}","config":CONFIG`],
    ['no JSON', '"config":'],
  ])('refuses a manifest with %s and shows nothing of it', async (_fault, fields) => {
    await image().pushTo(target(), ['config'])
    const config = JSON.stringify({ ...image().descriptor('config'), mediaType: mediaTypes.ociConfig })
    const bytes = Buffer.from(`{"schemaVersion":2,${fields.replace('CONFIG', config)}}`)
    const descriptor = { ...blob(bytes), mediaType: mediaTypes.ociManifest }
    const code = errorCode(await rejection(target().push(descriptor, contentOf(bytes))))
    expect(['INVALID_MANIFEST', 'RESPONSE']).toContain(code)
    expect(await target().exists(descriptor)).toBe(false)
  })

  it('fetches a manifest by reference in one step, where it can', async () => {
    if (lacks('fetch-reference')) return expect(target().fetchReference).toBeUndefined()
    await image().pushTo(target())
    await target().tag(image().descriptor('m1'), 'v1')
    for (const reference of ['v1', image().descriptor('m1').digest]) {
      const found = await target().fetchReference?.(reference)
      expect(found && plainDescriptor(found.descriptor)).toEqual(image().descriptor('m1'))
      expect(Buffer.from(found?.bytes ?? [])).toEqual(image().node('m1').bytes)
    }
    const limited = target().fetchReference?.('v1', { maxBytes: 10 })
    expect(errorCode(await rejection(limited))).toBe('SIZE_EXCEEDS_LIMIT')
  })

  it('pushes a manifest by reference in one step, where it can', async () => {
    if (lacks('push-reference')) return expect(target().pushReference).toBeUndefined()
    const { descriptor, bytes } = image().node('m1')
    await image().pushTo(target(), ['config', 'layer'])
    await target().pushReference?.(descriptor, bytes, 'v1')
    expect(plainDescriptor(await target().resolve('v1'))).toEqual(descriptor)
    const wrong = target().pushReference?.(descriptor, Buffer.alloc(descriptor.size), 'v2')
    expect(errorCode(await rejection(wrong))).toBe('DIGEST_MISMATCH')
    expect(await tagsOf(target())).toEqual(['v1'])
  })
}
