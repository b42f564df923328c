import { Readable } from 'node:stream'
import { request as undiciRequest, type Dispatcher } from 'undici'
import { networkFailure } from './network-failure.ts'
import { isStreamed, type HttpRequest, type HttpResponse, type Send, type StreamedBody } from './http.ts'
import { redactUrl } from './redact.ts'
import { unusable } from './response.ts'
import { sentSecrets } from './secrets.ts'
import { waitFor } from './turns.ts'

type UndiciResponse = Dispatcher.ResponseData<unknown>

/** A body that is discarded is read so far to keep its connection; beyond that a new connection is cheaper. */
const discardLimits = { bytes: 64 * 1024, milliseconds: 1000 } as const

/**
 * The innermost step: one exchange over the network, told as one event. Failures are UNREACHABLE, but what the
 * content of the request body throws, and the reason of an abort, come out unchanged.
 */
export function dispatchTo(
  dispatcherFor: (request: HttpRequest) => Promise<Dispatcher>,
  userAgent: string,
): Send {
  return async (request) => {
    const { method, url, body, signal } = request
    signal?.throwIfAborted()
    const dispatcher = await dispatcherFor(request)
    signal?.throwIfAborted()
    const sending = isStreamed(body) ? new Sending(body) : undefined
    if (sending !== undefined) await begin(sending, signal)
    const started = performance.now()
    const response = await exchange(request, sending, {
      dispatcher,
      method,
      headers: { 'user-agent': userAgent, ...headersOf(request) },
      body: sending === undefined ? plainBody(body) : Readable.from(sending),
      signal: signal ?? null,
      // Else each HEAD would cost a connection: undici fears a body after its answer.
      ...(method === 'HEAD' && { reset: false }),
    })
    const answer = httpResponse(request, response, sending)
    try {
      const milliseconds = Math.round(performance.now() - started)
      request.onEvent?.({ type: 'request', method, url: redactUrl(url), status: answer.status, milliseconds })
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
function headersOf({ headers = {}, body }: HttpRequest): Record<string, string> {
  const size = isStreamed(body) ? body.size : undefined
  return {
    ...headers,
    'accept-encoding': 'identity',
    ...(size !== undefined && { 'content-length': `${size}` }),
  }
}

function httpResponse(
  request: HttpRequest,
  { statusCode, headers, body }: UndiciResponse,
  sending: Sending | undefined,
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

/**
 * Content on its way out: what it threw is kept apart from what the network did, and its end can be waited for. The
 * last chunk leaves when the content has ended without an error, so that no request is complete before.
 */
class Sending implements AsyncIterable<Uint8Array> {
  readonly #content: AsyncIterator<Uint8Array>
  readonly #chunks: AsyncGenerator<Uint8Array, undefined>
  #first: Promise<IteratorResult<Uint8Array, undefined>> | undefined
  #finished: Promise<void> = Promise.resolve()
  #stopping: Promise<void> | undefined
  failure: { readonly error: unknown } | undefined
  isComplete = false
  isFinished = false

  constructor(body: StreamedBody) {
    const content = body.content[Symbol.asyncIterator]()
    this.#content = content
    this.#chunks = this.#read({ [Symbol.asyncIterator]: () => content })
  }

  /** Resolves when nothing is read any more. */
  get finished(): Promise<void> {
    return this.#finished
  }

  /** Resolves when there is something to send, or the content is at its end. Rejects with what the content throws. */
  async begin(): Promise<void> {
    this.#first = this.#chunks.next()
    await this.#first
  }

  /** Gives the content up. It hears so at once; the generator would tell it only after the next chunk. */
  async stop(): Promise<void> {
    this.#stopping ??= Promise.allSettled([this.#content.return?.()]).then(async () => {
      await this.#chunks.return(undefined)
    })
    await this.#stopping
  }

  /** Without `throw`: a stream throws into its iterator what the network did, which is no failure of the content. */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return {
      next: () => {
        const first = this.#first
        this.#first = undefined
        return first ?? this.#chunks.next()
      },
      return: async () => {
        await this.stop()
        return { done: true, value: undefined }
      },
    }
  }

  async *#read(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#finished = promise
    try {
      let held: Uint8Array | undefined
      for await (const chunk of content) {
        if (held !== undefined) yield held
        held = chunk
      }
      this.isComplete = this.#stopping === undefined
      if (held !== undefined) yield held
    } catch (error) {
      if (this.#stopping === undefined) this.failure = { error }
      throw error
    } finally {
      this.isFinished = true
      resolve()
    }
    return undefined
  }
}
