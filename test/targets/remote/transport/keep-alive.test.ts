import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf, type Content } from '../../../../src/content/content.ts'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { Connections } from '../../../../src/targets/remote/transport/connections.ts'
import { dispatchTo } from '../../../../src/targets/remote/transport/dispatch.ts'
import { blob, contentOfChunks } from '../../contract/support.ts'
import { listen } from '../listen.ts'
import { startServer, type TestServer } from '../server.ts'

const large = Buffer.alloc(1024 * 1024, 'x')
const small = Buffer.from('0123456789')

/** What a connection meets when its first answer has been sent. */
type Ending = (socket: Socket) => void

const endings: readonly (readonly [string, Ending])[] = [
  ['is closed at once', (socket) => socket.end()],
  ['is cut at once', (socket) => socket.destroySoon()],
]

/** The connection looks well until it is used: as behind a gateway that has forgotten it. */
const resetLater: Ending = (socket) => socket.on('data', () => socket.resetAndDestroy())

interface Registry {
  readonly host: string
  /** The sizes of the blobs that were put. */
  readonly put: readonly number[]
  readonly lines: readonly string[]
}

/** A registry that says that connections may be kept, and keeps none. */
async function startForgetful(ending: Ending): Promise<Registry> {
  const put: number[] = []
  const lines: string[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = '', url = '' } = request
    let size = 0
    for await (const chunk of request) size += Buffer.from(chunk).length
    lines.push(method)
    if (method === 'PUT' || url.includes('digest=')) put.push(size)
    const post = url.includes('digest=') ? 201 : 202
    const status = { POST: post, PUT: 201, HEAD: put.length > 0 ? 200 : 404, GET: 204 }[method] ?? 200
    const length = method === 'HEAD' ? small.length : 0
    response.setHeader('content-length', status === 204 ? [] : length)
    response.writeHead(status, { location: '/v2/a/blobs/uploads/1', 'keep-alive': 'timeout=60' })
    const { socket } = response
    response.end(() => socket && ending(socket))
  }
  const server: Server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy())
  })
  return { host: `127.0.0.1:${await listen(server)}`, put, lines }
}

function open({ host }: Pick<Registry, 'host'>, options: RepositoryOptions = {}): Repository {
  const repository = new Repository(`${host}/a`, { retry: { baseMilliseconds: 1 }, ...options })
  onTestFinished(() => repository.close())
  return repository
}

describe.each(endings)('a connection that %s after an answer', (_what, ending) => {
  it('loses no blob that is streamed', async () => {
    const registry = await startForgetful(ending)
    const repository = open(registry, { singlePostBytes: 0 })
    for (let count = 0; count < 20; count++) {
      await repository.push(blob(large), contentOfChunks([large]), { existing: 'absent' })
    }
    expect(registry.put.filter((size) => size === large.length)).toHaveLength(20)
    // One that meets the end of its connection is asked for, and sent again.
    expect(registry.lines.length).toBeLessThan(60)
  })

  it('loses no blob that goes in one request, and nothing that is asked', async () => {
    const registry = await startForgetful(ending)
    const repository = open(registry)
    for (let count = 0; count < 20; count++) {
      await repository.push(blob(small), contentOf(small), { existing: 'absent' })
      expect(await repository.exists(blob(small))).toBe(true)
    }
  })

  it('while a blob waits for its first bytes costs no attempt', async () => {
    const idle: Socket[] = []
    const registry = await startForgetful((socket) => idle.push(socket))
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        const closed = idle.map((socket) => once(socket.resume(), 'close'))
        for (const socket of idle) ending(socket)
        await Promise.all(closed)
        yield large
      },
    }
    const repository = open(registry, { singlePostBytes: 0 })
    await repository.push(blob(large), content, { existing: 'absent' })
    expect(registry.lines).toEqual(['POST', 'PUT'])
    expect(registry.put).toEqual([large.length])
  })
})

describe('a connection that is reset by the next request', () => {
  it('loses nothing that can be repeated', async () => {
    const registry = await startForgetful(resetLater)
    const repository = open(registry)
    for (let count = 0; count < 20; count++) {
      await repository.push(blob(small), contentOf(small), { existing: 'absent' })
    }
    expect(await repository.exists(blob(small))).toBe(true)
  })
})

describe('connections', () => {
  it('that nobody uses are closed', async () => {
    const server = await startServer(() => ({ status: 200 }))
    const connections = new Connections({ agent: { keepAliveTimeout: 100 } })
    const send = dispatchTo((request) => connections.dispatcher(request), 'test')
    onTestFinished(() => connections.close())
    const ask = async (): Promise<void> =>
      (await send({ method: 'GET', url: new URL(server.url), redirect: 'refuse' })).discard()
    await Promise.all(Array.from({ length: 5 }, ask))
    expect(await server.connections()).toBe(5)
    await expect.poll(() => server.connections(), { timeout: 5000 }).toBe(0)
  })

  it('to one origin are no more than requests may be at once', async () => {
    let most = 0
    const server: TestServer = await startServer(async () => {
      most = Math.max(most, await server.connections())
      return { status: 200 }
    })
    const repository = open(server, { concurrency: 2 })
    await Promise.all(Array.from({ length: 50 }, () => repository.exists(blob(small))))
    expect(server.requests).toHaveLength(50)
    expect(most).toBeLessThanOrEqual(4)
    expect(most).toBeGreaterThan(0)
  })
})
