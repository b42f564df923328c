import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { uploadJournal } from '../../src/cli/upload-journal.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { cert, key } from '../server/certificate.ts'
import { graph } from '../support/graph.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { runCommand, startCommand } from './command.ts'
import { fill, repository, sampleImage } from './registry.ts'

interface ListeningRegistry extends TestRegistry {
  /** What requests had as `x-canary`, each once. */
  readonly seen: Set<string>
}

async function startListening(options: Parameters<typeof startRegistry>[0] = {}): Promise<ListeningRegistry> {
  const seen = new Set<string>()
  const registry = await startRegistry({
    ...options,
    misbehave(request, response) {
      seen.add(String(request.headers['x-canary']))
      response.setHeader('warning', '299 - "this registry \u{9b}moves"')
      return false
    },
  })
  await fill(registry, sampleImage(), 'index')
  return { ...registry, seen }
}

describe('headers of flags', () => {
  it('go to the registry of their side alone, and their values are shown nowhere', async () => {
    await using from = await startListening()
    await using to = await startListening()
    await using folder = await newFolder()
    const file = join(folder.path, 'headers')
    const audit = join(folder.path, 'audit.log')
    await writeFile(file, 'X-Canary: canary-to\n\nX-Other: canary-other\r\n')
    const args = ['cp', '--debug', '--format', 'json', `${from.name}/app:v1`, `${to.name}/copy:v2`]
    const flags = ['--from-header', 'X-Canary: canary-from', '--to-header', `@${file}`, '--audit-log', audit]
    const { code, stdout, stderr } = await runCommand([...args, ...flags])
    expect(code).toBe(0)
    expect([[...from.seen], [...to.seen]]).toEqual([['canary-from'], ['canary-to']])
    expect(stderr).toMatch(/^> x-canary: \*\*\*$/m)
    expect(stderr).toMatch(/^< content-type: /m)
    expect(stdout + stderr).not.toContain('canary-')
  })

  it.each([
    [['-H', 'Authorization: canary'], true],
    [['-H', 'X-Api-Key: canary'], true],
    [['-H', 'X-Tenant: canary'], false],
  ])('%j are warned of: %s', async (flags, isWarned) => {
    const { stderr } = await runCommand(['repo', 'tags', 'oci:nowhere', ...flags])
    expect(/^Warning: --header shows its value/m.test(stderr)).toBe(isWarned)
    expect(stderr).not.toContain('canary')
  })

  it.each([
    [['-H', 'canary'], /--header is no header: write 'Name: value'/],
    [['-H', 'Na me: canary'], /--header is no header/],
    [['-H', 'Name: can\nary: canary'], /--header is no header/],
    [['-H', 'a: canary', '-H', 'A: canary'], /--header has a twice/],
    [['-H', 'Host: canary'], /--header: the header host is not for users to set/],
    [['-H', '@/nonexistent'], /--header cannot be read: ENOENT/],
    [['--cert-file', '/nonexistent'], /--cert-file FILE --key-file FILE/],
    [['--key-file', '/nonexistent'], /--cert-file FILE --key-file FILE/],
    [['--cert-file', '/nonexistent', '--key-file', '/nonexistent'], /--cert-file cannot be read/],
    [['--resolve', 'host:443'], /Expected HOST:PORT:ADDRESS/],
    [['--resolve', 'host:443:elsewhere'], /expected an address/],
    [['--requests-per-second', '0'], /whole number from 1/],
    [['--proxy', 'ftp://me:canary@nowhere'], /the proxy is/],
  ])('%j are wrong usage, and are not quoted', async (flags, message) => {
    const { code, stdout, stderr } = await runCommand(['repo', 'tags', 'host/app', ...flags])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('canary')
  })
})

describe('a warning of a registry', () => {
  it.each([
    [['repo', 'tags', 'NAME/app']],
    [['resolve', 'NAME/app:v1']],
    [['cp', 'NAME/app:v1', 'oci:FOLDER/out']],
  ])('is shown once by %j, and steers no terminal', async (args) => {
    await using registry = await startListening()
    await using folder = await newFolder()
    const named = args.map((arg) => arg.replace('NAME', registry.name).replace('FOLDER', folder.path))
    const { code, stderr } = await runCommand(named)
    expect(code).toBe(0)
    expect(stderr.match(/^Warning.*moves/gm)).toHaveLength(1)
    expect(stderr).not.toMatch(/[^\n\P{C}]/u)
  })
})

describe('flags of login that make no sense', () => {
  it.each([
    [['--proxy', 'ftp://me:canary@nowhere'], /the proxy is/],
    [['--resolve', 'host:443:elsewhere'], /expected an address/],
  ])('%j are wrong usage there too', async (flags, message) => {
    const args = ['login', '127.0.0.1:1', '-u', 'me', '--password-stdin', ...flags]
    const { code, stderr } = await runCommand(args, { stdin: 'canary' })
    expect(code).toBe(2)
    expect(stderr).toMatch(message)
    expect(stderr).not.toContain('canary')
  })
})

describe('the way to a registry', () => {
  it('is the address of --resolve', async () => {
    await using registry = await startListening()
    const [address, port = ''] = registry.name.split(':')
    const flags = ['--plain-http', '--resolve', `registry.test:${port}:${address}:${port}`]
    const args = ['repo', 'tags', `registry.test:${port}/app`, ...flags]
    expect(await runCommand(args)).toMatchObject({ code: 0, stdout: 'v1\n' })
  })

  it('leads through the proxy of --proxy, whose password nobody sees', async () => {
    const asked: (string | undefined)[] = []
    const proxy = createServer((request, response) => {
      asked.push(request.headers['proxy-authorization'])
      response.writeHead(407).end()
    })
    proxy.on('connect', (request, socket) => {
      asked.push(request.headers['proxy-authorization'])
      socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    const address = proxy.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    try {
      const args = ['repo', 'tags', 'registry.test/app', '--debug', '--retries', '0']
      const { code, stderr } = await runCommand([...args, '--proxy', `http://me:canary@127.0.0.1:${port}`])
      expect(code).not.toBe(0)
      expect(asked).toEqual([`Basic ${Buffer.from('me:canary').toString('base64')}`])
      expect(stderr).toMatch(/^Warning: --proxy shows its password/m)
      expect(stderr).not.toMatch(/canary|bWU6/)
    } finally {
      proxy.closeAllConnections()
      await once(proxy.close(), 'close')
    }
  })

  it('trusts the certificates that podman keeps for it, and no others', async () => {
    await using registry = await startListening({ tls: { cert, key } })
    await using folder = await newFolder()
    const name = registry.name.replace('127.0.0.1', 'localhost')
    const certificates = join(folder.path, 'containers', 'certs.d', name)
    await mkdir(certificates, { recursive: true })
    await writeFile(join(certificates, 'ca.crt'), cert)
    const args = ['resolve', `${name}/app:v1`]
    // TLS for localhost must be asked for; the flag says no more than that.
    const image = sampleImage()
    const env = { XDG_CONFIG_HOME: folder.path }
    const flags = ['--ca-file', join(certificates, 'other.pem')]
    await writeFile(join(certificates, 'other.pem'), '')
    expect((await runCommand([...args, ...flags])).code).toBe(5)
    expect(await runCommand([...args, ...flags], { env })).toMatchObject({
      code: 0,
      stdout: `${image.descriptor('index').digest}\n`,
    })
  })
})

describe('the journal of uploads', () => {
  it.each([
    [{ HOME: '/home/me' }, '/home/me/.local/state/copygraph/uploads'],
    [{ HOME: '/home/me', XDG_STATE_HOME: '/state' }, '/state/copygraph/uploads'],
    [{ HOME: '/home/me', XDG_STATE_HOME: 'state' }, '/home/me/.local/state/copygraph/uploads'],
    [{ HOME: '/home/me', COPYGRAPH_UPLOAD_JOURNAL: '/mine' }, '/mine'],
    [{ HOME: '/home/me', COPYGRAPH_UPLOAD_JOURNAL: '' }, undefined],
    [{ HOME: '' }, join(userInfo().homedir, '.local/state/copygraph/uploads')],
    [{ HOME: 'relative' }, join(userInfo().homedir, '.local/state/copygraph/uploads')],
  ])('with %j is in %s', (environment, expected) => {
    expect(uploadJournal(environment)).toBe(expected)
  })

  it('has an upload that was interrupted until it is over, and its session stays open', async () => {
    const image = graph({
      large: { kind: 'blob', bytes: Buffer.alloc(9 * 1024 * 1024, 'x') },
      image: ['config', 'large'],
    })
    const reached = Promise.withResolvers<void>()
    let isStuck = true
    await using registry = await startRegistry({
      misbehave(request) {
        if (!isStuck || request.method !== 'PUT' || Number(request.headers['content-length']) < 9e6)
          return false
        reached.resolve()
        return true
      },
    })
    await using folder = await newFolder()
    const layout = new OciLayout(join(folder.path, 'in'))
    await image.pushTo(layout)
    await layout.tag(image.descriptor('image'), 'v1')
    const journal = join(folder.path, 'journal')
    const args = ['cp', `oci:${folder.path}/in:v1`, `${registry.name}/copy`]
    const env = { COPYGRAPH_UPLOAD_JOURNAL: journal }
    const { child, ended } = startCommand(args, { env })
    await reached.promise
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130 })
    expect(await readdir(journal)).toHaveLength(1)
    expect(registry.requests.filter((request) => request.startsWith('DELETE'))).toEqual([])

    isStuck = false
    const before = registry.requests.length
    expect(await runCommand(args, { env })).toMatchObject({ code: 0 })
    expect(registry.requests.slice(before)).toContainEqual(
      expect.stringMatching(/^GET \/v2\/copy\/blobs\/uploads\/./),
    )
    expect(await readdir(journal)).toEqual([])
    expect(await repository(registry, 'copy').exists(image.descriptor('large'))).toBe(true)
  })
})
