import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { eraseCredential, storeCredential } from '../../../../src/targets/remote/auth/credential-store.ts'
import type { Credential } from '../../../../src/targets/remote/auth/credential.ts'
import { storedCredentials } from '../../../../src/targets/remote/auth/stored-credentials.ts'
import { rejection } from '../../contract/support.ts'
import { authOf, installHelper, installKeychain, testFolder } from './folder.ts'

/** What a registry is found with, where each file has a password that says which file it is. */
interface Home {
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  write(path: string, document: unknown): Promise<void>
  find(registry: string, repository?: string): Promise<Credential | undefined>
}

async function makeHome(variables: Readonly<Record<string, string>> = {}): Promise<Home> {
  const folder = await testFolder()
  const inFolder = ([name, path]: [string, string]): [string, string] => [name, join(folder, path)]
  const environment = {
    HOME: folder,
    PATH: folder,
    XDG_RUNTIME_DIR: join(folder, 'run'),
    ...Object.fromEntries(Object.entries(variables).map(inFolder)),
  }
  return {
    folder,
    environment,
    async write(path, document) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), JSON.stringify(document))
    },
    find: async (registry, repository) => storedCredentials({ environment })(registry, { repository }),
  }
}

const entry = (password: string): { readonly auth: string } => ({ auth: authOf('user', password) })
const user = (password: string): Credential => ({ username: 'user', password })

const files = {
  docker: '.docker/config.json',
  runtime: 'run/containers/auth.json',
  config: '.config/containers/auth.json',
  dockerNamed: 'named/config.json',
  authFile: 'auth-file.json',
}

describe('stored credentials', () => {
  it('are those of docker before those of podman, file by file', async () => {
    const home = await makeHome()
    expect(await home.find('r.example')).toBeUndefined()
    for (const name of ['config', 'runtime', 'docker'] as const) {
      await home.write(files[name], { auths: { 'r.example': entry(name) } })
      expect(await home.find('r.example')).toEqual(user(name))
    }
  })

  it('are those of a file that a variable names before those at usual places', async () => {
    const home = await makeHome({ REGISTRY_AUTH_FILE: files.authFile })
    await home.write(files.docker, {
      auths: { 'r.example': entry('docker'), 'other.example': entry('docker') },
    })
    await home.write(files.authFile, { auths: { 'r.example': entry('named') } })
    await home.write(files.runtime, { auths: { 'podman.example': entry('runtime') } })
    expect(await home.find('r.example')).toEqual(user('named'))
    expect(await home.find('other.example')).toEqual(user('docker'))
    expect(await home.find('podman.example')).toBeUndefined()
  })

  it('are those of DOCKER_CONFIG before those of REGISTRY_AUTH_FILE, and not of the home', async () => {
    const home = await makeHome({ DOCKER_CONFIG: 'named', REGISTRY_AUTH_FILE: files.authFile })
    await home.write(files.docker, { auths: { 'home.example': entry('docker') } })
    await home.write(files.dockerNamed, { auths: { 'r.example': entry('docker') } })
    await home.write(files.authFile, {
      auths: { 'r.example': entry('podman'), 'p.example': entry('podman') },
    })
    expect(await home.find('r.example')).toEqual(user('docker'))
    expect(await home.find('p.example')).toEqual(user('podman'))
    expect(await home.find('home.example')).toBeUndefined()
  })

  it('are those of the one file that is asked for', async () => {
    const home = await makeHome()
    await home.write(files.docker, {
      auths: { 'r.example': entry('docker'), 'other.example': entry('docker') },
    })
    await home.write('mine.json', { auths: { 'r.example': entry('mine') } })
    const find = storedCredentials({ file: join(home.folder, 'mine.json'), environment: home.environment })
    expect(await find('r.example')).toEqual(user('mine'))
    expect(await find('other.example')).toBeUndefined()
  })

  it('fail for a named file that is not there', async () => {
    const home = await makeHome({ REGISTRY_AUTH_FILE: 'missing.json' })
    const find = storedCredentials({ file: join(home.folder, 'missing.json') })
    for (const named of [home.find, find]) {
      expect(await rejection(Promise.resolve(named('r.example')))).toMatchObject({
        code: 'AUTH',
        message: expect.stringContaining('missing.json is not there'),
      })
    }
  })

  it('fail for a file that is broken, though the next one would do', async () => {
    const home = await makeHome()
    await home.write(files.docker, ['canary'])
    await home.write(files.runtime, { auths: { 'r.example': entry('runtime') } })
    await expect(home.find('r.example')).rejects.toMatchObject({ code: 'AUTH' })
  })

  it('are of the longest namespace', async () => {
    const home = await makeHome()
    await home.write(files.runtime, {
      auths: {
        'r.example': entry('host'),
        'r.example/team': entry('team'),
        'r.example/team/app': entry('app'),
        'r.example/tea': entry('tea'),
        'docker.io/library': entry('library'),
      },
    })
    expect(await home.find('r.example', 'team/app')).toEqual(user('app'))
    expect(await home.find('r.example', 'team/app/more')).toEqual(user('app'))
    expect(await home.find('r.example', 'team/apple')).toEqual(user('team'))
    expect(await home.find('r.example', 'teams/app')).toEqual(user('host'))
    expect(await home.find('r.example')).toEqual(user('host'))
    expect(await home.find('docker.io', 'library/alpine')).toEqual(user('library'))
    expect(await home.find('docker.io', 'me/app')).toBeUndefined()
    expect(await home.find('other.example', 'team/app')).toBeUndefined()
  })

  it.each(['r.example:5000', 'r.example.evil.test', 'myr.example', 'example', 'r.exampl'])(
    'of r.example are not for %s',
    async (other) => {
      const home = await makeHome()
      await home.write(files.docker, {
        auths: { 'r.example': entry('x'), 'https://r.example/v1/': entry('y') },
      })
      expect(await home.find(other)).toBeUndefined()
    },
  )

  it.each(['docker.io', 'index.docker.io', 'registry-1.docker.io'])(
    'of Docker Hub are for %s',
    async (name) => {
      const home = await makeHome()
      await home.write(files.docker, { auths: { 'https://index.docker.io/v1/': entry('hub') } })
      expect(await home.find(name)).toEqual(user('hub'))
    },
  )

  it('pass over empty entries, and do not look at those of other registries', async () => {
    const home = await makeHome()
    await home.write(files.docker, { auths: { 'r.example': {}, 'other.example': 'broken' } })
    await home.write(files.runtime, { auths: { 'r.example': entry('runtime') } })
    expect(await home.find('r.example')).toEqual(user('runtime'))
    await expect(home.find('other.example')).rejects.toMatchObject({ code: 'AUTH' })
  })
})

describe('storing a credential', () => {
  it('of Docker Hub uses the key of docker, and replaces all its spellings', async () => {
    const home = await makeHome()
    const { environment } = home
    const kept = { 'docker.io/me': entry('me'), 'hub.docker.io': entry('other') }
    await home.write(files.docker, { auths: { 'docker.io': entry('old'), 'index.docker.io': {}, ...kept } })
    await storeCredential('registry-1.docker.io', user('new'), { environment })
    const document = async (): Promise<unknown> =>
      JSON.parse(await readFile(join(home.folder, files.docker), 'utf8'))
    expect(await document()).toEqual({ auths: { ...kept, 'https://index.docker.io/v1/': entry('new') } })
    expect(await home.find('docker.io', 'library/alpine')).toEqual(user('new'))
    expect(await eraseCredential('index.docker.io', { environment })).toBe(true)
    expect(await document()).toEqual({ auths: kept })
  })

  it('of a registry whose helper does not know access tokens fails, and goes to no file', async () => {
    const home = await makeHome()
    await home.write(files.docker, { credsStore: 'keychain' })
    const { environment } = home
    await expect(storeCredential('r.example', { accessToken: 'x' }, { environment })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    })
    expect(await readFile(join(home.folder, files.docker), 'utf8')).toBe('{"credsStore":"keychain"}')
  })

  it('makes no file where there is nothing to erase', async () => {
    const home = await makeHome()
    expect(await eraseCredential('r.example', { environment: home.environment })).toBe(false)
    expect(await readdir(home.folder)).toEqual([])
  })
})

describe('stored credentials of a helper', () => {
  it('are asked for by the registry’s own helper, else by that for all, under the names of docker', async () => {
    const home = await makeHome()
    await home.write(files.docker, {
      auths: { 'file.example': entry('file') },
      credHelpers: { '123456789012.dkr.ecr.eu-west-1.amazonaws.com': 'ecr-login', 'file.example': '' },
      credsStore: 'keychain',
    })
    // As docker-credential-ecr-login does it: the user AWS, with a password for some hours.
    await installHelper(
      home.folder,
      'ecr-login',
      `verb === 'get' ? answer('AWS', 'for ' + input) : process.exit(1)`,
    )
    await installKeychain(home.folder, 'keychain')
    await writeFile(
      join(home.folder, 'keychain.json'),
      JSON.stringify({ 'https://index.docker.io/v1/': { Username: '<token>', Secret: 'refresh' } }),
    )
    expect(await home.find('123456789012.dkr.ecr.eu-west-1.amazonaws.com', 'app')).toEqual({
      username: 'AWS',
      password: 'for 123456789012.dkr.ecr.eu-west-1.amazonaws.com',
    })
    expect(await home.find('docker.io', 'library/alpine')).toEqual({ identityToken: 'refresh' })
    expect(await home.find('localhost:5000')).toBeUndefined()
    expect(await home.find('file.example')).toEqual(user('file'))
    expect(await readFile(join(home.folder, 'keychain.log'), 'utf8')).toBe(
      'get https://index.docker.io/v1/\nget localhost:5000\n',
    )
  })

  it('that has none leave the entries of the files', async () => {
    const home = await makeHome()
    await installKeychain(home.folder, 'keychain')
    await home.write(files.docker, { auths: { 'r.example': entry('file') }, credsStore: 'keychain' })
    await home.write(files.runtime, { auths: { 'other.example': entry('runtime') } })
    expect(await home.find('r.example')).toEqual(user('file'))
    expect(await home.find('other.example')).toEqual(user('runtime'))
  })

  it('that is missing or fails end in an error, and in no credential of another host or file', async () => {
    const home = await makeHome()
    await installHelper(home.folder, 'broken', 'process.exit(2)')
    const auths = { 'r.example': entry('file'), 'broken.example': entry('file'), 'docker.io': entry('hub') }
    await home.write(files.docker, {
      auths,
      credHelpers: { 'r.example': 'missing', 'broken.example': 'broken' },
    })
    await home.write(files.runtime, { auths })
    await expect(home.find('r.example')).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining('docker-credential-missing for r.example is not there'),
    })
    await expect(home.find('broken.example')).rejects.toMatchObject({ code: 'AUTH' })
  })

  it('is asked once for all repositories of a registry, also by many at once, until its answer is refused', async () => {
    const home = await makeHome()
    await installKeychain(home.folder, 'keychain')
    await home.write(files.docker, { credHelpers: { 'r.example': 'keychain' } })
    const keep = (Secret: string): Promise<void> =>
      writeFile(
        join(home.folder, 'keychain.json'),
        JSON.stringify({ 'r.example': { Username: 'user', Secret } }),
      )
    const calls = async (): Promise<number> =>
      (await readFile(join(home.folder, 'keychain.log'), 'utf8')).trim().split('\n').length
    const find = storedCredentials({ environment: home.environment })
    await keep('old')
    const found = await Promise.all(
      ['a', 'b', 'c', 'd'].map((repository) => find('r.example', { repository })),
    )
    expect(found).toEqual(Array.from({ length: 4 }, () => user('old')))
    await keep('new')
    expect(await find('r.example')).toEqual(user('old'))
    expect(await calls()).toBe(1)
    const refused = user('old')
    const again = await Promise.all(
      ['a', 'b'].map((repository) => find('r.example', { repository, refused })),
    )
    expect(again).toEqual([user('new'), user('new')])
    expect(await calls()).toBe(2)
  })

  it('is not waited for after an abort, and the next one asks it anew', async () => {
    const home = await makeHome()
    const pid = join(home.folder, 'pid')
    await installHelper(
      home.folder,
      'slow',
      `if (fs.existsSync(${JSON.stringify(pid)})) answer('user', 'now')
else { fs.writeFileSync(${JSON.stringify(pid)}, 'x'); setInterval(() => {}, 1000) }`,
    )
    await home.write(files.docker, { credsStore: 'slow' })
    const find = storedCredentials({ environment: home.environment })
    const controller = new AbortController()
    const reason = new Error('enough')
    const first = rejection(find('r.example', { signal: controller.signal }))
    await expect.poll(() => readFile(pid, 'utf8').catch(() => '')).toBe('x')
    const second = find('r.example')
    controller.abort(reason)
    expect(await first).toBe(reason)
    expect(await second).toEqual(user('now'))
  })

  it('of a file that goes away are gone with it', async () => {
    const home = await makeHome()
    await home.write(files.docker, { auths: { 'r.example': entry('x') } })
    const find = storedCredentials({ environment: home.environment })
    expect(await find('r.example')).toEqual(user('x'))
    await rm(join(home.folder, files.docker))
    expect(await find('r.example')).toBeUndefined()
  })
})
