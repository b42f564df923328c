import { STATUS_CODES } from 'node:http'
import {
  Attempts,
  isPassingStatus,
  passingFailure,
  waitSignal,
  type Failure,
  type RetryPolicy,
} from './attempts.ts'
import { Gate, type Passage } from './gate.ts'
import { parseRetryAfter } from './retry-after.ts'
import { isStreamed, type HttpRequest, type HttpResponse, type Send } from './http.ts'

/** What came of one attempt. */
interface Outcome {
  readonly response?: HttpResponse
  readonly error?: unknown
  /** Where it may be another one the next time. */
  readonly failure?: Failure | undefined
}

/**
 * Makes a request again after a failure that may pass, where repeating it does no harm. All requests to a host slow
 * down together when it asks for that (429, and 503 with Retry-After); waiting for the host is no attempt. What is
 * given up on ends with its last answer or error.
 */
export function retry(next: Send, policy: RetryPolicy): Send {
  const gates = new Map<string, Gate>()
  return async (request) => {
    const { host } = request.url
    const gate = gates.get(host) ?? new Gate(policy)
    gates.set(host, gate)
    const attempts = new Attempts(policy, request)
    let isDoubtful = false
    for (;;) {
      const outcome = await attempt(next, request, { gate, attempts, policy })
      const { response, error, failure } = outcome
      const milliseconds = failure && isRepeatable(request, outcome) ? attempts.next(failure) : undefined
      if (failure === undefined || milliseconds === undefined) {
        if (response === undefined) throw error
        return isDoubtful ? { ...response, isRepeat: true } : response
      }
      isDoubtful ||= mayBeDone(outcome)
      await response?.discard()
      // Where the host has closed its gate, that is what is waited for.
      if (gate.remaining === undefined) await attempts.wait(failure, milliseconds)
    }
  }
}

interface AttemptSetting {
  readonly gate: Gate
  readonly attempts: Attempts
  readonly policy: RetryPolicy
}

async function attempt(
  next: Send,
  request: HttpRequest,
  { gate, attempts, policy }: AttemptSetting,
): Promise<Outcome> {
  const passage = request.isUrgent === true ? 'open' : await passGate(request, { gate, attempts, policy })
  try {
    const outcome = await outcomeOf(next, request)
    const { response, failure } = outcome
    const hasAsked = response?.status === 503 && failure?.retryAfterMilliseconds !== undefined
    const isClosing = response?.status === 429 || hasAsked || (passage === 'trying' && failure !== undefined)
    if (isClosing) gate.close(passage, failure?.retryAfterMilliseconds)
    else if (passage === 'trying') gate.open()
    return outcome
  } finally {
    if (passage === 'trying') gate.endTry()
  }
}

/** Time at the gate is time of the request. */
async function passGate(
  { body, signal }: HttpRequest,
  { gate, attempts, policy }: AttemptSetting,
): Promise<Passage> {
  if (gate.remaining === undefined) return 'open'
  attempts.tell({ reason: tooMany }, Math.round(gate.remaining))
  const started = performance.now()
  const passage = await gate.pass(!isStreamed(body), attempts.budget, waitSignal(policy, signal))
  attempts.spend(performance.now() - started)
  return passage
}

const tooMany = 'the host has asked for fewer requests'

async function outcomeOf(next: Send, request: HttpRequest): Promise<Outcome> {
  try {
    const response = await next(request)
    return { response, failure: failureOf(response) }
  } catch (error) {
    request.signal?.throwIfAborted()
    return { error, failure: passingFailure(error) }
  }
}

function failureOf(response: HttpResponse): Failure | undefined {
  const { status } = response
  if (!isPassingStatus(status)) return undefined
  const retryAfterMilliseconds = parseRetryAfter(response.header('retry-after'), Date.now())
  return { reason: `${status} ${STATUS_CODES[status] ?? ''}`.trimEnd(), retryAfterMilliseconds }
}

const neverSent =
  /^(?:ECONNREFUSED|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|ERR_PROXY_UNAVAILABLE)$/

/** Whether what was asked for may have been done, though nobody said so. */
function mayBeDone({ response, failure }: Outcome): boolean {
  if (response === undefined) return !neverSent.test(failure?.reason ?? '')
  return response.status >= 500
}

/** A body that is streamed goes once: who streams it knows better how to go on. */
function isRepeatable({ body, repeat = 'any' }: HttpRequest, { response }: Outcome): boolean {
  if (isStreamed(body) || repeat === 'never') return false
  return repeat === 'any' || response?.status !== 500
}
