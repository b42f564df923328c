import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { execPath } from 'node:process'
import { promisify } from 'node:util'
import { Agent, request } from 'undici'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { memoryStore, targetStore } from '../../src/server/store.ts'
import { answerWith, delay, startFaultyRegistry, trickleResponse } from '../../src/testing/testing.ts'
import { contentOf } from '../../src/content/content.ts'
import { blob, blobOf, caller, descriptorOf, expectBlob, pushBlob } from '../server/harness.ts'
import { cert, key } from '../server/certificate.ts'

/** Three bytes, and then nothing until the abort. */
async function* stalled(bytes: Uint8Array, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 3)
  await new Promise((resolve) => signal?.addEventListener('abort', resolve))
  signal?.throwIfAborted()
}

describe('the log', () => {
  it('has what came, in order, with headers as they came and bytes of both directions', async () => {
    await using registry = await startFaultyRegistry()
    const pushed = blob(1000)
    const call = caller(registry.url)
    await pushBlob(call, 'a', pushed)
    await call('GET', `/v2/a/blobs/${pushed.digest}`, {
      headers: { 'X-Odd-Case': 'Value', range: 'bytes=0-99' },
    })
    expect(registry.requests).toMatchObject([
      {
        order: 0,
        at: 'registry',
        method: 'POST',
        url: `/v2/a/blobs/uploads/?digest=${pushed.digest}`,
        receivedBytes: 1000,
        sentBytes: 0,
        status: 201,
        isOver: true,
        error: undefined,
      },
      { order: 1, method: 'GET', receivedBytes: 0, sentBytes: 100, status: 206 },
    ])
    expect(registry.requests[1]?.rawHeaders).toContain('X-Odd-Case')
    expect(registry.requests[1]?.headers).toMatchObject({ 'x-odd-case': 'Value' })
  })

  it('tells connections apart', async () => {
    await using registry = await startFaultyRegistry()
    const agents = [new Agent(), new Agent()]
    onTestFinished(() => Promise.all(agents.map((agent) => agent.destroy())).then(() => undefined))
    for (const dispatcher of agents) {
      const { body } = await request(`${registry.url}/v2/`, { dispatcher })
      await body.dump()
    }
    expect(registry.requests.map(({ connection }) => connection)).toEqual([0, 1])
  })

  it('has no request that went around the faults', async () => {
    await using registry = await startFaultyRegistry()
    expect(await caller(registry.withoutFaults)('GET', '/v2/')).toMatchObject({ status: 200 })
    expect(registry.requests).toEqual([])
  })

  it('knows what is not over yet', async () => {
    await using registry = await startFaultyRegistry({ faults: [delay(60_000)] })
    const socket = connect(registry.port, '127.0.0.1')
    socket.write('GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n')
    await vi.waitFor(() => expect(registry.requests).toMatchObject([{ isOver: false, status: undefined }]))
    socket.destroy()
    // The client has gone, and the fault's wait with it.
    await vi.waitFor(() => expect(registry.requests).toMatchObject([{ isOver: true, error: undefined }]))
  })
})

describe('a faulty registry', () => {
  it('serves the store that it is given', async () => {
    const store = memoryStore()
    const target = await store.open('a', { create: true })
    const content = blobOf('there')
    await target?.push(descriptorOf(content), contentOf(content.bytes))
    expect(target).toBeInstanceOf(MemoryTarget)
    await using registry = await startFaultyRegistry({ store })
    await expectBlob(caller(registry.url), 'a', content)
  })

  it('takes limits for the embedded registry', async () => {
    await using registry = await startFaultyRegistry({ limits: { readOnly: true } })
    expect(await caller(registry.url)('POST', '/v2/a/blobs/uploads/')).toMatchObject({ status: 405 })
  })

  it('carries large bodies both ways, many at a time', async () => {
    await using registry = await startFaultyRegistry()
    const call = caller(registry.url)
    const blobs = Array.from({ length: 4 }, () => blob(5_000_000))
    const pushed = await Promise.all(blobs.map((one) => pushBlob(call, 'a', one)))
    expect(pushed.map(({ status }) => status)).toEqual([201, 201, 201, 201])
    await Promise.all(blobs.map((one) => expectBlob(call, 'a', one)))
  })

  it('speaks HTTPS, under names that it is given', async () => {
    await using registry = await startFaultyRegistry({
      tls: { cert, key },
      names: { registry: 'localhost', tokens: 'auth.registry.example' },
    })
    expect(registry.host).toBe(`localhost:${registry.port}`)
    expect(registry.origins.tokens).toMatch(/^https:\/\/auth\.registry\.example:\d+$/)
    const dispatcher = new Agent({ connect: { ca: cert } })
    onTestFinished(() => dispatcher.destroy())
    const { statusCode, body } = await request(`${registry.url}/v2/`, { dispatcher })
    await body.dump()
    expect(statusCode).toBe(200)
  })

  it('listens on loopback alone, on three ports', async () => {
    await using registry = await startFaultyRegistry()
    const hosts = Object.values(registry.origins).map((origin) => new URL(origin))
    expect(hosts.map(({ hostname }) => hostname)).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1'])
    expect(new Set(hosts.map(({ port }) => port)).size).toBe(3)
    // All of 127.0.0.0/8 is this host: it would answer if it listened everywhere.
    const refused = await new Promise<unknown>((resolve) => {
      const socket = connect(registry.port, '127.0.0.2')
      socket.on('error', resolve)
      socket.on('connect', () => {
        socket.destroy()
        resolve(undefined)
      })
    })
    expect(refused).toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('ends with all that is at work, and twice is once', async () => {
    const registry = await startFaultyRegistry({ faults: [trickleResponse(1, 60_000)] })
    const content = blobOf('content')
    await pushBlob(caller(registry.withoutFaults), 'a', content)
    const socket = connect(registry.port, '127.0.0.1')
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(`GET /v2/a/blobs/${content.digest} HTTP/1.1\r\nhost: x\r\n\r\n`)
    await vi.waitFor(() => expect(registry.requests).toMatchObject([{ sentBytes: 1 }]))
    await Promise.all([registry.close(), registry.close(), closed])
    expect(registry.requests).toMatchObject([{ isOver: true }])
    await expect(caller(registry.withoutFaults)('GET', '/v2/')).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    })
    await expect(caller(registry.url)('GET', '/v2/')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  it('ends though a client that was answered still sends', async () => {
    const registry = await startFaultyRegistry({ faults: [answerWith(401)] })
    const socket = connect(registry.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.resume()
    socket.write('PUT /v2/a HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\npart')
    await vi.waitFor(() => expect(registry.requests).toMatchObject([{ receivedBytes: 4, status: 401 }]))
    await registry.close()
    expect(registry.requests).toMatchObject([{ isOver: true, receivedBytes: 4 }])
  })

  it('ends though its store stands still in the middle of an answer', async () => {
    const content = blobOf('content')
    const target = new MemoryTarget()
    await target.push(descriptorOf(content), contentOf(content.bytes))
    const stalling = Object.assign(target, {
      fetch: (_: unknown, { signal }: { signal?: AbortSignal } = {}) => stalled(content.bytes, signal),
    })
    const registry = await startFaultyRegistry({ store: targetStore(new Map([['a', stalling]])) })
    const socket = connect(registry.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(`GET /v2/a/blobs/${content.digest} HTTP/1.1\r\nhost: x\r\n\r\n`)
    await vi.waitFor(() => expect(registry.requests).toMatchObject([{ sentBytes: 3 }]))
    await registry.close()
    expect(registry.requests).toMatchObject([{ isOver: true }])
  })

  it('keeps no process alive that forgets to close it', async () => {
    const url = new URL('../../src/testing/testing.ts', import.meta.url).href
    const script = `
      const { startFaultyRegistry } = await import(${JSON.stringify(url)})
      const { url } = await startFaultyRegistry()
      process.stdout.write((await fetch(url + '/v2/', { headers: { connection: 'close' } })).status + '')`
    const { stdout } = await promisify(execFile)(
      execPath,
      ['--no-warnings', '--input-type=module', '-e', script],
      {
        timeout: 20_000,
      },
    )
    expect(stdout).toBe('200')
  })
})
