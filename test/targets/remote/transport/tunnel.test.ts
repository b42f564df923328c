import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import type { CopyEvent } from '../../../../src/events.ts'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { cert, key } from '../../../server/certificate.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type Handler, type TestServer } from '../server.ts'
import { startProxy, type ProxyServer } from './proxy-server.ts'

const bytes = Buffer.from('0123456789')
const tls = { cert, key }
const password = 'canary-password'
const secret = Buffer.from(`user:${password}`).toString('base64')

const startTls = (handler: Handler = () => ({ status: 200, body: bytes })): Promise<TestServer> =>
  startServer(handler, { tls })

/** The URL of a proxy with a user in it. */
function withUser({ url }: ProxyServer): string {
  return url.replace('//', `//user:${password}@`)
}

async function readFrom(host: string, options: RepositoryOptions): Promise<string> {
  await using repository = new Repository(`${host}/a`, {
    plainHttp: false,
    ca: cert,
    retry: { attempts: 1 },
    ...options,
  })
  return (await read(repository.fetch(blob(bytes)))).toString()
}

describe.each([
  ['plain', {}],
  ['TLS', { tls }],
])('a tunnel through a proxy on %s', (_kind, proxyOptions) => {
  it('leads to a registry, and shows the proxy its password and nothing of the requests', async () => {
    const [proxy, registry] = [await startProxy(proxyOptions), await startTls()]
    expect(await readFrom(registry.host, { proxy: withUser(proxy) })).toBe('0123456789')
    expect(proxy.asked).toHaveLength(1)
    const [asked] = proxy.asked
    expect(asked).toMatchObject({ method: 'CONNECT', target: registry.host })
    expect(Object.keys(asked?.headers ?? {}).sort()).toEqual(['connection', 'host', 'proxy-authorization'])
    expect(asked?.headers['proxy-authorization']).toBe(`Basic ${secret}`)
    expect(registry.requests[0]?.headers).not.toHaveProperty('proxy-authorization')
    expect(proxy.tunnelled().includes('/v2/')).toBe(false)
  })

  it('leads by name to where only the proxy can go, and TLS still checks that name', async () => {
    const registry = await startTls()
    const proxy = await startProxy({ ...proxyOptions, leadTo: registry.host })
    expect(await readFrom('localhost:4999', { proxy: proxy.url })).toBe('0123456789')
    const error = await rejection(readFrom('registry.invalid', { proxy: proxy.url }))
    expect(error).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('certificate') })
    expect(proxy.asked.map(({ target }) => target)).toEqual(['localhost:4999', 'registry.invalid:443'])
    expect(registry.requests).toHaveLength(1)
  })
})

describe('a tunnel', () => {
  it('is used for many requests, also in both directions', async () => {
    const [proxy, registry] = [
      await startProxy(),
      await startTls(({ method }) => ({
        status: { POST: 202, PUT: 201, HEAD: 404 }[method] ?? 200,
        headers: { location: '/v2/a/blobs/uploads/1' },
        body: method === 'GET' ? bytes : '',
      })),
    ]
    const options = { plainHttp: false, ca: cert, proxy: proxy.url, singlePostBytes: 0 }
    await using repository = new Repository(`${registry.host}/a`, options)
    const large = Buffer.alloc(4 * 1024 * 1024, 'x')
    expect(await repository.push(blob(large), contentOf(large))).toBe('copied')
    for (let count = 0; count < 5; count++) await read(repository.fetch(blob(bytes)))
    expect(registry.requests.find(({ method }) => method === 'PUT')?.body.length).toBe(large.length)
    expect(proxy.asked.length).toBe(1)
  })

  it('is made for each registry that is asked, and for none that is named as an exception', async () => {
    const proxy = await startProxy()
    const registries = [await startTls(), await startTls()]
    await using transport = new Transport({ plainHttp: false, ca: cert, proxy: proxy.url })
    for (const { host } of registries) await readFrom(host, { transport })
    expect(proxy.asked.map(({ target }) => target)).toEqual(registries.map(({ host }) => host))
    await readFrom(registries[0]?.host ?? '', { proxy: '' })
    expect(proxy.asked).toHaveLength(2)
  })

  it('ends with the transport, and so does one that is being made', async () => {
    const proxy = await startProxy({ refuse: () => null })
    const registry = await startTls()
    const transport = new Transport({ plainHttp: false, ca: cert, proxy: proxy.url, retry: { attempts: 1 } })
    const waiting = rejection(readFrom(registry.host, { transport }))
    await expect.poll(() => proxy.asked.length).toBe(1)
    await transport.close()
    expect(await waiting).toMatchObject({ code: 'UNREACHABLE' })
    await expect.poll(() => proxy.connections()).toBe(0)
  })
})

describe('a proxy', () => {
  it.each([
    [407, 'AUTH', /^the proxy 127\.0\.0\.1:\d+ does not lead to 127\.0\.0\.1:\d+ without a user name/],
    [403, 'UNREACHABLE', /^the proxy 127\.0\.0\.1:\d+ does not lead to 127\.0\.0\.1:\d+: .* 403/],
    [500, 'UNREACHABLE', /^the proxy 127\.0\.0\.1:\d+ does not lead to/],
    [302, 'UNREACHABLE', /^the proxy 127\.0\.0\.1:\d+ does not lead to/],
  ])(
    'that answers %d is an error of its own, without its words and its password',
    async (status, code, message) => {
      // Some repeat what they were sent.
      const answer = `HTTP/1.1 ${status} ${secret}\r\nX: ${secret}\r\nLocation: http://x/${password}\r\n\r\n${password}`
      const [proxy, registry] = [await startProxy({ refuse: () => answer }), await startTls()]
      const events: CopyEvent[] = []
      await using repository = new Repository(`${registry.host}/a`, {
        plainHttp: false,
        ca: cert,
        proxy: withUser(proxy),
        retry: { attempts: 3, baseMilliseconds: 1 },
      })
      const error = await rejection(
        repository.exists(blob(bytes), { onEvent: (event) => events.push(event) }),
      )
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
      const shown = `${inspect(error, { depth: Infinity, showHidden: true })}${JSON.stringify([error, events])}`
      expect(shown).not.toContain(password)
      expect(shown).not.toContain(secret)
      expect(proxy.asked).toHaveLength(1)
      expect(registry.requests).toEqual([])
    },
  )

  it.each([502, 503, 504])('that has not reached what it leads to (%d) is asked again', async (status) => {
    let count = 0
    const refuse = (): string | undefined => ((count += 1) < 3 ? `HTTP/1.1 ${status} X\r\n\r\n` : undefined)
    const [proxy, registry] = [await startProxy({ refuse }), await startTls()]
    const retry = { baseMilliseconds: 1 }
    expect(await readFrom(registry.host, { proxy: proxy.url, retry })).toBe('0123456789')
    expect(proxy.asked).toHaveLength(3)
    expect(registry.requests).toHaveLength(1)
  })

  it.each<[string, string]>([
    ['hangs up', ''],
    ['sends no HTTP', 'SSH-2.0-OpenSSH\r\n'],
    ['sends headers without end', `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}`],
  ])('that %s is an error that says so', async (_what, answer) => {
    const proxy = await startProxy({ refuse: () => answer })
    const error = await rejection(readFrom('127.0.0.1:4999', { proxy: withUser(proxy) }))
    expect(error).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining(`cannot reach the proxy ${proxy.host} on the way to 127.0.0.1:4999`),
    })
    expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(password)
    expect(proxy.asked).toHaveLength(1)
  })

  it('that does not listen is an error that says so', async () => {
    const proxy = 'http://user:canary-password@127.0.0.1:1'
    for (const plainHttp of [true, false]) {
      const error = await rejection(readFrom('127.0.0.1:4999', { proxy, plainHttp }))
      expect(error).toMatchObject({
        code: 'UNREACHABLE',
        message: expect.stringContaining('cannot reach the proxy 127.0.0.1:1: connection refused'),
      })
      expect(inspect(error, { depth: Infinity, showHidden: true })).not.toContain(password)
    }
  })

  it('that answers nothing is not waited for longer than it takes to connect', async () => {
    const proxy = await startProxy({ refuse: () => null })
    const error = await rejection(readFrom('127.0.0.1:4999', { proxy: proxy.url, connectTimeout: 300 }))
    expect(error).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/cannot reach the proxy .*timed out/),
    })
    expect(proxy.asked).toHaveLength(1)
    await expect.poll(() => proxy.connections()).toBe(0)
  })

  it('on TLS is not trusted because anything else is', async () => {
    const [proxy, registry] = [await startProxy({ tls }), await startTls()]
    const error = await rejection(
      readFrom(registry.host, { proxy: withUser(proxy), insecure: true, ca: undefined }),
    )
    expect(error).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/cannot reach the proxy .*: its certificate is not trusted/),
    })
    expect(proxy.asked).toEqual([])
  })

  it('named by a variable is none for this machine', async () => {
    const proxy = await startProxy()
    const registry = await startTls()
    expect(await readFrom(registry.host, {})).toBe('0123456789')
    expect(proxy.asked).toEqual([])
  })
})

describe('a registry on plain HTTP', () => {
  it.each([
    ['plain', {}],
    ['TLS', { tls }],
  ])('is asked through a proxy on %s, which alone sees its password', async (_kind, proxyOptions) => {
    const [proxy, registry] = [
      await startProxy(proxyOptions),
      await startServer(() => ({ status: 200, body: bytes })),
    ]
    expect(await readFrom(registry.host, { plainHttp: true, proxy: withUser(proxy) })).toBe('0123456789')
    const target = `${registry.url}/v2/a/blobs/${blob(bytes).digest}`
    expect(proxy.asked).toMatchObject([{ method: 'GET', target }])
    expect(proxy.asked[0]?.headers).toMatchObject({
      host: registry.host,
      'proxy-authorization': `Basic ${secret}`,
      'accept-encoding': 'identity',
    })
    expect(registry.requests[0]?.headers).not.toHaveProperty('proxy-authorization')
  })

  it('behind a proxy that wants a password is an error that says so', async () => {
    const answer = 'HTTP/1.1 407 X\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n'
    const proxy = await startProxy({ refuse: () => answer })
    const error = await rejection(readFrom('registry.invalid', { plainHttp: true, proxy: proxy.url }))
    expect(error).toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining('the proxy on the way to registry.invalid'),
    })
    expect(proxy.asked).toHaveLength(1)
  })

  it('takes what is sent to it through a proxy', async () => {
    const registry = await startServer(({ method }) => ({
      status: { POST: 202, PUT: 201, HEAD: 404 }[method] ?? 200,
      headers: { location: '/v2/a/blobs/uploads/1?state=x' },
    }))
    const proxy = await startProxy()
    await using repository = new Repository(`${registry.host}/a`, { proxy: proxy.url, singlePostBytes: 0 })
    const large = Buffer.alloc(4 * 1024 * 1024, 'x')
    await repository.push(blob(large), contentOf(large))
    expect(registry.requests.find(({ method }) => method === 'PUT')?.body.length).toBe(large.length)
    expect(proxy.asked.every(({ target }) => target.startsWith(registry.url))).toBe(true)
  })
})

describe('a host that only a server has named', () => {
  it.each([
    '127.0.0.1',
    '127.1',
    '2130706433',
    'localhost',
    'metadata.localhost',
    'metadata.localhost.',
    '169.254.169.254',
    '[::ffff:10.0.0.1]',
    '10.0.0.1',
  ])('is not asked for at a proxy where it is at %s', async (hostname) => {
    const location = `https://${hostname}:4999/`
    const registry = await startTls(() => ({ status: 307, headers: { location } }))
    const proxy = await startProxy({ leadTo: registry.host })
    const error = await rejection(readFrom('localhost:4998', { proxy: proxy.url }))
    expect(error).toMatchObject({ code: 'UNREACHABLE', cause: { code: 'ERR_REFUSED_ADDRESS' } })
    expect(proxy.asked.map(({ target }) => target)).toEqual(['localhost:4998'])
    expect(registry.requests).toHaveLength(1)
  })

  it('is not asked for over plain HTTP either', async () => {
    const location = 'http://10.0.0.1/latest'
    const registry = await startServer(() => ({ status: 307, headers: { location } }))
    const proxy = await startProxy()
    const error = await rejection(readFrom(registry.host, { plainHttp: true, proxy: proxy.url }))
    expect(error).toMatchObject({ code: 'UNREACHABLE', cause: { code: 'ERR_REFUSED_ADDRESS' } })
    expect(proxy.asked).toHaveLength(1)
  })

  it("is the proxy's to judge where its name is not known here", async () => {
    const location = 'http://storage.invalid/blob'
    const registry = await startServer(({ headers: { host } }) =>
      host === 'storage.invalid' ? { status: 200, body: bytes } : { status: 307, headers: { location } },
    )
    const proxy = await startProxy({ leadTo: registry.host })
    expect(await readFrom('registry.invalid', { plainHttp: true, proxy: proxy.url })).toBe('0123456789')
    expect(proxy.asked.map(({ target }) => new URL(target).host)).toEqual([
      'registry.invalid',
      'storage.invalid',
    ])
  })
})
