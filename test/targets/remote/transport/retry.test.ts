import PQueue from 'p-queue'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import type { CopyEvent } from '../../../../src/events.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { parseRetryAfter } from '../../../../src/targets/remote/transport/retry-after.ts'
import {
  answerWith,
  dropConnection,
  during,
  loseAnswer,
  on,
  startFaultyRegistry,
  times,
  type Fault,
  type FaultyRegistry,
} from '../../../../src/testing/testing.ts'
import { blob, rejection } from '../../contract/support.ts'
import { graph } from '../../../support/graph.ts'

const drawing = graph({ image: ['config', 'layer'] })
const image = drawing.descriptor('image')
const retry = { baseMilliseconds: 1 }

/** A registry with an image `v1` and these faults. */
async function start(...faults: readonly Fault[]): Promise<FaultyRegistry> {
  const registry = await startFaultyRegistry({ faults })
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/a`)
  await drawing.pushTo(repository)
  await repository.tag(image, 'v1')
  return registry
}

const lines = (registry: FaultyRegistry): readonly string[] =>
  registry.requests.map(({ method, status }) => `${method} ${status ?? '-'}`)

describe('a failure that may pass', () => {
  it.each([408, 425, 429, 500, 502, 503, 504, 522, 524])('with status %d is waited out', async (status) => {
    await using registry = await start(times(2, answerWith(status)))
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const events: CopyEvent[] = []
    expect(await repository.resolve('v1', { onEvent: (event) => events.push(event) })).toMatchObject({
      digest: image.digest,
    })
    expect(lines(registry)).toEqual([`HEAD ${status}`, `HEAD ${status}`, 'HEAD 200'])
    const waits = events.filter(({ type }) => type === 'retry')
    expect(waits).toHaveLength(2)
    expect(waits[0]).toMatchObject({ method: 'HEAD', url: `${registry.url}/v2/a/manifests/v1` })
  })

  it.each<[string, Fault]>([
    ['refused by a reset', dropConnection()],
    ['closed', dropConnection('close')],
    ['cut before its answer', loseAnswer()],
  ])('of a connection that is %s is waited out', async (_what, fault) => {
    await using registry = await start(times(2, fault))
    await using repository = new Repository(`${registry.host}/a`, { retry })
    expect((await repository.fetchReference('v1')).descriptor).toMatchObject({ digest: image.digest })
    expect(registry.requests).toHaveLength(3)
  })

  it('ends with the last answer after so many attempts', async () => {
    await using registry = await start(answerWith(503))
    await using repository = new Repository(`${registry.host}/a`, { retry: { ...retry, attempts: 4 } })
    expect(await rejection(repository.resolve('v1'))).toMatchObject({ code: 'RESPONSE', status: 503 })
    expect(registry.requests).toHaveLength(4)
  })

  it.each([400, 401, 403, 404, 501])('is none with status %d', async (status) => {
    await using registry = await start(answerWith(status))
    await using repository = new Repository(`${registry.host}/a`, { retry })
    await rejection(repository.fetchReference('v1'))
    expect(registry.requests).toHaveLength(1)
  })

  it('is not waited for longer than the budget', async () => {
    await using registry = await start(answerWith(429, { headers: { 'retry-after': '3600' } }))
    await using repository = new Repository(`${registry.host}/a`, { retry })
    expect(await rejection(repository.resolve('v1'))).toMatchObject({ status: 429 })
    expect(await rejection(repository.resolve('v1'))).toMatchObject({ status: 429 })
    expect(registry.requests).toHaveLength(2)
  })

  it('is not waited for after an abort', async () => {
    await using registry = await start(answerWith(429, { headers: { 'retry-after': '60' } }))
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const controller = new AbortController()
    const reason = new Error('enough')
    const onEvent = ({ type }: CopyEvent): void => {
      if (type === 'retry') controller.abort(reason)
    }
    expect(await rejection(repository.resolve('v1', { signal: controller.signal, onEvent }))).toBe(reason)
    expect(registry.requests).toHaveLength(1)
  })
})

describe('a lost answer', () => {
  it('to a manifest that was put, or something that was deleted, is no failure', async () => {
    await using registry = await start(on({ method: ['PUT', 'DELETE'] }, times(2, loseAnswer())))
    await using repository = new Repository(`${registry.host}/a`, { retry, referrers: 'api' })
    await repository.tag(image, 'v2')
    await repository.delete(image)
    expect(lines(registry).filter((line) => /PUT|DELETE/.test(line)).length).toBeGreaterThan(3)
    expect(await repository.exists(image)).toBe(false)
  })

  it('does not make what was never there deleted', async () => {
    await using registry = await start(on({ method: 'DELETE' }, times(1, answerWith(429))))
    await using repository = new Repository(`${registry.host}/a`, { retry, referrers: 'api' })
    expect(await rejection(repository.delete(blob(Buffer.from('nothing'))))).toMatchObject({
      code: 'NOT_FOUND',
    })
  })
})

describe('a host that answers 429 to everything for a while', () => {
  it.each([
    ['with Retry-After', { 'retry-after': '1' }],
    ['without it', {}],
  ])(
    'is left alone, %s',
    async (_what, headers) => {
      await using registry = await start(during(2000, answerWith(429, { headers })))
      await using repository = new Repository(`${registry.host}/a`)
      const workers = new PQueue({ concurrency: 10 })
      const ask = (): Promise<boolean> => repository.exists(image)
      const found = await workers.addAll(Array.from({ length: 300 }, () => ask))
      expect(found.every((isThere) => isThere)).toBe(true)
      expect(registry.requests.length).toBeLessThanOrEqual(330)
    },
    30_000,
  )

  it('holds uploads back too, which are then made once', async () => {
    await using registry = await start(
      on({ method: 'HEAD' }, times(1, answerWith(429, { headers: { 'retry-after': '1' } }))),
    )
    await using repository = new Repository(`${registry.host}/a`, { singlePostBytes: 0 })
    const bytes = Buffer.from('a blob')
    const [isThere, outcome] = await Promise.all([
      repository.exists(image),
      repository.push(blob(bytes), contentOf(bytes), { existing: 'absent' }),
    ])
    expect([isThere, outcome]).toEqual([true, 'copied'])
    expect(lines(registry).filter((line) => line.startsWith('PUT'))).toEqual(['PUT 201'])
  })
})

describe('Retry-After', () => {
  const now = Date.UTC(2026, 0, 2, 3, 4, 5)
  it.each<[string | undefined, number | undefined]>([
    ['0', 0],
    ['120', 120_000],
    ['Fri, 02 Jan 2026 03:04:15 GMT', 10_000],
    ['Fri, 02 Jan 2026 03:04:00 GMT', 0],
    ['-1', undefined],
    ['1.5', undefined],
    ['99999999999', undefined],
    ['soon', undefined],
    ['2026-01-02', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('of %j is %j ms', (value, milliseconds) => {
    expect(parseRetryAfter(value, now)).toBe(milliseconds)
  })
})
