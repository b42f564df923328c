import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import type { CopyEvent, NodeEvent, Side, SignalOptions, TargetEvent } from '../events.ts'
import { failure } from './failure.ts'
import type { CopyResult, Invalidated, Tally } from './options.ts'

type OutcomeEvent = Extract<NodeEvent, { type: 'copied' | 'mounted' | 'skipped' | 'filtered' }>

/** Passes events on, and keeps the last outcome of each node for the result. */
export class Ledger {
  readonly #onEvent: SignalOptions['onEvent']
  readonly #outcomes = new Map<string, Outcome>()
  /** Keys of what `preCopy` left out, as it would be at the destination. */
  readonly #leftOut = new Set<string>()
  readonly #invalidated: Invalidated[] = []

  constructor(onEvent: SignalOptions['onEvent']) {
    this.#onEvent = onEvent
  }

  tell(event: NodeEvent): void {
    if (isOutcome(event)) this.#outcomes.set(nodeKey(event.descriptor), outcomeOf(event))
    if (event.type === 'skipped' && event.reason === 'caller') {
      this.#leftOut.add(nodeKey(event.result ?? event.descriptor))
    }
    this.#pass(event)
  }

  /** Once for each manifest. */
  invalidate(invalidated: Invalidated): void {
    this.#invalidated.push(invalidated)
  }

  /** What a target tells, with its side. */
  side(side: Side): (event: CopyEvent) => void {
    return (event) => {
      this.#pass(isTargetEvent(event) ? { ...event, side } : event)
    }
  }

  /** True if `preCopy` left out what is this node at the destination. */
  wasLeftOut(result: Descriptor): boolean {
    return this.#leftOut.has(nodeKey(result))
  }

  /** True if the filter did, wherever the node was met. */
  wasFiltered(descriptor: Descriptor): boolean {
    return this.#outcomes.get(nodeKey(descriptor))?.isByFilter === true
  }

  hasOutcome(descriptor: Descriptor): boolean {
    return this.#outcomes.has(nodeKey(descriptor))
  }

  result(root: Descriptor, tags: readonly string[]): CopyResult {
    return {
      root,
      tags,
      copied: this.#tally('copied'),
      mounted: this.#tally('mounted'),
      skipped: this.#tally('skipped'),
      filtered: this.#tally('filtered'),
      invalidated: this.#invalidated,
    }
  }

  #pass(event: CopyEvent): void {
    try {
      this.#onEvent?.(event)
    } catch (error) {
      throw failure('caller', 'onEvent', event.type, error)
    }
  }

  #tally(type: OutcomeEvent['type']): Tally {
    const sizes = this.#outcomes
      .values()
      .filter((outcome) => outcome.type === type)
      .map(({ bytes }) => bytes)
      .toArray()
    return { nodes: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
  }
}

/** Without the descriptor, whose annotations can be of any length. */
interface Outcome {
  readonly type: OutcomeEvent['type']
  readonly bytes: number
  readonly isByFilter: boolean
}

function outcomeOf(event: OutcomeEvent): Outcome {
  const { size } = ('result' in event && event.result) || event.descriptor
  const isByFilter = event.type === 'filtered' && event.reason === 'filter'
  return { type: event.type, bytes: size, isByFilter }
}

function isOutcome(event: NodeEvent): event is OutcomeEvent {
  return (
    event.type === 'copied' ||
    event.type === 'mounted' ||
    event.type === 'skipped' ||
    event.type === 'filtered'
  )
}

function isTargetEvent(event: CopyEvent): event is TargetEvent {
  return event.type === 'request' || event.type === 'retry' || event.type === 'warning'
}
