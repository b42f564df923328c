import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createRegistryHandler } from '../../src/server/handler.ts'
import type { ServeOptions } from '../../src/server/serve.ts'
import { targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph, type TestGraph } from '../support/graph.ts'

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

/** index ─ amd64 ─ config, base, layer; index ─ arm64 ─ config, base, layer */
export function sampleImage(): TestGraph {
  return graph({
    config1: { kind: 'blob', bytes: Buffer.from('{"architecture":"amd64","os":"linux"}') },
    config2: { kind: 'blob', bytes: Buffer.from('{"architecture":"arm64","os":"linux"}') },
    amd64: { children: ['config1', 'base', 'layer1'], platform: { os: 'linux', architecture: 'amd64' } },
    arm64: { children: ['config2', 'base', 'layer2'], platform: { os: 'linux', architecture: 'arm64' } },
    index: ['amd64', 'arm64'],
  })
}

/** Pushes a graph to a repository of the registry, and tags its root. */
export async function fill(
  registry: TestRegistry,
  image: TestGraph,
  root: string,
  options: { readonly tag?: string; readonly name?: string } = {},
): Promise<void> {
  const { tag = 'v1', name = 'app' } = options
  const target = repository(registry, name)
  await image.pushTo(target)
  await target.tag(image.descriptor(root), tag)
}

export function repository(registry: TestRegistry, name: string): MemoryTarget {
  const target = registry.repositories.get(name)
  if (target === undefined) throw new RangeError(`no repository ${name} in this test`)
  return target
}
