import { describe, expect, it, onTestFinished } from 'vitest'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { Transport, type TransportOptions } from '../../../../src/targets/remote/transport/transport.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { bytes, descriptor, manifest, startTokenRegistry } from '../auth/token-registry.ts'
import { flood, startRawServer, trickle } from '../raw-server.ts'
import { errorBody, startServer } from '../server.ts'

function open(host: string, options: RepositoryOptions = {}): Repository {
  const repository = new Repository(`${host}/a`, { retry: { attempts: 1 }, ...options })
  onTestFinished(() => repository.close())
  return repository
}

/** More than a connection holds on its way; less than what a client that reads on would have taken. */
const onTheWay = 32 * 1024 * 1024

describe('a limit', () => {
  it('of pages ends a list that never does', async () => {
    const server = await startServer(({ url }) => {
      const page = Number(new URL(url, 'http://x').searchParams.get('page') ?? 0)
      const link = `</v2/a/tags/list?page=${page + 1}>; rel="next"`
      return { status: 200, headers: { link }, body: `{"tags":["t${page}"]}` }
    })
    const repository = open(server.host, { limits: { pages: 7 } })
    await expect(Array.fromAsync(repository.tags())).rejects.toMatchObject({
      code: 'RESPONSE',
      message: expect.stringContaining('more than 7 pages'),
    })
    expect(server.requests).toHaveLength(7)
  })

  it('of pages ends a list of referrers too', async () => {
    let count = 0
    const server = await startServer(() => ({
      status: 200,
      headers: {
        'content-type': 'application/vnd.oci.image.index.v1+json',
        link: `</v2/a/referrers/${descriptor.digest}?page=${(count += 1)}>; rel="next"`,
      },
      body: '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    }))
    const repository = open(server.host, { limits: { pages: 3 } })
    expect(await rejection(Array.fromAsync(repository.referrers(descriptor)))).toMatchObject({
      code: 'RESPONSE',
    })
    expect(server.requests).toHaveLength(3)
  })

  it.each([0, 2])('of %d redirects ends a chain', async (redirects) => {
    const server = await startServer(() => ({ status: 307, headers: { location: '/on' } }))
    const repository = open(server.host, { limits: { redirects } })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({
      message: expect.stringContaining(`more than ${redirects} redirects`),
    })
    expect(server.requests).toHaveLength(redirects + 1)
  })

  it('of headers lets 60 KiB pass, and nothing above 64', async () => {
    const answer = (size: number): typeof manifest => ({
      ...manifest,
      headers: { ...manifest.headers, 'x-large': 'x'.repeat(size) },
    })
    const small = await startServer(() => answer(60 * 1024))
    expect((await open(small.host).fetchReference('v1')).bytes).toEqual(bytes)
    const large = await startServer(() => answer(64 * 1024))
    const error = await rejection(open(large.host, { retry: { baseMilliseconds: 1 } }).fetchReference('v1'))
    expect(error).toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT', cause: { code: 'UND_ERR_HEADERS_OVERFLOW' } })
    expect(large.requests).toHaveLength(1)
    const set = open(small.host, { limits: { headerBytes: 1000 } })
    await expect(set.fetchReference('v1')).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
  })

  it('of tokens is what is read of one', async () => {
    const token = 't'.repeat(5000)
    const { server } = await startTokenRegistry({
      token: () => ({ status: 200, body: JSON.stringify({ token }) }),
    })
    const error = await rejection(open(server.host, { limits: { tokenBytes: 1000 } }).fetchReference('v1'))
    expect(error).toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(String(error)).not.toContain('tttt')
  })

  it('of errors is what is read of one: what it says is then unknown', async () => {
    const server = await startServer(() => ({ status: 400, body: errorBody('X', 'y'.repeat(1000)) }))
    const known = await rejection(open(server.host).fetchReference('v1'))
    const unknown = await rejection(open(server.host, { limits: { errorBytes: 500 } }).fetchReference('v1'))
    expect([known, unknown]).toMatchObject([
      { status: 400, errors: [{ code: 'X' }] },
      { status: 400, errors: [] },
    ])
  })

  it.each<TransportOptions>([
    { limits: { pages: 0 } },
    { limits: { redirects: -1 } },
    { limits: { headerBytes: 0.5 } },
    { limits: { tokenBytes: Infinity } },
    { limits: { errorBytes: NaN } },
    { totalTimeout: 0 },
    { totalTimeout: NaN },
  ])('is not %j', (options) => {
    expect(() => new Transport(options)).toThrow(RangeError)
  })
})

describe('what a server sends without end', () => {
  it.each([
    ['lines of headers', 'HTTP/1.1 200 OK\r\n', 'X-A: b\r\n'],
    ['one header', 'HTTP/1.1 200 OK\r\nX-A: ', 'x'],
    ['the name of a header', 'HTTP/1.1 200 OK\r\n', 'x'],
    ['headers behind a body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', 'X-A: b\r\n'],
  ])('as %s is not read beyond the limit', async (_what, begin, more) => {
    const server = await startRawServer((socket) => {
      socket.write(begin)
      flood(socket, more)
    })
    const error = await rejection(open(server.host).fetchReference('v1'))
    expect(error).toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(server.written()).toBeLessThan(onTheWay)
  })

  it.each([
    ['informational answers', '', 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'],
    ['continuations', '', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['switches of the protocol', '', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
    ['what is no HTTP', '', 'xxxxxxxx'],
  ])('as %s is an error at once', async (_what, begin, more) => {
    const server = await startRawServer((socket) => {
      socket.write(begin)
      flood(socket, more)
    })
    expect(await rejection(open(server.host).fetchReference('v1'))).toMatchObject({ code: 'UNREACHABLE' })
    expect(await rejection(open(server.host).exists(blob(bytes)))).toMatchObject({ code: 'UNREACHABLE' })
    expect(server.written()).toBeLessThan(onTheWay)
  })

  const chunked = (status: string): string => `HTTP/1.1 ${status}\r\nTransfer-Encoding: chunked\r\n\r\n`
  const chunk = `1000\r\n${' '.repeat(4096)}\r\n`

  it.each([
    ['a manifest', chunked('200 OK'), { code: 'SIZE_EXCEEDS_LIMIT' }],
    ['an error', chunked('400 X'), { code: 'RESPONSE', status: 400, errors: [] }],
  ])('as %s is read to its limit', async (_what, begin, expected) => {
    const server = await startRawServer((socket) => {
      socket.write(begin)
      flood(socket, chunk)
    })
    expect(await rejection(open(server.host).fetchReference('v1'))).toMatchObject(expected)
    expect(server.written()).toBeLessThan(onTheWay)
  })

  it('as a token is read to its limit', async () => {
    const service = await startRawServer((socket) => {
      socket.write(chunked('200 OK'))
      flood(socket, chunk)
    })
    const challenge = (): string => `Bearer realm="http://${service.host}/token"`
    const { server } = await startTokenRegistry({ challenge })
    await expect(open(server.host).fetchReference('v1')).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(service.written()).toBeLessThan(onTheWay)
  })

  it('as the extension of a chunk ends with the time for an answer, and fills no memory', async () => {
    const server = await startRawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000;x=')
      flood(socket, 'x')
    })
    const before = process.memoryUsage().rss
    const started = performance.now()
    const reading = read(open(server.host, { bodyTimeout: 500 }).fetch(blob(bytes)))
    expect(await rejection(reading)).toMatchObject({ code: 'UNREACHABLE' })
    expect(performance.now() - started).toBeLessThan(5000)
    expect(process.memoryUsage().rss - before).toBeLessThan(128 * 1024 * 1024)
  })
})

describe('what a server sends a byte at a time', () => {
  const begin = 'HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n'
  const timedOut = { code: 'UNREACHABLE', message: expect.stringContaining('timed out') }

  it.each([
    ['a manifest', begin, ' '],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', '1\r\n \r\n'],
    ['headers', 'HTTP/1.1 200 OK\r\n', 'X-A: b\r\n'],
    ['informational answers', '', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['nothing', begin, ''],
  ])('as %s ends with the total time', async (_what, first, more) => {
    const server = await startRawServer((socket) => {
      socket.write(first)
      trickle(socket, more, 20)
    })
    const started = performance.now()
    const error = await rejection(open(server.host, { totalTimeout: 300 }).fetchReference('v1'))
    expect(error).toMatchObject(timedOut)
    expect(performance.now() - started).toBeLessThan(4000)
  })

  it('as an error is that error, when the total time has ended', async () => {
    const server = await startRawServer((socket) => {
      socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 100000\r\n\r\n')
      trickle(socket, ' ', 20)
    })
    const error = await rejection(open(server.host, { totalTimeout: 300 }).fetchReference('v1'))
    expect(error).toMatchObject({ code: 'RESPONSE', status: 400 })
  })

  it('as a token ends with the total time', async () => {
    const service = await startRawServer((socket) => {
      socket.write(begin)
      trickle(socket, ' ', 20)
    })
    const challenge = (): string => `Bearer realm="http://${service.host}/token"`
    const { server } = await startTokenRegistry({ challenge })
    expect(await rejection(open(server.host, { totalTimeout: 300 }).fetchReference('v1'))).toMatchObject(
      timedOut,
    )
  })

  it('as a blob is read to its end, and so is a document where there is no total time', async () => {
    const body = '0123456789'.repeat(3)
    const server = await startRawServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
      let sent = 0
      const timer = setInterval(() => {
        socket.write(body.charAt((sent += 1) - 1))
        if (sent === body.length) clearInterval(timer)
      }, 10)
    })
    const options = { totalTimeout: 100 }
    expect((await read(open(server.host, options).fetch(blob(Buffer.from(body))))).toString()).toBe(body)
    const forever = open(server.host, { totalTimeout: Infinity })
    expect(await rejection(Array.fromAsync(forever.tags()))).toMatchObject({ code: 'INVALID_MANIFEST' })
  })
})
