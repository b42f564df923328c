import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Repository } from '../../src/targets/remote/repository.ts'
import { answerWith, redirectTo } from '../../src/testing/answers.ts'
import { on } from '../../src/testing/match.ts'
import { runCommand } from '../cli/command.ts'
import { newFolder } from '../support/folder.ts'
import { image } from '../targets/contract/support.ts'
import {
  canaries,
  heardBy,
  plants,
  secretsIn,
  startWorld,
  type World,
  type WorldOptions,
} from './canaries.ts'

/** One run of the command, with what it ends with. */
interface Run {
  readonly args: (world: World, home: string) => readonly string[]
  readonly code: number
  readonly world?: WorldOptions
}

const app = ({ registry }: World): string => `${registry.host}/app`
const signed = `/blob?X-Signature=${canaries.signature}`

const runs: Readonly<Record<string, Run>> = {
  'cp into a layout': {
    args: (world, home) => ['cp', `${app(world)}:v1`, `oci:${join(home, 'out')}:v1`],
    code: 0,
  },
  'cp within the registry, as JSON': {
    args: (world) => ['cp', '--format', 'json', `${app(world)}:v1`, `${world.registry.host}/copy:v1`],
    code: 0,
  },
  'repo tags': { args: (world) => ['repo', 'tags', app(world)], code: 0 },
  'repo ls': { args: ({ registry }) => ['repo', 'ls', registry.host], code: 0 },
  resolve: { args: (world) => ['resolve', `${app(world)}:v1`], code: 0 },
  'cp from signed storage that refuses': {
    args: (world, home) => ['cp', `${app(world)}:v1`, `oci:${join(home, 'out')}:v1`],
    code: 4,
    world: {
      faults: (sink) => [on({ method: 'GET', endpoint: 'blob' }, redirectTo(`${sink}${signed}`))],
      sink: ({ url }) => ({
        status: 403,
        body: JSON.stringify({ errors: [{ code: 'DENIED', message: url }] }),
      }),
    },
  },
  'repo tags of a registry that repeats what it was shown': {
    args: (world) => ['repo', 'tags', app(world)],
    code: 1,
    world: {
      faults: () => [
        on({ endpoint: 'tags' }, async (request, next) => {
          const { authorization = '' } = request.headers
          const message = `not ${authorization}`
          return answerWith(418, { body: JSON.stringify({ errors: [{ code: 'NO', message }] }) })(
            request,
            next,
          )
        }),
      ],
    },
  },
}

describe('no secret is printed by --debug or kept', () => {
  it.each(Object.entries(runs))('in %s after a login', async (_name, { args, code, world: options }) => {
    const plant = plants['a password for tokens']
    if (plant === undefined) throw new RangeError('no such plant')
    await using world = await startWorld(plant, options)
    await using prepared = new Repository(`${new URL(world.registry.withoutFaults).host}/app`)
    await image().pushTo(prepared)
    await prepared.tag(image().descriptor('m1'), 'v1')
    await using home = await newFolder()
    const env = { HOME: home.path }
    const trust = ['--debug', '--trust-realm', world.tokens.host]
    const login = ['login', ...trust, '-u', 'tester', '--password-stdin', world.registry.host]
    const loggedIn = await runCommand(login, { env, stdin: canaries.password })
    expect(loggedIn).toMatchObject({ code: 0 })
    const ran = await runCommand([...args(world, home.path), ...trust], { env })
    expect(ran).toMatchObject({ code })
    expect(secretsIn(loggedIn.stdout + loggedIn.stderr + ran.stdout + ran.stderr)).toEqual([])
    expect(ran.stderr).toContain(` ${world.registry.url}/v2/`)
    expect(secretsIn(heardBy(world.tokens))).toHaveLength(1)
    expect(secretsIn(heardBy(world.sink)).filter((secret) => secret !== canaries.signature)).toEqual([])
    const login64 = Buffer.from(`tester:${canaries.password}`).toString('base64')
    expect(await filesWithSecrets(home.path)).toEqual({ '.docker/config.json': [login64] })
  })
})

async function filesWithSecrets(folder: string): Promise<Record<string, readonly string[]>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const found: Record<string, readonly string[]> = {}
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name)
    const secrets = secretsIn(await readFile(path, 'latin1'))
    if (secrets.length > 0) found[path.slice(folder.length + 1)] = secrets
  }
  return found
}
