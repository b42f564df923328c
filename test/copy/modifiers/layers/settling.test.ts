import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Content } from '../../../../src/content/content.ts'
import type { Descriptor } from '../../../../src/content/descriptor.ts'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { copy } from '../../../../src/copy/copy.ts'
import { recompressed } from '../../../../src/copy/modifiers/layers/recompressed.ts'
import { recompressLayers } from '../../../../src/copy/modifiers/layers/recompress-layers.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { OciLayout } from '../../../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import type { Destination, Source } from '../../../../src/targets/target.ts'
import { startFaultyRegistry } from '../../../../src/testing/testing.ts'
import { newFolder } from '../../../support/folder.ts'
import { pushImage, someTar } from './image.ts'

const tar = someTar(1, 4_000_000)
const layer = gzipSync(tar)

/** A source whose layer gives half of itself and then nothing more until it is aborted. */
interface Stalling extends Source {
  readonly active: () => number
  /** Resolves when the first half was taken. */
  readonly stalled: Promise<void>
}

async function stallingSource(): Promise<Stalling> {
  const memory = new MemoryTarget()
  await memory.tag(await pushImage(memory, [{ tar, bytes: layer }]), 'v1')
  const { promise: stalled, resolve } = Promise.withResolvers<void>()
  let active = 0
  const half = (signal: AbortSignal | undefined): Content => ({
    async *[Symbol.asyncIterator]() {
      active += 1
      try {
        yield layer.subarray(0, layer.length / 2)
        resolve()
        await delay(60_000, undefined, { signal })
      } finally {
        active -= 1
      }
    },
  })
  return {
    active: () => active,
    stalled,
    resolve: (reference) => memory.resolve(reference),
    exists: (descriptor) => memory.exists(descriptor),
    fetch: (descriptor, { signal } = {}) =>
      descriptor.mediaType === mediaTypes.ociLayerGzip ? half(signal) : memory.fetch(descriptor),
  }
}

const modifiers = [recompressLayers({ to: 'zstd' })]

describe('A copy whose layers are made anew', () => {
  it('leaves neither tag nor file in a layout when it is aborted in the middle of a layer', async () => {
    const source = await stallingSource()
    await using folder = await newFolder()
    const controller = new AbortController()
    const layout = new OciLayout(folder.path)
    const copying = copy(source, 'v1', layout, { modifiers, signal: controller.signal })
    const reason = new Error('enough')
    void source.stalled.then(() => controller.abort(reason))
    await expect(copying).rejects.toBe(reason)
    expect(source.active()).toBe(0)
    const left = await readdir(folder.path, { recursive: true })
    expect(left.filter((path) => /^(?:ingest|partial)/.test(path))).toEqual([])
    expect(await Array.fromAsync(layout.tags())).toEqual([])
  })

  it('leaves neither tag nor upload in a registry when it is aborted in the middle of a layer', async () => {
    const source = await stallingSource()
    await using registry = await startFaultyRegistry()
    await using repository = new Repository(`${registry.host}/test/app`)
    const controller = new AbortController()
    const copying = copy(source, 'v1', repository, { modifiers, signal: controller.signal })
    const reason = new Error('enough')
    void source.stalled.then(() => controller.abort(reason))
    await expect(copying).rejects.toBe(reason)
    expect(source.active()).toBe(0)
    const opened = registry.requests.filter(
      ({ method, url }) => method === 'POST' && url.includes('/uploads/'),
    )
    const cancelled = registry.requests.filter(({ method }) => method === 'DELETE')
    expect(opened.length).toBeGreaterThan(0)
    expect(cancelled).toHaveLength(opened.length)
    await expect(repository.resolve('v1')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('ends at once when the destination fails while the source stands still', async () => {
    const source = await stallingSource()
    const memory = new MemoryTarget()
    const full: Destination = {
      exists: (descriptor) => memory.exists(descriptor),
      push: (descriptor, content) => memory.push(descriptor, content),
      tag: (descriptor, reference) => memory.tag(descriptor, reference),
      async ingest(content) {
        const chunks = content[Symbol.asyncIterator]()
        await chunks.next()
        const next = chunks.next().catch(() => undefined)
        await source.stalled
        await chunks.return?.()
        await next
        throw new Error('disk full')
      },
    }
    await expect(copy(source, 'v1', full, { modifiers })).rejects.toMatchObject({
      code: 'COPY',
      origin: 'destination',
      cause: { message: 'disk full' },
    })
    expect(source.active()).toBe(0)
    expect(await Array.fromAsync(memory.tags())).toEqual([])
  })

  it.each([
    ['source', (): Error => new Error('line cut'), layer, { origin: 'source', operation: 'fetch' }],
    ['modifier', undefined, layer.subarray(0, -9), { origin: 'caller', cause: { code: 'INVALID_LAYER' } }],
  ] as const)('names who is to blame when reading a layer fails: the %s', async (_, fail, bytes, facts) => {
    const memory = new MemoryTarget()
    await memory.tag(await pushImage(memory, [{ tar, bytes }]), 'v1')
    const source: Source = {
      resolve: (reference) => memory.resolve(reference),
      exists: (descriptor) => memory.exists(descriptor),
      fetch: (descriptor: Descriptor) => ({
        async *[Symbol.asyncIterator]() {
          const isLayer = descriptor.mediaType === mediaTypes.ociLayerGzip
          yield* memory.fetch(descriptor)
          if (isLayer && fail !== undefined) throw fail()
        },
      }),
    }
    await using folder = await newFolder()
    const copying = copy(source, 'v1', new OciLayout(folder.path), { modifiers })
    await expect(copying).rejects.toMatchObject({ code: 'COPY', ...facts })
  })
})

describe('recompressed', () => {
  const recompression = { to: 'zstd', level: 3, maxUncompressedBytes: Infinity } as const

  it('opens nothing before it is iterated, and closes what was opened when its reader stops', async () => {
    let [opened, closed] = [0, 0]
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        opened += 1
        try {
          for (let at = 0; at < layer.length; at += 10_000) yield layer.subarray(at, at + 10_000)
        } finally {
          closed += 1
        }
      },
    }
    const made = recompressed(content, recompression)
    expect(opened).toBe(0)
    await made[Symbol.asyncIterator]().return?.()
    expect(opened).toBe(0)
    for await (const _chunk of made) break
    expect([opened, closed]).toEqual([1, 1])
    const once = Buffer.concat(await Array.fromAsync(made))
    expect(Buffer.concat(await Array.fromAsync(made))).toEqual(once)
    expect([opened, closed]).toEqual([3, 3])
  })

  it('reads no further than its reader takes', async () => {
    let read = 0
    const endless: Content = {
      async *[Symbol.asyncIterator]() {
        for (;;) {
          const chunk = Buffer.from(crypto.getRandomValues(new Uint8Array(64 * 1024)))
          read += chunk.length
          yield chunk
        }
      },
    }
    const chunks = recompressed(endless, recompression)[Symbol.asyncIterator]()
    for (let taken = 0; taken < 4 * 1024 * 1024;) {
      const next = await chunks.next()
      taken += next.done === true ? 0 : Number(next.value.length)
      // Turns in which a pump without bounds would run on.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
      expect(read - taken).toBeLessThan(1024 * 1024)
    }
    await chunks.return?.()
  })
})
