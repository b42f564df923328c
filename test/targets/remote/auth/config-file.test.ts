import { execFile } from 'node:child_process'
import { chmod, chown, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { changeConfigFile, readConfigFile } from '../../../../src/targets/remote/auth/config-file.ts'
import { rejection } from '../../contract/support.ts'
import { testFolder } from './folder.ts'

const run = promisify(execFile)
const moduleUrl = new URL('../../../../src/targets/remote/auth/config-file.ts', import.meta.url).href

const dockerConfig = {
  auths: { 'r.example': { auth: 'dTpw', email: 'u@r.example' }, 'other.example': {} },
  HttpHeaders: { 'X-Meta': 'a' },
  credHelpers: { 'gcr.example': 'gcloud' },
  credsStore: 'desktop',
  psFormat: 'table {{.ID}}\\t{{.Image}}',
  proxies: { default: { httpProxy: 'http://proxy.example:3128', noProxy: 'localhost' } },
  plugins: { '-x-cli-hints': { enabled: 'true' } },
  currentContext: 'default',
}

async function configFile(content: unknown): Promise<string> {
  const file = join(await testFolder(), 'config.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

const add =
  (key: string, entry: unknown) =>
  ({ auths }: { readonly auths: ReadonlyMap<string, unknown> }): Map<string, unknown> =>
    new Map(auths).set(key, entry)

async function documentIn(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}

describe('a file of credentials', () => {
  it('is read with its entries and helpers', async () => {
    const config = await readConfigFile(await configFile(dockerConfig))
    expect([...(config?.auths.keys() ?? [])]).toEqual(['r.example', 'other.example'])
    expect(config?.credHelpers.get('gcr.example')).toBe('gcloud')
    expect(config?.credsStore).toBe('desktop')
  })

  it.each(['', ' \n', '{}', '{"auths":null,"credHelpers":null,"credsStore":""}'])(
    'with the content %j has none',
    async (text) => {
      const config = await readConfigFile(await configFile(text))
      expect(config).toEqual({ auths: new Map(), credHelpers: new Map(), credsStore: undefined })
    },
  )

  it('that is not there, or in no folder, is none', async () => {
    const file = await configFile('{}')
    expect(await readConfigFile(`${file}.other`)).toBeUndefined()
    expect(await readConfigFile(join(file, 'config.json'))).toBeUndefined()
  })

  it.each([
    ['no JSON', '{"auths":{"r.example":{"auth":"canary"}'],
    ['a list', '["canary"]'],
    ['a text', '"canary"'],
    ['a list of entries', '{"auths":["canary"]}'],
    ['a helper that is no text', '{"credHelpers":{"r.example":{"canary":1}}}'],
    ['a store that is no text', '{"credsStore":["canary"]}'],
    ['a zero byte', '\u0000canary'],
  ])('with %s is an error that names the file and shows nothing of it', async (_what, text) => {
    const file = await configFile(text)
    for (const act of [readConfigFile(file), changeConfigFile(file, add('x', {}))]) {
      const error = await rejection(act)
      expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining(file) })
      expect(JSON.stringify([String(error), error])).not.toContain('canary')
    }
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  it('is not read beyond its limit', async () => {
    const file = await configFile(`{"auths":{}${' '.repeat(5_000_000)}}`)
    await expect(readConfigFile(file)).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
  })

  it('that is a folder is an error', async () => {
    await expect(readConfigFile(await testFolder())).rejects.toMatchObject({ code: 'AUTH' })
  })
})

describe('a change of a file of credentials', () => {
  it('keeps all that it does not know, and is for its owner alone', async () => {
    const file = await configFile(dockerConfig)
    await chmod(file, 0o644)
    await changeConfigFile(file, add('new.example', { auth: 'eDp5' }))
    expect(await documentIn(file)).toEqual({
      ...dockerConfig,
      auths: { ...dockerConfig.auths, 'new.example': { auth: 'eDp5' } },
    })
    expect(await readFile(file, 'utf8')).toContain('\n\t"auths": {\n')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(join(file, '..'))).toEqual(['config.json'])
  })

  it('keeps numbers as they are written', async () => {
    const text =
      '{"x":12345678901234567890,"y":{"z":[1.10,-0,1e3,1E400,7]},"auths":{"r.example":{"expires":1.50},"n":2.0}}'
    const file = await configFile(text)
    await changeConfigFile(file, add('s.example', { auth: 'eDp5' }))
    expect((await readFile(file, 'utf8')).replaceAll(/\s/g, '')).toBe(
      text.replace('"n":2.0', '"n":2.0,"s.example":{"auth":"eDp5"}'),
    )
  })

  it('keeps names that objects have', async () => {
    const text = '{"__proto__":{"a":1},"auths":{"__proto__":{"auth":"dTpw"},"constructor":{}}}'
    const file = await configFile(text)
    await changeConfigFile(file, ({ auths }) => auths)
    expect((await readFile(file, 'utf8')).replaceAll(/\s/g, '')).toBe(text)
  })

  it('makes the file and its folders, for their owner alone', async () => {
    const folder = join(await testFolder(), 'a', 'b')
    const file = join(folder, 'config.json')
    await changeConfigFile(file, add('r.example', {}))
    expect(await documentIn(file)).toEqual({ auths: { 'r.example': {} } })
    for (const path of [folder, join(folder, '..')]) expect((await stat(path)).mode & 0o777).toBe(0o700)
  })

  it.runIf(process.getuid?.() === 0)('leaves a file to its owner, also when root makes it', async () => {
    const file = await configFile(dockerConfig)
    await chown(file, 12345, 54321)
    await changeConfigFile(file, add('new.example', {}))
    expect(await stat(file)).toMatchObject({ uid: 12345, gid: 54321 })
  })

  it('that is none writes nothing', async () => {
    const file = await configFile('{ "auths" : {} }')
    await changeConfigFile(file, () => undefined)
    expect(await readFile(file, 'utf8')).toBe('{ "auths" : {} }')
    expect(await readdir(join(file, '..'))).toEqual(['config.json'])
  })

  it.each([true, false])('follows a symbolic link (to a file that is there: %s)', async (isThere) => {
    const folder = await testFolder()
    await mkdir(join(folder, 'dotfiles'))
    const target = join(folder, 'dotfiles', 'docker.json')
    if (isThere) await writeFile(target, JSON.stringify(dockerConfig))
    await symlink('dotfiles/docker.json', join(folder, 'link'))
    await symlink('link', join(folder, 'config.json'))
    await changeConfigFile(join(folder, 'config.json'), add('r.example', {}))
    expect((await lstat(join(folder, 'config.json'))).isSymbolicLink()).toBe(true)
    expect(await documentIn(target)).toMatchObject({ auths: { 'r.example': {} } })
    expect(await readdir(join(folder, 'dotfiles'))).toEqual(['docker.json'])
  })

  it('follows a relative link from where it really is, in a folder that is a link itself', async () => {
    const folder = await testFolder()
    const target = join(folder, 'real', 'dotfiles', 'docker.json')
    await mkdir(join(folder, 'real', 'docker'), { recursive: true })
    await mkdir(join(folder, 'home'))
    await mkdir(join(folder, 'real', 'dotfiles'))
    await writeFile(target, JSON.stringify(dockerConfig))
    await symlink('../dotfiles/docker.json', join(folder, 'real', 'docker', 'config.json'))
    await symlink('../real/docker', join(folder, 'home', '.docker'))
    const file = join(folder, 'home', '.docker', 'config.json')
    expect((await readConfigFile(file))?.credsStore).toBe('desktop')
    await changeConfigFile(file, add('r.example', { auth: 'eDp5' }))
    expect(await documentIn(target)).toMatchObject({ auths: { 'r.example': { auth: 'eDp5' } } })
    expect((await readdir(join(folder, 'home'))).sort()).toEqual(['.docker'])
    expect((await readdir(join(folder, 'real', 'dotfiles'))).sort()).toEqual(['docker.json'])
  })

  it('of a link to itself is an error', async () => {
    const file = join(await testFolder(), 'config.json')
    await symlink('config.json', file)
    await expect(changeConfigFile(file, add('x', {}))).rejects.toMatchObject({ code: 'AUTH' })
  })

  it('loses nothing when many are made at once', async () => {
    const file = await configFile(dockerConfig)
    const names = Array.from({ length: 20 }, (_, index) => `r${index}.example`)
    await Promise.all(names.map((name) => changeConfigFile(file, add(name, {}))))
    const config = await readConfigFile(file)
    expect([...(config?.auths.keys() ?? [])].toSorted()).toEqual(
      [...Object.keys(dockerConfig.auths), ...names].toSorted(),
    )
    expect(await readdir(join(file, '..'))).toEqual(['config.json'])
  })

  it('loses nothing when several processes make many', async () => {
    const file = await configFile(dockerConfig)
    const script = `
      const { changeConfigFile } = await import(${JSON.stringify(moduleUrl)})
      const [file, process] = globalThis.process.argv.slice(1)
      for (let index = 0; index < 10; index++) {
        await changeConfigFile(file, ({ auths }) => new Map(auths).set('r' + index + '.p' + process, {}))
      }`
    const args = ['--input-type=module', '--eval', script, file]
    await Promise.all(['1', '2', '3'].map((name) => run(process.execPath, [...args, name])))
    const config = await readConfigFile(file)
    expect(config?.auths.size).toBe(30 + Object.keys(dockerConfig.auths).length)
    expect(await readdir(join(file, '..'))).toEqual(['config.json'])
  })

  it('that fails leaves the file as it was, and nothing beside it', async () => {
    const file = await configFile(dockerConfig)
    const failure = new Error('no')
    const change = (): never => {
      throw failure
    }
    expect(await rejection(changeConfigFile(file, change))).toBe(failure)
    expect(await documentIn(file)).toEqual(dockerConfig)
    expect(await readdir(join(file, '..'))).toEqual(['config.json'])
  })

  it('that is aborted leaves the file as it was', async () => {
    const file = await configFile(dockerConfig)
    const reason = new Error('enough')
    expect(await rejection(changeConfigFile(file, add('x', {}), { signal: AbortSignal.abort(reason) }))).toBe(
      reason,
    )
    expect(await documentIn(file)).toEqual(dockerConfig)
    expect(await readdir(join(file, '..'))).toEqual(['config.json'])
  })
})
