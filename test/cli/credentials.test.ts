import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { authOf } from '../targets/remote/auth/folder.ts'
import { runCommand } from './command.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { fill, repository, sampleImage } from './registry.ts'

/** A registry that lets in one user, and what it was shown. */
async function startFor(password: string): Promise<TestRegistry & { readonly shown: Set<string> }> {
  const shown = new Set<string>()
  const registry = await startRegistry({
    htpasswd: `me:${hashSync(password, 4)}`,
    misbehave: ({ headers: { authorization } }) => {
      if (authorization !== undefined) shown.add(Buffer.from(authorization.slice(6), 'base64').toString())
      return false
    },
  })
  await fill(registry, sampleImage(), 'index')
  return { ...registry, shown }
}

const entry = (password: string): { readonly auth: string } => ({ auth: authOf('me', password) })

describe('credentials of a command', () => {
  it('are those of the environment for the one registry that it names, and those of the file for the other', async () => {
    await using from = await startFor('canary-from')
    await using to = await startFor('canary-to')
    await using folder = await newFolder()
    const auths = { [from.name]: entry('wrong'), [to.name]: entry('canary-to') }
    await writeFile(join(folder.path, 'config.json'), JSON.stringify({ auths }))
    const env = {
      DOCKER_CONFIG: folder.path,
      COPYGRAPH_REGISTRY: from.name,
      COPYGRAPH_USERNAME: 'me',
      COPYGRAPH_PASSWORD: 'canary-from',
    }
    const args = ['cp', '--debug', `${from.name}/app:v1`, `${to.name}/copy:v2`]
    const { code, stdout, stderr } = await runCommand(args, { env })
    expect(code).toBe(0)
    expect([...from.shown]).toEqual(['me:canary-from'])
    expect([...to.shown]).toEqual(['me:canary-to'])
    expect(stdout + stderr).not.toMatch(/canary|bWU6/)
    expect(await Array.fromAsync(repository(to, 'copy').tags())).toEqual(['v2'])
  })

  it('are those of the flags before all others', async () => {
    await using registry = await startFor('flag')
    await using folder = await newFolder()
    await writeFile(
      join(folder.path, 'config.json'),
      JSON.stringify({ auths: { [registry.name]: entry('file') } }),
    )
    const env = {
      DOCKER_CONFIG: folder.path,
      COPYGRAPH_REGISTRY: registry.name,
      COPYGRAPH_USERNAME: 'me',
      COPYGRAPH_PASSWORD: 'environment',
    }
    const list = ['repo', 'tags', `${registry.name}/app`]
    expect((await runCommand([...list, '-u', 'me', '--password-stdin'], { env, stdin: 'flag' })).code).toBe(0)
    expect([...registry.shown]).toEqual(['me:flag'])
    expect((await runCommand(list, { env })).code).toBe(4)
    expect([...registry.shown]).toEqual(['me:flag', 'me:environment'])
  })

  it('are those of the file that is named for a side', async () => {
    await using from = await startFor('from')
    await using to = await startFor('to')
    await using folder = await newFolder()
    const file = async (name: string, registry: TestRegistry): Promise<string> => {
      const path = join(folder.path, `${name}.json`)
      await writeFile(path, JSON.stringify({ auths: { [registry.name]: entry(name) } }))
      return path
    }
    const [ofFrom, ofTo] = [await file('from', from), await file('to', to)]
    const cp = ['cp', '--quiet', `${from.name}/app:v1`, `${to.name}/copy:v2`]
    const sides = ['--from-registry-config', ofFrom, '--to-registry-config', ofTo]
    expect(await runCommand([...cp, ...sides])).toMatchObject({ code: 0, stderr: '' })
    expect((await runCommand([...cp, '--registry-config', ofFrom, '--to-registry-config', ofTo])).code).toBe(
      0,
    )
    expect((await runCommand([...cp, '--registry-config', ofFrom])).code).toBe(4)
  })

  it.each([
    [
      { COPYGRAPH_USERNAME: 'me', COPYGRAPH_PASSWORD: 'canary' },
      /COPYGRAPH_REGISTRY must name the one registry/,
    ],
    [{ COPYGRAPH_TOKEN: 'canary', COPYGRAPH_REGISTRY: 'https://host' }, /COPYGRAPH_REGISTRY must name/],
    [{ COPYGRAPH_PASSWORD: 'canary', COPYGRAPH_REGISTRY: 'host' }, /go together/],
    [{ COPYGRAPH_PASSWORD: 'canary', COPYGRAPH_TOKEN: 'canary', COPYGRAPH_REGISTRY: 'host' }, /excludes/],
  ])('in the environment %j are wrong usage', async (env, message) => {
    const { code, stderr } = await runCommand(['repo', 'tags', 'host/app'], { env })
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('canary')
  })

  it('of a missing helper end in an error that names it, and in no request with another credential', async () => {
    await using registry = await startFor('secret')
    await using folder = await newFolder()
    const config = { auths: { [registry.name]: entry('secret') }, credHelpers: { [registry.name]: 'gone' } }
    await writeFile(join(folder.path, 'config.json'), JSON.stringify(config))
    const env = { DOCKER_CONFIG: folder.path }
    const { code, stderr } = await runCommand(['repo', 'tags', `${registry.name}/app`], { env })
    expect(code).toBe(4)
    expect(stderr).toContain(`docker-credential-gone for ${registry.name} is not there`)
    expect([...registry.shown]).toEqual([])
  })
})

describe('tokens of a command', () => {
  /** A registry and its token service elsewhere; what each was shown. */
  async function startWithTokens(): Promise<
    AsyncDisposable & { registry: string; tokens: string; shown: (string | undefined)[] }
  > {
    const shown: (string | undefined)[] = []
    const registry = createServer((request, response) => {
      const isRight = request.headers.authorization === 'Bearer ready'
      response.setHeader('www-authenticate', `Bearer realm="http://${nameOf(tokens)}/token"`)
      response.writeHead(isRight ? 200 : 401).end('{"tags":["v1"]}')
    })
    const tokens = createServer((request: IncomingMessage, response) => {
      shown.push(request.headers.authorization)
      response.end('{"token":"ready"}')
    })
    const nameOf = (server: typeof registry): string => {
      const address = server.address()
      return typeof address === 'object' && address !== null ? `127.0.0.1:${address.port}` : ''
    }
    for (const server of [registry, tokens]) await once(server.listen(0, '127.0.0.1'), 'listening')
    const close = async (): Promise<void> => {
      for (const server of [registry, tokens]) {
        server.closeAllConnections()
        await once(server.close(), 'close')
      }
    }
    return { registry: nameOf(registry), tokens: nameOf(tokens), shown, [Symbol.asyncDispose]: close }
  }

  it('come from a service elsewhere if that is trusted, else the error says how to trust it', async () => {
    await using servers = await startWithTokens()
    const args = ['repo', 'tags', `${servers.registry}/app`, '-u', 'me', '--password-stdin', '--debug']
    const refused = await runCommand(args, { stdin: 'canary' })
    expect(refused.code).toBe(4)
    expect(refused.stderr).toContain(`--trust-realm ${servers.tokens}`)
    expect(servers.shown).toEqual([])
    const taken = await runCommand([...args, '--trust-realm', servers.tokens], { stdin: 'canary' })
    expect(taken).toMatchObject({ code: 0, stdout: 'v1\n' })
    expect(servers.shown).toEqual([`Basic ${authOf('me', 'canary')}`])
    expect(refused.stderr + taken.stderr).not.toMatch(/canary|bWU6/)
  })

  it('may be ready in the environment, and go to the registry alone', async () => {
    await using servers = await startWithTokens()
    const env = { COPYGRAPH_REGISTRY: servers.registry, COPYGRAPH_TOKEN: 'ready' }
    const args = ['repo', 'tags', `${servers.registry}/app`]
    expect(await runCommand(args, { env })).toMatchObject({ code: 0, stdout: 'v1\n' })
    expect(servers.shown).toEqual([])
  })

  it('are not asked for with --auth basic', async () => {
    await using servers = await startWithTokens()
    const args = ['repo', 'tags', `${servers.registry}/app`, '--auth', 'basic']
    expect((await runCommand(args)).code).toBe(4)
    expect(servers.shown).toEqual([])
  })
})
