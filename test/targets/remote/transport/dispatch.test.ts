import { getEventListeners } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Content } from '../../../../src/content/content.ts'
import type { CopyEvent } from '../../../../src/events.ts'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type TestServer } from '../server.ts'

const large = Buffer.alloc(4 * 1024 * 1024, 'x')

function open(server: TestServer, options: RepositoryOptions = {}): Repository {
  const repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 }, ...options })
  onTestFinished(() => repository.close())
  return repository
}

/** A registry that takes uploads; `early` may answer before the body is read. */
function startUploads(early?: Parameters<typeof startServer>[1]): Promise<TestServer> {
  return startServer(
    ({ method }) => ({
      status: { POST: 202, DELETE: 204, HEAD: 404 }[method] ?? 201,
      headers: { location: '/v2/a/blobs/uploads/1' },
    }),
    early,
  )
}

/** Content in chunks of 64 KiB that tells how far it was read and whether it was given up. */
class Watched implements Content {
  readonly #before: (chunk: number) => void
  read = 0
  open = 0

  constructor(before: (chunk: number) => void = () => undefined) {
    this.#before = before
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    this.open += 1
    try {
      for (let offset = 0; offset < large.length; offset += 65_536) {
        this.#before(offset / 65_536)
        this.read += 1
        yield large.subarray(offset, offset + 65_536)
      }
    } finally {
      this.open -= 1
    }
  }
}

describe('a request', () => {
  it('asks for unchanged bytes, says who asks, and is told as an event', async () => {
    const server = await startServer(() => ({ status: 200, body: large }))
    const events: CopyEvent[] = []
    const repository = open(server, { userAgent: 'test/1' })
    await read(repository.fetch(blob(large), { onEvent: (event) => events.push(event) }))
    expect(server.requests[0]?.headers).toMatchObject({
      'accept-encoding': 'identity',
      'user-agent': 'test/1',
    })
    expect(events).toEqual([
      {
        type: 'request',
        method: 'GET',
        url: `${server.url}/v2/a/blobs/${blob(large).digest}`,
        status: 200,
        milliseconds: expect.any(Number),
      },
    ])
  })

  it.each(['a\r\nX-Injected: yes', 'a\nb', 'a\0b', 'a\u{1f600}'])(
    'cannot say %j about who asks: that is wrong usage',
    (userAgent) => {
      expect(() => new Transport({ userAgent })).toThrow(RangeError)
    },
  )

  it('fails with what onEvent throws, and its connection is used again', async () => {
    const server = await startServer(() => ({ status: 404, body: 'x'.repeat(1000) }))
    const repository = open(server)
    const failure = new Error('the listener broke')
    const onEvent = (): never => {
      throw failure
    }
    expect(await rejection(repository.exists(blob(large), { onEvent }))).toBe(failure)
    expect(await rejection(read(repository.fetch(blob(large), { onEvent })))).toBe(failure)
    expect(await repository.exists(blob(large))).toBe(false)
    expect(await server.connections()).toBe(1)
  })

  it('whose answer is cut is an error of the network', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': large.length })
      response.write(large.subarray(0, 100_000), () => response.destroy())
      return undefined
    })
    await expect(read(open(server).fetch(blob(large)))).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })

  it('whose answer never comes times out', async () => {
    const server = await startServer(() => undefined)
    const repository = open(server, { headersTimeout: 100 })
    await expect(repository.exists(blob(large))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('timed out'),
    })
  })

  it('whose answer stops in the middle times out', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(200, { 'content-length': large.length })
      response.write(large.subarray(0, 100_000))
      return undefined
    })
    const repository = open(server, { bodyTimeout: 100 })
    await expect(read(repository.fetch(blob(large)))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('timed out'),
    })
  })

  it('reuses its connection after every kind of answer', async () => {
    const statuses = [404, 500, 403, 200]
    const server = await startServer(() => ({ status: statuses.shift() ?? 200, body: 'x' }))
    const repository = open(server)
    await rejection(read(repository.fetch(blob(Buffer.from('x')))))
    await rejection(read(repository.fetch(blob(Buffer.from('x')))))
    await rejection(repository.exists(blob(Buffer.from('x'))))
    await read(repository.fetch(blob(Buffer.from('x'))))
    expect(await server.connections()).toBe(1)
  })
})

it('a server that sends a body after a HEAD harms nobody', async () => {
  const server = await startServer(({ method }, response) => {
    if (method !== 'HEAD') return { status: 200, body: 'x' }
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n'
    response.socket?.write(`${head}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny`)
    return undefined
  })
  const repository = open(server)
  const small = blob(Buffer.from('x'))
  expect(await repository.exists(small)).toBe(true)
  const outcome = await read(repository.fetch(small)).catch((error: unknown) => error)
  // What comes on the same connection may break it, or be taken for the answer; it is never taken for the content.
  if (outcome instanceof Buffer) expect(outcome.toString()).toBe('x')
  else expect(outcome).toMatchObject({ code: expect.stringMatching(/UNREACHABLE|DIGEST_MISMATCH/) })
})

describe('an abort', () => {
  it('in the middle of an answer rejects with its reason, closes the connection and leaves no listener', async () => {
    const closed = Promise.withResolvers<void>()
    const server = await startServer((_request, response) => {
      response.on('close', closed.resolve)
      response.writeHead(200, { 'content-length': large.length })
      response.write(large.subarray(0, 100_000))
      return undefined
    })
    const controller = new AbortController()
    const reason = new Error('enough')
    const content = open(server).fetch(blob(large), { signal: controller.signal })
    const reading = (async () => {
      for await (const _chunk of content) controller.abort(reason)
    })()
    expect(await rejection(reading)).toBe(reason)
    await closed.promise
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('in the middle of an upload rejects with its reason, stops reading, and cancels the upload', async () => {
    const server = await startUploads()
    const controller = new AbortController()
    const reason = new Error('enough')
    const content = new Watched((chunk) => {
      if (chunk === 8) controller.abort(reason)
    })
    const options = { signal: controller.signal, existing: 'absent' } as const
    expect(await rejection(open(server).push(blob(large), content, options))).toBe(reason)
    expect(content.open).toBe(0)
    expect(content.read).toBeLessThan(large.length / 65_536)
    expect(server.lines).toEqual(['POST /v2/a/blobs/uploads/', 'DELETE /v2/a/blobs/uploads/1'])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('while waiting for an answer rejects with its reason', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const server = await startServer(() => {
      controller.abort(reason)
      return undefined
    })
    expect(await rejection(open(server).exists(blob(large), { signal: controller.signal }))).toBe(reason)
  })

  it('leaves no listener after success', async () => {
    const server = await startServer(() => ({ status: 200, body: large }))
    const { signal } = new AbortController()
    await read(open(server).fetch(blob(large), { signal }))
    await open(server).exists(blob(large), { signal })
    expect(getEventListeners(signal, 'abort')).toEqual([])
  })
})

describe('content that is sent', () => {
  it('fails the push with its own error, unchanged, and the upload never becomes a blob', async () => {
    const server = await startUploads()
    const failure = new TypeError('the disk broke')
    const content = new Watched((chunk) => {
      if (chunk === 20) throw failure
    })
    expect(await rejection(open(server).push(blob(large), content, { existing: 'absent' }))).toBe(failure)
    expect(server.lines).toEqual(['POST /v2/a/blobs/uploads/', 'DELETE /v2/a/blobs/uploads/1'])
  })

  it('is not read on when the registry has answered no, and the answer is the error', async () => {
    const server = await startUploads({
      early(method, _url, response) {
        if (method !== 'PUT') return false
        response.writeHead(413, { connection: 'close' }).end('{"errors":[{"code":"SIZE_INVALID"}]}')
        return true
      },
    })
    const content = new Watched()
    const error = await rejection(open(server).push(blob(large), content, { existing: 'absent' }))
    expect(error).toMatchObject({
      code: 'RESPONSE',
      status: 413,
      errors: [{ code: 'SIZE_INVALID', message: '' }],
    })
    expect(content.open).toBe(0)
  })

  it('is given up when the registry closes the connection', async () => {
    const server = await startUploads({
      early(method, _url, response) {
        if (method !== 'PUT') return false
        response.destroy()
        return true
      },
    })
    const content = new Watched()
    const push = open(server).push(blob(large), content, { existing: 'absent' })
    await expect(push).rejects.toMatchObject({ code: 'UNREACHABLE' })
    expect(content.open).toBe(0)
  })

  it('that breaks after the registry said yes is still an error', async () => {
    const failure = new Error('the source broke')
    const server = await startUploads({
      early(method, _url, response) {
        if (method === 'PUT') response.writeHead(201).flushHeaders()
        return method === 'PUT'
      },
    })
    const content = new Watched((chunk) => {
      if (chunk === 3) throw failure
    })
    expect(await rejection(open(server).push(blob(large), content, { existing: 'absent' }))).toBe(failure)
  })

  it('that the registry has not seen is not said to be there', async () => {
    const server = await startUploads({
      early(method, _url, response) {
        if (method === 'PUT') response.writeHead(201, { connection: 'close' }).end()
        return method === 'PUT'
      },
    })
    let count = 0
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        for (; count < 1024; count++) yield large.subarray(0, 1024 * 1024)
      },
    }
    const huge = { ...blob(large), size: 1024 * 1024 * 1024 }
    const push = open(server).push(huge, content, { existing: 'absent' })
    await expect(push).rejects.toMatchObject({ code: expect.stringMatching(/^(RESPONSE|UNREACHABLE)$/) })
    expect(count).toBeLessThan(1024)
  })

  it('is not taken to be complete where it ends quietly because nobody wants more of it', async () => {
    const server = await startUploads({
      early(method, _url, response) {
        if (method !== 'PUT') return false
        response.req.once('data', () => response.writeHead(201, { 'content-length': 0 }).end())
        return true
      },
    })
    const ended = Promise.withResolvers<void>()
    let chunks = 0
    const content: Content = {
      [Symbol.asyncIterator]: () => ({
        async next() {
          chunks += 1
          if (chunks <= 4) return { done: false, value: large.subarray(0, 65_536) }
          await ended.promise
          return { done: true, value: undefined }
        },
        async return() {
          ended.resolve()
          return { done: true, value: undefined }
        },
      }),
    }
    await using transport = new Transport()
    const sending = transport.send({
      method: 'PUT',
      url: new URL(`${server.url}/v2/a/blobs/uploads/1`),
      body: { content, size: large.length },
      redirect: 'refuse',
    })
    await expect(sending).rejects.toMatchObject({
      code: 'RESPONSE',
      message: expect.stringContaining('before all content was sent'),
    })
    expect(chunks).toBe(5)
  })

  it('is given up when the registry says yes at length, and reads no more', async () => {
    const server = await startUploads({
      early(method, _url, response) {
        if (method === 'PUT') response.writeHead(201, { 'content-length': 10_000_000 }).write(large)
        return method === 'PUT'
      },
    })
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        for (let count = 0; count < 64; count++) yield large.subarray(0, 1024 * 1024)
      },
    }
    const huge = { ...blob(large), size: 64 * 1024 * 1024 }
    const push = open(server).push(huge, content, { existing: 'absent' })
    await expect(push).rejects.toMatchObject({ code: expect.stringMatching(/^(RESPONSE|UNREACHABLE)$/) })
  })

  it('holds its last chunk back until it has ended well', async () => {
    const sent: number[] = []
    const server = await startUploads({
      early(method, _url, response) {
        response.req.on('data', (chunk: Buffer) => sent.push(chunk.length)).on('error', () => undefined)
        return method === 'PUT'
      },
    })
    const failure = new Error('the last look went wrong')
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        yield large
        throw failure
      },
    }
    expect(await rejection(open(server).push(blob(large), content, { existing: 'absent' }))).toBe(failure)
    expect(sent).toEqual([])
  })

  it('goes out only as fast as it is taken', async () => {
    const arrived = Promise.withResolvers<void>()
    const server = await startUploads({
      early(method) {
        if (method === 'PUT') arrived.resolve()
        return method === 'PUT'
      },
    })
    const huge = { ...blob(large), size: 1024 * 1024 * 1024 }
    let count = 0
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        for (; count < 1024; count++) yield large.subarray(0, 1024 * 1024)
      },
    }
    const controller = new AbortController()
    const push = rejection(
      open(server).push(huge, content, { existing: 'absent', signal: controller.signal }),
    )
    await arrived.promise
    // Nobody reads the body: what the sockets hold is all that is read of the content while others are served.
    for (let times = 0; times < 50; times++) await open(server).exists(blob(large))
    expect(count).toBeLessThan(32)
    controller.abort()
    await push
  })
})

it('a response that is closed by the server between two requests does no harm', async () => {
  const server = await startServer(() => ({ status: 200, headers: { connection: 'close' }, body: 'x' }))
  const repository = open(server)
  for (let count = 0; count < 3; count++) await read(repository.fetch(blob(Buffer.from('x'))))
  expect(server.requests).toHaveLength(3)
})

it('a transport that is closed fails what is under way', async () => {
  const asked = Promise.withResolvers<void>()
  const server = await startServer(() => {
    asked.resolve()
    return undefined
  })
  const repository = new Repository(`${server.host}/a`)
  const waiting = rejection(repository.exists(blob(large)))
  await asked.promise
  await repository.close()
  expect(await waiting).toMatchObject({ code: 'UNREACHABLE' })
})
