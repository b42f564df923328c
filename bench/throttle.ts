import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'

/** A way to a registry that takes no more than so many bytes a second. */
export interface ThrottledWay extends AsyncDisposable {
  /** As in a reference: 127.0.0.1:PORT. */
  readonly host: string
  /** Ends the listener and its connections. */
  [Symbol.asyncDispose](): Promise<void>
}

/** Opens a loopback port that passes on what it hears to `host`, all connections together at most at that rate. */
export async function openThrottledWay(host: string, bytesPerSecond: number): Promise<ThrottledWay> {
  const delayOf = clockOf(bytesPerSecond)
  const clients = new Set<Socket>()
  const server = createServer((client) => {
    clients.add(client)
    client.once('close', () => clients.delete(client))
    passOn(client, host, delayOf)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port on 127.0.0.1')
  return {
    host: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const client of clients) client.destroy()
      await closed
    },
  }
}

/** How many milliseconds so many bytes have to wait. The connections share one clock: what one sends, the others wait for. */
function clockOf(bytesPerSecond: number): (bytes: number) => number {
  let freeAt = 0
  return (bytes) => {
    const now = performance.now()
    freeAt = Math.max(freeAt, now) + (bytes / bytesPerSecond) * 1000
    return freeAt - now
  }
}

/** How a connection ends is the two programs' affair: the end or reset of one side is passed on to the other. */
function passOn(client: Socket, host: string, delayOf: (bytes: number) => number): void {
  const url = new URL(`http://${host}`)
  const registry = connect({ host: url.hostname, port: Number(url.port) })
  const throttle = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      setTimeout(done, delayOf(chunk.length), null, chunk)
    },
  })
  client.on('error', () => registry.destroy()).once('close', () => registry.destroySoon())
  registry.on('error', () => client.destroy()).once('close', () => client.destroySoon())
  client.pipe(throttle).pipe(registry)
  registry.pipe(client)
}
