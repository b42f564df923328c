import { execFile } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../src/content/descriptor.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { copyGraph } from '../../../src/copy/copy-graph.ts'
import type { CopyResult } from '../../../src/copy/options.ts'
import {
  createModifierMemory,
  modifierMemoryIn,
  type ModifierMemory,
} from '../../../src/copy/modifiers/modifier-memory.ts'
import type { Modifier } from '../../../src/copy/modifiers/modifier.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { MemoryTarget } from '../../../src/targets/memory.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import type { Destination } from '../../../src/targets/target.ts'
import { newFolder } from '../../support/folder.ts'
import { graph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'
import { RecordingSource } from '../../support/spy.ts'
import { pushImage, someTar } from './layers/image.ts'

const drawing = graph({
  index: ['first', 'second'],
  first: ['config', 'layer'],
  second: ['config', 'layer', 'other'],
  layer: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('a layer') },
  other: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('another layer') },
})
const layers = ['layer', 'other'].map((name) => drawing.descriptor(name).digest)

/** Puts text behind each layer. */
function append(text: string): Modifier {
  return {
    id: 'test.append',
    parameters: { text },
    apply(node) {
      if (node.kind === 'manifest' || node.descriptor.mediaType !== mediaTypes.ociLayer) return 'keep'
      const { content } = node
      return {
        mediaType: mediaTypes.ociLayer,
        content: {
          async *[Symbol.asyncIterator]() {
            yield* content
            yield Buffer.from(text)
          },
        },
      }
    },
  }
}

interface Run {
  readonly result: CopyResult
  readonly events: readonly CopyEvent[]
  /** Digests of layers that were read from the source. */
  readonly fetched: readonly string[]
}

async function run(
  destination: Destination,
  modifierMemory: ModifierMemory | undefined,
  text = '!',
  root = 'index',
): Promise<Run> {
  const filled = new MemoryTarget()
  await drawing.pushTo(filled)
  const source = new RecordingSource(filled)
  const events: CopyEvent[] = []
  const result = await copyGraph(source, drawing.descriptor(root), destination, {
    modifiers: [append(text)],
    modifierMemory,
    onEvent: (event) => events.push(event),
  })
  return { result, events, fetched: source.fetched.filter((digest) => layers.includes(digest)).toSorted() }
}

describe('With a memory of what blobs have become', () => {
  it('a second copy neither reads nor makes a blob again', async () => {
    const [destination, memory] = [new MemoryTarget(), createModifierMemory()]
    const first = await run(destination, memory)
    expect(first.fetched).toEqual(layers.toSorted())
    const second = await run(destination, memory)
    expect(second.fetched).toEqual([])
    expect(second.result.root).toEqual(first.result.root)
    expect(second.result.copied).toEqual({ nodes: 0, bytes: 0 })
    const outcomes = second.events.filter(({ type }) => ['copied', 'skipped'].includes(type))
    expect(outcomes).toHaveLength(second.events.filter(({ type }) => type === 'discovered').length)
    expect(outcomes).toContainEqual(
      expect.objectContaining({ type: 'skipped', descriptor: drawing.descriptor('layer'), reason: 'exists' }),
    )
  })

  it('and without one, it does', async () => {
    const destination = new MemoryTarget()
    await run(destination, undefined)
    expect((await run(destination, undefined)).fetched).toEqual(layers.toSorted())
  })

  it('a blob that the destination does not have is made again', async () => {
    const memory = createModifierMemory()
    const first = await run(new MemoryTarget(), memory)
    const elsewhere = new MemoryTarget()
    const second = await run(elsewhere, memory)
    expect(second.fetched).toEqual(layers.toSorted())
    expect(await elsewhere.exists(first.result.root)).toBe(true)
  })

  it('other parameters make it anew', async () => {
    const [destination, memory] = [new MemoryTarget(), createModifierMemory()]
    await run(destination, memory, '!')
    expect((await run(destination, memory, '?')).fetched).toEqual(layers.toSorted())
  })

  it('a blob that was asked for alone is known too', async () => {
    const [destination, memory] = [new MemoryTarget(), createModifierMemory()]
    await run(destination, memory)
    const { result, fetched } = await run(destination, memory, '!', 'layer')
    expect(fetched).toEqual([])
    expect(result.skipped.nodes).toBe(1)
    expect(result.root.size).toBe(drawing.descriptor('layer').size + 1)
  })

  it('its keys are digests, and what it holds is media type, digest and size', async () => {
    const kept = new Map<string, Descriptor>()
    const memory: ModifierMemory = {
      get: (key) => Promise.resolve(kept.get(key)),
      set: (key, made) => Promise.resolve(void kept.set(key, made)),
    }
    await run(new MemoryTarget(), memory, 'a secret')
    expect(kept.size).toBe(2)
    for (const [key, made] of kept) {
      expect(key).toMatch(/^sha256:[0-9a-f]{64}$/)
      expect(Object.keys(made).toSorted()).toEqual(['digest', 'mediaType', 'size'])
    }
  })

  it.each<[string, ModifierMemory, string]>([
    [
      'fails to read',
      { get: () => Promise.reject(new Error('no memory')), set: () => Promise.resolve() },
      'no memory',
    ],
    [
      'fails to write',
      { get: () => Promise.resolve(undefined), set: () => Promise.reject(new Error('full')) },
      'full',
    ],
    [
      'holds nonsense',
      {
        get: () => Promise.resolve({ mediaType: 'a/b', digest: 'sha256:00', size: 1 }),
        set: () => Promise.resolve(),
      },
      'digest',
    ],
  ])('one that %s fails the copy, as the caller’s', async (_, memory, message) => {
    const copying = run(new MemoryTarget(), memory)
    await expect(copying).rejects.toMatchObject({ code: 'COPY', origin: 'caller' })
    await expect(copying).rejects.toThrow(message)
  })
})

describe('With a memory in a folder', () => {
  const program = fileURLToPath(new URL('remember-process.ts', import.meta.url))
  const recompress = async (...folders: readonly string[]): Promise<Remembered> => {
    const { stdout } = await promisify(execFile)(execPath, ['--no-warnings', program, ...folders])
    return JSON.parse(stdout)
  }

  it('another process neither reads nor makes a layer again, until the memory is gone', async () => {
    await using folder = await newFolder()
    const [from, to, memory] = ['from', 'to', 'memory'].map((name) => join(folder.path, name))
    const folders = [String(from), String(to), String(memory)]
    const layout = new OciLayout(String(from))
    const image = await pushImage(layout, [{ tar: someTar(1) }, { tar: someTar(2) }])
    await layout.tag(image, 'v1')
    const { layers: entries }: { layers: readonly Descriptor[] } = await readJson(layout, image)
    const both = entries.map(({ digest }) => digest).toSorted()
    const layersIn = ({ fetched }: Remembered): readonly string[] =>
      fetched.filter((digest) => both.includes(digest)).toSorted()
    const first = await recompress(...folders)
    expect(layersIn(first)).toEqual(both)
    expect(await readdir(String(memory))).toHaveLength(2)
    const second = await recompress(...folders)
    expect(layersIn(second)).toEqual([])
    expect(second).toMatchObject({ root: first.root, copied: 0 })
    await rm(String(memory), { recursive: true })
    expect(layersIn(await recompress(...folders))).toEqual(both)
  })

  it('other objects know what one has made', async () => {
    await using folder = await newFolder()
    const destination = new MemoryTarget()
    await run(destination, modifierMemoryIn(folder.path))
    const { fetched, result } = await run(destination, modifierMemoryIn(folder.path))
    expect(fetched).toEqual([])
    expect(result.copied.nodes).toBe(0)
  })

  it('an empty path is refused', () => {
    expect(() => modifierMemoryIn('')).toThrow(RangeError)
  })
})

interface Remembered {
  readonly root: string
  readonly copied: number
  readonly fetched: readonly string[]
}
