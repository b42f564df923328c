import { describe, expect, it } from 'vitest'
import { targetStore } from '../../src/server/store.ts'
import {
  beginUpload,
  blob,
  caller,
  errorCodes,
  everythingIn,
  pushBlob,
  startRegistry,
  type Call,
  spoolingStore,
  expectBlob,
  chunksOf,
} from './harness.ts'

describe.each(['sha256', 'sha512'] as const)('one request with a digest of %s', (algorithm) => {
  it('POST with the digest and the blob stores it', async () => {
    const { call } = await startRegistry()
    const pushed = blob(1000, algorithm)
    const reply = await pushBlob(call, 'x', pushed)
    expect(reply.status).toBe(201)
    expect(reply.headers.location).toBe(`/v2/x/blobs/${pushed.digest}`)
    expect(reply.headers['docker-content-digest']).toBe(pushed.digest)
    await expectBlob(call, 'x', pushed)
  })

  it('POST and PUT with the blob stores it, without a file for the body', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const pushed = blob(1000, algorithm)
    const location = await beginUpload(call, 'x')
    const filesSeen: string[][] = []
    const body = (async function* () {
      yield pushed.bytes.subarray(0, 500)
      filesSeen.push(await everythingIn(folder))
      yield pushed.bytes.subarray(500)
    })()
    const headers = { 'content-length': '1000' }
    const reply = await call('PUT', `${location}?digest=${pushed.digest}`, { headers, body })
    expect(reply.status).toBe(201)
    expect(filesSeen).toEqual([[]])
    await expectBlob(call, 'x', pushed)
  })

  it.each(['POST', 'PUT'])('%s of a body without a Content-Length stores it', async (method) => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const pushed = blob(1000, algorithm)
    const path = method === 'POST' ? '/v2/x/blobs/uploads/' : await beginUpload(call, 'x')
    const reply = await call(method, `${path}?digest=${pushed.digest}`, { body: chunksOf(pushed.bytes) })
    expect(reply.status).toBe(201)
    await expectBlob(call, 'x', pushed)
    expect(await everythingIn(folder)).toEqual([])
  })
})

describe('content that is not what its digest says', () => {
  const wrong = { digest: blob().digest, bytes: Buffer.from('oh no') }

  async function expectRefused(
    call: Call,
    folder: string,
    request: readonly [method: string, path: string, body?: Buffer],
  ) {
    const [method, path, body] = request
    const reply = await call(method, `${path}?digest=${wrong.digest}`, body === undefined ? {} : { body })
    expect([reply.status, errorCodes(reply)]).toEqual([400, ['DIGEST_INVALID']])
    expect((await call('HEAD', `/v2/x/blobs/${wrong.digest}`)).status).toBe(404)
    expect(await everythingIn(folder)).toEqual([])
  }

  it('is refused in one POST', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    await expectRefused(call, folder, ['POST', '/v2/x/blobs/uploads/', wrong.bytes])
  })

  it('is refused in the PUT, which ends the upload', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const location = await beginUpload(call, 'x')
    await expectRefused(call, folder, ['PUT', location, wrong.bytes])
    expect((await call('GET', location)).status).toBe(404)
  })

  it('is refused after PATCHes, and what came is removed', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const location = await beginUpload(call, 'x')
    await call('PATCH', location, { body: wrong.bytes })
    await expectRefused(call, folder, ['PUT', location])
    expect((await call('GET', location)).status).toBe(404)
  })

  it.each(['', '?digest=sha256:0', '?digest=md5:d41d8cd98f00b204e9800998ecf8427e'])(
    'a PUT with the query %j is refused',
    async (query) => {
      const { call } = await startRegistry()
      const location = await beginUpload(call, 'x')
      const reply = await call('PUT', `${location}${query}`, { body: 'x' })
      expect([reply.status, errorCodes(reply)]).toEqual([400, ['DIGEST_INVALID']])
    },
  )
})

describe('a blob over the limit', () => {
  it.each([
    ['with a Content-Length', Buffer.alloc(101)],
    ['as a stream', undefined],
  ])('is 413 %s, and the upload is over', async (_, bytes) => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({ maxBlobBytes: 100 }, store)
    const { digest } = blob()
    for (const [method, query] of [
      ['PATCH', ''],
      ['PUT', `?digest=${digest}`],
    ]) {
      const location = await beginUpload(call, 'x')
      const body = bytes ?? chunksOf(Buffer.alloc(101), 10)
      const reply = await call(method ?? '', `${location}${query}`, { body })
      expect([reply.status, errorCodes(reply)]).toEqual([413, ['SIZE_INVALID']])
      expect((await call('GET', location)).status).toBe(404)
    }
    expect(await everythingIn(folder)).toEqual([])
  })

  it('is counted over all chunks', async () => {
    const { call } = await startRegistry({ maxBlobBytes: 100 })
    const location = await beginUpload(call, 'x')
    expect((await call('PATCH', location, { body: Buffer.alloc(60) })).status).toBe(202)
    expect((await call('PATCH', location, { body: Buffer.alloc(60) })).status).toBe(413)
  })
})

it.each(['GET', 'HEAD'])('%s of an upload says how far it is', async (method) => {
  const { call } = await startRegistry()
  const location = await beginUpload(call, 'x')
  await call('PATCH', location, { body: 'the beginning' })
  const reply = await call(method, location)
  expect([reply.status, reply.headers.range, reply.headers.location]).toEqual([204, '0-12', location])
})

it('a push to a repository that cannot be made is 404', async () => {
  const { call } = await startRegistry({}, targetStore(new Map()))
  const reply = await call('POST', '/v2/x/blobs/uploads/')
  expect([reply.status, errorCodes(reply)]).toEqual([404, ['NAME_UNKNOWN']])
})

it('a push of what is there ends at once, and the connection goes on', async () => {
  const { registry } = await startRegistry()
  const call = caller(registry.url)
  const pushed = blob(3 * 1024 * 1024)
  await pushBlob(call, 'x', pushed)
  expect((await pushBlob(call, 'x', pushed)).status).toBe(201)
  await expectBlob(call, 'x', pushed)
})
