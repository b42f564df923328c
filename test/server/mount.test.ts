import { describe, expect, test } from 'vitest'
import { targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { blob, pushBlob, startRegistry, type Call, expectBlob } from './harness.ts'

describe('mount', () => {
  const mount = async (call: Call, query: string) => call('POST', `/v2/into/blobs/uploads/?${query}`)

  test.each(['&from=other', ''])('takes a blob from another repository (%j)', async (from) => {
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

  test.each([`mount=${blob().digest}&from=other`, `mount=${blob().digest}`, 'mount=nonsense&from=other'])(
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

  test.each(['nowhere', '../other', 'OTHER'])('from %s becomes an upload', async (from) => {
    const { call } = await startRegistry()
    const pushed = blob()
    await pushBlob(call, 'other', pushed)
    expect((await mount(call, `mount=${pushed.digest}&from=${from}`)).status).toBe(202)
  })

  test('says to the target where the blob comes from', async () => {
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
