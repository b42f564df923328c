import { getEventListeners } from 'node:events'
import PQueue from 'p-queue'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import type { CopyEvent } from '../../../../src/events.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import {
  answerWith,
  dropConnection,
  on,
  startFaultyRegistry,
  times,
  type Fault,
} from '../../../../src/testing/testing.ts'
import { blob, rejection } from '../../contract/support.ts'

const bytes = Buffer.from('a blob')
const descriptor = blob(bytes)
const wait = (seconds: number, status = 429): Fault =>
  answerWith(status, { headers: { 'retry-after': `${seconds}` } })

describe('a host that stays closed for longer than the budget', () => {
  it('fails each of many requests with what it says, in about that time', async () => {
    await using registry = await startFaultyRegistry({ faults: [wait(1)] })
    const retry = { attempts: 1000, budgetMilliseconds: 2500 }
    await using repository = new Repository(`${registry.host}/a`, { retry, singlePostBytes: 0 })
    const started = performance.now()
    const workers = new PQueue({ concurrency: 5 })
    const asks = Array.from({ length: 5 }, () => () => rejection(repository.exists(descriptor)))
    const errors = await workers.addAll(asks)
    for (const error of errors) {
      expect(error).toMatchObject({
        code: 'RESPONSE',
        status: 429,
        message: expect.stringMatching(/HEAD http.* was answered with 429 Too Many Requests/),
      })
    }
    const seconds = (performance.now() - started) / 1000
    // Not sooner: time at the gate is counted once.
    expect(seconds).toBeGreaterThan(1.9)
    expect(seconds).toBeLessThan(10)
    // All at first; then one a second, and each once when it has waited for as long as it may.
    expect(registry.requests.length).toBeLessThanOrEqual(5 + Math.ceil(seconds) + 5)
  }, 20_000)

  it('fails a transfer, which waits at the gate without trying, too', async () => {
    const closed = on({ when: ({ method }) => method === 'PUT' || method === 'HEAD' }, wait(1))
    await using registry = await startFaultyRegistry({ faults: [closed] })
    const retry = { attempts: 1000, budgetMilliseconds: 1500 }
    await using repository = new Repository(`${registry.host}/a`, { retry, singlePostBytes: 0 })
    const started = performance.now()
    const error = await rejection(repository.push(descriptor, contentOf(bytes), { existing: 'absent' }))
    expect(error).toMatchObject({ code: 'RESPONSE', status: 429 })
    expect(performance.now() - started).toBeLessThan(15_000)
    expect(registry.requests.at(-1)).toMatchObject({ method: 'DELETE', status: 204 })
  }, 20_000)
})

describe('the time that a host asks for', () => {
  it.each([429, 503])('in its answer %d to a PUT is waited', async (status) => {
    const put = { method: 'PUT', endpoint: 'upload' } as const
    const came: number[] = []
    const clock: Fault = (request, next) => {
      came.push(performance.now())
      return next(request)
    }
    const faults = [clock, on(put, times(1, wait(1, status)))]
    await using registry = await startFaultyRegistry({ faults })
    const retry = { baseMilliseconds: 1 }
    await using repository = new Repository(`${registry.host}/a`, { retry, singlePostBytes: 0 })
    const events: CopyEvent[] = []
    const onEvent = (event: CopyEvent): void => void events.push(event)
    expect(await repository.push(descriptor, contentOf(bytes), { existing: 'absent', onEvent })).toBe(
      'copied',
    )
    const refused = registry.requests.findIndex((request) => request.status === status)
    expect(registry.requests[refused]).toMatchObject({ method: 'PUT' })
    expect((came[refused + 1] ?? 0) - (came[refused] ?? 0)).toBeGreaterThanOrEqual(990)
    expect(events.find(({ type }) => type === 'retry')).toMatchObject({ milliseconds: expect.any(Number) })
    expect(registry.requests.filter(({ method }) => method === 'PUT')).toHaveLength(2)
  })
})

describe('a transport that is closed', () => {
  it.each<[string, Fault]>([
    ['for a host that wants fewer requests', wait(200)],
    ['between two attempts', answerWith(502)],
    ['after a connection that broke', dropConnection()],
    ['before a transfer goes on', on({ method: 'PUT' }, dropConnection())],
  ])('ends the waiting %s', async (_what, fault) => {
    await using registry = await startFaultyRegistry({ faults: [fault] })
    // Whatever chance makes of it, such a wait is longer than a test.
    const retry = { attempts: 5, budgetMilliseconds: Infinity, baseMilliseconds: 1e9, maxMilliseconds: 1e9 }
    const transport = new Transport({ retry })
    const repository = new Repository(`${registry.host}/a`, { transport, singlePostBytes: 0 })
    const waiting = Promise.withResolvers<void>()
    const controller = new AbortController()
    const { signal } = controller
    const onEvent = ({ type }: CopyEvent): void => {
      if (type === 'retry') waiting.resolve()
    }
    const pushed = rejection(
      repository.push(descriptor, contentOf(bytes), { existing: 'absent', onEvent, signal }),
    )
    await waiting.promise
    const before = registry.requests.length
    await transport.close()
    expect(await pushed).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('closed') })
    expect(registry.requests.length).toBe(before)
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('options of retrying', () => {
  it.each([
    { attempts: NaN },
    { attempts: 0 },
    { baseMilliseconds: NaN },
    { maxMilliseconds: -1 },
    { budgetMilliseconds: NaN },
  ])('%o are a mistake', (retry) => {
    expect(() => new Transport({ retry })).toThrow(RangeError)
  })

  it('without a budget wait no longer than a timer can', async () => {
    const faults = [times(1, wait(1)), wait(100_000_000)]
    await using registry = await startFaultyRegistry({ faults })
    const retry = { attempts: 10, budgetMilliseconds: Infinity }
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const both = [rejection(repository.exists(descriptor)), rejection(repository.exists(descriptor))]
    expect(await Promise.all(both)).toMatchObject([{ status: 429 }, { status: 429 }])
    expect(registry.requests.length).toBeLessThanOrEqual(4)
  })
})
