import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import type { CopyEvent } from '../../../../src/events.ts'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { bytes, credential, descriptor, manifest, startTokenRegistry } from '../auth/token-registry.ts'
import { errorBody, startServer, type TestServer } from '../server.ts'

const headers = (): Record<string, string> => ({ 'X-Api-Key': 'canary', cookie: 'canary=1' })

function open(server: TestServer, options: RepositoryOptions = {}): Repository {
  const repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 }, headers, ...options })
  onTestFinished(() => repository.close())
  return repository
}

/** Of each request the path and the user's header. */
function keys(server: TestServer): string[] {
  return server.requests.map(
    ({ url, headers: { 'x-api-key': key } }) => `${new URL(url, server.url).pathname} ${String(key)}`,
  )
}

const blobPath = `/v2/a/blobs/${descriptor.digest}`

describe('headers of the user’s own', () => {
  it('go with every request to their registry, reading and writing', async () => {
    const server = await startServer(({ method }) => ({
      status: { POST: 202, HEAD: 404 }[method] ?? 201,
      headers: { location: '/v2/a/blobs/uploads/1' },
    }))
    await open(server, { singlePostBytes: 0 }).push(blob(bytes), contentOf(bytes))
    expect(server.requests.map(({ method }) => method)).toEqual(['HEAD', 'POST', 'PUT'])
    expect(server.requests.every(({ headers: { cookie } }) => cookie === 'canary=1')).toBe(true)
    expect(keys(server).every((line) => line.endsWith(' canary'))).toBe(true)
  })

  it('do not go where a redirect leads elsewhere, nor with it when it comes back', async () => {
    const away: TestServer = await startServer(() => ({
      status: 307,
      headers: { location: `${server.url}/back` },
    }))
    const server: TestServer = await startServer(({ url }) => {
      if (url === '/back') return { status: 200, body: bytes }
      return { status: 307, headers: { location: url === '/on' ? away.url : '/on' } }
    })
    await read(open(server).fetch(blob(bytes)))
    expect(keys(server)).toEqual([`${blobPath} canary`, '/on canary', '/back undefined'])
    expect(keys(away)).toEqual(['/ undefined'])
  })

  it('do not go to a token service elsewhere, by the same host at another port', async () => {
    const service = await startServer(() => ({ status: 200, body: '{"token":"t1"}' }))
    const { server } = await startTokenRegistry({ challenge: () => `Bearer realm="${service.url}/token"` })
    await rejection(open(server).fetchReference('v1'))
    expect(keys(service)).toEqual(['/token undefined'])
    expect(service.requests[0]?.headers.cookie).toBeUndefined()
  })

  it('go to the token service on their registry’s own origin, and its redirect is not followed', async () => {
    const { server } = await startTokenRegistry()
    await open(server).fetchReference('v1')
    expect(keys(server)).toEqual(['/v2/a/manifests/v1 canary', '/token canary', '/v2/a/manifests/v1 canary'])
    const away = await startServer(() => ({ status: 200, body: '{"token":"t1"}' }))
    const moved = await startTokenRegistry({
      token: () => ({ status: 307, headers: { location: away.url } }),
    })
    await rejection(open(moved.server).fetchReference('v1'))
    expect(away.requests).toEqual([])
  })

  it('do not go to an upload location or a next page elsewhere', async () => {
    const away = await startServer(() => ({ status: 200 }))
    const server = await startServer(({ method }) =>
      method === 'GET'
        ? { status: 200, headers: { link: `<${away.url}/>; rel="next"` }, body: '{"tags":["a"]}' }
        : { status: method === 'HEAD' ? 404 : 202, headers: { location: away.url } },
    )
    const repository = open(server, { singlePostBytes: 0 })
    await rejection(repository.push(blob(bytes), contentOf(bytes)))
    await rejection(Array.fromAsync(repository.tags()))
    expect(away.requests).toEqual([])
  })

  it('do not go elsewhere, even if a request for the registry does', async () => {
    const [server, away] = [await startServer(() => manifest), await startServer(() => manifest)]
    await using transport = new Transport({ headers })
    const access = { registry: server.host, scopes: [] }
    const response = await transport.send({
      method: 'GET',
      url: new URL(away.url),
      access,
      redirect: 'refuse',
    })
    await response.discard()
    expect(keys(away)).toEqual(['/ undefined'])
  })

  it('are asked for by registry, for each request', async () => {
    const [first, second] = [await startServer(() => manifest), await startServer(() => manifest)]
    let count = 0
    const transport = new Transport({
      headers: (registry) => (registry === first.host ? { 'x-api-key': `canary${(count += 1)}` } : undefined),
    })
    onTestFinished(() => transport.close())
    for (const server of [first, second, first]) await open(server, { transport }).fetchReference('v1')
    expect(keys(first)).toEqual(['/v2/a/manifests/v1 canary1', '/v2/a/manifests/v1 canary2'])
    expect(keys(second)).toEqual(['/v2/a/manifests/v1 undefined'])
  })

  it('replace none that a request must have', async () => {
    const server = await startServer(() => manifest)
    const repository = open(server, { headers: () => ({ accept: 'text/html', 'user-agent': 'mine' }) })
    await repository.fetchReference('v1')
    expect(server.requests[0]?.headers.accept).toContain(descriptor.mediaType)
    expect(server.requests[0]?.headers['user-agent']).toBe('mine')
  })

  it('are in no error and no event', async () => {
    const server = await startServer(() => ({ status: 403, body: errorBody('DENIED') }))
    const events: CopyEvent[] = []
    const onEvent = (event: CopyEvent): void => void events.push(event)
    const error = await rejection(open(server).fetchReference('v1', { onEvent }))
    expect(error).toMatchObject({ code: 'AUTH' })
    expect(inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(events)).not.toContain('canary')
    expect(keys(server)).toEqual(['/v2/a/manifests/v1 canary'])
  })
})

describe('an Authorization of the user’s own', () => {
  it('is used as it is, and neither password nor token beside it', async () => {
    const { server } = await startTokenRegistry()
    const repository = open(server, { credential, headers: () => ({ Authorization: 'Custom canary' }) })
    expect(await rejection(repository.fetchReference('v1'))).toMatchObject({ code: 'AUTH' })
    expect(server.requests.map(({ url, headers: { authorization } }) => [url, authorization])).toEqual([
      ['/v2/a/manifests/v1', 'Custom canary'],
    ])
  })

  it('does not go where a redirect leads elsewhere', async () => {
    const away = await startServer(() => ({ status: 200, body: bytes }))
    const server = await startServer(() => ({ status: 307, headers: { location: away.url } }))
    const repository = open(server, { headers: () => ({ authorization: 'Custom canary' }) })
    await read(repository.fetch(blob(bytes)))
    expect(away.requests.map(({ headers: { authorization } }) => authorization)).toEqual([undefined])
  })
})

describe('a header that a user sets', () => {
  it.each([
    'Host',
    'content-length',
    'Transfer-Encoding',
    'CONNECTION',
    'expect',
    'Upgrade',
    'range',
    'Content-Range',
    'Accept-Encoding',
    'Proxy-Authorization',
    'Keep-Alive',
    'TE',
    'Trailer',
  ])('is not %s', async (name) => {
    const server = await startServer(() => manifest)
    const error = await rejection(
      open(server, { headers: () => ({ [name]: 'canary' }) }).fetchReference('v1'),
    )
    expect(error).toBeInstanceOf(RangeError)
    expect(inspect(error)).not.toContain('canary')
    expect(server.requests).toEqual([])
  })

  it.each(['', 'a b', 'a:', 'a\r\nb', ':path', 'ä', 'a\0', 'canary: x'])(
    'has not %j as its name',
    async (name) => {
      const server = await startServer(() => manifest)
      const error = await rejection(
        open(server, { headers: () => ({ [name]: 'canary' }) }).fetchReference('v1'),
      )
      expect(error).toBeInstanceOf(RangeError)
      expect(inspect(error)).not.toContain('canary')
      expect(server.requests).toEqual([])
    },
  )

  it.each(['canary\r\nx: y', 'canary\n', 'canary\0', 'canary\u007f', 'canaryä', 'canary\u{1f600}'])(
    'has not %j as its value',
    async (value) => {
      const server = await startServer(() => manifest)
      const error = await rejection(
        open(server, { headers: () => ({ 'x-key': value }) }).fetchReference('v1'),
      )
      expect(error).toBeInstanceOf(RangeError)
      expect(inspect(error)).toContain('x-key')
      expect(inspect(error)).not.toContain('canary')
      expect(server.requests).toEqual([])
    },
  )

  it('is not set twice in other letters', async () => {
    const server = await startServer(() => manifest)
    const repository = open(server, { headers: () => ({ 'X-Key': 'a', 'x-key': 'b' }) })
    expect(await rejection(repository.fetchReference('v1'))).toBeInstanceOf(RangeError)
  })
})

it('a cookie that a registry sets is not sent back', async () => {
  const cookie = ['sid=canary; Path=/; HttpOnly', '_gorilla_csrf=canary']
  const { server } = await startTokenRegistry({
    content: () => ({ ...manifest, headers: { ...manifest.headers, 'set-cookie': cookie } }),
    token: () => ({ status: 200, headers: { 'set-cookie': cookie }, body: '{"token":"t1"}' }),
  })
  await using registry = new Registry(server.host)
  await registry.repository('a').fetchReference('v1')
  await registry.repository('a').fetchReference('v1')
  expect(server.requests).toHaveLength(4)
  expect(server.requests.map(({ headers: { cookie: sent } }) => sent)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ])
})
