import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { listen } from './listen.ts'

/** One request that a server of a test received, with its whole body. */
export interface Received {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
}

/** Answers a request, or does what it likes with the response. */
export type Handler = (
  request: Received,
  response: ServerResponse,
) => Answer | undefined | Promise<Answer | undefined>

/** A server that behaves as one test wants it to. */
export interface TestServer {
  /** host:port */
  readonly host: string
  readonly url: string
  readonly requests: readonly Received[]
  /** Requests as `METHOD path`. */
  readonly lines: readonly string[]
  /** How many connections are open. */
  connections(): Promise<number>
}

export interface TestServerOptions {
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Called before the body is read; `true`: the handler did all, and the body is not read. */
  readonly early?: (method: string, url: string, response: ServerResponse) => boolean
}

/** Listens on loopback until the test is over. */
export async function startServer(handler: Handler, options: TestServerOptions = {}): Promise<TestServer> {
  const { tls, early = () => false } = options
  const requests: Received[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '', headers } = request
    if (early(method, url, response)) return
    const chunks: Buffer[] | undefined = await Array.fromAsync(request).catch(() => undefined)
    if (chunks === undefined) return
    const received = { method, url, headers, body: Buffer.concat(chunks) }
    requests.push(received)
    send(response, await handler(received, response))
  }
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : undefined)
    })
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  const host = `127.0.0.1:${await listen(server)}`
  return {
    host,
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    requests,
    get lines() {
      return requests.map(({ method, url }) => `${method} ${url}`)
    },
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      }),
  }
}

/** The error body of the specification. */
export function errorBody(code: string, message = 'no'): string {
  return JSON.stringify({ errors: [{ code, message }] })
}

function send(response: ServerResponse, answer: Answer | undefined): void {
  if (answer === undefined) return
  const { status, headers = {}, body } = answer
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
  response.writeHead(status)
  response.end(body)
}
