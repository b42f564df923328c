import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Credential } from '../../../../src/targets/remote/auth/credential.ts'
import { fetchToken, type TokenRequest } from '../../../../src/targets/remote/auth/token.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { rejection } from '../../contract/support.ts'
import { startServer, type Answer } from '../server.ts'

const run = promisify(execFile)
const tokenModule = new URL('../../../../src/targets/remote/auth/token.ts', import.meta.url).href
const credential = { username: 'user', password: 'secret' }

/** Asks for a token with a Send that answers by itself; what it was asked for is the result. */
async function authorizationSent(registry: string, realm: string): Promise<string | undefined> {
  let authorization: string | undefined
  const stop = new Error('sent')
  const error = await rejection(
    fetchToken(
      (request) => {
        authorization = request.headers?.['authorization']
        return Promise.reject(stop)
      },
      { registryUrl: new URL(registry), realm, service: undefined, scopes: [], credential },
      {},
    ),
  )
  if (error !== stop) throw error
  return authorization
}

async function tokenFrom(answer: Answer, change: Partial<TokenRequest> = {}): Promise<string> {
  await using transport = new Transport({ retry: { attempts: 1 } })
  const server = await startServer(() => answer)
  const request = {
    registryUrl: new URL(server.url),
    realm: `${server.url}/token`,
    service: 's',
    scopes: [],
    credential,
    ...change,
  }
  return (await fetchToken(transport.send, request, {})).token
}

describe('the credential of a token request', () => {
  it.each([
    ['https://registry.example', 'https://registry.example/token'],
    ['https://registry.example:5000', 'https://registry.example:5000/token'],
    ['https://registry.example:443', 'https://registry.example/token'],
    ['https://registry-1.docker.io', 'https://auth.docker.io/token'],
    ['https://registry.gitlab.com', 'https://gitlab.com/jwt/auth'],
    ['https://registry.acme.co.uk', 'https://auth.acme.co.uk/token'],
    ['https://registry.digitalocean.com', 'https://api.digitalocean.com/v2/registry/auth'],
    [
      'https://acme-registry.cn-hangzhou.cr.aliyuncs.com',
      'https://dockerauth-ee.cn-hangzhou.aliyuncs.com/auth',
    ],
    ['https://registry.redhat.com', 'https://sso.redhat.com/token'],
    ['https://europe-west1-docker.pkg.dev', 'https://europe-west1-docker.pkg.dev/v2/token'],
    ['https://good.azurecr.io', 'https://good.azurecr.io/oauth2/token'],
    ['https://good.jfrog.io', 'https://good.jfrog.io/artifactory/api/docker/null/v2/token'],
    ['https://1.dkr.ecr.eu-west-1.amazonaws.com', 'https://1.dkr.ecr.eu-west-1.amazonaws.com/token'],
    ['https://[::1]:5000', 'https://[::1]:6000/token'],
    ['https://registry.example', 'https://registry.example:8443/token'],
    ['http://localhost:5000', 'http://localhost:5000/token'],
    ['http://localhost:5000', 'https://localhost:5001/token'],
    ['https://10.0.0.1', 'https://10.0.0.1/token'],
  ])('of %s goes to %s', async (registry, realm) => {
    expect(await authorizationSent(registry, realm)).toBe('Basic dXNlcjpzZWNyZXQ=')
  })

  it.each([
    ['https://registry.example', 'https://evil.test/token', 'evil.test'],
    ['https://registry.example', 'https://registry.example.evil.test/token', 'registry.example.evil.test'],
    ['https://registry.example', 'http://registry.example/token', 'not HTTPS'],
    ['http://localhost:5000', 'http://localhost:5001/token', 'localhost:5001'],
    ['http://registry.example', 'http://auth.registry.example/token', 'auth.registry.example'],
    ['https://10.0.0.1', 'https://99.9.0.1/token', '99.9.0.1'],
    ['https://[::1]', 'https://[::2]/token', '[::2]'],
    ['https://registry', 'https://other/token', 'other'],
    ['https://registry.acme.co.uk', 'https://evil.co.uk/token', 'evil.co.uk'],
    ['https://me.github.io', 'https://evil.github.io/token', 'evil.github.io'],
    ['https://co.uk', 'https://evil.co.uk/token', 'evil.co.uk'],
    [
      'https://1.dkr.ecr.eu-west-1.amazonaws.com',
      'https://evil.s3.amazonaws.com/token',
      'evil.s3.amazonaws.com',
    ],
  ])('of %s does not go to %s', async (registry, realm, named) => {
    await expect(authorizationSent(registry, realm)).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining(named),
    })
  })

  it.each([
    ['good.azurecr.io', 'evil.azurecr.io'],
    ['good.azurecr.cn', 'evil.azurecr.cn'],
    ['good.azurecr.de', 'evil.azurecr.de'],
    ['good.azurecr.us', 'evil.eastus.azurecr.us'],
    ['good.jfrog.io', 'evil.jfrog.io'],
    ['good.tencentcloudcr.com', 'evil.tencentcloudcr.com'],
    ['1.dkr.ecr.eu-west-1.amazonaws.com', '2.dkr.ecr.eu-west-1.amazonaws.com'],
    ['1.dkr.ecr.cn-north-1.amazonaws.com.cn', '2.dkr.ecr.cn-north-1.amazonaws.com.cn'],
    ['1.dkr.ecr.eusc-de-east-1.amazonaws.eu', '2.dkr.ecr.eusc-de-east-1.amazonaws.eu'],
    ['1.dkr-ecr.us-east-1.on.aws', '2.dkr-ecr.us-east-1.on.aws'],
    ['good.r.appspot.com', 'evil.r.appspot.com'],
    ['good.gitlab.io', 'evil.gitlab.io'],
  ])('of the customer %s of a cloud does not go to the customer %s', async (registry, realm) => {
    await expect(authorizationSent(`https://${registry}`, `https://${realm}/token`)).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining(realm),
    })
  })

  it.each([
    undefined,
    '',
    'token',
    '/token',
    'ftp://registry.example/',
    'file:///etc/passwd',
    'https://user:pass@registry.example/token',
    'javascript:alert(1)',
  ])('goes nowhere for the realm %j', async (realm) => {
    const request = {
      registryUrl: new URL('https://registry.example'),
      realm,
      service: undefined,
      scopes: [],
      credential,
    }
    const sent: unknown[] = []
    const send = (sending: unknown): Promise<never> => {
      sent.push(sending)
      return Promise.reject(new Error('sent'))
    }
    const error = await rejection(fetchToken(send, request, {}))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining('registry.example') })
    expect(sent).toEqual([])
  })

  it.each([
    [
      'https://user:secret@registry.example/token?key=secret&scope=a',
      'https://registry.example/token?key=***&scope=a has',
    ],
    [`https://user@registry.example/${'a'.repeat(300)}secret`, 'https://registry.example/aaa'],
    ['ftp://user:secret@registry.example/\u202e?key=secret', 'the scheme ftp:'],
    ['javascript:secret()', 'the scheme javascript:'],
    ['https://user:secret@[/', 'is no URL'],
    ['//registry.example/?key=secret', 'is no URL'],
  ])('is not sent, and what %j keeps secret not shown', async (realm, shown) => {
    const error = await rejection(authorizationSent('https://registry.example', realm))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining(shown) })
    expect(String(error)).not.toMatch(/secret|[\p{Cc}\p{Cf}]/u)
  })

  it('needs the list of public suffixes only where the token comes from another host', async () => {
    const script = (realm: string): string => `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
      const { fetchToken } = await import(${JSON.stringify(tokenModule)})
      const registryUrl = new URL('https://registry.example')
      const credential = { username: 'user', password: 'secret' }
      const request = { registryUrl, realm: ${JSON.stringify(realm)}, scopes: [], credential }
      await fetchToken(() => Promise.reject(new Error('sent')), request, {}).catch(() => undefined)
      process.stdout.write(String(loaded.some((url) => url.includes('/tldts'))))`
    const loads = async (realm: string): Promise<string> => {
      const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script(realm)])
      return stdout
    }
    expect(await loads('https://registry.example/token')).toBe('false')
    expect(await loads('https://auth.registry.example/token')).toBe('true')
  })
})

describe('the answer of a token service', () => {
  it.each([
    ['token', '{"token":"a.b.c"}'],
    ['access_token', '{"access_token":"a.b.c"}'],
    ['access_token besides an empty token', '{"token":"","access_token":"a.b.c","expires_in":null}'],
  ])('may have it as %s', async (_name, body) => {
    expect(await tokenFrom({ status: 200, body })).toBe('a.b.c')
  })

  it.each([
    ['no JSON', '<html>'],
    ['no token', '{}'],
    ['null', '{"token":null}'],
    ['an array', '[]'],
    ['a token of two lines', '{"token":"a\\r\\nx: y"}'],
    ['a token with a space', '{"token":"a b"}'],
  ])('is refused with %s, and not shown', async (_what, body) => {
    const error = await rejection(tokenFrom({ status: 200, body }))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining('without a usable token') })
    expect(String(error)).not.toContain(body)
  })

  it('is not read beyond its limit', async () => {
    const body = `{"token":"${'a'.repeat(200_000)}"}`
    await expect(tokenFrom({ status: 200, body })).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
  })

  it.each([
    [401, 'AUTH'],
    [403, 'AUTH'],
    [404, 'AUTH'],
    [400, 'AUTH'],
    [429, 'RESPONSE'],
    [500, 'RESPONSE'],
    [302, 'RESPONSE'],
  ])('with the status %d is an error', async (status, code) => {
    await expect(
      tokenFrom({ status, headers: { location: 'http://127.0.0.1:1/' }, body: '{"token":"x"}' }),
    ).rejects.toMatchObject({ code })
  })

  it('answers a request with the realm’s own query, the service and each scope', async () => {
    await using transport = new Transport({ retry: { attempts: 1 } })
    const server = await startServer(() => ({ status: 200, body: '{"token":"x"}' }))
    const scopes = ['repository:a:pull,push', 'repository:b:pull']
    const registryUrl = new URL(server.url)
    const realm = `${server.url}/token?account=x`
    await fetchToken(transport.send, { registryUrl, realm, service: 'the registry', scopes, credential }, {})
    const url = new URL(server.requests[0]?.url ?? '', server.url)
    expect([...url.searchParams]).toEqual([
      ['account', 'x'],
      ['service', 'the registry'],
      ['scope', 'repository:a:pull,push'],
      ['scope', 'repository:b:pull'],
    ])
  })
})

describe('a token for deleting', () => {
  /** The scopes that were asked for, of a service that answers with these statuses one after the other. */
  async function scopesAsked(scope: string, ...statuses: readonly number[]): Promise<readonly unknown[]> {
    await using transport = new Transport({ retry: { attempts: 1 } })
    const left = [...statuses]
    const server = await startServer(() => ({ status: left.shift() ?? 200, body: '{"token":"x"}' }))
    const realm = `${server.url}/token`
    const request = {
      registryUrl: new URL(server.url),
      realm,
      service: undefined,
      scopes: [scope],
      credential,
    }
    const error = await fetchToken(transport.send, request, {}).catch((thrown: unknown) => thrown)
    const asked = server.requests.map(({ url }) => new URL(url, realm).searchParams.get('scope'))
    return [...asked, ...(error instanceof Error ? [error.constructor.name] : [])]
  }

  it('is one for pushing where the service refuses to hear of it', async () => {
    const asked = ['repository:a:pull,delete', 'repository:a:pull,push']
    expect(await scopesAsked('repository:a:pull,delete', 400)).toEqual(asked)
    expect(await scopesAsked('repository:a:pull,delete', 400, 400)).toEqual([...asked, 'AuthError'])
    expect(await scopesAsked('repository:a:pull,delete', 400, 401)).toEqual([...asked, 'AuthError'])
  })

  it.each([401, 403])('is asked for once where it is refused with %i', async (status) => {
    const scope = 'repository:a:pull,delete'
    expect(await scopesAsked(scope, status)).toEqual([scope, 'AuthError'])
  })

  it('is not what another token is changed for', async () => {
    const scope = 'repository:a:pull,push'
    expect(await scopesAsked(scope, 400)).toEqual([scope, 'AuthError'])
  })
})

describe('another way of asking for a token', () => {
  const identity = { identityToken: 'refresh', username: 'me' }

  /** What was asked, where the first request is answered with a status, and the second one with a token. */
  async function asked(shown: Credential, first: number): Promise<string[]> {
    await using transport = new Transport({ retry: { attempts: 1 } })
    const answers: Answer[] = [{ status: first }, { status: 200, body: '{"token":"x"}' }]
    const server = await startServer(() => answers.shift() ?? { status: 500 })
    const request = {
      registryUrl: new URL(server.url),
      realm: `${server.url}/token`,
      service: undefined,
      scopes: [],
      credential: shown,
    }
    await fetchToken(transport.send, request, {}).catch(() => undefined)
    return server.requests.map(({ method, headers, body }) =>
      [method, headers.authorization ?? body.toString()].join(' '),
    )
  }

  const basic = (name: string, secret: string): string =>
    `GET Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`

  it.each([404, 405])('is a POST for a password where a GET is answered with %d', async (status) => {
    expect(await asked(credential, status)).toEqual([
      basic('user', 'secret'),
      'POST grant_type=password&username=user&password=secret&client_id=copygraph',
    ])
  })

  it.each([400, 401, 403, 429, 500, 503])('is not tried for a password after %d', async (status) => {
    expect(await asked(credential, status)).toEqual([basic('user', 'secret')])
  })

  it.each([400, 401, 404, 405])(
    'is a GET for an identity token where a POST is answered with %d',
    async (status) => {
      const post = 'POST grant_type=refresh_token&refresh_token=refresh&client_id=copygraph'
      expect(await asked(identity, status)).toEqual([post, basic('me', 'refresh')])
      expect(await asked({ identityToken: 'refresh' }, status)).toEqual([post, basic('<token>', 'refresh')])
    },
  )

  it.each([403, 429, 500])('is not tried for an identity token after %d', async (status) => {
    expect(await asked(identity, status)).toHaveLength(1)
  })
})
