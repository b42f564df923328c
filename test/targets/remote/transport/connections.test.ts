import { describe, expect, it } from 'vitest'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { Connections } from '../../../../src/targets/remote/transport/connections.ts'
import { dispatchTo } from '../../../../src/targets/remote/transport/dispatch.ts'
import type { HttpResponse } from '../../../../src/targets/remote/transport/http.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type TestServer } from '../server.ts'

const bytes = Buffer.from('content')

/** Connections, and a way to go somewhere, as the user says or because a server said so. */
function open(): AsyncDisposable & { go(url: string, learnedFrom?: string): Promise<HttpResponse> } {
  const connections = new Connections()
  const send = dispatchTo((request) => connections.dispatcher(request), 'test')
  return {
    async go(url, learnedFrom) {
      const from = learnedFrom === undefined ? undefined : new URL(learnedFrom)
      const request = { method: 'GET', url: new URL(url), redirect: 'refuse', learnedFrom: from } as const
      const response = await send(request)
      await response.discard()
      return response
    },
    [Symbol.asyncDispose]: () => connections.close(),
  }
}

const start = (): Promise<TestServer> => startServer(() => ({ status: 200, body: bytes }))

describe('a host that only a server has named', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '0x7f.1',
    '2130706433',
    '017700000001',
    '①②⑦.0.0.1',
    'localhost',
    '[::ffff:127.0.0.1]',
  ])('is not connected to at %s for a server that is not known to be there', async (hostname) => {
    const server = await start()
    await using connections = open()
    const url = `http://${hostname}:${server.host.split(':')[1]}/`
    const failure = await rejection(connections.go(url, 'https://registry.example'))
    expect(failure).toMatchObject({ code: 'UNREACHABLE', cause: { code: 'ERR_REFUSED_ADDRESS' } })
    expect(server.requests).toEqual([])
    expect(await server.connections()).toBe(0)
  })

  it('is connected to on loopback for a server that is there, on connections of its own', async () => {
    const [registry, storage] = [await start(), await start()]
    await using connections = open()
    expect((await connections.go(registry.url)).status).toBe(200)
    expect((await connections.go(storage.url, registry.url)).status).toBe(200)
    await rejection(connections.go(storage.url, 'https://registry.example'))
    expect(storage.requests).toHaveLength(1)
  })

  it('is never connected to where clouds keep their metadata', async () => {
    const registry = await startServer(() => ({
      status: 307,
      headers: { location: 'http://169.254.169.254/latest/meta-data' },
    }))
    await using repository = new Repository(`${registry.host}/a`)
    const failure = await rejection(read(repository.fetch(blob(bytes))))
    expect(failure).toMatchObject({ code: 'UNREACHABLE', cause: { code: 'ERR_REFUSED_ADDRESS' } })
    expect(registry.requests).toHaveLength(1)
  })
})
