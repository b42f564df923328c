import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Socket } from 'node:net'
import { createRegistryHandler } from '../src/server/handler.ts'
import type { RegistryStore } from '../src/server/store.ts'

/** A registry to which each round trip takes so much longer than on loopback. */
export interface SlowRegistry extends AsyncDisposable {
  /** As in a reference: 127.0.0.1:PORT. */
  readonly host: string
  /** How many requests have come. */
  readonly requests: () => number
}

/**
 * Serves a store on loopback. Each request waits for so long before it is handled; the first one of a connection waits
 * twice, as it takes a round trip to connect.
 */
export async function startSlowRegistry(
  store: RegistryStore,
  roundTripMilliseconds: number,
): Promise<SlowRegistry> {
  const handler = createRegistryHandler(store)
  const known = new WeakSet<Socket>()
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    const roundTrips = known.has(request.socket) ? 1 : 2
    known.add(request.socket)
    setTimeout(() => handler(request, response), roundTrips * roundTripMilliseconds)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port on 127.0.0.1')
  return {
    host: `127.0.0.1:${address.port}`,
    requests: () => requests,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      await handler.close()
    },
  }
}
