import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import type { Content } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { successorsOf } from '../../src/content/manifest-types.ts'
import type { SignalOptions } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import type { Destination, PushOptions, Source } from '../../src/targets/target.ts'
import { graph, ownTypes, type NodeSpec, type TestGraph } from '../support/graph.ts'
import { RecordingSource } from '../support/spy.ts'

/** A repeatable stream of numbers from 0 to 1. */
function randomFrom(seed: number): () => number {
  let state = seed + 1
  return () => (state = (state * 1_103_515_245 + 12_345) & 0x7fffffff) / 0x7fffffff
}

/** Four levels of three manifests over eight blobs, with shared children and subjects. */
function randomGraph(random: () => number): TestGraph {
  const pick = (count: number): number => Math.floor(random() * count)
  const levels = [0, 1, 2, 3].flatMap((level) => [0, 1, 2].map((place) => [level, place] as const))
  const spec = levels.map(([level, place]): [string, NodeSpec] => {
    const isLast = level === 3
    const children = [0, 1, 2].map(() => (isLast ? `b${pick(8)}` : `n${level + 1}-${pick(3)}`))
    return [
      `n${level}-${place}`,
      {
        kind: isLast ? 'image' : 'index',
        children: [...new Set(children)],
        annotations: { at: `${level} ${place}` },
        ...(!isLast && random() < 0.2 && { subject: `n${level + 1}-${pick(3)}` }),
      },
    ]
  })
  return graph(Object.fromEntries(spec))
}

/** Both ends, slow and unreliable, counting what is at work. */
class Unreliable {
  readonly #random: () => number
  readonly #onCall: (call: number) => void
  active = 0
  calls = 0
  callsAfterEnd = 0
  hasEnded = false

  constructor(random: () => number, onCall: (call: number) => void) {
    this.#random = random
    this.#onCall = onCall
  }

  async run<T>({ signal }: SignalOptions, act: () => Promise<T>): Promise<T> {
    if (this.hasEnded) this.callsAfterEnd += 1
    this.active += 1
    this.calls += 1
    try {
      this.#onCall(this.calls)
      await delay(this.#random() * 3)
      if (this.#random() < 0.5) signal?.throwIfAborted()
      return await act()
    } finally {
      this.active -= 1
    }
  }

  source(inner: MemoryTarget): Source {
    return {
      manifestTypes: ownTypes,
      resolve: (reference, options = {}) => this.run(options, () => inner.resolve(reference)),
      exists: (descriptor, options = {}) => this.run(options, () => inner.exists(descriptor)),
      fetch: (descriptor, options = {}) => ({
        [Symbol.asyncIterator]: () => this.#read(inner, descriptor, options),
      }),
    }
  }

  destination(inner: MemoryTarget): Destination {
    return {
      manifestTypes: ownTypes,
      isRemote: this.#random() < 0.5,
      exists: (descriptor, options = {}) => this.run(options, () => inner.exists(descriptor)),
      resolve: (reference, options = {}) => this.run(options, () => inner.resolve(reference)),
      push: (descriptor: Descriptor, content: Content, options: PushOptions = {}) =>
        this.run(options, () => inner.push(descriptor, content, { existing: options.existing })),
      tag: (descriptor, tag, options = {}) => this.run(options, () => inner.tag(descriptor, tag)),
    }
  }

  async *#read(
    inner: MemoryTarget,
    descriptor: Descriptor,
    options: SignalOptions,
  ): AsyncGenerator<Uint8Array> {
    await this.run(options, () => Promise.resolve())
    yield* inner.fetch(descriptor)
  }
}

async function expectNoHoles(drawing: TestGraph, destination: MemoryTarget): Promise<void> {
  for (const name of drawing.names) {
    const { descriptor, bytes } = drawing.node(name)
    if (!ownTypes.isManifest(descriptor.mediaType) || !(await destination.exists(descriptor))) continue
    for (const successor of successorsOf(ownTypes.read(descriptor, bytes))) {
      expect(await destination.exists(successor.descriptor), name).toBe(true)
    }
  }
}

describe('a copy with slow ends, failures and aborts', () => {
  const unhandled: unknown[] = []
  const listen = (reason: unknown): void => void unhandled.push(reason)
  beforeEach(() => process.on('unhandledRejection', listen))
  afterEach(() => process.off('unhandledRejection', listen))

  it('settles when nothing of it runs, and never leaves a manifest without its successors', async () => {
    const ends = { done: 0, failed: 0, aborted: 0 }
    await Promise.all(
      Array.from({ length: 120 }, async (_, seed) => {
        const random = randomFrom(seed)
        const drawing = randomGraph(random)
        const [source, destination] = [0, 1].map(() => new MemoryTarget({ manifestTypes: ownTypes }))
        if (source === undefined || destination === undefined) throw new RangeError('two targets')
        await drawing.pushTo(source)
        await source.tag(drawing.descriptor('n0-0'), 'v1')
        const controller = new AbortController()
        const reason = new Error('abort')
        const failAt = Math.floor(random() * 120)
        const abortAt = random() < 0.3 ? Math.floor(random() * 60) : -1
        const unreliable = new Unreliable(random, (call) => {
          if (call === abortAt) controller.abort(reason)
          if (call === failAt) throw new Error('failure')
        })
        const hook = (): Promise<void> => unreliable.run({}, () => Promise.resolve())
        const error = await copy(unreliable.source(source), 'v1', unreliable.destination(destination), {
          signal: controller.signal,
          concurrency: 1 + Math.floor(random() * 3),
          destinationReference: ['a', 'b'],
          preCopy: hook,
          postCopy: hook,
        }).then(
          () => undefined,
          (cause: unknown) => cause,
        )
        expect(unreliable.active).toBe(0)
        unreliable.hasEnded = true
        await delay(10)
        expect(unreliable.callsAfterEnd).toBe(0)
        if (controller.signal.aborted && error !== undefined) expect(error).toBe(reason)
        const failure = controller.signal.aborted ? 'aborted' : 'failed'
        ends[error === undefined ? 'done' : failure] += 1
        await expectNoHoles(drawing, destination)
      }),
    )
    expect(unhandled).toEqual([])
    expect(Math.min(...Object.values(ends))).toBeGreaterThan(5)
  })

  it('awaits mapRoot when the destination fails meanwhile', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const source = new MemoryTarget()
    await drawing.pushTo(source)
    await source.tag(drawing.descriptor('image'), 'v1')
    let isMapping = false
    const destination = Object.assign(new MemoryTarget(), {
      resolve: () => Promise.reject(new Error('broken')),
    })
    const attempt = copy(source, 'v1', destination, {
      async mapRoot({ root }) {
        isMapping = true
        await delay(50)
        isMapping = false
        return root
      },
    })
    await expect(attempt).rejects.toThrow('broken')
    expect(isMapping).toBe(false)
  })

  it('ends the read of a source that stands still when the destination wants no more', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const memory = new MemoryTarget()
    await drawing.pushTo(memory)
    const source = new RecordingSource(memory, async ({ digest }, signal) => {
      if (digest === drawing.descriptor('layer').digest) await delay(60_000, undefined, { signal })
    })
    const full = new Error('disk full')
    const inner = new MemoryTarget()
    const destination: Destination = {
      exists: (descriptor) => inner.exists(descriptor),
      tag: (descriptor, tag) => inner.tag(descriptor, tag),
      async push(descriptor, content) {
        if (descriptor.digest !== drawing.descriptor('layer').digest) return inner.push(descriptor, content)
        const chunks = content[Symbol.asyncIterator]()
        const reading = chunks.next()
        await Promise.allSettled([reading, chunks.return?.()])
        throw full
      },
    }
    const attempt = copyGraph(source, drawing.descriptor('image'), destination)
    await expect(attempt).rejects.toMatchObject({ origin: 'destination', operation: 'push', cause: full })
    expect(source.active).toBe(0)
  })

  it('ends the read of a source that stands still when it is aborted', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const memory = new MemoryTarget()
    await drawing.pushTo(memory)
    const controller = new AbortController()
    const reason = new Error('enough')
    const source = new RecordingSource(memory, async ({ digest }, signal) => {
      if (digest !== drawing.descriptor('layer').digest) return
      setImmediate(() => controller.abort(reason))
      await delay(60_000, undefined, { signal })
    })
    const { signal } = controller
    const attempt = copyGraph(source, drawing.descriptor('image'), new MemoryTarget(), { signal })
    await expect(attempt).rejects.toBe(reason)
    expect(source.active).toBe(0)
  })

  it('ends the read of a source that stands still when another part of it fails', async () => {
    const drawing = graph({ image: ['config', 'layer'] })
    const memory = new MemoryTarget()
    await drawing.pushTo(memory)
    const isReading = Promise.withResolvers<void>()
    const source = new RecordingSource(memory, async ({ digest }, signal) => {
      if (digest !== drawing.descriptor('layer').digest) return
      isReading.resolve()
      await delay(60_000, undefined, { signal })
    })
    const full = new Error('disk full')
    const inner = new MemoryTarget()
    const destination: Destination = {
      exists: (descriptor) => inner.exists(descriptor),
      tag: (descriptor, tag) => inner.tag(descriptor, tag),
      async push(descriptor, content) {
        if (descriptor.digest !== drawing.descriptor('config').digest) return inner.push(descriptor, content)
        await isReading.promise
        throw full
      },
    }
    const attempt = copyGraph(source, drawing.descriptor('image'), destination)
    await expect(attempt).rejects.toMatchObject({ origin: 'destination', cause: full })
    expect(source.active).toBe(0)
  })
})
