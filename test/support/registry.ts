import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createRegistryHandler } from '../../src/server/handler.ts'
import type { ServeOptions } from '../../src/server/serve.ts'
import { targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly name: string
  /** Its repositories, ready to be looked into. */
  readonly repositories: ReadonlyMap<string, MemoryTarget>
  /** `GET /v2/…`, in order. */
  readonly requests: string[]
}

/** Answers a request itself and returns true, or leaves it to the registry. */
export type Misbehaviour = (request: IncomingMessage, response: ServerResponse) => boolean

export interface TestRegistryOptions extends Pick<ServeOptions, 'htpasswd' | 'tls' | 'readOnly'> {
  readonly misbehave?: Misbehaviour | undefined
}

/** A registry on loopback with the repositories `app`, `copy` and `team/other`. */
export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const { misbehave, tls, ...handlerOptions } = options
  const repositories = new Map(['app', 'copy', 'team/other'].map((name) => [name, new MemoryTarget()]))
  const requests: string[] = []
  const handler = createRegistryHandler(targetStore(repositories), handlerOptions)
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(`${request.method} ${request.url}`)
    if (misbehave?.(request, response) !== true) handler(request, response)
  }
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const close = async (): Promise<void> => {
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
    await handler.close()
  }
  return { name: `127.0.0.1:${port}`, repositories, requests, [Symbol.asyncDispose]: close }
}
