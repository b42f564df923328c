import { pause } from '../../pause.ts'
import { longestWait, type RetryPolicy } from './attempts.ts'
import { waitFor } from './turns.ts'

/** How a request came through the gate: `'trying'` goes alone, to see whether the host is well again, and must end its try. */
export type Passage = 'open' | 'trying'

/**
 * Keeps all requests to one host back when it has asked for fewer of them. When the time is over, one request at a
 * time tries whether the host is well again; once one succeeds, all may go.
 */
export class Gate {
  readonly #policy: RetryPolicy
  #closedUntil: number | undefined
  #closings = 0
  #try: PromiseWithResolvers<void> | undefined

  constructor(policy: RetryPolicy) {
    this.#policy = policy
  }

  /** Milliseconds until a request may go; undefined while the gate is open. */
  get remaining(): number | undefined {
    return this.#closedUntil === undefined ? undefined : Math.max(0, this.#closedUntil - performance.now())
  }

  /**
   * Waits until a request may go, or has waited for as long as it can: then it goes too, and hears for itself. One that
   * takes long must not be one that tries. Rejects with the reason of an abort.
   */
  async pass(mayTry: boolean, budget: number, signal: AbortSignal): Promise<Passage> {
    const end = performance.now() + budget
    for (let left = this.remaining; left !== undefined; left = this.remaining) {
      const wait = Math.min(left, end - performance.now())
      if (wait < 0 || (left === 0 && !mayTry)) return 'open'
      if (left > 0) await pause(wait, signal)
      else if (this.#try !== undefined) await this.#tried(this.#try.promise, end, signal)
      else {
        this.#try = Promise.withResolvers()
        return 'trying'
      }
    }
    return 'open'
  }

  /** The host has asked for fewer requests. Those that were on their way together have said one thing. */
  close(passage: Passage, retryAfterMilliseconds: number | undefined): void {
    if (this.#closedUntil === undefined || passage === 'trying') this.#closings += 1
    // At least half of it: many requests share one gate, and each try that comes too early costs one of them an attempt.
    const milliseconds =
      retryAfterMilliseconds ?? longestWait(this.#closings, this.#policy) * (1 - Math.random() / 2)
    // Nobody would wait so long: each request hears it for itself.
    if (milliseconds > this.#policy.budgetMilliseconds) return this.open()
    this.#closedUntil = Math.max(this.#closedUntil ?? 0, performance.now() + milliseconds)
  }

  /** The host answers as ever. */
  open(): void {
    this.#closedUntil = undefined
    this.#closings = 0
  }

  /** The request that tried has come to its end, whatever that was. */
  endTry(): void {
    this.#try?.resolve()
    this.#try = undefined
  }

  async #tried(trying: Promise<void>, end: number, signal: AbortSignal): Promise<void> {
    const enough = AbortSignal.timeout(Math.max(0, Math.ceil(end - performance.now())))
    try {
      await waitFor(trying, AbortSignal.any([signal, enough]))
    } catch (error) {
      if (!enough.aborted) throw error
    }
  }
}
