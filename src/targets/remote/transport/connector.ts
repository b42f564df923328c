import type { LookupFunction } from 'node:net'
import type { SecureContext } from 'node:tls'
import { buildConnector } from 'undici'

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
}

/** Connects by TCP, and speaks TLS where HTTPS is meant, also on a socket that is there. */
export function connector(options: ConnectorOptions): Connector {
  const { secureContext, insecure = false, connectTimeout = 10_000, lookup } = options
  const common = { allowH2: false, timeout: connectTimeout, ...(lookup !== undefined && { lookup }) }
  const connectPlain = buildConnector(common)
  let connectTls: Connector | undefined
  return (target, callback) => {
    if (target.protocol !== 'https:') return connectPlain(target, callback)
    connectTls ??= buildConnector({
      ...common,
      rejectUnauthorized: !insecure,
      secureContext: secureContext(),
    })
    connectTls(target, callback)
  }
}
