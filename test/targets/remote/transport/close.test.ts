import { createServer, type Socket } from 'node:net'
import { expect, describe, it } from 'vitest'
import type { CopyEvent } from '../../../../src/events.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { listen } from '../listen.ts'
import { startServer, type TestServer } from '../server.ts'
import { startProxy } from './proxy-server.ts'

const bytes = Buffer.from('0123456789')

const start = (): Promise<TestServer> => startServer(() => ({ status: 200, body: bytes }))

/** Takes connections and says nothing; how many are open. */
async function startSilent(): Promise<{ readonly host: string; readonly open: () => number }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    socket.resume()
  })
  return { host: `127.0.0.1:${await listen(server)}`, open: () => sockets.size }
}

describe('a transport that is closed', () => {
  it('goes nowhere through a proxy', async () => {
    const [proxy, registry] = [await startProxy(), await start()]
    const transport = new Transport({ proxy: proxy.url })
    await transport.close()
    const repository = new Repository(`${registry.host}/a`, { transport })
    expect(await rejection(read(repository.fetch(blob(bytes))))).toMatchObject({ code: 'UNREACHABLE' })
    expect(proxy.asked).toEqual([])
  })

  it('does not follow a redirect', async () => {
    const elsewhere = await start()
    const registry = await startServer(() => ({ status: 307, headers: { location: elsewhere.url } }))
    const transport = new Transport()
    const repository = new Repository(`${registry.host}/a`, { transport })
    const onEvent = ({ type }: CopyEvent): void => {
      if (type === 'request') void transport.close()
    }
    const error = await rejection(read(repository.fetch(blob(bytes), { onEvent })))
    expect(error).toMatchObject({ code: 'UNREACHABLE' })
    expect(elsewhere.requests).toEqual([])
  })

  it.each(['to a registry', 'to a proxy', 'through a proxy'])(
    'ends a connection %s that is being made',
    async (way) => {
      const silent = await startSilent()
      const proxy = way === 'through a proxy' ? (await startProxy()).url : `https://${silent.host}`
      const transport = new Transport({
        plainHttp: false,
        proxy: way === 'to a registry' ? '' : proxy,
        connectTimeout: 60_000,
      })
      const repository = new Repository(`${silent.host}/a`, { transport })
      const waiting = rejection(read(repository.fetch(blob(bytes))))
      await expect.poll(silent.open).toBe(1)
      await transport.close()
      expect(await waiting).toMatchObject({ code: 'UNREACHABLE' })
      await expect.poll(silent.open).toBe(0)
    },
  )
})
