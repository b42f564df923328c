import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type Handler, type TestServer } from '../server.ts'

const bytes = Buffer.from('x')

/** A server with the times at which it was asked. */
async function startTimed(
  handler: Handler,
): Promise<{ readonly server: TestServer; readonly times: number[] }> {
  const times: number[] = []
  const server = await startServer((request, response) => {
    times.push(performance.now())
    return handler(request, response)
  })
  return { server, times }
}

function duration(times: readonly number[]): number {
  return (times.at(-1) ?? 0) - (times[0] ?? 0)
}

/** The most requests in any time of so many milliseconds. */
function mostWithin(times: readonly number[], milliseconds: number): number {
  return Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + milliseconds).length))
}

describe('requests per second', () => {
  it('are kept at even distances, however many wait', async () => {
    const { server, times } = await startTimed(() => ({ status: 404 }))
    await using registry = new Registry(server.host, { requestsPerSecond: 50 })
    await Promise.all(Array.from({ length: 21 }, () => registry.repository('a').exists(blob(bytes))))
    expect(times).toHaveLength(21)
    expect(duration(times)).toBeGreaterThan(320)
    expect(duration(times)).toBeLessThan(1500)
    expect(mostWithin(times, 100)).toBeLessThan(9)
  })

  it('count requests that are made again, and those for tokens', async () => {
    let asked = 0
    const { server, times }: Awaited<ReturnType<typeof startTimed>> = await startTimed(({ url, headers }) => {
      if (url.startsWith('/token')) return { status: 200, body: '{"token":"t"}' }
      if (headers.authorization === undefined) {
        return { status: 401, headers: { 'www-authenticate': `Bearer realm="${server.url}/token"` } }
      }
      return { status: (asked += 1) < 4 ? 503 : 404 }
    })
    await using registry = new Registry(server.host, {
      requestsPerSecond: 20,
      retry: { baseMilliseconds: 1 },
    })
    await registry.repository('a').exists(blob(bytes))
    expect(times).toHaveLength(6)
    expect(duration(times)).toBeGreaterThan(230)
  })

  it('do not go off together when the host was busy', async () => {
    const first = Promise.withResolvers<void>()
    const { server, times } = await startTimed(async () => {
      if (times.length === 1) await first.promise
      return { status: 404 }
    })
    await using registry = new Registry(server.host, { requestsPerSecond: 20, concurrency: 1 })
    const asked = Array.from({ length: 8 }, () => registry.repository('a').exists(blob(bytes)))
    setTimeout(first.resolve, 300)
    await Promise.all(asked)
    expect(mostWithin(times.slice(1), 90)).toBeLessThan(4)
  })

  it('are no limit of a host that only a server has named', async () => {
    const { server: storage, times } = await startTimed(() => ({ status: 200, body: bytes }))
    const registries = await Promise.all(
      Array.from({ length: 10 }, () =>
        startServer(() => ({ status: 307, headers: { location: storage.url } })),
      ),
    )
    await using transport = new Transport({ requestsPerSecond: 0.01 })
    await Promise.all(
      registries.map(({ host }) =>
        read(new Registry(host, { transport }).repository('a').fetch(blob(bytes))),
      ),
    )
    expect(times).toHaveLength(10)
  })

  it('are waited for until an abort, which takes nobody’s turn', async () => {
    const { server, times } = await startTimed(() => ({ status: 404 }))
    await using registry = new Registry(server.host, { requestsPerSecond: 1 })
    const repository = registry.repository('a')
    await repository.exists(blob(bytes))
    const controller = new AbortController()
    const { signal } = controller
    const waiting = Array.from({ length: 10 }, () => rejection(repository.exists(blob(bytes), { signal })))
    const reason = new Error('enough')
    setImmediate(() => controller.abort(reason))
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 10 }, () => reason))
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await repository.exists(blob(bytes))
    expect(times).toHaveLength(2)
    expect(duration(times)).toBeLessThan(1800)
  })

  it('are not waited for by a transport that is closed', async () => {
    const { server } = await startTimed(() => ({ status: 404 }))
    const transport = new Transport({ requestsPerSecond: 0.001 })
    const repository = new Registry(server.host, { transport }).repository('a')
    await repository.exists(blob(bytes))
    const { signal } = new AbortController()
    const waiting = [
      rejection(repository.exists(blob(bytes), { signal })),
      rejection(repository.exists(blob(bytes))),
    ]
    setImmediate(() => void transport.close())
    for (const error of await Promise.all(waiting)) expect(error).toMatchObject({ code: 'UNREACHABLE' })
    expect(server.requests).toHaveLength(1)
  })

  it.each([0, -1, NaN, 0.0001, -Infinity])('are not %d', (requestsPerSecond) => {
    expect(() => new Transport({ requestsPerSecond })).toThrow(RangeError)
  })
})
