import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf, type Content } from '../../../src/content/content.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import {
  answerWith,
  changeHeaders,
  dropConnection,
  forgetBrokenUploads,
  loseAnswer,
  on,
  resetRequestAfter,
  startFaultyRegistry,
  times,
  type FaultyRegistry,
  type FaultyRegistryOptions,
} from '../../../src/testing/testing.ts'
import { blob, rejection } from '../contract/support.ts'
import { credential, startTokenRegistry } from './auth/token-registry.ts'

const mebibyte = 1024 * 1024
const bytes = Buffer.alloc(3 * mebibyte, 'content')
const descriptor = blob(bytes)
const absent = { existing: 'absent' } as const
const put = { method: 'PUT', endpoint: 'upload' } as const

async function start(options: FaultyRegistryOptions): Promise<FaultyRegistry> {
  const registry = await startFaultyRegistry(options)
  onTestFinished(() => registry.close())
  return registry
}

const methods = ({ requests }: FaultyRegistry): readonly string[] => requests.map(({ method }) => method)

describe('an upload that breaks', () => {
  it('is cancelled at once at a host that has asked to be left alone for a minute', async () => {
    const busy = answerWith(429, { headers: { 'retry-after': '60' } })
    const registry = await start({ faults: [on(put, busy)] })
    await using repository = new Repository(`${registry.host}/a`, { retry: { attempts: 1 } })
    const error = await rejection(repository.push(descriptor, contentOf(bytes), absent))
    expect(error).toMatchObject({ status: 429 })
    expect(methods(registry)).toEqual(['POST', 'PUT', 'DELETE'])
  })

  it('each time, and of which the registry keeps nothing, is sent so many times and no more', async () => {
    const registry = await start({
      faults: [forgetBrokenUploads(), on(put, resetRequestAfter(2 * mebibyte))],
    })
    const retry = { attempts: 3, baseMilliseconds: 1 }
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const error = await rejection(repository.push(descriptor, contentOf(bytes), absent))
    expect(error).toMatchObject({ code: 'UNREACHABLE' })
    expect(methods(registry).filter((method) => method === 'PUT')).toHaveLength(3)
  })

  it('again and again at the same byte, and whose session is then lost, is sent so many times and no more', async () => {
    const faults = [
      on(put, resetRequestAfter(9 * mebibyte)),
      on({ method: 'GET', endpoint: 'upload' }, changeHeaders({ range: `0-${9 * mebibyte - 1}` })),
      on({ method: 'PATCH', endpoint: 'upload' }, answerWith(404)),
    ]
    const registry = await start({ faults })
    const retry = { attempts: 3, baseMilliseconds: 1, budgetMilliseconds: 20 }
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const large = Buffer.alloc(12 * mebibyte)
    await rejection(repository.push(blob(large), contentOf(large), absent))
    expect(methods(registry).filter((method) => method === 'PUT')).toHaveLength(2)
  })

  it('when all of it has arrived is only ended once more', async () => {
    const registry = await start({ faults: [on(put, times(1, dropConnection()))] })
    const options = { chunkBytes: mebibyte, retry: { baseMilliseconds: 1 } }
    await using repository = new Repository(`${registry.host}/a`, options)
    expect(await repository.push(descriptor, contentOf(bytes), absent)).toBe('copied')
    expect(methods(registry).filter((method) => method === 'PATCH')).toHaveLength(3)
  })

  it.each([Infinity, mebibyte])(
    'because its token has expired is repeated with another one (in chunks of %d bytes)',
    async (chunkBytes) => {
      const taken: number[] = []
      const { server, revoke } = await startTokenRegistry({
        content: ({ method, body }) => {
          if (method === 'PATCH' || method === 'PUT') taken.push(body.length)
          // The next one comes with a token that is not good any more.
          if (method === 'POST' || taken.length === 1) revoke()
          const end = taken.reduce((sum, length) => sum + length, 0) - 1
          const headers = { location: '/v2/a/blobs/uploads/1', range: `0-${Math.max(0, end)}` }
          return method === 'PUT' ? { status: 201 } : { status: method === 'GET' ? 204 : 202, headers }
        },
      })
      await using repository = new Repository(`${server.host}/a`, {
        chunkBytes,
        credential,
        retry: { baseMilliseconds: 1 },
      })
      expect(await repository.push(descriptor, contentOf(bytes), absent)).toBe('copied')
      expect(taken).toEqual(chunkBytes === Infinity ? [bytes.length] : [mebibyte, mebibyte, mebibyte, 0])
    },
  )
})

describe('content of unknown digest whose end was not answered', () => {
  it.each([
    ['is there', loseAnswer(), ['POST', 'PATCH', 'PUT', 'HEAD', 'DELETE']],
    ['is ended once more', dropConnection(), ['POST', 'PATCH', 'PUT', 'HEAD', 'PUT']],
    ['is ended once more', answerWith(503), ['POST', 'PATCH', 'PUT', 'HEAD', 'PUT']],
  ])('%s', async (_what, fault, expected) => {
    const registry = await start({ faults: [on(put, times(1, fault))] })
    await using repository = new Repository(`${registry.host}/a`, { retry: { baseMilliseconds: 1 } })
    expect(await repository.ingest(contentOf(bytes), descriptor.mediaType)).toEqual(descriptor)
    expect(methods(registry)).toEqual(expected)
  })
})

describe('content of unknown digest that stands still', () => {
  it('is given up when its upload is aborted', async () => {
    const registry = await start({})
    await using repository = new Repository(`${registry.host}/a`)
    const controller = new AbortController()
    const reason = new Error('enough')
    const standstill = Promise.withResolvers<IteratorReturnResult<undefined>>()
    let isFirst = true
    const content: Content = {
      [Symbol.asyncIterator]: () => ({
        next() {
          if (isFirst) {
            isFirst = false
            return Promise.resolve({ done: false, value: new Uint8Array(mebibyte) })
          }
          queueMicrotask(() => controller.abort(reason))
          return standstill.promise
        },
        return() {
          standstill.resolve({ done: true, value: undefined })
          return standstill.promise
        },
      }),
    }
    const { signal } = controller
    expect(await rejection(repository.ingest(content, 'application/x', { signal }))).toBe(reason)
    await standstill.promise
    expect(methods(registry).at(-1)).toBe('DELETE')
  })
})
