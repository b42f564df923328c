import { describe, expect, it, onTestFinished } from 'vitest'
import type { FindTls, TlsMaterial } from '../../../../src/targets/remote/remote.ts'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { Connections } from '../../../../src/targets/remote/transport/connections.ts'
import { dispatchTo } from '../../../../src/targets/remote/transport/dispatch.ts'
import { proxyChoice } from '../../../../src/targets/remote/transport/proxy.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { cert, key } from '../../../server/certificate.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type Handler, type TestServer } from '../server.ts'
import { clientCertificate, clientKey } from './client-certificate.ts'
import { shownBy, startProxy } from './proxy-server.ts'

const bytes = Buffer.from('0123456789')
const material: TlsMaterial = { ca: cert, certificate: clientCertificate, key: clientKey }

interface Watched extends Pick<TestServer, 'host' | 'url'> {
  /** By request, the name in the certificate that came with it. */
  readonly shown: readonly string[]
}

/** A server on TLS that asks for a certificate, and takes any or none. */
async function startWatched(handler: Handler = () => ({ status: 200, body: bytes })): Promise<Watched> {
  const shown: string[] = []
  const tls = { cert, key, requestCert: true, rejectUnauthorized: false }
  const server = await startServer(
    (request, response) => {
      shown.push(`${request.url} ${shownBy(response.socket)}`)
      return handler(request, response)
    },
    { tls },
  )
  return { host: server.host, url: server.url, shown }
}

/** The material for one registry alone. */
function only(server: Pick<TestServer, 'host'>): FindTls {
  return (registry) => (registry === server.host ? material : undefined)
}

async function readFrom(server: Pick<TestServer, 'host'>, options: RepositoryOptions = {}): Promise<string> {
  await using repository = new Repository(`${server.host}/a`, {
    plainHttp: false,
    retry: { attempts: 1 },
    tls: only(server),
    ...options,
  })
  return (await read(repository.fetch(blob(bytes)))).toString()
}

const path = `/v2/a/blobs/${blob(bytes).digest}`

describe('the certificate of a client', () => {
  it('is shown to its registry, and only its registry is trusted by the CA beside it', async () => {
    const registry = await startWatched()
    expect(await readFrom(registry)).toBe('0123456789')
    expect(registry.shown).toEqual([`${path} canary-client`])
    const other = await startWatched()
    const error = await rejection(readFrom(other, { tls: only(registry) }))
    expect(error).toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('not trusted') })
    expect(other.shown).toEqual([])
  })

  it('is shown to no other registry over the same transport', async () => {
    const [registry, other] = [await startWatched(), await startWatched()]
    await using transport = new Transport({ plainHttp: false, ca: cert, tls: only(registry) })
    await readFrom(registry, { transport })
    await readFrom(other, { transport })
    await readFrom(registry, { transport })
    expect(registry.shown).toEqual([`${path} canary-client`, `${path} canary-client`])
    expect(other.shown).toEqual([`${path} undefined`])
  })

  it('is not shown to where a redirect leads, nor to its registry when the redirect comes back', async () => {
    const away: Watched = await startWatched(() => ({
      status: 307,
      headers: { location: `${registry.url}/back` },
    }))
    const registry = await startWatched(({ url }) =>
      url === '/back' ? { status: 200, body: bytes } : { status: 307, headers: { location: away.url } },
    )
    expect(await readFrom(registry, { ca: cert })).toBe('0123456789')
    expect(away.shown).toEqual(['/ undefined'])
    expect(registry.shown).toEqual([`${path} canary-client`, '/back undefined'])
  })

  it('stays with a redirect within its registry', async () => {
    const registry = await startWatched(({ url }) =>
      url === '/on' ? { status: 200, body: bytes } : { status: 307, headers: { location: '/on' } },
    )
    await readFrom(registry)
    expect(registry.shown).toEqual([`${path} canary-client`, '/on canary-client'])
  })

  it.each(['learned', 'trusted by name'])(
    'is not shown to a token service elsewhere that is %s',
    async (how) => {
      const service = await startWatched(() => ({ status: 200, body: '{"token":"t"}' }))
      const registry = await startWatched(({ headers }) =>
        headers.authorization === 'Bearer t'
          ? { status: 200, body: bytes }
          : { status: 401, headers: { 'www-authenticate': `Bearer realm="${service.url}/token"` } },
      )
      const trustedRealms = how === 'learned' ? [] : [service.host]
      expect(await readFrom(registry, { ca: cert, trustedRealms })).toBe('0123456789')
      expect(service.shown).toEqual(['/token?scope=repository%3Aa%3Apull undefined'])
      expect(registry.shown).toEqual([`${path} canary-client`, `${path} canary-client`])
    },
  )

  it('is shown to the token service at the registry itself', async () => {
    const registry: Watched = await startWatched(({ url, headers }) => {
      if (url.startsWith('/token')) return { status: 200, body: '{"token":"t"}' }
      if (headers.authorization === 'Bearer t') return { status: 200, body: bytes }
      return { status: 401, headers: { 'www-authenticate': `Bearer realm="${registry.url}/token"` } }
    })
    expect(await readFrom(registry)).toBe('0123456789')
    expect(registry.shown.every((line) => line.endsWith(' canary-client'))).toBe(true)
    expect(registry.shown).toHaveLength(3)
  })

  it.each([
    [
      'a server has named',
      (registry: Watched, other: Watched) => ({ to: registry, learnedFrom: new URL(other.url) }),
    ],
    ['is elsewhere', (_registry: Watched, other: Watched) => ({ to: other, learnedFrom: undefined })],
  ])('is not shown to what %s, whatever it is asked about', async (_what, request) => {
    const [registry, other] = [await startWatched(), await startWatched()]
    const registryUrl = (): URL => new URL(registry.url)
    const connections = new Connections({ ca: cert, tls: only(registry), registryUrl })
    onTestFinished(() => connections.close())
    const send = dispatchTo((asked) => connections.dispatcher(asked), 'test')
    const access = { registry: registry.host, scopes: [] }
    const common = { method: 'GET', redirect: 'refuse', access } as const
    // So that what is learned may be on this machine.
    await (await send({ ...common, url: new URL(other.url), access: undefined })).discard()
    const { to, learnedFrom } = request(registry, other)
    await (await send({ ...common, url: new URL(`${to.url}/x`), learnedFrom })).discard()
    expect(to.shown.at(-1)).toBe('/x undefined')
    await (await send({ ...common, url: new URL(`${registry.url}/own`) })).discard()
    expect(registry.shown.at(-1)).toBe('/own canary-client')
  })

  it('is not shown through a proxy to a registry that a server has named', async () => {
    const registry = await startWatched()
    const proxy = await startProxy({ leadTo: registry.host })
    const url = new URL('https://registry.invalid/x')
    const connections = new Connections({
      insecure: true,
      tls: () => material,
      registryUrl: () => url,
      findProxy: proxyChoice(proxy.url, {}),
    })
    onTestFinished(() => connections.close())
    const send = dispatchTo((asked) => connections.dispatcher(asked), 'test')
    const access = { registry: 'registry.invalid', scopes: [] }
    const request = { method: 'GET', url, redirect: 'refuse', access } as const
    await (await send(request)).discard()
    await (await send({ ...request, learnedFrom: new URL('https://other.invalid') })).discard()
    expect(registry.shown).toEqual(['/x canary-client', '/x undefined'])
    expect(proxy.asked).toHaveLength(2)
  })

  it('goes through a tunnel to its registry, and the proxy does not see it', async () => {
    const proxy = await startProxy({ tls: { cert, key } })
    const registry = await startWatched()
    expect(await readFrom(registry, { proxy: proxy.url, ca: cert })).toBe('0123456789')
    expect(registry.shown).toEqual([`${path} canary-client`])
    expect(proxy.asked).toMatchObject([{ method: 'CONNECT', target: registry.host, client: undefined }])
    // TLS 1.3 hides it; what the proxy could read is tested, not what it could guess.
    expect(proxy.tunnelled().includes('canary-client')).toBe(false)
  })

  it('is not shown to anybody over plain HTTP: nobody asks for it', async () => {
    let count = 0
    const registry = await startServer(() => ({ status: 200, body: bytes }))
    const tls = (): TlsMaterial => {
      count += 1
      return material
    }
    expect(await readFrom(registry, { plainHttp: true, tls })).toBe('0123456789')
    expect(count).toBe(0)
  })

  it('is asked for once for each registry, and again after an error', async () => {
    const registry = await startWatched()
    const asked: string[] = []
    const failure = new Error('locked')
    const tls: FindTls = async (name) => {
      asked.push(name)
      if (asked.length === 1) throw failure
      return Promise.resolve(material)
    }
    await using transport = new Transport({ plainHttp: false, tls })
    expect(await rejection(readFrom(registry, { transport }))).toBe(failure)
    await Promise.all([1, 2, 3].map(() => readFrom(registry, { transport })))
    expect(asked).toEqual([registry.host, registry.host])
  })

  it('that is waited for does not hold up an abort, nor what closes the transport', async () => {
    const registry = await startWatched()
    const { promise, resolve } = Promise.withResolvers<TlsMaterial>()
    const transport = new Transport({ plainHttp: false, tls: () => promise })
    const repository = new Repository(`${registry.host}/a`, { transport })
    const controller = new AbortController()
    const reason = new Error('enough')
    const waiting = rejection(repository.exists(blob(bytes), { signal: controller.signal }))
    const other = rejection(repository.exists(blob(bytes)))
    controller.abort(reason)
    expect(await waiting).toBe(reason)
    await transport.close()
    resolve(material)
    expect(await other).toMatchObject({ code: 'UNREACHABLE', message: 'the transport was closed' })
    expect(registry.shown).toEqual([])
  })

  it.each<[string, TlsMaterial]>([
    ['a certificate without its key', { certificate: clientCertificate }],
    ['a key without its certificate', { key: clientKey }],
    ['a certificate that is none', { certificate: 'nothing', key: clientKey }],
    ['a key that is none', { certificate: clientCertificate, key: 'canary' }],
    ['the key of another certificate', { certificate: clientCertificate, key }],
    ['a CA that is none', { ca: 'nothing' }],
  ])('is an error with %s, which has nothing of it', async (_what, wrong) => {
    const registry = await startWatched()
    const error = await rejection(readFrom(registry, { tls: () => wrong }))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining(registry.host) })
    expect(String(error)).not.toContain('canary')
    expect(registry.shown).toEqual([])
  })
})
