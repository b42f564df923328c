import { EventEmitter, once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { CopyEvent } from '../../../../src/events.ts'
import type { Credential, FindCredential } from '../../../../src/targets/remote/auth/credential.ts'
import { TokenCache } from '../../../../src/targets/remote/auth/token-cache.ts'
import type { Token } from '../../../../src/targets/remote/auth/token.ts'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { rejection } from '../../contract/support.ts'
import { startServer, type TestServer } from '../server.ts'
import {
  authorizations,
  basic,
  credential,
  descriptor,
  manifest,
  startTokenRegistry,
} from './token-registry.ts'

describe('an identity token', () => {
  const identity = (): Credential => ({ identityToken: 'canary+&=' })

  it('is sent to the token service alone, in the body of a POST', async () => {
    const { server } = await startTokenRegistry({
      token: ({ method }, count) =>
        method === 'POST'
          ? { status: 200, body: JSON.stringify({ access_token: `t${count}` }) }
          : { status: 500 },
    })
    const events: CopyEvent[] = []
    await using repository = new Repository(`${server.host}/a`, { credential: identity })
    await repository.fetchReference('v1', { onEvent: (event) => events.push(event) })
    expect(server.lines).toEqual(['GET /v2/a/manifests/v1', 'POST /token', 'GET /v2/a/manifests/v1'])
    const post = server.requests[1]
    expect(post?.headers.authorization).toBeUndefined()
    expect(post?.headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect(Object.fromEntries(new URLSearchParams(post?.body.toString()))).toEqual({
      client_id: 'copygraph',
      grant_type: 'refresh_token',
      refresh_token: 'canary+&=',
      scope: 'repository:a:pull',
      service: 'test',
    })
    expect(JSON.stringify(events)).not.toContain('canary')
  })

  it.each([307, 308])('is not sent on by a service that redirects with %d', async (status) => {
    const sink = await startServer(() => ({ status: 200, body: '{"token":"x"}' }))
    const { server } = await startTokenRegistry({
      token: () => ({ status, headers: { location: `${sink.url}/token` } }),
    })
    await using repository = new Repository(`${server.host}/a`, { credential: identity })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'RESPONSE', status })
    expect(sink.requests).toEqual([])
  })

  it('is not sent to a realm elsewhere', async () => {
    const sink = await startServer(() => ({ status: 200, body: '{"token":"x"}' }))
    const { server } = await startTokenRegistry({ challenge: () => `Bearer realm="${sink.url}/token"` })
    await using repository = new Repository(`${server.host}/a`, { credential: identity })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'AUTH' })
    expect(sink.requests).toEqual([])
  })

  it('answers no registry that wants a password', async () => {
    const server = await startServer(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="r"' },
    }))
    await using repository = new Repository(`${server.host}/a`, { credential: identity })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'AUTH' })
    expect(server.requests).toHaveLength(1)
  })
})

describe('the way of authentication', () => {
  const both = {
    challenge: (url: string): readonly string[] => ['Basic realm="r"', `Bearer realm="${url}/token"`],
  }

  it('basic sends the password with the first request, and asks no token service', async () => {
    const server = await startServer(({ headers }) =>
      headers.authorization === basic ? manifest : { status: 401, headers: { 'www-authenticate': 'Basic' } },
    )
    await using repository = new Repository(`${server.host}/a`, { credential, authentication: 'basic' })
    await repository.fetchReference('v1')
    expect(authorizations(server)).toEqual([`GET /v2/a/manifests/v1 ${basic}`])
  })

  it('basic gets no token where only that helps', async () => {
    const { server } = await startTokenRegistry()
    await using repository = new Repository(`${server.host}/a`, { credential, authentication: 'basic' })
    await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'AUTH' })
    expect(server.lines).toEqual(['GET /v2/a/manifests/v1'])
  })

  it('basic without a credential is anonymous', async () => {
    const server = await startServer(() => manifest)
    await using repository = new Repository(`${server.host}/a`, { authentication: 'basic' })
    await repository.fetchReference('v1')
    expect(authorizations(server)).toEqual(['GET /v2/a/manifests/v1 -'])
  })

  it('token shows the password to the token service, never to the registry', async () => {
    const { server } = await startTokenRegistry(both)
    const basicOnly = await startServer(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="r"' },
    }))
    const options = { credential, authentication: 'token' } as const
    await using repository = new Repository(`${server.host}/a`, options)
    await using other = new Repository(`${basicOnly.host}/a`, options)
    await repository.fetchReference('v1')
    await expect(other.fetchReference('v1')).rejects.toMatchObject({ code: 'AUTH' })
    expect(authorizations(server)[1]).toBe(`GET /token ${basic}`)
    expect(basicOnly.requests.map(({ headers }) => headers.authorization)).toEqual([undefined])
  })
})

describe('a trusted realm', () => {
  async function withRealmElsewhere(): Promise<{ server: TestServer; tokens: TestServer }> {
    const tokens = await startServer(({ headers }) =>
      headers.authorization === basic ? { status: 200, body: '{"token":"x"}' } : { status: 401 },
    )
    const server = await startServer(({ headers }) =>
      headers.authorization === 'Bearer x'
        ? manifest
        : { status: 401, headers: { 'www-authenticate': `Bearer realm="${tokens.url}/token"` } },
    )
    return { server, tokens }
  }

  it('sees the credential, and no other does', async () => {
    const { server, tokens } = await withRealmElsewhere()
    await using repository = new Repository(`${server.host}/a`, { credential, trustedRealms: [tokens.host] })
    await repository.fetchReference('v1')
    expect(tokens.requests).toHaveLength(1)
    const { hostname } = new URL(tokens.url)
    for (const trustedRealms of [
      [],
      [hostname],
      [`${hostname}:1`],
      [tokens.host.replace(hostname, 'localhost')],
      [server.host],
    ]) {
      await using other = new Repository(`${server.host}/a`, { credential, trustedRealms })
      await expect(other.fetchReference('v1')).rejects.toMatchObject({
        code: 'AUTH',
        message: expect.stringContaining(`trustedRealms, --trust-realm ${tokens.host}`),
      })
    }
    expect(tokens.requests).toHaveLength(1)
  })

  it.each(['https://auth.example', 'auth.example/token', '', 'a@b', '*.example'])(
    'is a host, not %j',
    (realm) => {
      expect(() => new Transport({ trustedRealms: [realm] })).toThrow(RangeError)
    },
  )
})

describe('the credential of a registry', () => {
  it('is asked for with the repository, and that of one is never shown for another', async () => {
    const passwords = new Map([
      ['a', 'first'],
      ['b', 'second'],
    ])
    const server = await startServer(({ headers }) =>
      headers.authorization === undefined
        ? { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }
        : manifest,
    )
    const find: FindCredential = (_registry, { repository = '' } = {}) => {
      const password = passwords.get(repository)
      return password === undefined ? undefined : { username: 'user', password }
    }
    await using registry = new Registry(server.host, { credential: find })
    for (const name of ['a', 'b', 'c', 'a']) {
      await registry
        .repository(name)
        .fetchReference('v1')
        .catch(() => undefined)
    }
    const shown = (name: string): unknown[] =>
      server.requests
        .filter(({ url }) => url.includes(`/${name}/`))
        .map(({ headers }) => headers.authorization)
    const header = (password: string): string => `Basic ${Buffer.from(`user:${password}`).toString('base64')}`
    expect(shown('a')).toEqual([undefined, header('first'), header('first')])
    expect(shown('b')).toEqual([header('second')])
    expect(shown('c')).toEqual([undefined])
  })

  it('is asked for once by many requests', async () => {
    let calls = 0
    const { server } = await startTokenRegistry()
    const find = async (): Promise<Credential> => {
      calls += 1
      return credential()
    }
    await using repository = new Repository(`${server.host}/a`, { credential: find })
    await Promise.all(['v1', 'v2', 'v3', 'v4'].map((tag) => repository.fetchReference(tag)))
    expect(calls).toBe(1)
  })

  it('that has become another one is looked up when the registry refuses the old one', async () => {
    let current = 'old'
    const header = (): string => `Basic ${Buffer.from(`user:${current}`).toString('base64')}`
    const server = await startServer(({ headers }) =>
      headers.authorization === header()
        ? manifest
        : { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } },
    )
    const asked: (Credential | undefined)[] = []
    const find: FindCredential = (_registry, { refused } = {}) => {
      asked.push(refused)
      return { username: 'user', password: current }
    }
    await using repository = new Repository(`${server.host}/a`, { credential: find })
    await repository.fetchReference('v1')
    current = 'new'
    await repository.fetchReference('v1')
    expect(server.requests).toHaveLength(4)
    expect(asked).toEqual([undefined, { username: 'user', password: 'old' }])
  })

  it('that has become another one is looked up when the token service refuses the old one', async () => {
    let current = 'old'
    const { server } = await startTokenRegistry({
      token: ({ headers }, count) =>
        headers.authorization === `Basic ${Buffer.from(`user:${current}`).toString('base64')}`
          ? { status: 200, body: JSON.stringify({ token: `t${count}`, expires_in: 0 }) }
          : { status: 401 },
    })
    const find = (): Credential => ({ username: 'user', password: current })
    await using repository = new Repository(`${server.host}/a`, { credential: find })
    await repository.fetchReference('v1')
    current = 'new'
    await repository.fetchReference('v2')
    expect(server.lines.filter((line) => line.startsWith('GET /token'))).toHaveLength(3)
  })

  it('whose look-up is aborted is looked up for the others', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const { server } = await startTokenRegistry()
    const waiting = Promise.withResolvers<void>()
    let calls = 0
    const find: FindCredential = async (_registry, { signal } = {}) => {
      calls += 1
      if (calls > 1) return credential()
      waiting.resolve()
      await once(new EventEmitter(), 'never', signal === undefined ? {} : { signal }).catch(() => undefined)
      signal?.throwIfAborted()
      return undefined
    }
    await using repository = new Repository(`${server.host}/a`, { credential: find })
    const first = rejection(repository.fetchReference('v1', { signal: controller.signal }))
    await waiting.promise
    const second = repository.fetchReference('v2')
    controller.abort(reason)
    expect(await first).toBe(reason)
    expect((await second).descriptor).toEqual(descriptor)
    expect(calls).toBe(2)
  })
})

it('tokens of one user never serve another', async () => {
  const tokens = new TokenCache()
  const wanted = { origin: 'https://r.example', scopes: ['repository:a:pull'] }
  const give =
    (token: string): (() => Promise<Token>) =>
    async () => ({ token, expires: Infinity })
  const [ann, ben] = ['ann', 'ben'].map((username) => ({ username, password: 'secret' }))
  for (const [who, token] of [
    [ann, 't1'],
    [ben, 't2'],
    [undefined, 't3'],
  ] as const) {
    expect(await tokens.obtain({ ...wanted, credential: who }, give(token))).toBe(token)
  }
  expect(await tokens.obtain({ ...wanted, credential: ann && { ...ann } }, give('t4'))).toBe('t1')
  expect(await tokens.obtain({ ...wanted, credential: undefined }, give('t4'))).toBe('t3')
})
