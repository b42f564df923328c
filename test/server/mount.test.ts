import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import { memoryStore, targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { blob, descriptorOf, pushBlob, startRegistry, type Call, expectBlob } from './harness.ts'

describe('mount', () => {
  const mount = async (call: Call, query: string) => call('POST', `/v2/into/blobs/uploads/?${query}`)

  it.each(['&from=other', ''])('takes a blob from another repository (%j)', async (from) => {
    const { call } = await startRegistry()
    const pushed = blob()
    await pushBlob(call, 'aaa', blob())
    await pushBlob(call, 'other', pushed)
    const reply = await mount(call, `mount=${pushed.digest}${from}`)
    expect(reply.status).toBe(201)
    expect(reply.headers.location).toBe(`/v2/into/blobs/${pushed.digest}`)
    expect(reply.headers['docker-content-digest']).toBe(pushed.digest)
    await expectBlob(call, 'into', pushed)
  })

  it.each([`mount=${blob().digest}&from=other`, `mount=${blob().digest}`, 'mount=nonsense&from=other'])(
    '%s of nothing becomes an upload',
    async (query) => {
      const { call } = await startRegistry()
      await pushBlob(call, 'other', blob())
      const reply = await mount(call, query)
      expect(reply.status).toBe(202)
      const pushed = blob()
      const put = await call('PUT', `${reply.headers.location}?digest=${pushed.digest}`, {
        body: pushed.bytes,
      })
      expect(put.status).toBe(201)
    },
  )

  it.each(['nowhere', '../other', 'OTHER'])('from %s becomes an upload', async (from) => {
    const { call } = await startRegistry()
    const pushed = blob()
    await pushBlob(call, 'other', pushed)
    expect((await mount(call, `mount=${pushed.digest}&from=${from}`)).status).toBe(202)
  })

  describe('where another repository fails', () => {
    const failing = (method: 'resolve' | 'fetch' | 'push') => {
      const target = new MemoryTarget()
      const failure = Object.assign(new Error('/secret/path'), { code: 'EIO' })
      const methods = {
        resolve: () => Promise.reject(failure),
        fetch: () => contentThatFails(failure),
        push: () => Promise.reject(failure),
      }
      return Object.assign(target, { [method]: methods[method] })
    }
    async function* contentThatFails(failure: Error): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1)
      throw failure
    }

    it.each([
      ['resolve', '&from=other'],
      ['resolve', ''],
      ['fetch', '&from=other'],
      ['fetch', ''],
    ] as const)('in %s, becomes an upload (%j)', async (method, from) => {
      const other = failing(method)
      const pushed = blob()
      await other.push(descriptorOf(pushed), contentOf(pushed.bytes))
      const targets = new Map([
        ['other', other],
        ['into', new MemoryTarget()],
      ])
      const { call } = await startRegistry({}, targetStore(targets))
      expect((await mount(call, `mount=${pushed.digest}${from}`)).status).toBe(202)
    })

    it('in the list of names, becomes an upload', async () => {
      const names = async function* (): AsyncGenerator<string> {
        yield 'other'
        throw new Error('/secret/path')
      }
      const { call } = await startRegistry({}, { ...memoryStore(), names })
      expect((await mount(call, `mount=${blob().digest}`)).status).toBe(202)
    })

    it('goes on to the next one that has the blob', async () => {
      const other = new MemoryTarget()
      const pushed = blob()
      await other.push(descriptorOf(pushed), contentOf(pushed.bytes))
      const targets = new Map([
        ['first', failing('resolve')],
        ['other', other],
        ['into', new MemoryTarget()],
      ])
      const { call } = await startRegistry({}, targetStore(targets))
      expect((await mount(call, `mount=${pushed.digest}`)).status).toBe(201)
    })

    it('a failure of the repository itself is still one', async () => {
      const other = new MemoryTarget()
      const pushed = blob()
      await other.push(descriptorOf(pushed), contentOf(pushed.bytes))
      const targets = new Map([
        ['other', other],
        ['into', failing('push')],
      ])
      const { call } = await startRegistry({}, targetStore(targets))
      expect((await mount(call, `mount=${pushed.digest}&from=other`)).status).toBe(500)
    })
  })

  it('without a name lists the store once for many requests, and looks into few of its repositories', async () => {
    const names = Array.from({ length: 500 }, (_, at) => `r${at}`)
    const store = targetStore(new Map(['into', ...names].map((name) => [name, new MemoryTarget()])))
    let lists = 0
    let opened = 0
    const { call } = await startRegistry(
      {},
      {
        open: (name, options) => {
          opened += 1
          return store.open(name, options)
        },
        names: (options) => {
          lists += 1
          return store.names(options)
        },
      },
    )
    const replies = await Promise.all(Array.from({ length: 10 }, () => mount(call, `mount=${blob().digest}`)))
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 202))
    expect(lists).toBe(1)
    expect(opened).toBeLessThanOrEqual(10 * 101)
  })

  it('says to the target where the blob comes from', async () => {
    const from = new MemoryTarget()
    const sources: unknown[] = []
    const into = new MemoryTarget()
    const push = into.push.bind(into)
    into.push = (descriptor, content, options) => {
      sources.push(options?.source)
      return push(descriptor, content, options)
    }
    const targets = new Map([
      ['from', from],
      ['into', into],
    ])
    const { call } = await startRegistry({}, targetStore(targets))
    const pushed = blob()
    await pushBlob(call, 'from', pushed)
    await mount(call, `mount=${pushed.digest}&from=from`)
    expect(sources).toEqual([from])
  })
})
