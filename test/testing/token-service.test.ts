import { describe, expect, it, onTestFinished } from 'vitest'
import {
  answerWith,
  requireBasic,
  requireToken,
  startFaultyRegistry,
  startTokenService,
  times,
  tokenUser,
  type FaultyRegistry,
  type TokenService,
  type TokenServiceOptions,
} from '../../src/testing/testing.ts'
import { blobOf, caller, json, pushBlob, type Call, type Reply } from '../server/harness.ts'

const users = { tester: 'password' }
const digest = blobOf('content').digest

async function start(
  options: TokenServiceOptions = {},
): Promise<{ service: TokenService; registry: FaultyRegistry; call: Call; ask: Call }> {
  const service = await startTokenService({ users, ...options })
  const realm = `${service.url}/token`
  const registry = await startFaultyRegistry({ faults: [requireToken(service, { realm, service: 'here' })] })
  onTestFinished(async () => {
    await registry.close()
    await service.close()
  })
  return { service, registry, call: caller(registry.url), ask: caller(service.url) }
}

function basic(user: string, password: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
}

function bearer(reply: Reply, member = 'token'): { authorization: string } {
  const document = json(reply) as Record<string, string>
  return { authorization: `Bearer ${document[member]}` }
}

const login = basic('tester', 'password')

describe('a registry that wants tokens', () => {
  it.each([
    ['GET', '/v2/', undefined],
    ['GET', '/v2/_catalog', 'registry:catalog:*'],
    ['GET', '/v2/a/b/tags/list', 'repository:a/b:pull'],
    ['HEAD', '/v2/a/b/manifests/x', 'repository:a/b:pull'],
    ['PUT', '/v2/a/b/manifests/x', 'repository:a/b:pull,push'],
    ['DELETE', '/v2/a/b/manifests/x', 'repository:a/b:delete'],
    ['POST', '/v2/a/b/blobs/uploads/', 'repository:a/b:pull,push'],
    ['GET', '/v2/a/b/blobs/uploads/1', 'repository:a/b:pull,push'],
    ['DELETE', '/v2/a/b/blobs/uploads/1', 'repository:a/b:pull,push'],
    ['POST', `/v2/a/b/blobs/uploads/?mount=${digest}&from=c`, 'repository:a/b:pull,push repository:c:pull'],
  ])('says for %s %s which scope it is', async (method, path, scope) => {
    const { call, service } = await start()
    const { status, headers } = await call(method, path)
    const expected = `Bearer realm="${service.url}/token",service="here"${scope === undefined ? '' : `,scope="${scope}"`}`
    expect([status, headers['www-authenticate']]).toEqual([401, expected])
  })

  it('takes a token for what it is good for, and says what is wrong with another', async () => {
    const { call, ask } = await start()
    const headers = bearer(await ask('GET', '/token?scope=repository:a:pull'))
    expect(await call('GET', '/v2/a/tags/list', { headers })).toMatchObject({ status: 404 })
    const elsewhere = await call('GET', '/v2/b/tags/list', { headers })
    expect(elsewhere.headers['www-authenticate']).toContain('error="insufficient_scope"')
    const forged = await call('GET', '/v2/a/tags/list', { headers: { authorization: 'Bearer forged' } })
    expect(forged.headers['www-authenticate']).toContain('error="invalid_token"')
  })

  it('takes no token that is over, or revoked', async () => {
    const { call, ask, service } = await start({ lifetimeSeconds: 0 })
    const path = '/token?scope=repository:a:pull'
    const over = bearer(await ask('GET', path))
    expect(await call('GET', '/v2/a/tags/list', { headers: over })).toMatchObject({ status: 401 })
    const lasting = await start()
    const headers = bearer(await lasting.ask('GET', path))
    expect(await lasting.call('GET', '/v2/a/tags/list', { headers })).toMatchObject({ status: 404 })
    lasting.service.revokeAll()
    expect(await lasting.call('GET', '/v2/a/tags/list', { headers })).toMatchObject({ status: 401 })
    expect(service.requests).toHaveLength(1)
  })

  it('lets a mount through only with both scopes', async () => {
    const { call, ask, registry } = await start()
    const blob = blobOf('content')
    await pushBlob(caller(registry.withoutFaults), 'c', blob)
    const mount = `/v2/a/blobs/uploads/?mount=${blob.digest}&from=c`
    const one = bearer(await ask('GET', '/t?scope=repository:a:pull,push', { headers: login }))
    const both = bearer(
      await ask('GET', '/t?scope=repository:a:pull,push%20repository:c:pull', { headers: login }),
    )
    expect(await call('POST', mount, { headers: one })).toMatchObject({ status: 401 })
    expect(await call('POST', mount, { headers: both })).toMatchObject({ status: 201 })
  })
})

describe('a token service', () => {
  it('gives anonymous tokens for reading alone', async () => {
    const { ask, service } = await start()
    const headers = bearer(await ask('GET', '/t?scope=repository:a:pull,push'))
    const grant = service.grantOf(headers.authorization)
    expect(grant?.user).toBeUndefined()
    expect([...(grant?.scopes.get('repository:a') ?? [])]).toEqual(['pull'])
  })

  it('gives a user who logs in what was asked for, in several scopes', async () => {
    const { ask, service } = await start()
    const reply = await ask('GET', '/t?scope=repository:a:pull,push&scope=repository:b:pull', {
      headers: login,
    })
    const grant = service.grantOf(bearer(reply).authorization)
    expect(grant?.user).toBe('tester')
    expect([...(grant?.scopes.keys() ?? [])]).toEqual(['repository:a', 'repository:b'])
    expect(json(reply)).toMatchObject({ expires_in: 300 })
  })

  it.each([
    ['a wrong password', basic('tester', 'wrong')],
    ['an unknown user', basic('nobody', 'password')],
    ['a name that every object has', basic('constructor', 'x')],
    ['an empty password', basic('tester', '')],
    ['a refresh token that it never gave', basic(tokenUser, 'x')],
  ])('refuses %s', async (_, headers) => {
    const { ask } = await start()
    expect(await ask('GET', '/t?scope=repository:a:pull', { headers })).toMatchObject({ status: 401 })
  })

  it('decides by a function who may do what', async () => {
    const allows = (user: string | undefined, resource: string): boolean => resource === `repository:${user}`
    const { ask, service } = await start({ allows })
    const reply = await ask('GET', '/t?scope=repository:tester:push&scope=repository:b:push', {
      headers: login,
    })
    const scopes = service.grantOf(bearer(reply).authorization)?.scopes
    expect([scopes?.get('repository:tester')?.size, scopes?.get('repository:b')?.size]).toEqual([1, 0])
  })

  it('has the flow of OAuth2, with refresh tokens', async () => {
    const { ask, service } = await start()
    const form = (fields: Record<string, string>): Parameters<Call>[2] => ({
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    })
    const first = await ask(
      'POST',
      '/t',
      form({ grant_type: 'password', username: 'tester', password: 'password', access_type: 'offline' }),
    )
    const { refresh_token: refreshToken = '' } = json(first) as { refresh_token?: string }
    service.revokeAll()
    const scope = 'repository:a:pull,push'
    const second = await ask(
      'POST',
      '/t',
      form({ grant_type: 'refresh_token', refresh_token: refreshToken, scope }),
    )
    expect(service.grantOf(bearer(second).authorization)).toMatchObject({ user: 'tester' })
    const asPassword = await ask('GET', `/t?scope=${scope}`, { headers: basic(tokenUser, refreshToken) })
    expect(service.grantOf(bearer(asPassword).authorization)).toMatchObject({ user: 'tester' })
    const wrong = await ask('POST', '/t', form({ grant_type: 'password', username: 'tester', password: 'x' }))
    expect(wrong.status).toBe(401)
  })

  it('does without a lifetime, another member, POST, or an action, as it is told', async () => {
    const { ask } = await start({
      saysLifetime: false,
      member: 'access_token',
      refusesPostWith: 405,
      refusedActions: ['delete'],
    })
    const reply = await ask('GET', '/t?scope=repository:a:pull')
    expect(json(reply)).toEqual({ access_token: expect.any(String) })
    expect(await ask('POST', '/t', { body: '' })).toMatchObject({ status: 405 })
    expect(await ask('GET', '/t?scope=repository:a:pull,delete')).toMatchObject({ status: 400 })
  })

  it('refuses a form without end', async () => {
    const { ask } = await start()
    expect(await ask('POST', '/t', { body: 'x'.repeat(70_000) })).toMatchObject({ status: 500 })
  })

  it('has faults of its own, and counts its calls', async () => {
    const { ask, service } = await start({ faults: [times(1, answerWith(503))] })
    const replies = [await ask('GET', '/t'), await ask('GET', '/t')]
    expect(replies.map(({ status }) => status)).toEqual([503, 200])
    expect(service.requests).toMatchObject([
      { at: 'tokens', status: 503 },
      { at: 'tokens', status: 200 },
    ])
  })
})

describe('a registry that wants a password', () => {
  it('lets users in, and nobody else', async () => {
    await using registry = await startFaultyRegistry({ faults: [requireBasic(users, 'here')] })
    const call = caller(registry.url)
    const anonymous = await call('GET', '/v2/')
    expect([anonymous.status, anonymous.headers['www-authenticate']]).toEqual([401, 'Basic realm="here"'])
    expect(await call('GET', '/v2/', { headers: basic('tester', 'wrong') })).toMatchObject({ status: 401 })
    expect(await call('GET', '/v2/', { headers: { authorization: 'Bearer x' } })).toMatchObject({
      status: 401,
    })
    expect(await call('GET', '/v2/', { headers: login })).toMatchObject({ status: 200 })
  })
})
