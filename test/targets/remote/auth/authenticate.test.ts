import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import type { CopyEvent } from '../../../../src/events.ts'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { cert, key } from '../../../server/certificate.ts'
import { blob, rejection } from '../../contract/support.ts'
import { startServer } from '../server.ts'
import {
  authorizations,
  basic,
  bytes,
  credential,
  descriptor,
  manifest,
  scopesAsked,
  startTokenRegistry,
} from './token-registry.ts'

describe('a registry that wants tokens', () => {
  it('is asked once in vain; then one token serves all that it is good for', async () => {
    const { server } = await startTokenRegistry()
    await using repository = new Repository(`${server.host}/a`)
    await repository.fetchReference('v1')
    await repository.fetchReference('v2')
    await repository.exists(descriptor)
    expect(authorizations(server)).toEqual([
      'GET /v2/a/manifests/v1 -',
      'GET /token -',
      'GET /v2/a/manifests/v1 Bearer t1',
      'GET /v2/a/manifests/v2 Bearer t1',
      `HEAD /v2/a/manifests/${descriptor.digest} Bearer t1`,
    ])
    expect(scopesAsked(server)).toEqual(['repository:a:pull'])
  })

  it('sees the credential at its own realm alone', async () => {
    const { server } = await startTokenRegistry()
    await using repository = new Repository(`${server.host}/a`, { credential })
    await repository.fetchReference('v1')
    expect(authorizations(server)).toEqual([
      'GET /v2/a/manifests/v1 -',
      `GET /token ${basic}`,
      'GET /v2/a/manifests/v1 Bearer t1',
    ])
  })

  it('gives one token for reading and writing to the destination of a copy', async () => {
    const { server } = await startTokenRegistry({
      content: ({ method }) => (method === 'PUT' ? { status: 201 } : manifest),
    })
    await using repository = new Repository(`${server.host}/a`)
    await repository.prepare()
    await repository.fetchReference('v1')
    await repository.pushReference(descriptor, bytes, 'v2')
    expect(scopesAsked(server)).toEqual(['repository:a:pull,push'])
  })

  it('is asked for more rights, and then a token with more rights serves for less', async () => {
    const { server } = await startTokenRegistry({
      content: ({ method }) => (method === 'PUT' ? { status: 201 } : manifest),
    })
    await using repository = new Repository(`${server.host}/a`)
    await repository.pushReference(descriptor, bytes, 'v2')
    await repository.fetchReference('v1')
    expect(scopesAsked(server)).toEqual(['repository:a:pull,push'])
  })

  it('is asked for both repositories when a blob is mounted, for delete only when deleting, and for the catalog', async () => {
    const { server } = await startTokenRegistry({
      content: ({ method }) => (method === 'GET' ? { status: 200, body: '{}' } : { status: 201 }),
    })
    await using registry = new Registry(server.host)
    const repository = registry.repository('b')
    const content = Buffer.from('content')
    await repository.push(blob(content), contentOf(content), { mountFrom: ['a'] })
    await rejection(repository.untag('v1'))
    await Array.fromAsync(registry.repositories())
    expect(scopesAsked(server)).toEqual([
      'repository:b:pull,push repository:a:pull',
      'repository:b:pull,delete',
      'registry:catalog:*',
    ])
  })

  it('gives one token to many requests at once', async () => {
    const { server } = await startTokenRegistry()
    await using repository = new Repository(`${server.host}/a`)
    const tags = Array.from({ length: 12 }, (_, index) => `v${index}`)
    await Promise.all(tags.map((tag) => repository.fetchReference(tag)))
    expect(scopesAsked(server)).toHaveLength(1)
  })

  it('keeps tokens of repositories apart, and shares them between objects of one transport', async () => {
    const { server } = await startTokenRegistry({ challenge: (url) => `Bearer realm="${url}/token"` })
    await using registry = new Registry(server.host)
    await registry.repository('a').fetchReference('v1')
    await registry.repository('a').fetchReference('v1')
    expect(scopesAsked(server)).toEqual(['repository:a:pull'])
    await registry.repository('b').fetchReference('v1')
    expect(scopesAsked(server)).toEqual(['repository:a:pull', 'repository:b:pull'])
  })

  it('gives at most two tokens for a thousand requests', async () => {
    const { server } = await startTokenRegistry({
      content: ({ method }) => (method === 'PUT' ? { status: 201 } : manifest),
    })
    await using repository = new Repository(`${server.host}/a`)
    for (let batch = 0; batch < 50; batch++) {
      const reads = Array.from({ length: 19 }, (_, index) => repository.fetchReference(`v${index}`))
      await Promise.all([...reads, repository.pushReference(descriptor, bytes, 'v1')])
    }
    expect(scopesAsked(server).length).toBeLessThanOrEqual(2)
    expect(server.requests.length).toBeLessThan(1100)
  })

  it('whose tokens live for a second never sees one that is too old', async () => {
    const given = new Map<string, number>()
    const server = await startServer(async ({ url, headers }) => {
      if (url.startsWith('/token')) {
        const token = `t${given.size}`
        given.set(`Bearer ${token}`, performance.now())
        return { status: 200, body: JSON.stringify({ token, expires_in: 1 }) }
      }
      const age = performance.now() - (given.get(headers.authorization ?? '') ?? -Infinity)
      if (age < 1000) return new Promise((resolve) => setTimeout(resolve, 80, manifest))
      return { status: 401, headers: { 'www-authenticate': `Bearer realm="${server.url}/token"` } }
    })
    await using repository = new Repository(`${server.host}/a`)
    for (let count = 0; count < 30; count++) await repository.fetchReference(`v${count}`)
    expect(given.size).toBeGreaterThan(2)
    const [, ...refused] = server.requests.filter(({ headers }) => headers.authorization === undefined)
    expect(refused.every(({ url }) => url.startsWith('/token'))).toBe(true)
  })

  it('that refuses a token which it gave is asked for another, once', async () => {
    const { server, revoke } = await startTokenRegistry()
    await using repository = new Repository(`${server.host}/a`)
    await repository.fetchReference('v1')
    revoke()
    await repository.fetchReference('v2')
    expect(authorizations(server).slice(3)).toEqual([
      'GET /v2/a/manifests/v2 Bearer t1',
      'GET /token -',
      'GET /v2/a/manifests/v2 Bearer t2',
    ])
  })

  it('that refuses every token ends in an error that says what to do', async () => {
    const { server } = await startTokenRegistry({
      content: () => ({
        status: 401,
        headers: { 'www-authenticate': `Bearer realm="${server.url}/token",error="insufficient_scope"` },
        body: JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'not yours' }] }),
      }),
    })
    await using repository = new Repository(`${server.host}/a`)
    const error = await rejection(repository.fetchReference('v1'))
    expect(error).toMatchObject({ code: 'AUTH', cause: { code: 'RESPONSE', status: 401 } })
    expect(String(error)).toContain(server.host)
    expect(String(error)).toContain('UNAUTHORIZED not yours')
    expect(server.requests).toHaveLength(3)
  })

  it('renews a token before it is used too late', async () => {
    const { server } = await startTokenRegistry({
      token: (_request, count) => ({
        status: 200,
        body: JSON.stringify({ token: `t${count}`, expires_in: count === 1 ? 0 : 300 }),
      }),
    })
    await using repository = new Repository(`${server.host}/a`)
    for (const tag of ['v1', 'v2', 'v3']) await repository.fetchReference(tag)
    expect(authorizations(server).slice(2)).toEqual([
      'GET /v2/a/manifests/v1 Bearer t1',
      'GET /token -',
      'GET /v2/a/manifests/v2 Bearer t2',
      'GET /v2/a/manifests/v3 Bearer t2',
    ])
  })

  it('whose token service fails once is asked again', async () => {
    const { server } = await startTokenRegistry({
      token: (_request, count) =>
        count === 1 ? { status: 503 } : { status: 200, body: JSON.stringify({ token: `t${count}` }) },
    })
    await using repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 } })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'RESPONSE', status: 503 })
    expect((await repository.fetchReference('v1')).descriptor).toEqual(descriptor)
  })

  it('gives the token to one request when another one that asked for it was aborted', async () => {
    const waiting = Promise.withResolvers<void>()
    const controller = new AbortController()
    const reason = new Error('enough')
    const { server } = await startTokenRegistry({
      async token(_request, count) {
        if (count === 1) {
          waiting.resolve()
          await new Promise((resolve) => controller.signal.addEventListener('abort', resolve, { once: true }))
        }
        return { status: 200, body: JSON.stringify({ token: `t${count}` }) }
      },
    })
    await using repository = new Repository(`${server.host}/a`)
    const aborted = rejection(repository.fetchReference('v1', { signal: controller.signal }))
    await waiting.promise
    const other = repository.fetchReference('v2')
    controller.abort(reason)
    expect(await aborted).toBe(reason)
    expect((await other).descriptor).toEqual(descriptor)
  })

  it('is sent a streamed body again from its beginning when the token has expired', async () => {
    const { server, revoke } = await startTokenRegistry({
      content: ({ method }) => ({
        status: { HEAD: 404, POST: 202 }[method] ?? 201,
        headers: { location: '/v2/a/blobs/uploads/1' },
      }),
    })
    await using repository = new Repository(`${server.host}/a`, { singlePostBytes: 0 })
    const large = Buffer.alloc(300_000, 'x')
    await repository.exists(blob(large))
    await repository.push(blob(large), contentOf(large))
    const post = server.lines.length
    revoke()
    await repository.push(blob(large), contentOf(large), { existing: 'absent' })
    const put = server.requests.at(-1)
    expect(server.lines.slice(post).filter((line) => line.startsWith('PUT'))).toHaveLength(1)
    expect(put?.body.equals(large)).toBe(true)
  })
})

describe('a registry that wants a password', () => {
  it('gets it with each request after the first one', async () => {
    const server = await startServer(({ headers }) =>
      headers.authorization === basic
        ? manifest
        : { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } },
    )
    await using repository = new Repository(`${server.host}/a`, { credential })
    await repository.fetchReference('v1')
    await repository.fetchReference('v1')
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([undefined, basic, basic])
  })

  it('and does not take it is asked once more only, and says so without the password', async () => {
    const server = await startServer(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="r"' },
    }))
    await using repository = new Repository(`${server.host}/a`, { credential })
    const error = await rejection(repository.fetchReference('v1'))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining(server.host) })
    expect(String(error)).not.toContain('secret')
    expect(server.requests).toHaveLength(2)
  })

  it('and is given none is not asked again', async () => {
    const server = await startServer(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="r"' },
    }))
    await using repository = new Repository(`${server.host}/a`)
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'AUTH' })
    expect(server.requests).toHaveLength(1)
  })

  it('fails with what the function for credentials throws', async () => {
    const server = await startServer(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="r"' },
    }))
    const failure = new Error('the helper is gone')
    await using repository = new Repository(`${server.host}/a`, { credential: () => Promise.reject(failure) })
    expect(await rejection(repository.fetchReference('v1'))).toBe(failure)
  })
})

describe('what is offered and what is taken', () => {
  it('is Bearer before Basic', async () => {
    const { server } = await startTokenRegistry({
      challenge: (url) => ['Basic realm="r"', `Bearer realm="${url}/token"`],
    })
    await using repository = new Repository(`${server.host}/a`, { credential })
    await repository.fetchReference('v1')
    expect(authorizations(server).at(-1)).toBe('GET /v2/a/manifests/v1 Bearer t1')
  })

  it('is an access token as it is, without a token service', async () => {
    const server = await startServer(({ headers }) =>
      headers.authorization === 'Bearer mine'
        ? manifest
        : { status: 401, headers: { 'www-authenticate': 'Bearer realm="https://auth.test/"' } },
    )
    await using repository = new Repository(`${server.host}/a`, {
      credential: () => ({ accessToken: 'mine' }),
    })
    await repository.fetchReference('v1')
    expect(server.requests).toHaveLength(2)
  })

  it.each(['Negotiate', 'Digest realm="x", nonce="y"', '', '"'])(
    'is nothing for the challenge %j: an error, and no second request',
    async (challenge) => {
      const server = await startServer(() => ({ status: 401, headers: { 'www-authenticate': challenge } }))
      await using repository = new Repository(`${server.host}/a`, { credential })
      await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'AUTH' })
      expect(server.requests).toHaveLength(1)
    },
  )

  it('asks for the credential of the registry by its name in references', async () => {
    const asked: string[] = []
    const { server } = await startTokenRegistry()
    await using repository = new Repository(`${server.host}/a`, {
      credential: (registry) => void asked.push(registry),
    })
    await repository.fetchReference('v1')
    expect(asked).toEqual([server.host])
  })
})

describe('a realm elsewhere', () => {
  it('is not shown the credential: the error names it', async () => {
    const other = await startServer(() => ({ status: 200, body: '{"token":"x"}' }))
    const { server } = await startTokenRegistry({ challenge: () => `Bearer realm="${other.url}/token"` })
    await using repository = new Repository(`${server.host}/a`, { credential })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining(other.host),
    })
    expect(other.requests).toEqual([])
  })

  it('may give a token to the anonymous', async () => {
    const other = await startServer(() => ({ status: 200, body: '{"token":"x"}' }))
    const server = await startServer(({ headers }) =>
      headers.authorization === 'Bearer x'
        ? manifest
        : { status: 401, headers: { 'www-authenticate': `Bearer realm="${other.url}/token"` } },
    )
    await using repository = new Repository(`${server.host}/a`)
    expect((await repository.fetchReference('v1')).descriptor).toEqual(descriptor)
    expect(other.requests[0]?.headers.authorization).toBeUndefined()
  })

  it('that redirects is not followed', async () => {
    const trap = await startServer(() => ({ status: 200, body: '{"token":"x"}' }))
    const { server } = await startTokenRegistry({
      token: () => ({ status: 307, headers: { location: `${trap.url}/token` } }),
    })
    await using repository = new Repository(`${server.host}/a`, { credential })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'RESPONSE', status: 307 })
    expect(trap.requests).toEqual([])
  })

  it('by HTTP is refused by an HTTPS registry, also for the anonymous', async () => {
    const plain = await startServer(() => ({ status: 200, body: '{"token":"x"}' }))
    const { server } = await startTokenRegistry({
      tls: { cert, key },
      challenge: () => `Bearer realm="${plain.url}/token"`,
    })
    const options = { plainHttp: false, insecure: true }
    await using repository = new Repository(`${server.host}/a`, options)
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'AUTH' })
    expect(plain.requests).toEqual([])
  })
})

it('no secret comes out in events', async () => {
  const { server } = await startTokenRegistry({
    challenge: (url) => `Bearer realm="${url}/token?session=hidden"`,
  })
  await using repository = new Repository(`${server.host}/a`, { credential })
  const events: CopyEvent[] = []
  await repository.fetchReference('v1', { onEvent: (event) => events.push(event) })
  expect(events.map((event) => event.type === 'request' && `${event.method} ${event.status}`)).toEqual([
    'GET 401',
    'GET 200',
    'GET 200',
  ])
  expect(JSON.stringify(events)).toContain('session=***')
  expect(JSON.stringify(events)).not.toMatch(/hidden|secret|dXNlc|t1/)
})
