import { Readable } from 'node:stream'
import { request as undiciRequest, type Dispatcher } from 'undici'
import type { CopyEvent } from '../../../events.ts'
import { isHeaderValue } from './custom-headers.ts'
import { isStreamed, type HttpRequest, type HttpResponse, type Send } from './http.ts'
import { limitsOf, type Limits } from './limits.ts'
import { errorWithCode, networkFailure } from './network-failure.ts'
import { redactUrl } from './redact.ts'
import { unusable } from './response.ts'
import { sentSecrets } from './secrets.ts'
import { Sending } from './sending.ts'
import { shownRequest, shownResponse } from './trace.ts'
import { waitFor } from './turns.ts'

type UndiciResponse = Dispatcher.ResponseData<unknown>

/** A body that is discarded is read so far to keep its connection; beyond that a new connection is cheaper. */
const discardLimits = { bytes: 64 * 1024, milliseconds: 1000 } as const

/** Answers before the answer (1xx) that are let pass; each of them may come as late as an answer. */
const maxInformational = 100

/** What holds for all exchanges of a transport. */
export interface DispatchOptions {
  /** How long an answer is waited for, in milliseconds; 0 is for ever. @default 5 minutes */
  readonly headersTimeout?: number | undefined
  /** @default those of `limitsOf` */
  readonly limits?: Limits | undefined
  /** Events have the headers too, masked. @default false */
  readonly traceHeaders?: boolean | undefined
}

/**
 * The innermost step: one exchange over the network, told as one event. Failures are UNREACHABLE, but what the
 * content of the request body throws, and the reason of an abort, come out unchanged. Error: SIZE_EXCEEDS_LIMIT for
 * headers beyond their limit. Throws a RangeError for a `userAgent` that no header can have.
 */
export function dispatchTo(
  dispatcherFor: (request: HttpRequest) => Promise<Dispatcher>,
  userAgent: string,
  options: DispatchOptions = {},
): Send {
  const { headersTimeout = 300_000, limits = limitsOf({}), traceHeaders = false } = options
  if (!isHeaderValue(userAgent)) {
    throw new RangeError(`userAgent is ${JSON.stringify(userAgent)}, expected is visible ASCII in one line`)
  }
  return async (request) => {
    const { method, body, signal } = request
    signal?.throwIfAborted()
    const dispatcher = await dispatcherFor(request)
    signal?.throwIfAborted()
    const sending = isStreamed(body) ? new Sending(body) : undefined
    if (sending !== undefined) await begin(sending, signal)
    const started = performance.now()
    const headers = { 'user-agent': userAgent, ...headersOf(request) }
    const response = await exchange(request, sending, {
      dispatcher,
      method,
      headers,
      body: sending === undefined ? plainBody(body) : Readable.from(sending),
      signal: signal ?? null,
      ...waiting(headersTimeout, sending === undefined ? limits.totalTimeout : Infinity),
      // Else each HEAD would cost a connection: undici fears a body after its answer.
      ...(method === 'HEAD' && { reset: false }),
    })
    const answer = httpResponse(request, response, { sending, limits, started })
    try {
      const trace = traceHeaders ? traceOf(request, headers, response) : undefined
      request.onEvent?.({ ...requestEvent(request, answer), ...trace })
      if (sending !== undefined && answer.status < 300) await accepted(answer, sending, signal)
      if (sending?.failure !== undefined) throw sending.failure.error
      if (method === 'HEAD') await answer.discard()
    } catch (error) {
      await answer.discard()
      throw error
    }
    return answer
  }
}

/**
 * Until there is something to send, no connection is taken: an idle one that is kept for a slow source would meanwhile
 * be closed by the registry, each time anew.
 */
async function begin(sending: Sending, signal: AbortSignal | undefined): Promise<void> {
  try {
    await waitFor(sending.begin(), signal)
  } catch (error) {
    await sending.stop()
    throw error
  }
}

/**
 * An answer that must be complete within some time must begin within it. Informational answers start the waiting anew,
 * so that they are counted, and have an end too.
 */
function waiting(
  headersTimeout: number,
  totalTimeout: number,
): Pick<UndiciOptions, 'headersTimeout' | 'onInfo'> {
  const end = performance.now() + totalTimeout
  const longest = Math.min(headersTimeout || Infinity, totalTimeout)
  let informational = 0
  return {
    headersTimeout: Number.isFinite(longest) ? longest : 0,
    onInfo() {
      informational += 1
      if (informational > maxInformational) throw errorWithCode('ERR_INFORMATIONAL_FLOOD')
      if (performance.now() > end) throw errorWithCode('ERR_EXCHANGE_TIMEOUT')
    },
  }
}

type RequestEvent = CopyEvent & { readonly type: 'request' }

function requestEvent({ method, url }: HttpRequest, { status, started }: HttpResponse): RequestEvent {
  const milliseconds = Math.round(performance.now() - started)
  return { type: 'request', method, url: redactUrl(url), status, milliseconds }
}

function traceOf(
  request: HttpRequest,
  sent: Readonly<Record<string, string>>,
  { headers }: UndiciResponse,
): Pick<RequestEvent, 'requestHeaders' | 'responseHeaders'> {
  return {
    requestHeaders: shownRequest(sent, request.customHeaders),
    responseHeaders: shownResponse(headers, request.url, sentSecrets(request)),
  }
}

/**
 * A registry may say that all is well before it has seen all; what the content has to say comes first. An answer that
 * came so early is not left waiting: a registry which sends it and reads no more would wait for us as we for it.
 */
async function accepted(
  answer: HttpResponse,
  sending: Sending,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (!sending.isFinished) await answer.discard()
  signal?.throwIfAborted()
  if (sending.failure === undefined && !sending.isComplete) {
    throw unusable(answer, 'it was answered before all content was sent')
  }
}

function plainBody(body: HttpRequest['body']): Uint8Array | null {
  return body instanceof Uint8Array ? body : null
}

type UndiciOptions = Parameters<typeof undiciRequest>[1] & {}

async function exchange(
  { url, signal }: HttpRequest,
  sending: Sending | undefined,
  options: UndiciOptions,
): Promise<UndiciResponse> {
  try {
    return await undiciRequest(url, options)
  } catch (error) {
    await sending?.stop()
    signal?.throwIfAborted()
    if (sending?.failure !== undefined) throw sending.failure.error
    throw networkFailure(error, url)
  }
}

/** Transparent compression would change sizes and digests. */
function headersOf({ headers = {}, customHeaders, body }: HttpRequest): Record<string, string> {
  const size = isStreamed(body) ? body.size : body?.length
  return {
    ...customHeaders,
    ...headers,
    'accept-encoding': 'identity',
    ...(size !== undefined && { 'content-length': `${size}` }),
  }
}

interface ExchangeFacts extends Pick<HttpResponse, 'limits' | 'started'> {
  readonly sending: Sending | undefined
}

function httpResponse(
  request: HttpRequest,
  { statusCode, headers, body }: UndiciResponse,
  { sending, limits, started }: ExchangeFacts,
): HttpResponse {
  const { method, url, signal } = request
  // undici waits a turn of the event loop before it uses a connection again; who comes earlier opens another one.
  const ended = new Promise<void>((resolve) => body.once('close', () => setImmediate(resolve)))
  // Without a listener an error that comes before anybody reads would end the process.
  body.on('error', () => undefined)
  const closed = ended.then(() => sending?.finished)
  const all = (name: string): readonly string[] => {
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined
    return value === undefined ? [] : [value].flat()
  }
  return {
    method,
    url,
    status: statusCode,
    secrets: () => sentSecrets(request),
    limits,
    started,
    header: (name) => all(name)[0],
    headers: all,
    body: { [Symbol.asyncIterator]: () => chunksOf(body, closed, { url, signal }) },
    async discard() {
      if (!body.destroyed) {
        const { bytes: limit, milliseconds } = discardLimits
        const timer = setTimeout(() => body.destroy(), milliseconds)
        await body.dump({ limit }).catch(() => body.destroy())
        clearTimeout(timer)
      }
      await closed
    },
    breakOff: (code) => void body.destroy(errorWithCode(code)),
    closed,
  }
}

async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  closed: Promise<void>,
  { url, signal }: Pick<HttpRequest, 'url' | 'signal'>,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) yield chunk
  } catch (error) {
    signal?.throwIfAborted()
    throw networkFailure(error, url)
  } finally {
    await closed
  }
}
