import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { UnreachableError } from '../errors.ts'
import { createRegistryHandler, type RegistryHandler, type RegistryHandlerOptions } from './handler.ts'
import type { RegistryStore } from './store.ts'

/** Where to listen, and how to answer. */
export interface ServeOptions extends RegistryHandlerOptions {
  /** The name or address to listen on. @default '127.0.0.1' */
  readonly host?: string | undefined
  /** 0 takes any that is free. @default 0 */
  readonly port?: number | undefined
  /** Certificate and key in PEM; with them, HTTPS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /** How long a client may stand still in the middle of a request; the store may take its time. @default five minutes */
  readonly idleTimeoutMilliseconds?: number | undefined
}

/** A registry that listens. */
export interface RunningRegistry {
  /** `http://127.0.0.1:5000`, without a slash at its end. */
  readonly url: string
  /** As it was asked for: a name or an address. */
  readonly host: string
  readonly port: number
  /** Ends all connections and removes unfinished uploads; idempotent. When it settles, nothing is at work any more. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Serves a store as a registry until it is closed.
 * Errors: UNREACHABLE where it cannot listen, UNSUPPORTED for an htpasswd text with hashes of another kind than bcrypt.
 */
export async function serve(store: RegistryStore, options: ServeOptions = {}): Promise<RunningRegistry> {
  const { host = '127.0.0.1', port = 0, tls, idleTimeoutMilliseconds = 5 * 60 * 1000 } = options
  const handler = createRegistryHandler(store, options)
  const server = tls === undefined ? createServer(handler) : createTlsServer(tls, handler)
  // An upload may take hours; what stands still ends.
  server.requestTimeout = 0
  server.timeout = idleTimeoutMilliseconds
  const bound = await listen(server, host, port)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= closeAll(server, handler))
  const scheme = tls === undefined ? 'http' : 'https'
  const authority = `${host.includes(':') ? `[${host}]` : host}:${bound}`
  return { url: `${scheme}://${authority}`, host, port: bound, close, [Symbol.asyncDispose]: close }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new UnreachableError(`cannot listen on ${host}, port ${port}`, { cause })
  }
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : port
}

async function closeAll(server: Server, handler: RegistryHandler): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  await handler.close()
}
