import type { Content } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import type { SignalOptions } from '../../src/events.ts'
import type { Destination, PushOptions, PushOutcome, Source } from '../../src/targets/target.ts'

/** A source that writes down what is read of it, and runs `before` ahead of each chunk. */
export class RecordingSource implements Source {
  readonly #inner: Source
  readonly #before: ((descriptor: Descriptor, signal: AbortSignal | undefined) => Promise<void>) | undefined
  readonly fetched: string[] = []
  readonly manifestTypes: NonNullable<Source['manifestTypes']>
  active = 0

  constructor(
    inner: Source & Required<Pick<Source, 'manifestTypes'>>,
    before?: (descriptor: Descriptor, signal: AbortSignal | undefined) => Promise<void>,
  ) {
    this.#inner = inner
    this.#before = before
    this.manifestTypes = inner.manifestTypes
  }

  resolve(reference: string, options?: SignalOptions): Promise<Descriptor> {
    return this.#inner.resolve(reference, options)
  }

  exists(descriptor: Descriptor, options?: SignalOptions): Promise<boolean> {
    return this.#inner.exists(descriptor, options)
  }

  fetch(descriptor: Descriptor, options?: SignalOptions): Content {
    return { [Symbol.asyncIterator]: () => this.#read(descriptor, options) }
  }

  async *#read(descriptor: Descriptor, options: SignalOptions = {}): AsyncGenerator<Uint8Array> {
    this.fetched.push(descriptor.digest)
    this.active += 1
    try {
      await this.#before?.(descriptor, options.signal)
      yield* this.#inner.fetch(descriptor, options)
    } finally {
      this.active -= 1
    }
  }
}

/** A destination that writes down what is done to it, in order. */
export class RecordingDestination implements Destination {
  readonly #inner: Destination
  readonly calls: string[] = []
  readonly manifestTypes: NonNullable<Destination['manifestTypes']>
  /** Called before each push; what it throws fails the push. */
  beforePush: ((descriptor: Descriptor) => void) | undefined

  constructor(inner: Destination & Required<Pick<Destination, 'manifestTypes'>>) {
    this.#inner = inner
    this.manifestTypes = inner.manifestTypes
  }

  exists(descriptor: Descriptor, options?: SignalOptions): Promise<boolean> {
    this.calls.push(`exists ${descriptor.digest}`)
    return this.#inner.exists(descriptor, options)
  }

  async push(descriptor: Descriptor, content: Content, options?: PushOptions): Promise<PushOutcome> {
    this.calls.push(`push ${descriptor.digest}`)
    this.beforePush?.(descriptor)
    return this.#inner.push(descriptor, content, options)
  }

  tag(descriptor: Descriptor, reference: string, options?: SignalOptions): Promise<void> {
    this.calls.push(`tag ${reference}`)
    return this.#inner.tag(descriptor, reference, options)
  }

  pushes(): string[] {
    return this.calls.filter((call) => call.startsWith('push ')).map((call) => call.slice('push '.length))
  }
}
