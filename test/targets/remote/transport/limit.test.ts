import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type TestServer } from '../server.ts'

const bytes = Buffer.alloc(200_000, 'x')

/** A registry whose repository `a` has the blob and that takes uploads to all others. */
function startRegistry(): Promise<TestServer> {
  return startServer(({ method, url }) => {
    if (method === 'GET') return { status: 200, body: bytes }
    if (method === 'HEAD') {
      return {
        status: url.startsWith('/v2/a/') ? 200 : 404,
        headers: { 'content-length': `${bytes.length}` },
      }
    }
    return { status: method === 'POST' ? 202 : 201, headers: { location: '/v2/b/blobs/uploads/1' } }
  })
}

describe('the limit of a host', () => {
  it.each([0, -1, NaN])('cannot be %d requests at once', (concurrency) => {
    expect(() => new Transport({ concurrency })).toThrow(RangeError)
  })

  it('lets so many requests run at once', async () => {
    let running = 0
    let most = 0
    const enough = Promise.withResolvers<void>()
    const server = await startServer(async () => {
      running += 1
      most = Math.max(most, running)
      if (running === 3) setImmediate(enough.resolve)
      await enough.promise
      running -= 1
      return { status: 404 }
    })
    await using registry = new Registry(server.host, { concurrency: 3 })
    const repository = registry.repository('a')
    await Promise.all(Array.from({ length: 30 }, () => repository.exists(blob(bytes))))
    expect(most).toBe(3)
    expect(server.requests).toHaveLength(30)
  })

  it('counts an answer until its body is at its end', async () => {
    const server = await startRegistry()
    await using registry = new Registry(server.host, { concurrency: 1 })
    const repository = registry.repository('a')
    const reading = repository.fetch(blob(bytes))[Symbol.asyncIterator]()
    await reading.next()
    let isAnswered = false
    const exists = repository.exists(blob(bytes)).finally(() => (isAnswered = true))
    for (let next = await reading.next(); !next.done; next = await reading.next()) {
      expect(isAnswered).toBe(false)
    }
    expect(await exists).toBe(true)
  })

  it('is given back by content that is given up', async () => {
    const server = await startRegistry()
    await using registry = new Registry(server.host, { concurrency: 1 })
    for (let count = 0; count < 3; count++) {
      for await (const _chunk of registry.repository('a').fetch(blob(bytes))) break
    }
    expect((await read(registry.repository('a').fetch(blob(bytes)))).length).toBe(bytes.length)
  })

  it('of one lets content go from one repository to another of the same host', async () => {
    const server = await startRegistry()
    await using registry = new Registry(server.host, { concurrency: 1 })
    const [from, to] = [registry.repository('a'), registry.repository('b')]
    const pushes = Array.from({ length: 4 }, () => to.push(blob(bytes), from.fetch(blob(bytes))))
    expect(await Promise.all(pushes)).toEqual(['copied', 'copied', 'copied', 'copied'])
  })

  it('of one leaves room for what comes between: redirects, tokens, refused mounts, cancelled uploads', async () => {
    const server: TestServer = await startServer(({ method, url, headers }) => {
      if (url.startsWith('/token')) return { status: 200, body: '{"token":"t"}' }
      if (headers.authorization === undefined) {
        return {
          status: 401,
          headers: { 'www-authenticate': `Bearer realm="${server.url}/token"` },
          body: '{}',
        }
      }
      if (url === '/blob') return { status: 200, body: bytes }
      if (method === 'GET') return { status: 307, headers: { location: '/blob' }, body: 'there' }
      if (method === 'HEAD') return { status: 404 }
      if (method === 'PUT') return { status: 400, body: 'no' }
      return { status: 202, headers: { location: '/v2/b/blobs/uploads/1' } }
    })
    await using registry = new Registry(server.host, { concurrency: 1 })
    expect((await read(registry.repository('a').fetch(blob(bytes)))).length).toBe(bytes.length)
    const push = registry.repository('b').push(blob(bytes), contentOf(bytes), { mountFrom: ['c', 'd'] })
    await expect(push).rejects.toMatchObject({ status: 400 })
    expect(server.lines.filter((line) => line.startsWith('DELETE'))).toHaveLength(2)
  })

  it('is waited for until an abort', async () => {
    const asked = Promise.withResolvers<void>()
    const server = await startServer(() => {
      asked.resolve()
      return undefined
    })
    const transport = new Transport({ concurrency: 1 })
    await using registry = new Registry(server.host, { transport })
    const first = rejection(registry.ping())
    await asked.promise
    const controller = new AbortController()
    const second = rejection(registry.ping({ signal: controller.signal }))
    const reason = new Error('enough')
    controller.abort(reason)
    expect(await second).toBe(reason)
    expect(server.requests).toHaveLength(1)
    await transport.close()
    await first
  })
})
