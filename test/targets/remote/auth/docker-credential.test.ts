import { execFile } from 'node:child_process'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import { getEventListeners } from 'node:events'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  eraseFromHelper,
  getFromHelper,
  storeInHelper,
} from '../../../../src/targets/remote/auth/docker-credential.ts'
import { storedCredentials } from '../../../../src/targets/remote/auth/stored-credentials.ts'
import { rejection } from '../../contract/support.ts'
import { installHelper, installKeychain, testFolder } from './folder.ts'

const run = promisify(execFile)
const moduleUrl = new URL('../../../../src/targets/remote/auth/docker-credential.ts', import.meta.url).href
const key = 'r.example'

async function withHelper(body: string): Promise<{ readonly environment: { readonly PATH: string } }> {
  const folder = await testFolder()
  await installHelper(folder, 'test', body)
  return { environment: { PATH: folder } }
}

describe('a credential helper', () => {
  it('keeps a password, gives it, and forgets it', async () => {
    const folder = await testFolder()
    await installKeychain(folder, 'keychain')
    const options = { environment: { PATH: folder } }
    const credential = { username: 'ü:"', password: 'se"cret\n€' }
    expect(await getFromHelper('keychain', key, options)).toBeUndefined()
    await storeInHelper('keychain', key, credential, options)
    expect(await getFromHelper('keychain', key, options)).toEqual(credential)
    expect(await eraseFromHelper('keychain', key, options)).toBe(true)
    expect(await eraseFromHelper('keychain', key, options)).toBe(false)
    expect(await getFromHelper('keychain', key, options)).toBeUndefined()
  })

  it('keeps an identity token under the user name that says so', async () => {
    const folder = await testFolder()
    await installKeychain(folder, 'keychain')
    const options = { environment: { PATH: folder } }
    await storeInHelper('keychain', key, { identityToken: 'refresh' }, options)
    expect(JSON.parse(await readFile(join(folder, 'keychain.json'), 'utf8'))).toEqual({
      [key]: { ServerURL: key, Username: '<token>', Secret: 'refresh' },
    })
    expect(await getFromHelper('keychain', key, options)).toEqual({ identityToken: 'refresh' })
  })

  it.each([
    ['an access token', { accessToken: 'canary' }],
    ['the user name of an identity token', { identityToken: 'canary', username: 'me' }],
  ])('is not given %s, which it could not give back', async (_what, credential) => {
    const folder = await testFolder()
    await installKeychain(folder, 'keychain')
    const error = await rejection(
      storeInHelper('keychain', key, credential, { environment: { PATH: folder } }),
    )
    expect(error).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('docker-credential-keychain'),
    })
    expect(String(error)).not.toContain('canary')
    await expect(readFile(join(folder, 'keychain.log'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it.each([NaN, 0, -1])('may not be given %d ms', async (helperTimeout) => {
    const { environment } = await withHelper(`answer('u', 'p')`)
    expect(await rejection(getFromHelper('test', key, { environment, helperTimeout }))).toBeInstanceOf(
      RangeError,
    )
    expect(() => storedCredentials({ helperTimeout })).toThrow(RangeError)
  })

  it('may be given any time', async () => {
    const { environment } = await withHelper(`answer('u', 'p')`)
    expect(await getFromHelper('test', key, { environment, helperTimeout: Infinity })).toMatchObject({
      username: 'u',
    })
  })

  it.runIf(process.platform === 'linux')(
    'for which there are no descriptors is an error, not an end',
    async () => {
      const { environment } = await withHelper(`answer('u', 'p')`)
      const script = `
        const { openSync, closeSync } = await import('node:fs')
        const { getFromHelper } = await import(${JSON.stringify(moduleUrl)})
        const environment = { PATH: ${JSON.stringify(environment.PATH)} }
        const ask = () => getFromHelper('test', 'r.example', { environment }).then(
          ({ username }) => username,
          ({ code, cause }) => code + ' ' + cause?.code,
        )
        const answers = [await ask()]
        const opened = []
        try {
          for (;;) opened.push(openSync('/dev/null'))
        } catch {}
        for (let free = 0; free < 12; free++) {
          answers.push(await ask())
          closeSync(opened.pop())
        }
        for (const descriptor of opened) closeSync(descriptor)
        answers.push(await ask())
        console.log(JSON.stringify(answers))`
      const limited = 'ulimit -n 100; exec "$0" --input-type=module --eval "$1"'
      const { stdout } = await run('/bin/sh', ['-c', limited, process.execPath, script])
      const answers: unknown[] = JSON.parse(stdout)
      expect([answers.at(0), answers.at(1), answers.at(-1)]).toEqual(['u', 'AUTH EMFILE', 'u'])
      expect(new Set(answers)).toEqual(new Set(['AUTH EMFILE', 'u']))
    },
  )

  it('gets the key on stdin, no more, and the variables of the environment', async () => {
    const { environment } = await withHelper(
      'answer(process.env.WHO, JSON.stringify([process.argv.slice(2), input]))',
    )
    const options = { environment: { ...environment, WHO: 'AWS' } }
    expect(await getFromHelper('test', key, options)).toEqual({
      username: 'AWS',
      password: JSON.stringify([['get'], key]),
    })
  })

  it.each([
    [
      'says so on stderr',
      `process.stderr.write('credentials not found in native keychain'); process.exit(1)`,
    ],
    ['gives an empty secret', `answer('', '')`],
  ])('that has nothing, and %s, gives none', async (_how, body) => {
    expect(await getFromHelper('test', key, await withHelper(body))).toBeUndefined()
  })

  it('that does not read its input may answer nevertheless', async () => {
    const folder = await testFolder()
    const file = join(folder, 'docker-credential-deaf')
    await writeFile(file, `#!/bin/sh\nexec 0<&-\necho '{"Username":"u","Secret":"p"}'\n`)
    await chmod(file, 0o755)
    const options = { environment: { PATH: folder } }
    const many = 'x'.repeat(1_000_000)
    expect(await getFromHelper('deaf', many, options)).toEqual({ username: 'u', password: 'p' })
  })

  it.each([
    [
      'fails',
      `process.stdout.write('canary'); process.stderr.write('canary'); process.exit(3)`,
      /failed with exit code 3/,
    ],
    ['fails without a word', 'process.exit(1)', /failed with exit code 1/],
    ['is killed', `process.kill(process.pid, 'SIGKILL')`, /failed with a signal/],
    [
      'says that it has nothing, and that all is well',
      `process.stdout.write('credentials not found in native keychain')`,
      /something else/,
    ],
    ['answers no JSON', `process.stdout.write('canary')`, /something else than JSON/],
    [
      'answers broken JSON',
      `process.stdout.write('{"Username":"u","Secret":"canary"')`,
      /something else than JSON/,
    ],
    ['answers without a secret', `process.stdout.write('{"Username":"canary"}')`, /something else than JSON/],
    [
      'answers with a number',
      `process.stdout.write('{"Username":"canary","Secret":1}')`,
      /something else than JSON/,
    ],
    [
      'writes without an end',
      `setInterval(() => process.stdout.write('canary'.repeat(10000)), 1)`,
      /more than 262144 bytes/,
    ],
    [
      'complains without an end',
      `setInterval(() => process.stderr.write('canary'.repeat(10000)), 1)`,
      /more than 262144 bytes/,
    ],
  ])('that %s is an error that shows nothing of it', async (_what, body, message) => {
    const error = await rejection(getFromHelper('test', key, await withHelper(body)))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringMatching(message) })
    expect(String(error)).toContain('docker-credential-test for r.example')
    expect(JSON.stringify([String(error), error])).not.toContain('canary')
  })

  it('that fails to store is an error without the secret', async () => {
    const options = await withHelper('process.stdout.write(input); process.exit(1)')
    const error = await rejection(storeInHelper('test', key, { username: 'u', password: 'canary' }, options))
    expect(error).toMatchObject({ code: 'AUTH' })
    expect(JSON.stringify([String(error), error])).not.toContain('canary')
  })

  it('that leaves an agent behind which holds its output open has answered nevertheless', async () => {
    const folder = await testFolder()
    const file = join(folder, 'docker-credential-agent')
    await writeFile(file, `#!/bin/sh\n/bin/sleep 6 &\necho '{"Username":"u","Secret":"p"}'\n`)
    await chmod(file, 0o755)
    const started = performance.now()
    const options = { environment: { PATH: folder } }
    expect(await getFromHelper('agent', key, options)).toEqual({ username: 'u', password: 'p' })
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('that takes too long is ended, and with it what it started holds nothing up', async () => {
    const folder = await testFolder()
    const file = join(folder, 'docker-credential-slow')
    const pidFile = join(folder, 'pid')
    await writeFile(file, `#!/bin/sh\necho $$ > ${pidFile}\n/bin/sleep 5\n`)
    await chmod(file, 0o755)
    const started = performance.now()
    const options = { environment: { PATH: folder }, helperTimeout: 300 }
    await expect(getFromHelper('slow', key, options)).rejects.toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining('did not answer within 0.3 s'),
    })
    expect(performance.now() - started).toBeLessThan(4000)
    const pid = Number(await readFile(pidFile, 'utf8'))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('is ended by an abort, with the reason of that', async () => {
    const folder = await testFolder()
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('enough')
    await installHelper(
      folder,
      'test',
      `fs.writeFileSync(${JSON.stringify(join(folder, 'pid'))}, String(process.pid)); setInterval(() => {}, 1000)`,
    )
    const asked = rejection(getFromHelper('test', key, { environment: { PATH: folder }, signal }))
    await expect.poll(() => readFile(join(folder, 'pid'), 'utf8').then(Number, () => 0)).toBeGreaterThan(0)
    controller.abort(reason)
    expect(await asked).toBe(reason)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'))
    expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })

  it('is not started after an abort', async () => {
    const folder = await testFolder()
    await installKeychain(folder, 'keychain')
    const reason = new Error('enough')
    const options = { environment: { PATH: folder }, signal: AbortSignal.abort(reason) }
    expect(await rejection(getFromHelper('keychain', key, options))).toBe(reason)
    await expect(readFile(join(folder, 'keychain.log'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it.each(['../evil', '/bin/sh', 'a/b', 'a b', '', 'a;b', '$(a)', 'a\0b', 'a\n', '\\\\host\\x', 'ä'])(
    'named %j is refused',
    async (name) => {
      await expect(getFromHelper(name, key)).rejects.toMatchObject({
        code: 'AUTH',
        message: expect.stringContaining('has a name that no program should have'),
      })
    },
  )

  it('that is not on PATH, or not executable, is an error', async () => {
    const folder = await testFolder()
    await writeFile(join(folder, 'docker-credential-test'), '#!/bin/sh\n')
    for (const environment of [{ PATH: folder }, { PATH: '' }, {}]) {
      await expect(getFromHelper('test', key, { environment })).rejects.toMatchObject({
        code: 'AUTH',
        message: expect.stringContaining('docker-credential-test for r.example is not there'),
      })
    }
  })

  it('that cannot be started is an error with its cause', async () => {
    const folder = await testFolder()
    const file = join(folder, 'docker-credential-test')
    await writeFile(file, '#!/nonexistent/interpreter\n')
    await chmod(file, 0o755)
    await expect(getFromHelper('test', key, { environment: { PATH: folder } })).rejects.toMatchObject({
      code: 'AUTH',
      cause: { code: 'ENOENT' },
    })
  })

  it('in the current folder is never run, whatever PATH says', async () => {
    const folder = await testFolder()
    await installKeychain(folder, 'planted')
    const before = process.cwd()
    const paths = ['', '.', `.${delimiter}`, './', delimiter]
    try {
      process.chdir(folder)
      for (const PATH of paths) {
        await expect(getFromHelper('planted', key, { environment: { PATH } })).rejects.toMatchObject({
          code: 'AUTH',
        })
      }
    } finally {
      process.chdir(before)
    }
    await expect(readFile(join(folder, 'planted.log'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
