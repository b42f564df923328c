import PQueue from 'p-queue'
import type { Descriptor } from '../content/descriptor.ts'

/** Transfers up to this size are small work. */
const largeBytes = 1024 * 1024
/** Small work is mostly waiting for answers. */
const smallPerLarge = 6

/**
 * Where the I/O of one copy waits for its turn. Large blobs have a lane of their own, so that manifests, questions and
 * small blobs never queue behind them. Only I/O may stand in a lane, never a node that waits for its successors.
 */
export class Lanes {
  readonly #small: PQueue
  readonly #large: PQueue
  readonly #inner: PQueue
  readonly #signal: AbortSignal
  readonly #others = new Set<Promise<unknown>>()

  constructor(concurrency: number, signal: AbortSignal) {
    this.#small = new PQueue({ concurrency: smallPerLarge * concurrency })
    this.#large = new PQueue({ concurrency })
    this.#inner = new PQueue({ concurrency: smallPerLarge * concurrency })
    this.#signal = signal
  }

  /** A question, or anything else that moves few bytes. */
  ask<T>(run: () => Promise<T>): Promise<T> {
    return this.#in(this.#small, run)
  }

  /** A question that content may ask while it is transferred: who has a place never waits for another one in that lane. */
  askWithin<T>(run: () => Promise<T>): Promise<T> {
    return this.#in(this.#inner, run)
  }

  transfer<T>({ size }: Descriptor, run: () => Promise<T>): Promise<T> {
    return this.#in(size > largeBytes ? this.#large : this.#small, run)
  }

  /** Does something with each item, at once and in no lane. */
  each<Item, T>(items: readonly Item[], act: (item: Item) => Promise<T>): Promise<readonly T[]> {
    return Promise.all(items.map((item) => this.during(() => act(item))))
  }

  /** Runs in no lane, and counts as work: where one of several fails, nobody but `onIdle` awaits the others. */
  async during<T>(run: () => Promise<T>): Promise<T> {
    const running = run()
    this.#others.add(running)
    try {
      return await running
    } finally {
      this.#others.delete(running)
    }
  }

  async onIdle(): Promise<void> {
    while (this.#others.size > 0) await Promise.allSettled(this.#others)
    await Promise.all([this.#small, this.#large, this.#inner].map((lane) => lane.onIdle()))
  }

  /** The queue is not given the signal: it would let go of a task that is still running. */
  #in<T>(lane: PQueue, run: () => Promise<T>): Promise<T> {
    return lane.add(() => {
      this.#signal.throwIfAborted()
      return run()
    })
  }
}
