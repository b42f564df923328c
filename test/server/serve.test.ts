import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'undici'
import { describe, expect, onTestFinished, it, vi } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import { digestOf } from '../../src/content/digest.ts'
import { UnreachableError } from '../../src/errors.ts'
import { createRegistryHandler, type RequestFact } from '../../src/server/handler.ts'
import { serve } from '../../src/server/serve.ts'
import { memoryStore, targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph } from '../support/graph.ts'
import { cert, key } from './certificate.ts'
import {
  beginUpload,
  blob,
  caller,
  descriptorOf,
  errorCodes,
  everythingIn,
  expectBlob,
  pushBlob,
  pushGraph,
  spoolingStore,
  startRegistry,
} from './harness.ts'

const image = graph({ image: ['config', 'layer'] })

describe('serve', () => {
  it('listens on loopback at a free port', async () => {
    const { registry, call } = await startRegistry()
    expect(registry.url).toBe(`http://127.0.0.1:${registry.port}`)
    expect((await call('GET', '/v2/')).status).toBe(200)
  })

  it('speaks HTTPS with a certificate and its key', async () => {
    await using registry = await serve(memoryStore(), { tls: { cert, key } })
    expect(registry.url).toBe(`https://127.0.0.1:${registry.port}`)
    const client = new Client(registry.url, { connect: { ca: cert } })
    const reply = await client.request({ method: 'GET', path: '/v2/' })
    await reply.body.dump()
    await client.close()
    expect(reply.statusCode).toBe(200)
  })

  it('fails with UNREACHABLE where it cannot listen, and says where', async () => {
    const { registry } = await startRegistry()
    const failure = serve(memoryStore(), { port: registry.port })
    await expect(failure).rejects.toThrow(UnreachableError)
    await expect(failure).rejects.toThrow(`cannot listen on 127.0.0.1, port ${registry.port}`)
  })

  it('closes while a client is in the middle of a push, and leaves nothing', async () => {
    const { store, folder } = await spoolingStore()
    const facts: RequestFact[] = []
    const options = { onRequest: (fact: RequestFact) => facts.push(fact) }
    const { registry, call } = await startRegistry(options, store)
    const location = await beginUpload(call, 'x')
    const socket = connect(registry.port, registry.host)
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nthe beginning`)
    await vi.waitUntil(async () => (await everythingIn(folder)).length > 0)
    const ended = once(socket, 'close')
    socket.resume()
    await registry.close()
    await ended
    expect(await everythingIn(folder)).toEqual([])
    expect(facts.at(-1)).toMatchObject({ method: 'PATCH', status: undefined })
    await registry.close()
    await expect(fetch(registry.url)).rejects.toThrow()
  })

  it('is closed by `await using`', async () => {
    let url = ''
    {
      await using registry = await serve(memoryStore())
      url = registry.url
    }
    await expect(fetch(url)).rejects.toThrow()
  })

  it('tells of each request when it is over', async () => {
    const facts: RequestFact[] = []
    const { call } = await startRegistry({ onRequest: (fact) => facts.push(fact) })
    await call('GET', '/v2/x/tags/list?n=1')
    await call('GET', '/v2/')
    expect(facts).toEqual([
      { method: 'GET', url: '/v2/x/tags/list?n=1', status: 404, milliseconds: expect.any(Number) },
      { method: 'GET', url: '/v2/', status: 200, milliseconds: expect.any(Number) },
    ])
  })

  it('ends a connection that stands still in the middle of a request', async () => {
    const { registry } = await startRegistry({ idleTimeoutMilliseconds: 50 })
    const socket = connect(registry.port, registry.host)
    socket.write('PUT /v2/x/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nthe beginning')
    socket.resume()
    await once(socket, 'close')
  })

  it('lets a store work for longer than a client may stand still, and keeps what it made', async () => {
    const target = new MemoryTarget()
    const push = target.push.bind(target)
    target.push = async (...what) => {
      await delay(1200)
      return push(...what)
    }
    const store = targetStore(new Map([['x', target]]))
    const { call } = await startRegistry({ idleTimeoutMilliseconds: 500 }, store)
    // The second one is sent only as it is taken.
    const pushed = [blob(), blob(20_000_000)]
    const replies = await Promise.all(pushed.map((one) => pushBlob(call, 'x', one)))
    expect(replies.map(({ status }) => status)).toEqual([201, 201])
    for (const one of pushed) await expectBlob(call, 'x', one)
  })

  it('ends a connection whose client does not take the answer', async () => {
    const target = new MemoryTarget()
    const large = blob(20_000_000)
    await target.push(descriptorOf(large), contentOf(large.bytes))
    const facts: RequestFact[] = []
    const options = { idleTimeoutMilliseconds: 50, onRequest: (fact: RequestFact) => facts.push(fact) }
    const { registry } = await startRegistry(options, targetStore(new Map([['x', target]])))
    const socket = connect(registry.port, registry.host)
    onTestFinished(() => void socket.destroy())
    socket.write(`GET /v2/x/blobs/${large.digest} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await vi.waitUntil(() => facts.length > 0)
    expect(socket.bytesRead).toBeLessThan(20_000_000)
  })

  it('the handler works in a server of the caller, and ends what is at work when it is closed', async () => {
    const handler = createRegistryHandler(memoryStore())
    const server = createServer(handler).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const call = caller(`http://127.0.0.1:${port}`)
    const pending = call('PUT', '/v2/x/manifests/v1', {
      body: (async function* () {
        yield Buffer.of(1)
        await handler.close()
      })(),
    })
    await expect(pending).rejects.toThrow()
    await expect(call('GET', '/v2/')).rejects.toThrow()
  })
})

describe('a client that goes away', () => {
  it('in the middle of a blob ends the reading of it', async () => {
    let isRead = true
    let chunks = 0
    const bytes = Buffer.alloc(1024 * 1024)
    const descriptor = { mediaType: 'application/octet-stream', digest: digestOf(bytes), size: 2 ** 40 }
    const target = Object.assign(new MemoryTarget(), {
      resolve: async () => descriptor,
      fetch: () => ({
        async *[Symbol.asyncIterator]() {
          try {
            for (;;) {
              chunks += 1
              yield bytes
            }
          } finally {
            isRead = false
          }
        },
      }),
    })
    const { registry } = await startRegistry({}, targetStore(new Map([['x', target]])))
    const socket = connect(registry.port, registry.host)
    socket.write(`GET /v2/x/blobs/${descriptor.digest} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await once(socket, 'data')
    socket.pause()
    let before = -1
    await vi.waitUntil(() => {
      const standsStill = before === chunks
      before = chunks
      return standsStill
    })
    // The sockets' own memory is full: what is not taken is not read.
    expect(chunks).toBeLessThan(64)
    socket.destroy()
    await vi.waitUntil(() => !isRead)
  })
})

it('a client that goes on sending what was refused is cut off', async () => {
  const { registry } = await startRegistry()
  const socket = connect(registry.port, registry.host)
  socket.on('error', () => undefined)
  socket.write('PUT /v2/x/blobs/uploads/none HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
  const [answer]: Buffer[] = await once(socket, 'data')
  expect(answer?.toString()).toMatch(/^HTTP\/1.1 404 /)
  const chunk = Buffer.concat([Buffer.from('100000\r\n'), Buffer.alloc(0x100000), Buffer.from('\r\n')])
  let sent = 0
  while (!socket.destroyed && sent < 1000) {
    sent += 1
    await new Promise<void>((resolve) => socket.write(chunk, () => resolve()))
  }
  expect(sent).toBeGreaterThan(15)
  expect(sent).toBeLessThan(100)
})

describe('read-only', () => {
  it('reads and refuses to write', async () => {
    const target = new MemoryTarget()
    await image.pushTo(target)
    await target.tag(image.descriptor('image'), 'v1')
    const { call } = await startRegistry({ readOnly: true }, targetStore(new Map([['x', target]])))
    const { digest } = image.descriptor('layer')
    expect((await call('GET', '/v2/x/manifests/v1')).status).toBe(200)
    expect((await call('GET', `/v2/x/blobs/${digest}`)).status).toBe(200)
    const writes = [
      ['POST', 'blobs/uploads/'],
      ['POST', `blobs/uploads/?mount=${digest}`],
      ['PATCH', 'blobs/uploads/id'],
      ['PUT', `blobs/uploads/id?digest=${digest}`],
      ['DELETE', 'blobs/uploads/id'],
      ['PUT', 'manifests/v2'],
      ['DELETE', 'manifests/v1'],
      ['DELETE', `blobs/${digest}`],
    ] as const
    for (const [method, path] of writes) {
      const reply = await call(method, `/v2/x/${path}`)
      expect([method, path, reply.status, errorCodes(reply)]).toEqual([method, path, 405, ['UNSUPPORTED']])
    }
  })
})

it('many clients push and pull at once', async () => {
  const { call } = await startRegistry()
  const names = Array.from({ length: 20 }, (_, at) => `r${at % 4}`)
  await Promise.all(names.map((name) => pushGraph(call, name, image, 'v1')))
  const replies = await Promise.all(names.map((name) => call('GET', `/v2/${name}/manifests/v1`)))
  expect(replies.map(({ status }) => status)).toEqual(names.map(() => 200))
})
