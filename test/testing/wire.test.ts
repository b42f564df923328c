import { connect } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import {
  afterBytes,
  answerWith,
  corruptResponse,
  delay,
  dropConnection,
  lengthenResponse,
  loseAnswer,
  on,
  reframeResponse,
  resetRequestAfter,
  resetResponseAfter,
  startFaultyRegistry,
  trickleResponse,
  truncateResponse,
  type Fault,
  type FaultyRegistry,
} from '../../src/testing/testing.ts'
import { beginUpload, blobOf, caller, pushBlob } from '../server/harness.ts'
import { exchange, type RawAnswer, type RawRequest } from './raw-client.ts'

const blob = blobOf('0123456789'.repeat(10))
const path = `/v2/a/blobs/${blob.digest}`

async function start(fault: Fault): Promise<FaultyRegistry> {
  const registry = await startFaultyRegistry({ faults: [fault] })
  onTestFinished(() => registry.close())
  await pushBlob(caller(registry.withoutFaults), 'a', blob)
  return registry
}

/** What GET of the blob brings, with a fault on blobs. */
async function fetchWith(fault: Fault, request: Partial<RawRequest> = {}): Promise<RawAnswer> {
  const registry = await start(on({ endpoint: 'blob' }, fault))
  return exchange(registry.port, { path, ...request })
}

describe('a response', () => {
  it('comes as the registry gave it where there is no fault', async () => {
    const { status, head, body, ending } = await fetchWith((request, next) => next(request))
    expect([status, body, ending]).toEqual([200, blob.bytes.toString(), 'closed'])
    expect(head).toContain('\r\ncontent-length: 100')
    expect(head).toContain(`\r\ndocker-content-digest: ${blob.digest}`)
    expect(head).not.toContain('transfer-encoding')
  })

  it('is reset after so many bytes', async () => {
    const answer = await fetchWith(resetResponseAfter(30))
    expect(answer).toMatchObject({ status: 200, body: '0123456789'.repeat(3), ending: 'reset' })
    expect(answer.head).toContain('content-length: 100')
  })

  it('is reset after its head', async () => {
    expect(await fetchWith(resetResponseAfter(0))).toMatchObject({ status: 200, body: '', ending: 'reset' })
  })

  it('that is shorter than the place of the reset comes whole', async () => {
    expect(await fetchWith(resetResponseAfter(101))).toMatchObject({ ending: 'closed', status: 200 })
  })

  it('is cut short of its Content-Length, and the connection closed', async () => {
    const answer = await fetchWith(truncateResponse(30), { keepAlive: true })
    expect(answer).toMatchObject({ status: 200, body: '0123456789'.repeat(3), ending: 'closed' })
    expect(answer.head).toContain('content-length: 100')
  })

  it('is cut before the last chunk', async () => {
    const answer = await fetchWith(truncateResponse(30, 'chunked'), { keepAlive: true })
    expect(answer).toMatchObject({ body: `1e\r\n${'0123456789'.repeat(3)}\r\n`, ending: 'closed' })
    expect(answer.head).toContain('transfer-encoding: chunked')
  })

  it('looks whole where only the end of the connection ends it', async () => {
    const answer = await fetchWith(truncateResponse(30, 'close-delimited'), { keepAlive: true })
    expect(answer).toMatchObject({ status: 200, body: '0123456789'.repeat(3), ending: 'closed' })
    expect(answer.head).not.toMatch(/content-length|transfer-encoding/)
  })

  it('runs on after its Content-Length', async () => {
    const answer = await fetchWith(lengthenResponse(5))
    expect(answer.body).toBe(`${blob.bytes.toString()}xxxxx`)
    expect(answer.head).toContain('content-length: 100')
  })

  it.each(['chunked', 'close-delimited'] as const)('is %s, and longer than the blob', async (framing) => {
    const answer = await fetchWith(lengthenResponse(5, framing), { keepAlive: framing !== 'chunked' })
    expect(answer.body).toContain('xxxxx')
    expect(answer.head).not.toContain('content-length')
  })

  it('comes in chunks without a length', async () => {
    const { head, body } = await fetchWith(reframeResponse('chunked'))
    expect(head).toContain('transfer-encoding: chunked')
    expect(body).toBe(`64\r\n${blob.bytes.toString()}\r\n0\r\n\r\n`)
  })

  it('has other bytes under the same head', async () => {
    const { head, body } = await fetchWith(corruptResponse())
    expect(body).toBe(`1${blob.bytes.toString().slice(1)}`)
    expect(head).toContain(blob.digest)
  })

  it('trickles', async () => {
    const { body, spread } = await fetchWith(trickleResponse(25, 20))
    expect(body).toBe(blob.bytes.toString())
    expect(spread).toBeGreaterThan(50)
  })

  it('comes late', async () => {
    const started = performance.now()
    expect(await fetchWith(delay(50))).toMatchObject({ status: 200 })
    expect(performance.now() - started).toBeGreaterThanOrEqual(49)
  })

  it.each([
    ['reset', 'reset'],
    ['close', 'closed'],
  ] as const)('does not come at all (%s)', async (how, ending) => {
    expect(await fetchWith(dropConnection(how))).toMatchObject({ status: 0, body: '', ending })
  })

  it('to HEAD has no body whatever the fault does with it', async () => {
    const answer = await fetchWith(lengthenResponse(5), { method: 'HEAD' })
    expect(answer).toMatchObject({ status: 200, body: '', ending: 'closed' })
    expect(answer.head).toContain('content-length: 100')
  })

  it('leaves the connection to the next request, after all that the client still sent', async () => {
    const registry = await start(on({ endpoint: 'blob' }, answerWith(503)))
    const next = Buffer.from('GET /v2/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    const answer = await exchange(registry.port, {
      method: 'PUT',
      path,
      headers: { 'content-length': '1000000' },
      body: Buffer.concat([Buffer.alloc(1_000_000), next]),
      keepAlive: true,
    })
    expect(answer).toMatchObject({ status: 503, body: expect.stringContaining('HTTP/1.1 200 OK') })
    expect(registry.requests).toMatchObject([
      { connection: 0, receivedBytes: 1_000_000, status: 503, isOver: true },
      { connection: 0, receivedBytes: 0, status: 200 },
    ])
  })
})

describe('a request', () => {
  it('is performed, and its answer lost', async () => {
    const registry = await start(on({ method: 'DELETE' }, loseAnswer()))
    expect(await exchange(registry.port, { method: 'DELETE', path })).toMatchObject({
      status: 0,
      ending: 'reset',
    })
    const seen = await caller(registry.withoutFaults)('HEAD', path)
    expect(seen.status).toBe(404)
  })

  it('is broken off after so many bytes, which the registry keeps', async () => {
    const registry = await start(on({ method: 'PATCH' }, resetRequestAfter(40)))
    const location = await beginUpload(caller(registry.withoutFaults), 'a')
    const sent = await exchange(registry.port, { method: 'PATCH', path: location, body: blob.bytes })
    expect(sent).toMatchObject({ status: 0, ending: 'reset' })
    // At once: the registry had seen the end before the client did.
    const status = await caller(registry.withoutFaults)('GET', location)
    expect([status.status, status.headers['range']]).toEqual([204, '0-39'])
    expect(registry.requests).toMatchObject([{ method: 'PATCH', receivedBytes: 100, status: undefined }])
  })

  it('that is broken off at its first byte is never seen by the registry', async () => {
    const registry = await start(on({ method: 'PATCH' }, resetRequestAfter(0)))
    const location = await beginUpload(caller(registry.withoutFaults), 'a')
    await exchange(registry.port, { method: 'PATCH', path: location, body: blob.bytes })
    const status = await caller(registry.withoutFaults)('GET', location)
    expect([status.status, status.headers['range']]).toEqual([204, '0-0'])
  })

  it('that is shorter than the place of the reset passes', async () => {
    const registry = await start(on({ method: 'PATCH' }, resetRequestAfter(101)))
    const location = await beginUpload(caller(registry.withoutFaults), 'a')
    const sent = await exchange(registry.port, { method: 'PATCH', path: location, body: blob.bytes })
    expect(sent).toMatchObject({ status: 202 })
  })

  it('is answered in its middle', async () => {
    const registry = await start(on({ method: 'PUT' }, afterBytes(40, answerWith(401))))
    const location = await beginUpload(caller(registry.withoutFaults), 'a')
    const url = `${location}?digest=${blob.digest}`
    expect(await exchange(registry.port, { method: 'PUT', path: url, body: blob.bytes })).toMatchObject({
      status: 401,
    })
    expect(registry.requests).toMatchObject([{ receivedBytes: 100, status: 401 }])
  })

  it('that the client breaks off is broken off at the registry, which keeps what came', async () => {
    const registry = await start((request, next) => next(request))
    const location = await beginUpload(caller(registry.withoutFaults), 'a')
    const socket = connect(registry.port, '127.0.0.1')
    socket.write(`PATCH ${location} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n`)
    socket.write(blob.bytes)
    await vi.waitFor(() => expect(registry.requests).toMatchObject([{ receivedBytes: 100 }]))
    socket.destroy()
    await vi.waitFor(() => expect(registry.requests).toMatchObject([{ isOver: true, status: undefined }]))
    const status = await caller(registry.withoutFaults)('GET', location)
    expect([status.status, status.headers['range']]).toEqual([204, '0-99'])
  })
})
