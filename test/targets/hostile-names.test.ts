import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copy } from '../../src/copy/copy.ts'
import { errorCode } from '../../src/errors.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'
import { makePlace, placeKinds, type Place } from '../support/places.ts'
import { read, referrersOf, tagsOf } from './contract/support.ts'

/** Names that every object has a property of; all of them are tags by the grammar of the specification. */
const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__']

const image = graph({
  m1: { children: ['config', 'layer'], annotations: Object.fromEntries(names.map((name) => [name, name])) },
  note: {
    children: ['config'],
    subject: 'm1',
    artifactType: '__proto__',
    annotations: Object.fromEntries(names.map((name) => [name, name])),
  },
})
const { descriptor } = image.node('m1')

describe.each(placeKinds)('in %s', (kind) => {
  let place: Place
  beforeEach(async () => {
    place = await makePlace(kind)
  })
  afterEach(() => place.close())

  it('tags that objects have as properties are tags as all others', async () => {
    const { target } = place
    await image.pushTo(target)
    for (const name of names) expect(await codeOf(target.resolve(name))).toBe('NOT_FOUND')
    for (const name of names) await target.tag(descriptor, name)
    expect(await tagsOf(target)).toEqual(names.toSorted())
    for (const name of names) expect(await target.resolve(name)).toMatchObject({ digest: descriptor.digest })
    const other = new MemoryTarget()
    for (const name of names) expect((await copy(target, name, other)).root.digest).toBe(descriptor.digest)
    expect(await Array.fromAsync(other.tags())).toEqual(names.toSorted())
    for (const name of names) await target.untag?.(name)
    expect(await tagsOf(target)).toEqual([])
  })

  it('annotations and artifact types that objects have as properties are data', async () => {
    const { target } = place
    await image.pushTo(target)
    const [referrer, ...others] = await referrersOf(target, descriptor)
    expect(others).toEqual([])
    expect(referrer).toMatchObject({ artifactType: '__proto__' })
    const annotations = new Map(Object.entries(referrer?.annotations ?? {}))
    for (const name of names) expect(annotations.get(name)).toBe(name)
    expect(await referrersOf(target, descriptor, 'constructor')).toEqual([])
    expect(Object.keys(Object.prototype)).toEqual([])
  })

  it.each([
    'sha256:../../../../../../etc/passwd',
    `sha256:${'../'.repeat(21)}a`,
    `sha256:${'A1'.repeat(32)}`,
    `sha256:${'a1'.repeat(32)}/../x`,
    `sha256:${'a1'.repeat(31)}?a`,
    `../${'a1'.repeat(32)}`,
    'constructor:x',
    '',
  ])('the digest %j is none, whatever is done with it', async (digest) => {
    const { target } = place
    await image.pushTo(target)
    for (const mediaType of [mediaTypes.ociManifest, mediaTypes.octetStream]) {
      const hostile: Descriptor = { mediaType, digest, size: 1 }
      expect(await codeOf(target.exists(hostile))).toBe('INVALID_DIGEST')
      expect(await codeOf((async () => read(target.fetch(hostile)))())).toBe('INVALID_DIGEST')
      expect(await codeOf(target.push(hostile, contentOf(Buffer.from('x'))))).toBe('INVALID_DIGEST')
      const isNotThere = /^INVALID_DIGEST$|^NOT_FOUND$|^UNSUPPORTED$/
      expect(await codeOf(target.tag(hostile, 'v1'))).toMatch(isNotThere)
      expect(await codeOf(target.delete?.(hostile) ?? Promise.resolve())).toMatch(isNotThere)
      expect(await codeOf(target.resolve(digest))).toMatch(/^INVALID_REFERENCE$|^NOT_FOUND$/)
    }
  })
})

/** `'well'`, or the code of the error. */
async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(() => 'well', errorCode)
}
