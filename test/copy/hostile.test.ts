import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { readAll } from '../../src/content/verify.ts'
import { copy } from '../../src/copy/copy.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { CopyError, errorCode, NotFoundError, ResponseError } from '../../src/errors.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph, ownTypes } from '../support/graph.ts'
import { makePlace } from '../support/places.ts'
import { RecordingDestination, RecordingSource } from '../support/spy.ts'

const missing = new ResponseError('blob unknown to registry', {
  method: 'PUT',
  url: '',
  status: 400,
  errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', message: '' }],
})

describe.each(['memory', 'layout'] as const)('%s', (kind) => {
  it('does not take bytes that came as a layer for the manifest that they are', async () => {
    const image = graph({ image: ['config', 'layer'] })
    const disguised = graph({
      artifact: ['other', 'bytes'],
      bytes: { mediaType: mediaTypes.ociLayer, bytes: image.node('image').bytes },
    })
    const source = new MemoryTarget()
    await image.pushTo(source)
    await disguised.pushTo(source)
    await source.tag(image.descriptor('image'), 'image')
    await using stack = new AsyncDisposableStack()
    const { target, close } = await makePlace(kind)
    stack.defer(close)
    await copyGraph(source, disguised.descriptor('artifact'), target)
    await copy(source, 'image', target)
    expect(await target.exists(image.descriptor('layer'))).toBe(true)
    expect(await Array.fromAsync(target.predecessors?.(image.descriptor('layer')) ?? [])).toHaveLength(1)
  })

  it('takes a blob root that is larger than any manifest, and tags it', async () => {
    const blob = graph({ blob: { bytes: Buffer.alloc(5 * 1024 * 1024, 'x') } })
    const source = new RecordingSource(new MemoryTarget())
    const memory = new MemoryTarget()
    await blob.pushTo(memory)
    await using stack = new AsyncDisposableStack()
    const { target, close } = await makePlace(kind)
    stack.defer(close)
    await copy(memory, blob.descriptor('blob').digest, target, { destinationReference: 'v1' })
    expect(source.fetched).toEqual([])
    expect((await target.resolve('v1')).digest).toBe(blob.descriptor('blob').digest)
  })
})

describe('a copy', () => {
  it('stays fast where every index names all that are below it', async () => {
    const layers = Array.from({ length: 200 }, (_, level) => `l${level}`)
    const dense = graph({
      l0: { kind: 'image', children: ['config', 'layer'] },
      ...Object.fromEntries(
        layers
          .slice(1)
          .map((name, below) => [
            name,
            { kind: 'index' as const, children: layers.slice(0, below + 1).reverse() },
          ]),
      ),
    })
    const memory = new MemoryTarget()
    await dense.pushTo(memory)
    const slow = new RecordingSource(memory, async ({ digest }) => {
      if (digest === dense.descriptor('layer').digest) await delay(200)
    })
    const started = performance.now()
    const result = await copyGraph(slow, dense.descriptor('l199'), new MemoryTarget())
    expect(result.copied.nodes).toBe(202)
    // A search for every edge took four seconds for this graph.
    expect(performance.now() - started).toBeLessThan(2500)
  })

  it('refuses a type that only the destination knows as a manifest', async () => {
    const bundle = graph({ bundle: { kind: 'bundle', children: ['m1'] }, m1: ['config', 'layer'] })
    const plain = new MemoryTarget()
    await bundle.pushTo(plain)
    await plain.tag(bundle.descriptor('bundle'), 'v1')
    const destination = new MemoryTarget({ manifestTypes: ownTypes })
    const error = await copy(plain, 'v1', destination).catch((cause: unknown) => cause)
    expect(errorCode(error)).toBe('UNSUPPORTED')
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('heals when the destination misses content only as the tag is written', async () => {
    const drawing = graph({ index: ['m1'], m1: ['config', 'layer'] })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    await source.tag(drawing.descriptor('index'), 'v1')
    const inner = new MemoryTarget()
    await drawing.pushTo(inner, ['config', 'm1', 'layer', 'index'])
    await inner.delete(drawing.descriptor('layer'))
    const destination = Object.assign(new RecordingDestination(inner), {
      async pushReference(descriptor: Descriptor, _bytes: Uint8Array, tag: string) {
        if (!(await inner.exists(drawing.descriptor('layer')))) throw missing
        await inner.tag(descriptor, tag)
      },
    })
    await copy(source, 'v1', destination)
    expect((await inner.resolve('v1')).digest).toBe(drawing.descriptor('index').digest)
    expect(await inner.exists(drawing.descriptor('layer'))).toBe(true)
  })

  it('replaces a manifest that is damaged at the destination', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    const inner = new MemoryTarget()
    await drawing.pushTo(inner)
    const replaced: (string | undefined)[] = []
    const destination = Object.assign(new RecordingDestination(inner), {
      fetch: (descriptor: Descriptor) =>
        descriptor.digest === drawing.descriptor('image').digest
          ? new MemoryTarget().fetch(descriptor)
          : inner.fetch(descriptor),
    })
    const push = destination.push.bind(destination)
    destination.push = (descriptor, content, options) => {
      replaced.push(options?.existing)
      return push(descriptor, content, options)
    }
    await copyGraph(source, drawing.descriptor('image'), destination, { verify: 'full' })
    expect(replaced).toEqual(['replace'])
  })

  it('stamps what onEvent throws as the caller’s', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    const broken = new Error('broken bar')
    const error = await copyGraph(source, drawing.descriptor('image'), new MemoryTarget(), {
      onEvent(event) {
        if (event.type === 'progress') throw broken
      },
    }).catch((cause: unknown) => cause)
    expect(error).toBeInstanceOf(CopyError)
    expect(error).toMatchObject({ origin: 'caller', operation: 'onEvent', cause: broken })
  })

  it('does not take the failure of another copy, made by a function of the caller’s, for its own', async () => {
    const drawing = graph({ image: ['config', 'layer'], sbom: { children: ['empty'], subject: 'image' } })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    const image = drawing.descriptor('image')
    const attempt = copyGraph(source, drawing.descriptor('sbom'), new MemoryTarget(), {
      onMissingSubject: 'skip',
      async preCopy({ descriptor }) {
        if (descriptor.digest !== image.digest) return
        await copyGraph(new MemoryTarget(), descriptor, new MemoryTarget())
      },
    })
    await expect(attempt).rejects.toMatchObject({
      origin: 'caller',
      operation: 'preCopy',
      path: [{ digest: drawing.descriptor('sbom').digest }, { digest: image.digest }],
      cause: { code: 'COPY', origin: 'source', descriptor: { digest: image.digest } },
    })
  })

  it('reads the root once for all tags, and says so if the source fails there', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    const inner = new MemoryTarget()
    await drawing.pushTo(inner)
    const root = drawing.descriptor('image')
    const destination = Object.assign(new RecordingDestination(inner), {
      pushReference: (descriptor: Descriptor, _bytes: Uint8Array, tag: string) => inner.tag(descriptor, tag),
    })
    const broken = new NotFoundError('gone', { cause: missing })
    const sources = [undefined, broken].map((error) => {
      const recording = new RecordingSource(source, () => (error ? Promise.reject(error) : Promise.resolve()))
      recording.resolve = () => Promise.resolve(root)
      return recording
    })
    const [working, failing] = sources
    if (working === undefined || failing === undefined) throw new RangeError('two sources')
    const attempt = copy(failing, 'v1', destination, { destinationReference: ['a', 'b'] })
    await expect(attempt).rejects.toMatchObject({ origin: 'source', descriptor: root, cause: broken })
    expect(await Array.fromAsync(inner.tags())).toEqual([])
    await copy(working, 'v1', destination, { destinationReference: ['a', 'b'] })
    expect(await Array.fromAsync(inner.tags())).toEqual(['a', 'b'])
    expect([failing.fetched, working.fetched]).toEqual([[root.digest], [root.digest]])
  })

  it('says of a blob that was left out under one type that it was left out under the other', async () => {
    const drawing = graph({
      image: ['config', 'tar', 'zip'],
      tar: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('same') },
      zip: { mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.from('same') },
    })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    const reasons: string[] = []
    await copyGraph(source, drawing.descriptor('image'), new MemoryTarget(), {
      preCopy: ({ descriptor }) =>
        descriptor.digest === drawing.descriptor('tar').digest ? 'skip' : undefined,
      onEvent: (event) => void (event.type === 'skipped' && reasons.push(event.reason)),
    })
    expect(reasons).toEqual(['caller', 'caller'])
  })

  it.each(['', ['v1', '']])(
    'refuses the empty destination reference %o before anything moves',
    async (reference) => {
      const destination = new RecordingDestination(new MemoryTarget())
      const attempt = copy(new MemoryTarget(), 'v1', destination, { destinationReference: reference })
      await expect(attempt).rejects.toMatchObject({ code: 'INVALID_REFERENCE' })
      expect(destination.calls).toEqual([])
    },
  )

  it('understands tag@digest at both ends', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    const { digest } = drawing.descriptor('image')
    const destination = new MemoryTarget()
    const result = await copy(source, `v1@${digest}`, destination)
    expect(result.tags).toEqual(['v1'])
    const wrong = drawing.descriptor('layer').digest
    const attempt = copy(source, digest, destination, { destinationReference: `v2@${wrong}` })
    await expect(attempt).rejects.toMatchObject({ code: 'INVALID_REFERENCE' })
  })

  it('keeps many large manifests in memory only as far as its cache goes', async () => {
    const bytes = 1024 * 1024
    const names = Array.from({ length: 120 }, (_, at) => `m${at}`)
    const wide = graph({
      index: { kind: 'index', children: names },
      ...Object.fromEntries(
        names.map((name) => [
          name,
          {
            kind: 'image' as const,
            children: ['config', 'layer'],
            annotations: { name, filler: 'x'.repeat(bytes) },
          },
        ]),
      ),
    })
    const memory = new MemoryTarget()
    await wide.pushTo(memory)
    let reads = 0
    const source = new RecordingSource(memory, async ({ digest }) => {
      if (digest !== wide.descriptor('layer').digest) reads += 1
      else await delay(100)
    })
    const result = await copyGraph(source, wide.descriptor('index'), new MemoryTarget())
    expect(result.copied.nodes).toBe(names.length + 3)
    // Those that did not fit into 64 MiB were let go and read again.
    expect(reads).toBeGreaterThan(names.length + 30)
  })
})

describe('a memory target', () => {
  it('shares its memory with nobody', async () => {
    const bytes = Buffer.from('mine')
    const { blob } = { blob: graph({ blob: { bytes } }) }
    const target = new MemoryTarget()
    await target.push(blob.descriptor('blob'), contentOf(bytes))
    bytes.fill(0)
    for await (const chunk of target.fetch(blob.descriptor('blob'))) chunk.fill(0)
    const read = await readAll(target.fetch(blob.descriptor('blob')), blob.descriptor('blob'))
    expect(Buffer.from(read).toString()).toBe('mine')
  })
})
