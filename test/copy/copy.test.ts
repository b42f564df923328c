import { describe, expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { CopyError, errorCode } from '../../src/errors.ts'
import type { CopyEvent } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph, ownTypes } from '../support/graph.ts'
import { RecordingDestination, RecordingSource } from '../support/spy.ts'

const amd64 = { os: 'linux', architecture: 'amd64' }
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' }

//   index ──► m1 (linux/amd64) ──► c1, shared
//     └─────► m2 (linux/arm64) ──► c2, shared
const drawing = graph({
  index: ['m1', 'm2'],
  m1: { children: ['c1', 'shared'], platform: amd64 },
  m2: { children: ['c2', 'shared'], platform: arm64 },
  c1: { mediaType: mediaTypes.ociConfig, bytes: Buffer.from(JSON.stringify(amd64)) },
  c2: { mediaType: mediaTypes.ociConfig, bytes: Buffer.from(JSON.stringify(arm64)) },
})

async function tagged(tag = 'v1', name = 'index'): Promise<MemoryTarget> {
  const target = new MemoryTarget({ manifestTypes: ownTypes })
  await drawing.pushTo(target)
  await target.tag(drawing.descriptor(name), tag)
  return target
}

describe('copy', () => {
  it('tags the root after everything else, by the tag of the source', async () => {
    const inner = new MemoryTarget()
    const destination = new RecordingDestination(inner)
    const result = await copy(await tagged(), 'v1', destination)
    expect(destination.calls.at(-1)).toBe('tag v1')
    expect(destination.calls.filter((call) => call.startsWith('tag'))).toEqual(['tag v1'])
    expect(result).toMatchObject({ tags: ['v1'], root: { digest: drawing.descriptor('index').digest } })
    expect((await inner.resolve('v1')).digest).toBe(drawing.descriptor('index').digest)
  })

  it('copies by digest without a tag, and with the tag of a reference that has both', async () => {
    const { digest } = drawing.descriptor('index')
    const untagged = new RecordingDestination(new MemoryTarget())
    expect((await copy(await tagged(), digest, untagged)).tags).toEqual([])
    expect(untagged.calls.some((call) => call.startsWith('tag'))).toBe(false)
    const destination = new MemoryTarget()
    await copy(await tagged(), digest, destination, { destinationReference: ['a', 'b', 'a'] })
    expect(await Array.fromAsync(destination.tags())).toEqual(['a', 'b'])
  })

  it('ends at once where every tag points at the root already', async () => {
    const source = new RecordingSource(await tagged())
    const memory = await tagged()
    const skipped: string[] = []
    const events: CopyEvent[] = []
    const result = await copy(source, 'v1', memory, {
      onCopySkipped: ({ descriptor }) => void skipped.push(descriptor.digest),
      onEvent: (event) => void events.push(event),
    })
    expect(source.fetched).toEqual([])
    expect(skipped).toEqual([drawing.descriptor('index').digest])
    expect(events.map((event) => ('reason' in event ? event.reason : event.type))).toEqual([
      'discovered',
      'tag-current',
    ])
    expect(result).toMatchObject({ tags: ['v1'], skipped: { nodes: 1 }, copied: { nodes: 0 } })
  })

  it('looks below a current tag when asked to verify', async () => {
    const memory = await tagged()
    await memory.delete(drawing.descriptor('shared'))
    const result = await copy(await tagged(), 'v1', memory, { verify: 'manifests' })
    expect(await memory.exists(drawing.descriptor('shared'))).toBe(true)
    expect(result).toMatchObject({ copied: { nodes: 1 } })
  })

  it('moves a tag, and writes only the tags that are not right yet', async () => {
    const memory = await tagged('v1', 'm1')
    await memory.tag(drawing.descriptor('index'), 'right')
    const events: CopyEvent[] = []
    await copy(await tagged(), 'v1', memory, {
      destinationReference: ['right', 'v1'],
      onEvent: (event) => void events.push(event),
    })
    expect((await memory.resolve('v1')).digest).toBe(drawing.descriptor('index').digest)
    expect(events.flatMap((event) => (event.type === 'tagged' ? [event.reference] : []))).toEqual(['v1'])
  })

  it('tags nothing when something under the root failed', async () => {
    const source = new RecordingSource(await tagged(), async ({ digest }) => {
      if (digest === drawing.descriptor('c2').digest) throw new Error('broken')
    })
    const destination = new MemoryTarget()
    await expect(copy(source, 'v1', destination)).rejects.toBeInstanceOf(CopyError)
    expect(await Array.fromAsync(destination.tags())).toEqual([])
    const result = await copy(await tagged(), 'v1', destination)
    expect(result.tags).toEqual(['v1'])
  })

  it('tags nothing when preCopy left the root out', async () => {
    const destination = new MemoryTarget()
    const result = await copy(await tagged(), 'v1', destination, {
      preCopy: ({ parent }) => (parent === undefined ? 'skip' : undefined),
    })
    expect(result.tags).toEqual([])
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('says which reference is not in the source', async () => {
    const attempt = copy(await tagged(), 'nope', new MemoryTarget())
    await expect(attempt).rejects.toMatchObject({ code: 'COPY', origin: 'source', operation: 'resolve' })
    await expect(attempt).rejects.toThrow(/"nope"/)
    expect(errorCode(await attempt.catch((error: unknown) => error))).toBe('NOT_FOUND')
  })

  it('refuses a destination digest that is not the root’s', async () => {
    const attempt = copy(await tagged(), 'v1', new MemoryTarget(), {
      destinationReference: drawing.descriptor('m1').digest,
    })
    await expect(attempt).rejects.toMatchObject({ code: 'INVALID_REFERENCE' })
  })

  it('refuses to tag what the destination cannot tag, before a byte moves', async () => {
    const source = await tagged('v1', 'shared')
    const destination = Object.assign(new RecordingDestination(new MemoryTarget()), {
      canTag: (mediaType: string) => ownTypes.isManifest(mediaType),
    })
    await expect(copy(source, 'v1', destination)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(destination.pushes()).toEqual([])
  })

  it('copies and tags a blob as root', async () => {
    const destination = new MemoryTarget()
    await copy(await tagged('v1', 'shared'), 'v1', destination)
    expect((await destination.resolve('v1')).digest).toBe(drawing.descriptor('shared').digest)
  })

  it('mapRoot replaces the root', async () => {
    const destination = new MemoryTarget()
    const result = await copy(await tagged(), 'v1', destination, { mapRoot: () => drawing.descriptor('m2') })
    expect(result.root.digest).toBe(drawing.descriptor('m2').digest)
    expect(await destination.exists(drawing.descriptor('m1'))).toBe(false)
  })
})

describe('platform', () => {
  it('takes the matching image out of an index', async () => {
    const destination = new MemoryTarget()
    const result = await copy(await tagged(), 'v1', destination, {
      platform: { os: 'linux', architecture: 'arm64' },
    })
    expect(result.root.digest).toBe(drawing.descriptor('m2').digest)
    expect((await destination.resolve('v1')).digest).toBe(drawing.descriptor('m2').digest)
    expect(await destination.exists(drawing.descriptor('index'))).toBe(false)
  })

  it('names the platforms that are there when none matches', async () => {
    const attempt = copy(await tagged(), 'v1', new MemoryTarget(), {
      platform: { os: 'plan9', architecture: 'mips' },
    })
    await expect(attempt).rejects.toThrow(/plan9\/mips.*linux\/amd64, linux\/arm64\/v8/)
    expect(errorCode(await attempt.catch((error: unknown) => error))).toBe('NOT_FOUND')
  })

  it('checks a single image by its config, which is read once', async () => {
    const source = new RecordingSource(await tagged('v1', 'm1'))
    await copy(source, 'v1', new MemoryTarget(), { platform: amd64 })
    expect(source.fetched.filter((digest) => digest === drawing.descriptor('c1').digest)).toHaveLength(1)
    const other = copy(await tagged('v1', 'm1'), 'v1', new MemoryTarget(), { platform: arm64 })
    expect(errorCode(await other.catch((error: unknown) => error))).toBe('NOT_FOUND')
  })

  it('is unsupported for a blob', async () => {
    const attempt = copy(await tagged('v1', 'shared'), 'v1', new MemoryTarget(), { platform: amd64 })
    expect(errorCode(await attempt.catch((error: unknown) => error))).toBe('UNSUPPORTED')
  })
})
