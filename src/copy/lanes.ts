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
  readonly #signal: AbortSignal

  constructor(concurrency: number, signal: AbortSignal) {
    this.#small = new PQueue({ concurrency: smallPerLarge * concurrency })
    this.#large = new PQueue({ concurrency })
    this.#signal = signal
  }

  /** A question, or anything else that moves few bytes. */
  ask<T>(run: () => Promise<T>): Promise<T> {
    return this.#in(this.#small, run)
  }

  transfer<T>({ size }: Descriptor, run: () => Promise<T>): Promise<T> {
    return this.#in(size > largeBytes ? this.#large : this.#small, run)
  }

  async onIdle(): Promise<void> {
    await Promise.all([this.#small.onIdle(), this.#large.onIdle()])
  }

  /** The queue is not given the signal: it would let go of a task that is still running. */
  #in<T>(lane: PQueue, run: () => Promise<T>): Promise<T> {
    return lane.add(() => {
      this.#signal.throwIfAborted()
      return run()
    })
  }
}
