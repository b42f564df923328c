import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { hashSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { authOf, installKeychain } from '../targets/remote/auth/folder.ts'
import { runCommand } from './command.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { fill, sampleImage } from './registry.ts'

const htpasswd = `me:${hashSync('canary', 4)}`
const auth = authOf('me', 'canary')

async function startClosed(): Promise<TestRegistry> {
  const registry = await startRegistry({ htpasswd })
  await fill(registry, sampleImage(), 'index')
  return registry
}

describe('copygraph login', () => {
  it('stores a password from stdin, with which other commands work until the logout', async () => {
    await using registry = await startClosed()
    await using folder = await newFolder()
    const env = { DOCKER_CONFIG: join(folder.path, 'docker') }
    const file = join(folder.path, 'docker', 'config.json')
    const result = await runCommand(['login', registry.name, '-u', 'me', '--password-stdin', '--debug'], {
      stdin: 'canary\n',
      env,
    })
    expect(result).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' })
    expect(result.stderr).toMatch(new RegExp(`^Warning: ${file} has it as plain text`, 'm'))
    expect(result.stderr).toMatch(/^GET http.*\/v2\/ 200 /m)
    expect(result.stderr).not.toMatch(new RegExp(`canary|${auth}`))
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ auths: { [registry.name]: { auth } } })
    expect((await stat(file)).mode & 0o777).toBe(0o600)

    const list = ['repo', 'tags', `${registry.name}/app`]
    expect(await runCommand(list, { env })).toMatchObject({ code: 0, stdout: 'v1\n' })
    expect(await runCommand(['logout', registry.name], { env })).toEqual({
      code: 0,
      stdout: `Removed the credential for ${registry.name}\n`,
      stderr: '',
    })
    const denied = await runCommand(list, { env })
    expect(denied.code).toBe(4)
    expect(denied.stderr).toMatch(new RegExp(`^Hint: .*copygraph login ${registry.name}`, 'm'))
    expect(await runCommand(['logout', registry.name], { env })).toMatchObject({
      code: 0,
      stdout: '',
      stderr: expect.stringContaining('there was no credential'),
    })
  })

  it('stores nothing that the registry refuses, and exits with 4', async () => {
    await using registry = await startClosed()
    await using folder = await newFolder()
    const args = ['login', registry.name, '--username', 'me', '--password', 'wrong-canary', '--debug']
    const { code, stdout, stderr } = await runCommand(args, { env: { DOCKER_CONFIG: folder.path } })
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toMatch(/^Warning: --password shows the password/m)
    expect(stderr).toMatch(/^Hint: check the user name and the password/m)
    expect(stderr).not.toMatch(/canary|bWU6d3Jvbm/)
    expect(await readdir(folder.path)).toEqual([])
  })

  it('stores in the helper that the file names, and says nothing of plain text', async () => {
    await using registry = await startClosed()
    await using folder = await newFolder()
    await installKeychain(folder.path, 'keychain')
    const file = join(folder.path, 'mine.json')
    await writeFile(file, '{"credsStore":"keychain"}')
    const flags = ['--registry-config', file]
    const env = { PATH: folder.path }
    const args = ['login', registry.name, '-u', 'me', '--password-stdin', ...flags]
    expect(await runCommand(args, { env, stdin: 'canary' })).toEqual({
      code: 0,
      stdout: 'Login Succeeded\n',
      stderr: '',
    })
    expect(await readFile(file, 'utf8')).toBe('{"credsStore":"keychain"}')
    const list = ['repo', 'tags', `${registry.name}/app`]
    expect(await runCommand([...list, ...flags], { env })).toMatchObject({ code: 0, stdout: 'v1\n' })
    expect((await runCommand(list, { env })).code).toBe(4)
  })

  it('says when the registry did not ask', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const args = ['login', registry.name, '-u', 'me', '--password-stdin']
    const result = await runCommand(args, { stdin: 'canary', env: { DOCKER_CONFIG: folder.path } })
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining('was not checked') })
  })

  it('says by --auth basic too when nobody looked at the password', async () => {
    await using folder = await newFolder()
    const env = { DOCKER_CONFIG: folder.path }
    const results = []
    for (const options of [{}, { htpasswd }]) {
      await using registry = await startRegistry(options)
      const args = ['login', registry.name, '-u', 'me', '--password-stdin', '--auth', 'basic']
      results.push(await runCommand(args, { stdin: 'canary', env }))
    }
    expect(results.map(({ code }) => code)).toEqual([0, 0])
    expect(results.map(({ stderr }) => stderr.includes('was not checked'))).toEqual([true, false])
  })

  it.each([
    [['host/app'], /is more than a registry: write host/],
    [['https://host'], /is not a registry/],
    [['host'], /there is nobody to ask: give --username NAME --password-stdin/],
    [['host', '-u', 'me'], /there is nobody to ask/],
    [['host', '--password-stdin'], /there is nobody to ask/],
    [['host', '-u', 'me', '-p', 'x', '--password-stdin'], /give one of --password, --password-stdin/],
    [['host', '-u', 'me', '-p', 'x', '--identity-token', 'y'], /give one of/],
    [['host', '-u', 'me', '--password-stdin'], /there is no password on stdin/],
    [['host', '--auth', 'never'], /auto, basic, token/],
    [['host', '--trust-realm', 'https://x'], /Expected a host, or host:port/],
  ])('%j is wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await runCommand(['login', ...args])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
  })

  it.runIf(process.platform === 'linux')('asks on a terminal, and does not show the password', async () => {
    await using registry = await startClosed()
    await using folder = await newFolder()
    const terminal = await typeInto(['login', registry.name], folder.path, [
      [/Username: $/, 'me\r'],
      [/Password: $/, 'canary\r'],
    ])
    expect(terminal.code).toBe(0)
    expect(terminal.shown).toMatch(/Username: [^]*me[^]*Password: [^]*Login Succeeded/)
    expect(terminal.shown).not.toContain('canary')
    expect(JSON.parse(await readFile(join(folder.path, 'config.json'), 'utf8'))).toEqual({
      auths: { [registry.name]: { auth } },
    })
  })

  it.runIf(process.platform === 'linux')(
    'takes both answers from one paste, and shows no password',
    async () => {
      await using registry = await startClosed()
      await using folder = await newFolder()
      const terminal = await typeInto(['login', registry.name], folder.path, [
        [/Username: $/, 'me\rcanary\rcanary\r'],
      ])
      expect(terminal.code).toBe(0)
      expect(terminal.shown).toMatch(/Username: [^]*me[^]*Password: [^]*Login Succeeded/)
      expect(terminal.shown).not.toContain('canary')
      const file = await readFile(join(folder.path, 'config.json'), 'utf8')
      expect(JSON.parse(file)).toEqual({ auths: { [registry.name]: { auth } } })
    },
  )

  it.runIf(process.platform === 'linux').each([
    ['Ctrl-C', '\u0003', 130],
    ['Ctrl-D', '\u0004', 2],
    ['an empty line', '\r', 2],
  ])('at its prompt takes %s for the end', async (_key, typed, expected) => {
    await using folder = await newFolder()
    const { code } = await typeInto(['login', 'host', '-u', 'me'], folder.path, [[/Password: $/, typed]])
    expect(code).toBe(expected)
    expect(await readdir(folder.path)).toEqual([])
  })
})

const mainFile = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Runs the command on a terminal of its own, and types each answer when its question is there. */
async function typeInto(
  args: readonly string[],
  folder: string,
  answers: readonly (readonly [question: RegExp, typed: string])[],
): Promise<{ readonly code: unknown; readonly shown: string }> {
  const line = [process.execPath, mainFile, ...args].map((part) => `'${part}'`).join(' ')
  const child = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    env: { ...process.env, DOCKER_CONFIG: folder, HOME: folder, NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const rest = [...answers]
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text
    const [next] = rest
    // Escapes that move the cursor follow the question.
    if (next === undefined || !next[0].test(stripVTControlCharacters(shown))) return
    rest.shift()
    child.stdin.write(next[1])
  })
  const [code]: unknown[] = await once(child, 'close')
  return { code, shown }
}
