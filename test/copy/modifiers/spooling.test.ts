import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Content } from '../../../src/content/content.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { copy } from '../../../src/copy/copy.ts'
import type { CopyOptions } from '../../../src/copy/options.ts'
import { recompressLayers } from '../../../src/copy/modifiers/layers/recompress-layers.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import type { Destination, Source } from '../../../src/targets/target.ts'
import { newFolder } from '../../support/folder.ts'
import { RecordingDestination } from '../../support/spy.ts'
import { pushImage, readImage, someTar } from './layers/image.ts'

const tars = [someTar(1, 3_000_000), someTar(2)]
const modifiers = [recompressLayers({ to: 'zstd' })]

async function filled(): Promise<MemoryTarget> {
  const source = new MemoryTarget()
  await source.tag(
    await pushImage(
      source,
      tars.map((tar) => ({ tar })),
    ),
    'v1',
  )
  return source
}

/** The same source; `onLayer` is called in the middle of each layer. */
function watching(source: MemoryTarget, onLayer: () => Promise<void>): Source {
  const middle = (content: Content): Content => ({
    async *[Symbol.asyncIterator]() {
      const [bytes = Buffer.of()] = await Array.fromAsync(content)
      yield bytes.subarray(0, bytes.length / 2)
      await onLayer()
      yield bytes.subarray(bytes.length / 2)
    },
  })
  return {
    resolve: (reference) => source.resolve(reference),
    exists: (descriptor) => source.exists(descriptor),
    fetch(descriptor) {
      const content = source.fetch(descriptor)
      return descriptor.mediaType === mediaTypes.ociLayerGzip ? middle(content) : content
    },
  }
}

describe('A destination that takes only content whose digest is known', () => {
  it('gets what modifiers make through files that are gone afterwards', async () => {
    await using folder = await newFolder()
    const [source, through, direct] = [await filled(), new MemoryTarget(), new MemoryTarget()]
    const destination = new RecordingDestination(through)
    const { root, copied } = await copy(source, 'v1', destination, { modifiers, spoolFolder: folder.path })
    const ingested = await copy(source, 'v1', direct, { modifiers })
    expect({ root, copied }).toEqual({ root: ingested.root, copied: ingested.copied })
    expect((await readImage(through, root)).tars.map((tar, at) => tar.equals(tars[at] ?? tar))).toEqual([
      true,
      true,
    ])
    expect(destination.pushes()).toHaveLength(4)
    expect(await readdir(folder.path)).toEqual([])
  })

  it('is told that what it had is there, when it is made again', async () => {
    const [source, memory] = [await filled(), new MemoryTarget()]
    const destination = new RecordingDestination(memory)
    await copy(source, 'v1', destination, { modifiers })
    const { copied, skipped } = await copy(source, 'v1', destination, { modifiers })
    expect(copied.nodes).toBe(0)
    expect(skipped.nodes).toBe(3)
  })

  it('keeps nothing of a copy that is aborted in the middle of a layer', async () => {
    await using folder = await newFolder()
    const controller = new AbortController()
    const reason = new Error('enough')
    const source = watching(await filled(), async () => controller.abort(reason))
    const memory = new MemoryTarget()
    const destination = new RecordingDestination(memory)
    const options: CopyOptions = { modifiers, spoolFolder: folder.path, signal: controller.signal }
    await expect(copy(source, 'v1', destination, options)).rejects.toBe(reason)
    expect(await readdir(folder.path)).toEqual([])
    expect(destination.pushes()).toEqual([])
    expect(await Array.fromAsync(memory.tags())).toEqual([])
  })

  it('keeps nothing of a copy that is aborted while a layer is pushed', async () => {
    await using folder = await newFolder()
    const controller = new AbortController()
    const reason = new Error('enough')
    const memory = new MemoryTarget()
    const destination = new RecordingDestination(memory)
    destination.beforePush = ({ mediaType }) => {
      if (mediaType === mediaTypes.ociLayerZstd) controller.abort(reason)
    }
    const options: CopyOptions = { modifiers, spoolFolder: folder.path, signal: controller.signal }
    await expect(copy(await filled(), 'v1', destination, options)).rejects.toBe(reason)
    expect(await readdir(folder.path)).toEqual([])
    expect(await Array.fromAsync(memory.tags())).toEqual([])
  })

  it('is not to blame for a source that fails, nor for a folder that is missing', async () => {
    await using folder = await newFolder()
    const cut = watching(await filled(), () => Promise.reject(new Error('line cut')))
    const destination = (): Destination => new RecordingDestination(new MemoryTarget())
    await expect(
      copy(cut, 'v1', destination(), { modifiers, spoolFolder: folder.path }),
    ).rejects.toMatchObject({ origin: 'source', operation: 'fetch', cause: { message: 'line cut' } })
    const spoolFolder = join(folder.path, 'missing')
    await expect(copy(await filled(), 'v1', destination(), { modifiers, spoolFolder })).rejects.toMatchObject(
      {
        code: 'COPY',
        origin: 'caller',
        operation: `spooling to ${JSON.stringify(spoolFolder)}`,
        cause: { code: 'ENOENT' },
      },
    )
    expect(await readdir(folder.path)).toEqual([])
  })

  it('is to blame for what it refuses', async () => {
    const destination = new RecordingDestination(new MemoryTarget())
    destination.beforePush = ({ mediaType }) => {
      if (mediaType === mediaTypes.ociLayerZstd) throw new Error('no zstd here')
    }
    await expect(copy(await filled(), 'v1', destination, { modifiers })).rejects.toMatchObject({
      origin: 'destination',
      operation: 'push what became of',
      cause: { message: 'no zstd here' },
    })
  })
})

it('An empty spoolFolder is refused before anything is read', async () => {
  const source = await filled()
  const copying = copy(source, 'v1', new MemoryTarget(), { modifiers, spoolFolder: '' })
  await expect(copying).rejects.toBeInstanceOf(RangeError)
})
