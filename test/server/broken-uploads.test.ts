import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import type { RunningRegistry } from '../../src/server/serve.ts'
import { beginUpload, blob, everythingIn, expectBlob, spoolingStore, startRegistry } from './harness.ts'

const size = 20_000_000
const part = 12_000_000

/** Begins a request with a large body over a connection of its own, and sends a part of it. */
async function sendPart(
  { host, port }: RunningRegistry,
  request: string,
  bytes: Uint8Array,
): Promise<Socket> {
  const socket = connect(port, host)
  socket.on('error', () => undefined)
  socket.write(`${request} HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`)
  if (!socket.write(bytes)) await once(socket, 'drain')
  return socket
}

describe('a blob whose body breaks off', () => {
  it('in the POST that brings it is dropped, and leaves no upload', async () => {
    const { store, folder } = await spoolingStore()
    const { registry, call } = await startRegistry({ maxUploads: 1 }, store)
    const pushed = blob(size)
    const request = `POST /v2/x/blobs/uploads/?digest=${pushed.digest}`
    const socket = await sendPart(registry, request, pushed.bytes.subarray(0, part))
    await vi.waitUntil(async () => (await everythingIn(folder)).length > 0, { timeout: 10_000 })
    expect((await call('POST', '/v2/x/blobs/uploads/')).status).toBe(429)
    socket.destroy()
    await vi.waitUntil(async () => (await everythingIn(folder)).length === 0, { timeout: 10_000 })
    const location = await beginUpload(call, 'x')
    expect(location).not.toBe('')
    expect((await call('HEAD', `/v2/x/blobs/${pushed.digest}`)).status).toBe(404)
  })

  it('is where its status says, though the last bytes were still on their way when it was asked', async () => {
    const { registry, call } = await startRegistry()
    const pushed = blob(size)
    const location = await beginUpload(call, 'x')
    const socket = await sendPart(registry, `PATCH ${location}`, pushed.bytes.subarray(0, part))
    const status = call('GET', location)
    socket.end()
    expect((await status).headers['range']).toBe(`0-${part - 1}`)
    const rest = { headers: { 'content-range': `${part}-${size - 1}` }, body: pushed.bytes.subarray(part) }
    expect((await call('PATCH', location, rest)).status).toBe(202)
    expect((await call('PUT', `${location}?digest=${pushed.digest}`)).status).toBe(201)
    await expectBlob(call, 'x', pushed)
  })
})
