import { describe, expect, it, onTestFinished } from 'vitest'
import {
  answerWith,
  during,
  nth,
  on,
  sometimes,
  startFaultyRegistry,
  times,
  type Fault,
  type RequestMatch,
} from '../../src/testing/testing.ts'
import { caller, type Call } from '../server/harness.ts'

async function callWith(...faults: Fault[]): Promise<Call> {
  const registry = await startFaultyRegistry({ faults })
  onTestFinished(() => registry.close())
  return caller(registry.url)
}

const teapot = answerWith(418)

async function statuses(call: Call, count: number): Promise<number[]> {
  const seen: number[] = []
  for (let index = 0; index < count; index++) seen.push((await call('GET', '/v2/')).status)
  return seen
}

describe('on', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  const manifest = ['GET', `/v2/some/name/manifests/latest`] as const
  const blob = ['HEAD', `/v2/some/name/blobs/${digest.replace(':', '%3A')}`] as const
  const upload = ['PATCH', '/v2/some/name/blobs/uploads/1'] as const
  const page = ['GET', '/elsewhere?n=1'] as const

  it.each<[string, RequestMatch, string]>([
    ['everything', {}, 'manifest blob upload page'],
    ['a method', { method: 'GET' }, 'manifest page'],
    ['several methods', { method: ['HEAD', 'PATCH'] }, 'blob upload'],
    ['an endpoint', { endpoint: 'blob' }, 'blob'],
    ['several endpoints', { endpoint: ['manifest', 'upload'] }, 'manifest upload'],
    ['a path', { path: /^\/else/g }, 'page'],
    ['a decoded path', { path: /sha256:0/ }, 'blob'],
    ['what a function says', { when: ({ reference }) => reference === 'latest' }, 'manifest'],
    ['a query', { when: ({ query }) => query.get('n') === '1' }, 'page'],
    ['a server', { at: 'registry' }, 'manifest blob upload page'],
    ['another server', { at: 'storage' }, ''],
    ['all of several', { method: 'GET', endpoint: 'manifest' }, 'manifest'],
    ['nothing that is all of several', { method: 'PUT', endpoint: 'manifest' }, ''],
  ])('matches by %s', async (_, match, expected) => {
    const call = await callWith(on(match, teapot))
    const requests = { manifest, blob, upload, page }
    const hit: string[] = []
    for (const [name, [method, path]] of Object.entries(requests)) {
      if ((await call(method, path)).status === 418) hit.push(name)
    }
    expect(hit.join(' ')).toBe(expected)
  })

  it('counts for a fault only the requests that match', async () => {
    const call = await callWith(on({ endpoint: 'manifest' }, nth(2, teapot)))
    expect(await statuses(call, 3)).toEqual([200, 200, 200])
    const replies = [await call('GET', '/v2/a/manifests/x'), await call('GET', '/v2/a/manifests/x')]
    expect(replies.map(({ status }) => status)).toEqual([404, 418])
  })
})

describe('a fault', () => {
  it('comes so many times', async () => {
    expect(await statuses(await callWith(times(2, teapot)), 4)).toEqual([418, 418, 200, 200])
  })

  it('comes once, when its turn is', async () => {
    expect(await statuses(await callWith(nth(3, teapot)), 4)).toEqual([200, 200, 418, 200])
  })

  it('comes always', async () => {
    expect(await statuses(await callWith(teapot), 2)).toEqual([418, 418])
  })

  it('never comes with no probability, and always with the whole of it', async () => {
    expect(await statuses(await callWith(sometimes(0, 1, teapot)), 20)).toEqual(Array(20).fill(200))
    expect(await statuses(await callWith(sometimes(1, 1, teapot)), 20)).toEqual(Array(20).fill(418))
  })

  it('comes to the same requests with the same seed, and to others with another one', async () => {
    const one = await statuses(await callWith(sometimes(0.5, 7, teapot)), 40)
    const same = await statuses(await callWith(sometimes(0.5, 7, teapot)), 40)
    const other = await statuses(await callWith(sometimes(0.5, 8, teapot)), 40)
    const count = one.filter((status) => status === 418).length
    expect(one).toEqual(same)
    expect(one).not.toEqual(other)
    expect(count).toBeGreaterThan(8)
    expect(count).toBeLessThan(32)
  })

  it('ends when its time is over, counted from the first request', async () => {
    const call = await callWith(during(150, answerWith(429, { headers: { 'retry-after': '1' } })))
    const started = performance.now()
    const seen: number[] = []
    while (performance.now() - started < 400 && seen.at(-1) !== 200) {
      seen.push((await call('GET', '/v2/')).status)
    }
    expect(performance.now() - started).toBeGreaterThanOrEqual(149)
    expect(seen[0]).toBe(429)
    expect(seen.at(-1)).toBe(200)
  })

  it('that stands first sees the request first and the answer last', async () => {
    const order: string[] = []
    const named =
      (name: string): Fault =>
      async (request, next) => {
        order.push(`${name} before`)
        const answer = await next(request)
        order.push(`${name} after`)
        return answer
      }
    await statuses(await callWith(named('one'), named('two')), 1)
    expect(order).toEqual(['one before', 'two before', 'two after', 'one after'])
  })
})
