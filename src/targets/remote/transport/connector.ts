import { Socket, type LookupFunction } from 'node:net'
import type { SecureContext } from 'node:tls'
import { buildConnector } from 'undici'
import { UnreachableError } from '../../../errors.ts'

/** Makes one connection. */
export type Connector = buildConnector.connector

/** How connections are made. */
export interface ConnectorOptions {
  /** What is trusted and shown in TLS; asked for with the first TLS connection, since it takes time to load. */
  readonly secureContext: () => SecureContext
  /** Takes any certificate. @default false */
  readonly insecure?: boolean | undefined
  /** For TCP, and for TLS, in milliseconds. @default 10 seconds */
  readonly connectTimeout?: number | undefined
  /** Finds the addresses of a name. @default that of node:dns */
  readonly lookup?: LookupFunction | undefined
  /** Ends what is being connected. @default never */
  readonly closed?: AbortSignal | undefined
}

/** Connects by TCP, and speaks TLS where HTTPS is meant, also on a socket that is there. */
export function connector(options: ConnectorOptions): Connector {
  const { secureContext, insecure = false, connectTimeout = 10_000, lookup, closed } = options
  const common = { allowH2: false, timeout: connectTimeout, ...(lookup !== undefined && { lookup }) }
  const connectPlain = endingWith(closed, buildConnector(common))
  let connectTls: Connector | undefined
  return (target, callback) => {
    if (target.protocol !== 'https:') return connectPlain(target, callback)
    connectTls ??= endingWith(
      closed,
      buildConnector({ ...common, rejectUnauthorized: !insecure, secureContext: secureContext() }),
    )
    connectTls(target, callback)
  }
}

/** The same connector, whose attempts end with the signal: nothing else ends one before its time is over. */
function endingWith(closed: AbortSignal | undefined, connect: Connector): Connector {
  if (closed === undefined) return connect
  return (target, callback) => {
    const end = (): void => {
      if (socket instanceof Socket) socket.destroy(new UnreachableError('the transport was closed'))
    }
    // It is the socket, although its type does not say so.
    const socket: unknown = connect(target, (...result) => {
      closed.removeEventListener('abort', end)
      callback(...result)
    })
    if (closed.aborted) end()
    else closed.addEventListener('abort', end, { once: true })
  }
}
