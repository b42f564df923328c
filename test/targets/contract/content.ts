import { expect, it } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { errorCode } from '../../../src/errors.ts'
import { graph } from '../../support/graph.ts'
import {
  blob,
  causes,
  contentOfChunks,
  expectRefusal,
  read,
  rejection,
  unknown,
  unreadable,
  type Suite,
} from './support.ts'

/** What is pushed comes back. */
export function contentSuite({ target, lacks }: Suite): void {
  it('gives back what was pushed, once as copied and then as existed without reading it', async () => {
    const bytes = Buffer.alloc(3 * 1024 * 1024 + 17, 'layer')
    expect(await target().exists(blob(bytes))).toBe(false)
    expect(await target().push(blob(bytes), contentOf(bytes))).toBe('copied')
    expect(await target().push(blob(bytes), unreadable())).toBe('existed')
    expect(await target().exists(blob(bytes))).toBe(true)
    const content = target().fetch(blob(bytes))
    expect(digestOf(await read(content))).toBe(blob(bytes).digest)
    expect(digestOf(await read(content)), 'content can be iterated again').toBe(blob(bytes).digest)
  })

  it('gives the bytes from an offset on', async () => {
    const bytes = Buffer.from('0123456789')
    await target().push(blob(bytes), contentOf(bytes))
    const suffix = target().fetch(blob(bytes)).from?.(4)
    expect((await read(suffix ?? [])).toString()).toBe('456789')
  })

  it('keeps the empty blob', async () => {
    const bytes = Buffer.alloc(0)
    await target().push(blob(bytes), contentOf(bytes))
    expect(await target().exists(blob(bytes))).toBe(true)
    expect(await read(target().fetch(blob(bytes)))).toHaveLength(0)
  })

  it('takes many pushes of one descriptor at once', async () => {
    const bytes = Buffer.alloc(300_000, 'same')
    const pushes = Array.from({ length: 8 }, () => target().push(blob(bytes), contentOf(bytes)))
    for (const outcome of await Promise.all(pushes)) expect(['copied', 'existed']).toContain(outcome)
    expect(digestOf(await read(target().fetch(blob(bytes))))).toBe(blob(bytes).digest)
  })

  it('writes content over that the caller knows to be damaged', async () => {
    const bytes = Buffer.from('replaced')
    await target().push(blob(bytes), contentOf(bytes))
    expect(await target().push(blob(bytes), contentOf(bytes), { existing: 'replace' })).toBe('copied')
    expect((await read(target().fetch(blob(bytes)))).toString()).toBe('replaced')
  })

  it('ingests a blob whose digest nobody knew', async () => {
    const chunks = [Buffer.from('in'), Buffer.from('gested')]
    const descriptor = await target().ingest?.(contentOfChunks(chunks), 'application/x-test')
    expect(descriptor).toEqual({
      mediaType: 'application/x-test',
      digest: digestOf(Buffer.concat(chunks)),
      size: 8,
    })
    if (descriptor !== undefined) expect((await read(target().fetch(descriptor))).toString()).toBe('ingested')
  })

  it.each(['sha384', 'sha512'] as const)('keeps content under %s, or refuses it', async (algorithm) => {
    const nodes = graph({ m1: ['config', 'layer'] }, algorithm)
    const push = nodes.pushTo(target())
    if (lacks(algorithm)) return expectRefusal(push)
    await push
    expect(await target().resolve(nodes.descriptor('m1').digest)).toMatchObject(nodes.descriptor('m1'))
    expect(await read(target().fetch(nodes.descriptor('layer')))).toEqual(nodes.node('layer').bytes)
  })
}

/** What is damaged or unknown is refused. */
export function damageSuite({ target }: Suite): void {
  const bytes = Buffer.from('0123456789')
  const faults = {
    'with a wrong digest': [Buffer.from('9876543210'), 'DIGEST_MISMATCH'],
    'that is too short': [Buffer.from('01234'), 'SIZE_MISMATCH'],
    'that is empty': [Buffer.alloc(0), 'SIZE_MISMATCH'],
    'that is too long': [Buffer.from('0123456789+'), 'SIZE_MISMATCH'],
  } as const

  for (const [fault, [actual, code]] of Object.entries(faults)) {
    it(`refuses content ${fault} and shows nothing of it`, async () => {
      expect(errorCode(await rejection(target().push(blob(bytes), contentOf(actual))))).toBe(code)
      expect(await target().exists(blob(bytes))).toBe(false)
      expect(errorCode(await rejection(read(target().fetch(blob(bytes)))))).toBe('NOT_FOUND')
      expect(await target().push(blob(bytes), contentOf(bytes))).toBe('copied')
    })
  }

  it('hands on what the content throws, and shows nothing of it', async () => {
    const failure = new Error('the source broke')
    const content = contentOfChunks([Buffer.from('01234')], failure)
    const error = await rejection(target().push(blob(bytes), content))
    expect(causes(error)).toContain(failure)
    expect(await target().exists(blob(bytes))).toBe(false)
  })

  it('has no content that was never pushed', async () => {
    expect(await target().exists(unknown)).toBe(false)
    expect(errorCode(await rejection(read(target().fetch(unknown))))).toBe('NOT_FOUND')
    expect(errorCode(await rejection(target().resolve(unknown.digest)))).toBe('NOT_FOUND')
    expect(errorCode(await rejection(target().resolve('no-such-tag')))).toBe('NOT_FOUND')
  })

  it.each([
    'sha256:abc',
    'md5:d41d8cd98f00b204e9800998ecf8427e',
    `sha256:${'A'.repeat(64)}`,
    `sha256:../../${'0'.repeat(58)}`,
    '',
  ])('refuses the malformed digest %j everywhere', async (digest) => {
    const malformed = { ...blob(bytes), digest }
    expect(errorCode(await rejection(target().exists(malformed)))).toBe('INVALID_DIGEST')
    expect(errorCode(await rejection(target().push(malformed, unreadable())))).toBe('INVALID_DIGEST')
    expect(errorCode(await rejection((async () => read(target().fetch(malformed)))()))).toBe('INVALID_DIGEST')
    expect(['NOT_FOUND', 'INVALID_REFERENCE']).toContain(errorCode(await rejection(target().resolve(digest))))
  })
}
