import { createServer, request as sendOn, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import { listen } from '../listen.ts'

/** What a proxy was asked. */
export interface Asked {
  readonly method: string
  /** The authority of a tunnel, or a whole URL. */
  readonly target: string
  readonly headers: IncomingMessage['headers']
  /** The name in the certificate that the client has shown to the proxy. */
  readonly client: string | undefined
}

export interface ProxyOptions {
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Answers in its own way and hangs up; null says nothing, and waits; undefined connects. */
  readonly refuse?: (asked: Asked) => string | null | undefined
  /** A host and port to connect to in place of the one that was asked for. */
  readonly leadTo?: string
}

export interface ProxyServer {
  readonly host: string
  readonly url: string
  readonly asked: readonly Asked[]
  /** All bytes that went into tunnels. */
  readonly tunnelled: () => Buffer
  /** How many connections to it are open. */
  connections(): Promise<number>
}

/** A proxy on loopback, until the test is over. */
export async function startProxy(options: ProxyOptions = {}): Promise<ProxyServer> {
  const { tls, refuse = () => undefined, leadTo } = options
  const asked: Asked[] = []
  const passed: Buffer[] = []
  const outgoing = new Set<Socket>()
  const note = ({ method = '', url = '', headers, socket }: IncomingMessage): Asked => {
    const entry = { method, target: url, headers, client: shownBy(socket) }
    asked.push(entry)
    return entry
  }
  const server =
    tls === undefined
      ? createServer()
      : createTlsServer({ ...tls, requestCert: true, rejectUnauthorized: false })
  server.on('connect', (request: IncomingMessage, client: Duplex) => {
    client.on('error', () => undefined)
    const refusal = refuse(note(request))
    if (refusal === null) return void client.resume().on('end', () => client.end())
    if (refusal !== undefined) return void client.end(refusal)
    const { hostname, port } = new URL(`http://${leadTo ?? request.url ?? ''}`)
    const end = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      client.on('data', (bytes: Buffer) => passed.push(bytes))
      client.pipe(end).pipe(client)
    })
    outgoing.add(end)
    end.on('error', () => client.destroy())
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const refusal = refuse(note(request))
    if (refusal === null) return
    if (refusal !== undefined) return void response.socket?.end(refusal)
    const { 'proxy-authorization': _secret, ...headers } = request.headers
    const url = new URL(request.url ?? '')
    const to = leadTo === undefined ? url : new URL(`${url.pathname}${url.search}`, `http://${leadTo}`)
    const onward = sendOn(to, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  const host = `127.0.0.1:${await listen(server)}`
  onTestFinished(() => {
    for (const socket of outgoing) socket.destroy()
  })
  return {
    host,
    url: `${tls === undefined ? 'http' : 'https'}://${host}`,
    asked,
    tunnelled: () => Buffer.concat(passed),
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      }),
  }
}

/** The name in the certificate that a client has shown on a connection. */
export function shownBy(socket: Socket | null): string | undefined {
  if (!(socket instanceof TLSSocket)) return undefined
  const certificate = socket.getPeerCertificate()
  // It is empty where none was shown.
  return Object.keys(certificate).length === 0 ? undefined : [certificate.subject.CN].flat()[0]
}
