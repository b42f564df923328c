import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface CuttingProxyOptions {
  /** `'up'` is towards the server, `'down'` towards the client. */
  readonly direction: 'up' | 'down'
  /** A connection that has carried so many bytes in this direction is cut; the receiver gets these. */
  readonly afterBytes: number
  /** So many connections in all. */
  readonly times: number
}

/** A server on loopback that hands on bytes, and cuts connections. */
export interface CuttingProxy extends AsyncDisposable {
  /** Name and port. */
  readonly host: string
  /** How many connections were cut. */
  readonly cuts: number
  /** Bytes that were handed on to the receivers in the direction of the cuts. */
  readonly bytes: number
}

/** Starts one in front of a server. */
export async function startCuttingProxy(
  server: string,
  { direction, afterBytes, times }: CuttingProxyOptions,
): Promise<CuttingProxy> {
  const count = { cuts: 0, bytes: 0 }
  const sockets = new Set<Socket>()
  const { hostname, port } = new URL(`tcp://${server}`)
  const listener = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroySoon()
      })
      // What a socket fails with ends both in any case.
      socket.on('error', () => undefined)
    }
    const [sender, receiver] = direction === 'up' ? [client, upstream] : [upstream, client]
    receiver.pipe(sender)
    let carried = 0
    sender.on('data', (chunk: Buffer) => {
      const isCut = carried + chunk.length > afterBytes && count.cuts < times
      const handed = isCut ? chunk.subarray(0, Math.max(0, afterBytes - carried)) : chunk
      carried += handed.length
      count.bytes += handed.length
      if (!receiver.write(handed)) {
        sender.pause()
        receiver.once('drain', () => sender.resume())
      }
      if (!isCut) return
      count.cuts += 1
      receiver.destroySoon()
      sender.resetAndDestroy()
    })
    sender.on('end', () => receiver.end())
  })
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  const address = listener.address() as AddressInfo
  return {
    host: `127.0.0.1:${address.port}`,
    get cuts() {
      return count.cuts
    },
    get bytes() {
      return count.bytes
    },
    async [Symbol.asyncDispose]() {
      const closed = once(listener, 'close')
      listener.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
