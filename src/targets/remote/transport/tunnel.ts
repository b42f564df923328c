import { Socket } from 'node:net'
import { Client } from 'undici'
import { AuthError, UnreachableError } from '../../../errors.ts'
import type { Connector } from './connector.ts'
import { errorWithCode, failureOnTheWay } from './network-failure.ts'
import type { ProxyServer } from './proxy.ts'

/** How proxies are reached. */
export interface ProxyConnections {
  /** Connects to a proxy, which is authenticated by nothing that is meant for a registry. */
  readonly connect: Connector
  /** How long a proxy may think, in milliseconds. @default 10 seconds */
  readonly timeout?: number | undefined
  /** Ends all that is under way. */
  readonly closed: AbortSignal
}

/**
 * Connects through a proxy to what TLS is spoken with (RFC 9110, 9.3.6). Only the proxy hears of its password, and
 * only its status of what it answers: not even an error has its words, since it may repeat what it was sent.
 */
export function tunnelling(
  { url, authorization }: ProxyServer,
  connectTls: Connector,
  { connect: connectProxy, timeout = 10_000, closed }: ProxyConnections,
): Connector {
  const open = async (authority: string): Promise<Socket> => {
    const client = new Client(url.origin, {
      connect: connectProxy,
      headersTimeout: timeout,
    })
    try {
      const headers = {
        host: authority,
        ...(authorization !== undefined && { 'proxy-authorization': authorization }),
      }
      const { statusCode, socket } = await client.connect({ path: authority, headers, signal: closed })
      if (statusCode >= 200 && statusCode < 300 && socket instanceof Socket) return socket
      socket.on('error', () => undefined).destroy()
      throw refusal(url, authority, statusCode)
    } finally {
      await client.destroy()
    }
  }
  const connect = async (target: Target, callback: Callback): Promise<void> => {
    const authority = `${target.host ?? target.hostname}${target.port ? '' : ':443'}`
    let httpSocket: Socket
    try {
      httpSocket = await open(authority)
    } catch (error) {
      callback(proxyFailure(error, url, authority), null)
      return
    }
    connectTls({ ...target, httpSocket }, callback)
  }
  return (target, callback) => void connect(target, callback)
}

type Target = Parameters<Connector>[0]
type Callback = Parameters<Connector>[1]

/** The same connector for a proxy itself: its failures say that it was the proxy. */
export function connectingToProxy(connect: Connector): Connector {
  return (target, callback) => {
    const url = new URL(`${target.protocol}//${target.host ?? target.hostname}`)
    // What the Host header of a request names is behind the proxy.
    connect({ ...target, servername: '' }, (...[error, socket]) => {
      if (error === null) callback(null, socket)
      else callback(proxyFailure(error, url), null)
    })
  }
}

/** The code of an answer of a proxy that did not reach what is behind it, and may the next time. */
export const proxyUnavailable = 'ERR_PROXY_UNAVAILABLE'

function refusal({ host }: URL, authority: string, status: number): Error {
  if (status === 407) {
    return new AuthError(
      `the proxy ${host} does not lead to ${authority} without a user name and a password, or with these (407)`,
    )
  }
  const code = status === 502 || status === 503 || status === 504 ? proxyUnavailable : 'ERR_PROXY_REFUSED'
  return new UnreachableError(`the proxy ${host} does not lead to ${authority}: it answered with ${status}`, {
    cause: errorWithCode(code),
  })
}

function proxyFailure(error: unknown, { host }: URL, authority?: string): Error {
  if (error instanceof AuthError || error instanceof UnreachableError) return error
  const { words, cause } = failureOnTheWay(error)
  const way = authority === undefined ? '' : ` on the way to ${authority}`
  return new UnreachableError(`cannot reach the proxy ${host}${way}: ${words}`, { cause })
}
