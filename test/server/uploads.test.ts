import { connect } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { Spool } from '../../src/server/spool.ts'
import { UploadSession } from '../../src/server/upload-session.ts'
import {
  beginUpload,
  blob,
  blobOf,
  errorCodes,
  everythingIn,
  startRegistry,
  spoolingStore,
  temporaryFolder,
  expectBlob,
  chunksOf,
} from './harness.ts'

describe('an upload in parts', () => {
  it('begins with 202, a relative Location, the range 0-0 and an id', async () => {
    const { call } = await startRegistry()
    const reply = await call('POST', '/v2/some/where/blobs/uploads/')
    expect(reply.status).toBe(202)
    expect(reply.headers.location).toBe(`/v2/some/where/blobs/uploads/${reply.headers['docker-upload-uuid']}`)
    expect(reply.headers.range).toBe('0-0')
    expect(reply.headers['content-length']).toBe('0')
  })

  it.each([false, true])('takes chunks in order (the last in the PUT: %s)', async (lastInPut) => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const pushed = blob(300)
    let location = await beginUpload(call, 'x')
    for (const start of lastInPut ? [0, 100] : [0, 100, 200]) {
      const headers = { 'content-range': `${start}-${start + 99}` }
      const body = pushed.bytes.subarray(start, start + 100)
      const reply = await call('PATCH', location, { headers, body })
      expect([reply.status, reply.headers.range]).toEqual([202, `0-${start + 99}`])
      location = reply.headers.location ?? ''
    }
    const last = { headers: { 'content-range': '200-299' }, body: pushed.bytes.subarray(200) }
    const reply = await call('PUT', `${location}?digest=${pushed.digest}`, lastInPut ? last : {})
    expect([reply.status, reply.headers.location]).toEqual([201, `/v2/x/blobs/${pushed.digest}`])
    await expectBlob(call, 'x', pushed)
    expect(await everythingIn(folder)).toEqual([])
    expect((await call('GET', location)).status).toBe(404)
  })

  it('takes a stream without Content-Range and without Content-Length', async () => {
    const { call } = await startRegistry()
    const pushed = blob(5 * 1024 * 1024)
    const location = await beginUpload(call, 'x')
    const patched = await call('PATCH', location, { body: chunksOf(pushed.bytes, 70_000) })
    expect([patched.status, patched.headers.range]).toEqual([202, `0-${pushed.bytes.length - 1}`])
    expect((await call('PUT', `${location}?digest=${pushed.digest}`)).status).toBe(201)
    await expectBlob(call, 'x', pushed)
  })

  it('says how far it is, and goes on', async () => {
    const { call } = await startRegistry()
    const pushed = blob(300)
    const location = await beginUpload(call, 'x')
    const progress = async () => {
      const { status, headers, body } = await call('GET', location)
      expect(body.length).toBe(0)
      return [status, headers.range, headers.location]
    }
    expect(await progress()).toEqual([204, '0-0', location])
    await call('PATCH', location, { body: pushed.bytes.subarray(0, 120) })
    expect(await progress()).toEqual([204, '0-119', location])
    await call('PATCH', location, { body: pushed.bytes.subarray(120) })
    expect((await call('PUT', `${location}?digest=${pushed.digest}`)).status).toBe(201)
  })

  it.each(['100-199', '0-9', '119-219', '121-221', 'bytes=120-219', '219-120', ''])(
    'refuses a chunk at %j when the next byte is the 120th, and can go on',
    async (range) => {
      const { call } = await startRegistry()
      const pushed = blob(220)
      const location = await beginUpload(call, 'x')
      await call('PATCH', location, { body: pushed.bytes.subarray(0, 120) })
      const body = pushed.bytes.subarray(120)
      for (const [method, path] of [
        ['PATCH', location],
        ['PUT', `${location}?digest=${pushed.digest}`],
      ] as const) {
        const refused = await call(method, path, { headers: { 'content-range': range }, body })
        expect([refused.status, refused.headers.location, refused.headers.range]).toEqual([
          416,
          location,
          '0-119',
        ])
        expect(errorCodes(refused)).toEqual(['BLOB_UPLOAD_INVALID'])
      }
      const headers = { 'content-range': '120-219' }
      expect((await call('PUT', `${location}?digest=${pushed.digest}`, { headers, body })).status).toBe(201)
      await expectBlob(call, 'x', pushed)
    },
  )

  it('refuses a chunk whose Content-Range is not as long as its body', async () => {
    const { call } = await startRegistry()
    const location = await beginUpload(call, 'x')
    const headers = { 'content-range': '0-99' }
    const reply = await call('PATCH', location, { headers, body: Buffer.alloc(50) })
    expect([reply.status, errorCodes(reply)]).toEqual([400, ['SIZE_INVALID']])
    expect((await call('GET', location)).headers.range).toBe('0-0')
  })

  it('is cancelled by DELETE, with what came', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const location = await beginUpload(call, 'x')
    await call('PATCH', location, { body: Buffer.alloc(100) })
    expect(await everythingIn(folder)).not.toEqual([])
    expect((await call('DELETE', location)).status).toBe(204)
    expect(await everythingIn(folder)).toEqual([])
    for (const method of ['GET', 'PATCH', 'DELETE']) {
      const reply = await call(method, location)
      expect([reply.status, errorCodes(reply)]).toEqual([404, ['BLOB_UPLOAD_UNKNOWN']])
    }
  })

  it('belongs to the repository that it was begun in', async () => {
    const { call } = await startRegistry()
    const location = await beginUpload(call, 'mine')
    expect((await call('GET', location.replace('mine', 'yours'))).status).toBe(404)
  })

  it('keeps what came of a request that broke off', async () => {
    const { registry, call } = await startRegistry()
    const pushed = blob(4_000_000)
    const location = await beginUpload(call, 'x')
    const offset = async () => Number((await call('GET', location)).headers.range?.slice(2)) + 1
    const socket = connect(registry.port, registry.host)
    socket.write(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n`)
    socket.write(pushed.bytes.subarray(0, 3_000_000))
    await vi.waitUntil(async () => (await offset()) > 1_000_000, { timeout: 10_000 })
    socket.destroy()
    await vi.waitUntil(async () => {
      const start = await offset()
      const headers = { 'content-range': `${start}-3999999` }
      const { status } = await call('PATCH', location, { headers, body: pushed.bytes.subarray(start) })
      return status === 202
    })
    expect((await call('PUT', `${location}?digest=${pushed.digest}`)).status).toBe(201)
    await expectBlob(call, 'x', pushed)
  })

  it('takes one request at a time', async () => {
    const { call } = await startRegistry()
    const location = await beginUpload(call, 'x')
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>()
    const body = (async function* () {
      yield Buffer.alloc(100)
      begin()
      await mayEnd
    })()
    const first = call('PATCH', location, { body })
    await begun
    await vi.waitUntil(async () => {
      const second = await call('PATCH', location, {
        body: Buffer.alloc(1),
        headers: { 'content-range': '5-5' },
      })
      return second.status === 409
    })
    end()
    expect((await first).headers.range).toBe('0-99')
  })

  it('that is cancelled in the middle of a request leaves nothing when that ends', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const location = await beginUpload(call, 'x')
    const body = (async function* () {
      yield Buffer.alloc(100)
      await vi.waitUntil(async () => (await everythingIn(folder)).length > 0)
      expect((await call('DELETE', location)).status).toBe(204)
      yield Buffer.alloc(100)
    })()
    const ended = await call('PATCH', location, { body })
    expect([ended.status, errorCodes(ended)]).toEqual([404, ['BLOB_UPLOAD_UNKNOWN']])
    expect((await call('GET', location)).status).toBe(404)
    expect(await everythingIn(folder)).toEqual([])
  })

  it('that is cancelled while its last request sends becomes no blob', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({}, store)
    const location = await beginUpload(call, 'x')
    const pushed = blob(200)
    const body = (async function* () {
      yield pushed.bytes.subarray(0, 100)
      await vi.waitUntil(async () => (await everythingIn(folder)).length > 0)
      expect((await call('DELETE', location)).status).toBe(204)
      yield pushed.bytes.subarray(100)
    })()
    const ended = await call('PUT', `${location}?digest=${pushed.digest}`, { body })
    expect([ended.status, errorCodes(ended)]).toEqual([404, ['BLOB_UPLOAD_UNKNOWN']])
    expect((await call('GET', `/v2/x/blobs/${pushed.digest}`)).status).toBe(404)
    expect(await everythingIn(folder)).toEqual([])
  })

  it('that is not used for its time ends, with what came', async () => {
    const { store, folder } = await spoolingStore()
    const { call } = await startRegistry({ uploadTimeoutMilliseconds: 50 }, store)
    const location = await beginUpload(call, 'x')
    await call('PATCH', location, { body: Buffer.alloc(100) })
    await vi.waitUntil(async () => (await everythingIn(folder)).length === 0)
    expect((await call('GET', location)).status).toBe(404)
  })

  it('over the number that may be open is refused with 429', async () => {
    const { call } = await startRegistry({ maxUploads: 2 })
    const location = await beginUpload(call, 'x')
    await beginUpload(call, 'y')
    const refused = await call('POST', '/v2/x/blobs/uploads/')
    expect([refused.status, errorCodes(refused)]).toEqual([429, ['TOOMANYREQUESTS']])
    await call('DELETE', location)
    expect((await call('POST', '/v2/x/blobs/uploads/')).status).toBe(202)
  })

  it('of an empty blob has no parts', async () => {
    const { call } = await startRegistry()
    const empty = blobOf('')
    const location = await beginUpload(call, 'x')
    expect((await call('PATCH', location)).status).toBe(202)
    expect((await call('PUT', `${location}?digest=${empty.digest}`)).status).toBe(201)
    await expectBlob(call, 'x', empty)
  })

  it('of tiny parts keeps few of them in memory', async () => {
    const folder = await temporaryFolder()
    const session = new UploadSession('id', 'x', new Spool(folder))
    const { bytes } = blob(2_500)
    const written: number[] = []
    const body = async function* () {
      for (const at of bytes.keys()) {
        yield bytes.subarray(at, at + 1)
        if (at % 1_000 === 999) written.push(session.offset)
      }
    }
    await session.append(body(), 10_000)
    expect(written).toEqual([0, 1024])
    expect(Buffer.concat(await Array.fromAsync(session.content()))).toEqual(bytes)
    await session.drop()
    expect(await everythingIn(folder)).toEqual([])
  })
})
