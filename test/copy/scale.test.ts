import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import type { Content } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { extendedCopyGraph } from '../../src/copy/extended-copy.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Destination, Predecessor, Source } from '../../src/targets/target.ts'
import { graph, type NodeSpec, type TestGraph } from '../support/graph.ts'
import { startRegistry } from '../support/registry.ts'

/** How often something was done to each digest. */
class Counts {
  readonly #counts = new Map<string, number>()

  add({ digest }: Descriptor): void {
    this.#counts.set(digest, (this.#counts.get(digest) ?? 0) + 1)
  }

  get size(): number {
    return this.#counts.size
  }

  get most(): number {
    return this.#counts.values().reduce((most, count) => Math.max(most, count), 0)
  }
}

/** A store, and what is asked of it. */
interface Watched {
  readonly source: Source
  readonly reads: Counts
  readonly ascents: Counts
}

async function watched(drawing: TestGraph): Promise<Watched> {
  const store = new MemoryTarget()
  await drawing.pushTo(store)
  const [reads, ascents] = [new Counts(), new Counts()]
  const read = async function* (descriptor: Descriptor): AsyncGenerator<Uint8Array> {
    reads.add(descriptor)
    yield* store.fetch(descriptor)
  }
  const source: Source = {
    resolve: (reference) => store.resolve(reference),
    exists: (descriptor) => store.exists(descriptor),
    fetch: (descriptor): Content => ({ [Symbol.asyncIterator]: () => read(descriptor) }),
    async *predecessors(descriptor): AsyncGenerator<Predecessor> {
      ascents.add(descriptor)
      yield* store.predecessors(descriptor)
    },
  }
  return { source, reads, ascents }
}

/** A destination that keeps nothing; now and then it measures the memory that cannot be collected. */
class Sink implements Destination {
  readonly pushes = new Counts()
  readonly #collect: () => void
  readonly #before: number
  peakBytes = 0

  constructor() {
    setFlagsFromString('--expose-gc')
    this.#collect = runInNewContext('gc')
    this.#before = this.#used()
  }

  exists(): Promise<boolean> {
    return Promise.resolve(false)
  }

  tag(): Promise<void> {
    return Promise.resolve()
  }

  async push(descriptor: Descriptor, content: Content): Promise<'copied'> {
    for await (const _chunk of content);
    this.pushes.add(descriptor)
    if (this.pushes.size % 1000 === 1) this.peakBytes = Math.max(this.peakBytes, this.#used() - this.#before)
    return 'copied'
  }

  #used(): number {
    this.#collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
}

const mebibyte = 1024 * 1024

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, index) => index)
}

/** 99 indexes of 33 images each, a referrer on each index but one, under one index: 10,000 nodes. */
function wide(): TestGraph {
  const spec: Record<string, NodeSpec> = {
    root: { kind: 'index', children: range(99).map((at) => `index ${at}`) },
  }
  for (const at of range(99)) {
    const images = range(33).map((index) => `image ${at}.${index}`)
    spec[`index ${at}`] = { kind: 'index', children: images }
    for (const image of images) spec[image] = { children: [`config of ${image}`, `layer of ${image}`] }
    if (at > 0) spec[`referrer ${at}`] = { children: ['empty'], subject: `index ${at}` }
  }
  return graph(spec)
}

/** Two manifests on each level, each of which contains both below: 2 to the power of 40 ways down. */
function diamond(levels: number): TestGraph {
  const spec: Record<string, NodeSpec | readonly string[]> = { m1: ['c1', 'l'], m2: ['c2', 'l'] }
  let below = ['m1', 'm2']
  for (const level of range(levels)) {
    const [left, right] = [`left ${level}`, `right ${level}`]
    spec[left] = { kind: 'index', children: below }
    spec[right] = { kind: 'index', children: below.toReversed() }
    below = [left, right]
  }
  spec['top'] = { kind: 'index', children: below }
  return graph(spec)
}

describe('Each node is handled once', () => {
  it('of 10,000, with some kilobytes of memory for each', { timeout: 60_000 }, async () => {
    const drawing = wide()
    expect(drawing.names).toHaveLength(10_000)
    const { source, reads, ascents } = await watched(drawing)
    const sink = new Sink()
    const { copied, roots } = await extendedCopyGraph(source, drawing.descriptor('root'), sink)
    expect(copied.nodes).toBe(10_000)
    expect(roots).toHaveLength(99)
    expect([reads.size, reads.most]).toEqual([10_000, 1])
    expect([ascents.size, ascents.most]).toEqual([1 + 99 + 99 * 33 + 98, 1])
    expect([sink.pushes.size, sink.pushes.most]).toEqual([10_000, 1])
    expect(sink.peakBytes).toBeLessThan(96 * mebibyte)
  })

  it.each(['down', 'up'] as const)('of a diamond of 40 levels, on the way %s', async (direction) => {
    const drawing = diamond(40)
    const { source, reads, ascents } = await watched(drawing)
    const sink = new Sink()
    const { copied } =
      direction === 'down'
        ? await copyGraph(source, drawing.descriptor('top'), sink)
        : await extendedCopyGraph(source, drawing.descriptor('m1'), sink, { edges: ['contains'] })
    const { length } = drawing.names
    expect(copied.nodes).toBe(length)
    expect([reads.size, reads.most]).toEqual([length, 1])
    expect([ascents.size, ascents.most]).toEqual(direction === 'down' ? [0, 0] : [2 * 40 + 2, 1])
    expect([sink.pushes.size, sink.pushes.most]).toEqual([length, 1])
  })

  it('of 5,000 referrers in a list of 50 pages', { timeout: 120_000 }, async () => {
    const spec = range(5000).map((at): [string, NodeSpec] => [
      `r${at}`,
      { children: ['empty'], subject: 'image', annotations: { at: `${at}` } },
    ])
    const drawing = graph({ image: ['config', 'layer'], ...Object.fromEntries(spec) })
    await using registry = await startRegistry()
    await drawing.pushTo(registry.repositories.get('app') ?? new MemoryTarget())
    await using repository = new Repository(`${registry.name}/app`)
    const image = drawing.descriptor('image')
    const sink = new Sink()
    const { copied } = await extendedCopyGraph(repository, image, sink)
    expect(copied.nodes).toBe(5000 + 4)
    expect([sink.pushes.size, sink.pushes.most]).toEqual([5004, 1])
    const { requests } = registry
    expect(new Set(requests).size, 'no request twice').toBe(requests.length)
    const lists = requests.filter((request) => request.includes('/referrers/'))
    expect(lists.filter((request) => request.includes(image.digest))).toHaveLength(50)
    expect(lists).toHaveLength(50 + 5000)
    expect(requests.filter((request) => /^GET .*\/manifests\//.test(request))).toHaveLength(5001)
    expect(sink.peakBytes).toBeLessThan(96 * mebibyte)
  })
})
