import { causesOf, ResponseError, UnreachableError } from '../../../errors.ts'
import type { SignalOptions } from '../../../events.ts'
import { longestTimer, pause } from '../../pause.ts'
import type { HttpRequest } from './http.ts'
import { redactUrl } from './redact.ts'
import { proxyUnavailable } from './tunnel.ts'

/** How failures that may pass are waited out. */
export interface RetryOptions {
  /** How often a request is made, and how often in a row a transfer may break without a byte more; 1 repeats nothing. @default 6 */
  readonly attempts?: number | undefined
  /** The longest wait before the second attempt, in milliseconds. It doubles each time; how much of it is waited is left to chance. @default 250 */
  readonly baseMilliseconds?: number | undefined
  /** The longest wait that nobody asked for, in milliseconds. @default 30 seconds */
  readonly maxMilliseconds?: number | undefined
  /** How long one request may wait in all, in milliseconds: a registry that asks for more is not waited for. @default 5 minutes */
  readonly budgetMilliseconds?: number | undefined
}

/** The same with every default in its place. */
export interface RetryPolicy {
  readonly attempts: number
  readonly baseMilliseconds: number
  readonly maxMilliseconds: number
  readonly budgetMilliseconds: number
  /** Ends every wait. */
  readonly closed: AbortSignal
}

/** The policy of these options, until `closed` aborts. Throws a RangeError for what is no number of times, or no time. */
export function retryPolicy(options: RetryOptions | undefined, closed: AbortSignal): RetryPolicy {
  const {
    attempts = 6,
    baseMilliseconds = 250,
    maxMilliseconds = 30_000,
    budgetMilliseconds = 300_000,
  } = options ?? {}
  const times = { baseMilliseconds, maxMilliseconds, budgetMilliseconds }
  if (!(attempts >= 1)) throw new RangeError(`retry.attempts is ${attempts}: it must be 1 or more`)
  for (const [name, time] of Object.entries(times)) {
    if (!(time >= 0)) throw new RangeError(`retry.${name} is ${time}: it must be 0 or more`)
  }
  return { attempts, ...times, budgetMilliseconds: Math.min(budgetMilliseconds, longestTimer), closed }
}

/** A failure that may pass. */
export interface Failure {
  /** For people: `503 Service Unavailable`, `ECONNRESET`. */
  readonly reason: string
  /** How long the other side asks us to stay away. */
  readonly retryAfterMilliseconds?: number | undefined
}

/** What is tried, as events name it. */
export type Attempted = Pick<HttpRequest, 'method' | 'url'> & SignalOptions

/** Counts the attempts at one thing and the time that was waited between them. */
export class Attempts {
  readonly #policy: RetryPolicy
  readonly #attempted: Attempted
  #count = 1
  #failures = 0
  #waited = 0

  constructor(policy: RetryPolicy, attempted: Attempted) {
    this.#policy = policy
    this.#attempted = attempted
  }

  /** How much longer may be waited, in milliseconds. */
  get budget(): number {
    return Math.max(0, this.#policy.budgetMilliseconds - this.#waited)
  }

  /** So much was waited elsewhere, which counts too. */
  spend(milliseconds: number): void {
    this.#waited += milliseconds
  }

  /** The next failure is the first again: something has been achieved. */
  advance(): void {
    this.#failures = 0
  }

  /** How long to wait after a failure, in milliseconds; undefined if there shall be no further attempt. */
  next({ retryAfterMilliseconds }: Failure): number | undefined {
    const { attempts, budgetMilliseconds } = this.#policy
    this.#failures += 1
    const milliseconds = retryAfterMilliseconds ?? backoff(this.#failures, this.#policy)
    if (this.#failures >= attempts || this.#waited + milliseconds > budgetMilliseconds) return undefined
    this.#count += 1
    return milliseconds
  }

  /** Tells of a wait that is about to begin. */
  tell({ reason }: Failure, milliseconds: number): void {
    const { method, url, onEvent } = this.#attempted
    onEvent?.({ type: 'retry', method, url: redactUrl(url), attempt: this.#count, reason, milliseconds })
  }

  /** Tells of a wait, and waits. Rejects with the reason of an abort. */
  async wait(failure: Failure, milliseconds: number): Promise<void> {
    this.tell(failure, milliseconds)
    this.spend(milliseconds)
    await pause(milliseconds, waitSignal(this.#policy, this.#attempted.signal))
  }

  /** Waits after an error that may pass; throws any other, and this one too when there were enough. */
  async recover(error: unknown, failure: Failure | undefined = passingFailure(error)): Promise<void> {
    const milliseconds = failure && this.next(failure)
    if (failure === undefined || milliseconds === undefined) throw error
    await this.wait(failure, milliseconds)
  }
}

/** Exponential with full jitter: many clients that failed together do not come back together. */
function backoff(failures: number, policy: RetryPolicy): number {
  return Math.round(Math.random() * longestWait(failures, policy))
}

/** The longest wait after so many failures, in milliseconds. */
export function longestWait(failures: number, { baseMilliseconds, maxMilliseconds }: RetryPolicy): number {
  return Math.min(maxMilliseconds, baseMilliseconds * 2 ** (failures - 1))
}

/** Aborts with the request, and with the transport. */
export function waitSignal({ closed }: RetryPolicy, signal: AbortSignal | undefined): AbortSignal {
  return signal === undefined ? closed : AbortSignal.any([signal, closed])
}

/** The statuses of faults that pass: timeouts, too many requests, and gateways without a server behind them. */
const passingStatuses: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504, 522, 524])

/** What the network says when it may work the next time. A name that is not known, and a certificate, stay as they are. */
const passingCodes: ReadonlySet<string> = new Set([
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_SOCKET',
  proxyUnavailable,
])

/** True for a status that may be another one the next time. */
export function isPassingStatus(status: number): boolean {
  return passingStatuses.has(status)
}

/** What failed, if it may pass: the network, or an answer with one of the passing statuses. */
export function passingFailure(error: unknown): Failure | undefined {
  if (error instanceof ResponseError && isPassingStatus(error.status)) {
    return { reason: `${error.status}`, retryAfterMilliseconds: error.retryAfterMilliseconds }
  }
  if (!(error instanceof UnreachableError)) return undefined
  const codes = causesOf(error).flatMap((at) =>
    'code' in at && typeof at.code === 'string' ? [at.code] : [],
  )
  const code = codes.find((candidate) => passingCodes.has(candidate))
  return code === undefined ? undefined : { reason: code }
}
