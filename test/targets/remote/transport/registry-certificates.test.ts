import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { registryCertificates, type TlsMaterial } from '../../../../src/targets/remote/remote.ts'
import { Transport } from '../../../../src/targets/remote/transport/transport.ts'
import { cert, key } from '../../../server/certificate.ts'
import { rejection } from '../../contract/support.ts'
import { startServer } from '../server.ts'
import { clientCertificate, clientKey } from './client-certificate.ts'
import { shownBy } from './proxy-server.ts'

type Files = Readonly<Record<string, string>>

/** A folder with these files, until the test ends. */
async function folderWith(files: Files): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'copygraph-certificates-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  return folder
}

async function find(registry: string, ...folders: readonly Files[]): Promise<TlsMaterial | undefined> {
  const directories = await Promise.all(folders.map(folderWith))
  return registryCertificates({ directories })(registry)
}

describe('certificates of registries in folders', () => {
  it('are those in the folder with the name of the registry, with its port', async () => {
    const files = {
      'a.example/ca.crt': 'A',
      'a.example:5000/x.crt': 'X',
      'a.example:5000/y.crt': 'Y',
      'a.example:5000/client.cert': 'C',
      'a.example:5000/client.key': 'K',
      'a.example:5000/README': 'R',
    }
    expect(await find('a.example:5000', files)).toEqual({ ca: 'X\nY', certificate: 'C', key: 'K' })
    expect(await find('a.example', files)).toEqual({ ca: 'A', certificate: undefined, key: undefined })
    expect(await find('a.example:443', files)).toBeUndefined()
    expect(await find('b.a.example', files)).toBeUndefined()
  })

  it('are those of the first folder that has the registry, and of it alone', async () => {
    const [first, second] = [{ 'a.example/ca.crt': '1' }, { 'a.example/b.crt': '2', 'b.example/b.crt': '2' }]
    expect(await find('a.example', first, second)).toMatchObject({ ca: '1' })
    expect(await find('b.example', first, second)).toMatchObject({ ca: '2' })
    expect(await find('b.example', { 'b.example/none': '' }, second)).toMatchObject({ ca: undefined })
  })

  it('are one for all names of Docker Hub', async () => {
    for (const name of ['docker.io', 'index.docker.io', 'registry-1.docker.io']) {
      expect(await find(name, { 'docker.io/ca.crt': 'H' })).toMatchObject({ ca: 'H' })
    }
  })

  it('may be links, and are none where there is no such folder', async () => {
    const folder = await folderWith({ 'real.pem': 'R', 'a.example/x': '' })
    await symlink('../real.pem', join(folder, 'a.example', 'ca.crt'))
    const certificates = registryCertificates({ directories: ['/dev/null', join(folder, 'no'), folder] })
    expect(await certificates('a.example')).toMatchObject({ ca: 'R' })
  })

  it('are looked for at home first', async () => {
    const home = await folderWith({ 'config/containers/certs.d/a.example/ca.crt': 'XDG' })
    vi.stubEnv('XDG_CONFIG_HOME', join(home, 'config'))
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(await registryCertificates()('a.example')).toMatchObject({ ca: 'XDG' })
    await rename(join(home, 'config'), join(home, '.config'))
    vi.stubEnv('XDG_CONFIG_HOME', undefined)
    vi.stubEnv('HOME', home)
    expect(await registryCertificates()('a.example')).toMatchObject({ ca: 'XDG' })
  })

  it.each<[string, Files, RegExp]>([
    [
      'a certificate without its key',
      { 'a.example/one.cert': 'C', 'a.example/two.key': 'K' },
      /one\.cert has no key/,
    ],
    [
      'a key without its certificate',
      { 'a.example/one.key': 'K' },
      /one\.key has no certificate .* one\.cert/,
    ],
    [
      'two certificates to show',
      { 'a.example/1.cert': '', 'a.example/1.key': '', 'a.example/2.cert': '', 'a.example/2.key': '' },
      /1\.cert and 2\.cert/,
    ],
    ['a folder in place of a file', { 'a.example/ca.crt/x': '' }, /ca\.crt is no file/],
  ])('are an error with %s, which names the file', async (_what, files, message) => {
    const error = await rejection(find('a.example', files))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringMatching(message) })
  })

  it('are an error with a link that leads nowhere', async () => {
    const folder = await folderWith({ 'a.example/x': '' })
    await symlink('gone', join(folder, 'a.example', 'ca.crt'))
    const error = await rejection(
      Promise.resolve(registryCertificates({ directories: [folder] })('a.example')),
    )
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringMatching(/ca\.crt cannot be read/) })
  })

  it('are not read without a limit', async () => {
    const error = await rejection(find('a.example', { 'a.example/ca.crt': 'x'.repeat(1024 * 1024 + 1) }))
    expect(error).toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
  })

  it.each(['..', '.', '../a.example', 'a.example/..', 'a/b', '', '/etc', 'a.example\0'])(
    'are not looked for outside, as for %j',
    async (registry) => {
      const error = await rejection(find(registry, { 'ca.crt': 'canary', 'a.example/ca.crt': 'canary' }))
      expect(error).toMatchObject({ code: 'INVALID_REFERENCE' })
    },
  )

  it('are passed over where there is no folder to look into', async () => {
    const folder = await folderWith({ 'a.example': 'x' })
    expect(await registryCertificates({ directories: [folder] })('a.example')).toBeUndefined()
  })

  it('serve requests to the registry, and are read once', async () => {
    const shown: unknown[] = []
    const tls = { cert, key, requestCert: true, rejectUnauthorized: false }
    const server = await startServer(
      (_request, response) => {
        shown.push(shownBy(response.socket))
        return { status: 200 }
      },
      { tls },
    )
    const folder = await folderWith({
      [`${server.host}/ca.crt`]: cert,
      [`${server.host}/me.cert`]: clientCertificate,
      [`${server.host}/me.key`]: clientKey,
    })
    const options = { plainHttp: false, tls: registryCertificates({ directories: [folder] }) }
    await using transport = new Transport(options)
    const registry = new Registry(server.host, { transport })
    await registry.ping()
    await rm(folder, { recursive: true })
    await registry.ping()
    expect(shown).toEqual(['canary-client', 'canary-client'])
  })
})

describe('what is trusted', () => {
  const transportModule = fileURLToPath(
    new URL('../../../../src/targets/remote/registry.ts', import.meta.url),
  )
  const ping = (host: string): string => `
    const { Registry } = await import(${JSON.stringify(transportModule)})
    const registry = new Registry(${JSON.stringify(host)}, { plainHttp: false, retry: { attempts: 1 } })
    await registry.ping().then(() => console.log('trusted'), (error) => console.log(error.cause?.code))
    await registry.close()`

  it.each([
    ['SSL_CERT_FILE', 'trusted'],
    ['NODE_EXTRA_CA_CERTS', 'trusted'],
    ['NOTHING', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ])('is also what %s names: %s', async (variable, outcome) => {
    const server = await startServer(() => ({ status: 200 }), { tls: { cert, key } })
    const file = join(await folderWith({ 'ca.pem': cert }), 'ca.pem')
    const env = { PATH: process.env['PATH'], NODE_NO_WARNINGS: '1', [variable]: file }
    const script = ['--input-type=module', '-e', ping(server.host)]
    const { stdout } = await promisify(execFile)(process.execPath, script, { env })
    expect(stdout.trim()).toBe(outcome)
  })
})
