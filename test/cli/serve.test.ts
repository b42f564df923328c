import { once } from 'node:events'
import { readdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { cert, key } from '../server/certificate.ts'
import { newFolder } from '../support/folder.ts'
import { runCommand, startCommand, type CommandOptions, type CommandResult } from './command.ts'
import { sampleImage } from './registry.ts'

interface Served extends AsyncDisposable {
  readonly url: string
  /** `host:port` */
  readonly name: string
  line(pattern: RegExp): Promise<string>
  stop(signal?: NodeJS.Signals): Promise<CommandResult>
}

/** `copygraph serve` on a port that is free. */
async function serve(args: readonly string[], options?: CommandOptions): Promise<Served> {
  const command = startCommand(['serve', '--listen', '127.0.0.1:0', ...args], options)
  const url = await command.firstLine()
  const stop = (signal: NodeJS.Signals = 'SIGINT'): Promise<CommandResult> => {
    command.child.kill(signal)
    return command.ended
  }
  const dispose = async (): Promise<void> => void (await stop('SIGKILL'))
  return { url, name: new URL(url).host, line: command.line, stop, [Symbol.asyncDispose]: dispose }
}

describe('copygraph serve', () => {
  it('serves memory, says where, logs each request, and ends cleanly on Ctrl-C', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    await using served = await serve([])
    const pushed = await runCommand(['cp', `oci:${folder.path}:v1`, `${served.name}/team/app`])
    expect(pushed).toMatchObject({ code: 0 })
    const resolved = await runCommand(['resolve', `${served.name}/team/app:v1`])
    expect(resolved.stdout).toBe(`${image.descriptor('index').digest}\n`)
    const { code, stdout, stderr } = await served.stop()
    expect(code).toBe(0)
    expect(stdout).toBe(`${served.url}\n`)
    expect(stderr).toMatch(/^PUT \/v2\/team\/app\/manifests\/v1 201 \d+ ms$/m)
  })

  it('serves a folder of layouts, in which pushes make new ones', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(join(folder.path, 'team', 'app'))
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    await using served = await serve([folder.path, '--quiet'])
    const copied = await runCommand(['cp', `${served.name}/team/app:v1`, `${served.name}/team/copy:v2`])
    expect(copied).toMatchObject({ code: 0 })
    const listed = await runCommand(['repo', 'ls', served.name])
    expect(listed.stdout).toBe('team/app\nteam/copy\n')
    expect(await served.stop('SIGTERM')).toMatchObject({ code: 0, stderr: '' })
    const copy = new OciLayout(join(folder.path, 'team', 'copy'))
    expect((await copy.resolve('v2')).digest).toBe(image.descriptor('index').digest)
    expect((await readdir(folder.path)).sort()).toEqual(['team'])
  })

  it('asks for a password, serves TLS, and refuses writes where it was told to', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(join(folder.path, 'app'))
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    const files = { cert, key, htpasswd: `me:${hashSync('secret', 4)}\n` }
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text)
    const at = (name: string): string => join(folder.path, name)
    await using served = await serve([
      folder.path,
      '--read-only',
      '--htpasswd',
      at('htpasswd'),
      '--tls-cert',
      at('cert'),
      '--tls-key',
      at('key'),
    ])
    expect(served.url).toMatch(/^https:/)
    const trusting = ['--ca-file', at('cert')]
    const known = [...trusting, '-u', 'me', '--password-stdin']
    const tags = await runCommand(['repo', 'tags', `${served.name}/app`, ...known], { stdin: 'secret\r\n' })
    expect(tags).toMatchObject({ code: 0, stdout: 'v1\n' })
    expect(await runCommand(['repo', 'tags', `${served.name}/app`, ...trusting])).toMatchObject({ code: 4 })
    const pushed = await runCommand(
      [
        'cp',
        `oci:${at('app')}:v1`,
        `${served.name}/new`,
        '--to-ca-file',
        at('cert'),
        '--to-username',
        'me',
        '--to-password-stdin',
      ],
      { stdin: 'secret' },
    )
    expect(pushed).toMatchObject({ code: 1 })
  })

  it('exits with 1 where the port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const result = await runCommand(['serve', '--listen', `127.0.0.1:${port}`])
    taken.close()
    expect(result).toMatchObject({ code: 1, stdout: '' })
    expect(result.stderr).toMatch(
      /^Error: cannot listen on 127\.0\.0\.1, port \d+\nHint: another process listens there/,
    )
  })

  it('exits with 2 for an htpasswd file of another kind', async () => {
    await using folder = await newFolder()
    const file = join(folder.path, 'htpasswd')
    await writeFile(file, 'me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n')
    const result = await runCommand(['serve', '--listen', '127.0.0.1:0', '--htpasswd', file])
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toMatch(/^Error: --htpasswd: .*htpasswd -B writes such a file\n$/)
    expect(result.stderr).not.toContain('5en6G6')
  })

  it.each([
    [['--tls-cert', 'x'], /--tls-cert FILE --tls-key FILE/],
    [['--htpasswd', '/nonexistent'], /--htpasswd cannot be read: ENOENT/],
    [['--listen', '5000'], /Expected HOST:PORT/],
    [['--listen', '127.0.0.1:70000'], /Expected HOST:PORT/],
  ])('refuses %j with exit code 2', async (args, error) => {
    const result = await runCommand(['serve', ...args])
    expect(result).toMatchObject({ code: 2, stdout: '' })
    expect(result.stderr).toMatch(error)
  })

  it('warns when others can reach it and need no password', async () => {
    await using served = await serve(['--listen', '0.0.0.0:0'])
    const { stderr } = await served.stop()
    expect(stderr).toMatch(/^Warning: everyone who can reach 0\.0\.0\.0 may read, change and delete/)
  })
})
