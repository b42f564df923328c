import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CopyEvent } from '../../../src/events.ts'
import { login, logout } from '../../../src/targets/remote/login.ts'
import { storedCredentials } from '../../../src/targets/remote/auth/stored-credentials.ts'
import { rejection } from '../contract/support.ts'
import { authOf, installHelper, installKeychain, testFolder } from './auth/folder.ts'
import { startServer, type TestServer } from './server.ts'

const credential = { username: 'user', password: 'canary' }
const basic = `Basic ${authOf('user', 'canary')}`

function startRegistry(): Promise<TestServer> {
  return startServer(({ headers }) =>
    headers.authorization === basic
      ? { status: 200, body: '{}' }
      : { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } },
  )
}

async function documentIn(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}

describe('a login', () => {
  it('is checked at the registry, and kept in the file for its owner alone', async () => {
    const server = await startRegistry()
    const file = join(await testFolder(), 'docker', 'config.json')
    const result = await login(server.host, credential, { file })
    expect(result).toEqual({ file, helper: undefined, isChecked: true })
    expect(server.lines).toEqual(['GET /v2/', 'GET /v2/'])
    expect(await documentIn(file)).toEqual({ auths: { [server.host]: { auth: authOf('user', 'canary') } } })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await storedCredentials({ file })(server.host)).toEqual(credential)
    expect(await logout(server.host, { file })).toBe(true)
    expect(await documentIn(file)).toEqual({ auths: {} })
    expect(await logout(server.host, { file })).toBe(false)
  })

  it('that the registry refuses is not kept, and not shown', async () => {
    const server = await startRegistry()
    const folder = await testFolder()
    const events: CopyEvent[] = []
    const wrong = { username: 'user', password: 'wrong-canary' }
    const file = join(folder, 'config.json')
    const error = await rejection(login(server.host, wrong, { file, onEvent: (event) => events.push(event) }))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining(server.host) })
    expect(JSON.stringify([String(error), error, events])).not.toMatch(/canary|dXNlcj/)
    expect(events).toHaveLength(2)
    expect(await readdir(folder)).toEqual([])
  })

  it('that was not checked, as nobody asked, says so', async () => {
    const server = await startServer(() => ({ status: 200, body: '{}' }))
    const file = join(await testFolder(), 'config.json')
    expect(await login(server.host, credential, { file })).toMatchObject({ isChecked: false })
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([undefined])
  })

  it('by basic at a registry that lets everybody in says that it was not checked', async () => {
    const server = await startServer(() => ({ status: 200, body: '{}' }))
    const file = join(await testFolder(), 'config.json')
    const options = { file, authentication: 'basic' } as const
    expect(await login(server.host, credential, options)).toMatchObject({ isChecked: false })
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([basic, undefined])
  })

  it('by basic at a registry that looks says that it was checked, and a wrong password is not kept', async () => {
    const server = await startRegistry()
    const file = join(await testFolder(), 'config.json')
    const options = { file, authentication: 'basic' } as const
    expect(await login(server.host, credential, options)).toMatchObject({ isChecked: true })
    const wrong = { ...credential, password: 'other' }
    await expect(login(server.host, wrong, options)).rejects.toMatchObject({ code: 'AUTH' })
    expect(await storedCredentials({ file })(server.host)).toEqual(credential)
  })

  it('goes to the helper of the registry, and the plain text in the file goes away', async () => {
    const server = await startRegistry()
    const folder = await testFolder()
    await installKeychain(folder, 'keychain')
    const file = join(folder, 'config.json')
    const config = {
      credsStore: 'keychain',
      auths: { 'x.example': {}, [`http://${server.host}`]: { auth: 'b2xkOm9sZA==' } },
    }
    await writeFile(file, JSON.stringify(config))
    const options = { file, environment: { PATH: folder } }
    expect(await login(server.host, credential, options)).toMatchObject({ helper: 'keychain' })
    expect(await documentIn(file)).toEqual({ credsStore: 'keychain', auths: { 'x.example': {} } })
    expect(await storedCredentials(options)(server.host)).toEqual(credential)
    expect(await logout(server.host, options)).toBe(true)
    expect(await storedCredentials(options)(server.host)).toBeUndefined()
    expect(await logout(server.host, options)).toBe(false)
  })

  it('by an identity token with a user name is not kept by a helper, which would lose the name', async () => {
    const server = await startServer(() => ({ status: 200, body: '{}' }))
    const folder = await testFolder()
    await installKeychain(folder, 'keychain')
    const file = join(folder, 'config.json')
    await writeFile(file, '{"credsStore":"keychain"}')
    const options = { file, environment: { PATH: folder } }
    const identity = { identityToken: 'canary', username: 'me' }
    await expect(login(server.host, identity, options)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect((await readdir(folder)).sort()).toEqual(['config.json', 'docker-credential-keychain'])
    await writeFile(file, '{}')
    await login(server.host, identity, options)
    expect(await storedCredentials(options)(server.host)).toEqual(identity)
  })

  it('with a time for helpers that is none is a mistake, and nothing is sent', async () => {
    const server = await startRegistry()
    const file = join(await testFolder(), 'config.json')
    const error = await rejection(login(server.host, credential, { file, helperTimeout: NaN }))
    expect(error).toBeInstanceOf(RangeError)
    expect(server.requests).toEqual([])
  })

  it('that the helper cannot keep fails, and goes to no file', async () => {
    const server = await startRegistry()
    const folder = await testFolder()
    await installHelper(folder, 'broken', 'process.exit(1)')
    const file = join(folder, 'config.json')
    await writeFile(file, '{"credsStore":"broken"}')
    const options = { file, environment: { PATH: folder } }
    await expect(login(server.host, credential, options)).rejects.toMatchObject({ code: 'AUTH' })
    expect(await readFile(file, 'utf8')).toBe('{"credsStore":"broken"}')
  })

  it('by an identity token is checked at the token service, and kept as such', async () => {
    const server = await startServer(({ method, url, headers, body }) => {
      const isRight =
        method === 'POST' && new URLSearchParams(body.toString()).get('refresh_token') === 'refresh'
      if (url === '/token') return isRight ? { status: 200, body: '{"access_token":"t"}' } : { status: 401 }
      if (headers.authorization === 'Bearer t') return { status: 200 }
      return {
        status: 401,
        headers: { 'www-authenticate': `Bearer realm="${server.url}/token",service="s"` },
      }
    })
    const file = join(await testFolder(), 'config.json')
    await login(server.host, { identityToken: 'refresh' }, { file })
    expect(await documentIn(file)).toEqual({ auths: { [server.host]: { identitytoken: 'refresh' } } })
    await expect(login(server.host, { identityToken: 'other' }, { file })).rejects.toMatchObject({
      code: 'AUTH',
    })
    expect(await storedCredentials({ file })(server.host)).toEqual({ identityToken: 'refresh' })
  })

  it('replaces the other spellings of the registry, and leaves its namespaces', async () => {
    const file = join(await testFolder(), 'config.json')
    const server = await startRegistry()
    const auths = {
      [`https://${server.host}/v1/`]: {},
      [`${server.host}/team`]: { auth: 'dDp0' },
      [server.host.slice(0, -1)]: {},
    }
    await writeFile(file, JSON.stringify({ auths }))
    await login(server.host, credential, { file })
    expect(await documentIn(file)).toEqual({
      auths: {
        [`${server.host}/team`]: { auth: 'dDp0' },
        [server.host.slice(0, -1)]: {},
        [server.host]: { auth: authOf('user', 'canary') },
      },
    })
  })

  it.each([
    { username: 'a:b', password: 'canary' },
    { username: 'a', password: '' },
    { username: '', password: 'canary' },
    { identityToken: '' },
    { username: '<token>', password: 'canary' },
    { username: 'a', password: 'canary\0' },
  ])('that could not be read again is refused before it is sent: %j', async (wrong) => {
    const server = await startRegistry()
    const file = join(await testFolder(), 'config.json')
    const error = await rejection(login(server.host, wrong, { file }))
    expect(error).toMatchObject({ code: 'UNSUPPORTED' })
    expect(String(error)).not.toContain('canary')
    expect(server.requests).toEqual([])
  })

  it('and a logout want the name of a registry', async () => {
    const file = join(await testFolder(), 'config.json')
    for (const name of ['', 'https://r.example', 'r.example/app', 'user:canary@r.example']) {
      for (const act of [login(name, credential, { file }), logout(name, { file })]) {
        const error = await rejection(act)
        expect(error).toMatchObject({ code: 'INVALID_REFERENCE' })
        expect(String(error)).not.toContain('canary')
      }
    }
  })

  it('is kept where it is found first', async () => {
    const folder = await testFolder()
    const server = await startRegistry()
    const paths = {
      DOCKER_CONFIG: join(folder, 'd'),
      REGISTRY_AUTH_FILE: join(folder, 'auth.json'),
      HOME: folder,
    }
    const { DOCKER_CONFIG, REGISTRY_AUTH_FILE, HOME } = paths
    const kept = async (environment: Record<string, string>): Promise<string> =>
      (await login(server.host, credential, { environment })).file
    expect(await kept({ HOME })).toBe(join(folder, '.docker', 'config.json'))
    expect(await kept({ HOME, REGISTRY_AUTH_FILE })).toBe(REGISTRY_AUTH_FILE)
    expect(await kept({ HOME, REGISTRY_AUTH_FILE, DOCKER_CONFIG })).toBe(join(folder, 'd', 'config.json'))
  })
})
