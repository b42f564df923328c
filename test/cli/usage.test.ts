import { describe, expect, it } from 'vitest'
import { runCommand } from './command.ts'

/** Writes the URL of each module that is loaded to stderr. */
const traceModules = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  registerHooks({
    load(url, context, next) {
      process.stderr.write('loads ' + url + '\\n')
      return next(url, context)
    },
  })
`)}`

function modulesIn(stderr: string): readonly string[] {
  return stderr
    .split('\n')
    .flatMap((line) => (line.startsWith('loads ') ? [line.slice('loads '.length)] : []))
}

const heavy = /node_modules\/(?!commander\/)|src\/(copy|targets|server)\/|node:(http|https|tls)$/

const wrongCopies: readonly (readonly [flags: readonly string[], error: RegExp])[] = [
  [['--referrers', 'root'], /--referrers .* only with --recursive/],
  [['--depth', '2'], /--depth .* only with --recursive/],
  [['--digest-tags'], /--digest-tags .* only with --recursive/],
  [['--artifact-type', 'a/b'], /--artifact-type .* only with --recursive/],
  [['--require-referrer', 'a/b'], /--require-referrer .* only with --recursive/],
  [['-r', '--referrers', 'some'], /none, root, all/],
  [['-r', '--depth', '0'], /whole number from 1/],
  [['-r', '--require-referrer', ''], /is empty/],
  [['-r', '--artifact-type', ''], /is empty/],
  [['-r', '--require-referrer', 'a/b', '--referrers', 'none'], /leave out one of them/],
  [['-r', '--require-referrer', 'a/b', '--artifact-type', 'a/c'], /add --artifact-type a\/b/],
  [['--platform', 'linux/amd64,'], /os\/arch/],
  [['--platform', 'linux/arm*'], /a whole part/],
  [['--platform', ''], /os\/arch/],
  [['--keep-index'], /--platform, which is missing/],
  [['--sparse'], /--platform with several/],
  [['--sparse', '--platform', 'linux/amd64'], /--platform with several/],
  [['--sparse', '--platform', 'linux/amd64,linux/amd64'], /--platform with several/],
  [['--to-oci', '--to-docker'], /exclude each other/],
  [['--to-docker', '--compress', 'zstd:3'], /have no zstd/],
  [['--compress', 'brotli'], /zstd, gzip or none/],
  [['--compress', 'zstd:fast'], /zstd, gzip or none/],
  [['--compress', 'gzip:10'], /--compress: gzip has the levels 1 to 9, not 10/],
  [['--compress', 'zstd:0'], /levels 1 to 19/],
  [['--compress', 'none:1'], /no level/],
  [['--created', 'yesterday'], /--created: "yesterday" is no point in time/],
  [['--created', ''], /no point in time/],
  [['--annotation', 'name'], /NAME=VALUE/],
  [['--annotation', '=value'], /NAME=VALUE/],
  [['--annotation-remove', ''], /is empty/],
  [['--annotation', 'a=b', '--annotation-remove', 'a'], /both name a:/],
  [['--on-invalidated', 'ignore'], /drop, keep, repoint/],
  [['--on-invalidated', 'keep'], /without a flag that changes something/],
  [['--record-original-digest'], /without a flag that changes something/],
  [
    ['--record-original-digest', '--platform', 'linux/*', '--sparse'],
    /without a flag that changes something/,
  ],
]

describe('the command line', () => {
  it.each([
    [['--help'], 0],
    [['--version'], 0],
    [['cp', '--help'], 0],
    [['serve', '--help'], 0],
    [['resolve', '--help'], 0],
    [['repo', '--help'], 0],
    [['repo', 'tags', '--help'], 0],
    [['repo', 'ls', '--help'], 0],
    [['cp', 'one'], 2],
    [['nonsense'], 2],
    [['cp', 'alpine', 'oci:out'], 2],
    [['resolve', 'host/app'], 2],
    [['repo', 'tags', 'host/app:v1'], 2],
    [['repo', 'ls', 'https://host'], 2],
    [['serve', '--tls-cert', 'x'], 2],
  ])('%j loads nothing heavy, and exits with %d', async (args, expected) => {
    const { code, stderr } = await runCommand(args, { nodeArguments: ['--import', traceModules] })
    expect(code).toBe(expected)
    const modules = modulesIn(stderr)
    expect(modules).toContainEqual(expect.stringContaining('node_modules/commander/'))
    expect(modules.filter((url) => heavy.test(url))).toEqual([])
  })

  it('loads neither HTTP nor the server to copy between layouts', async () => {
    const { code, stderr } = await runCommand(['cp', 'oci:nowhere:v1', 'oci:nowhere:v2'], {
      nodeArguments: ['--import', traceModules],
    })
    expect(code).toBe(1)
    expect(modulesIn(stderr).filter((url) => /undici|src\/(server|targets\/remote)/.test(url))).toEqual([])
  })

  it('documents every exit code, and the version of the package', async () => {
    const help = await runCommand(['cp', '--help'])
    for (const code of [0, 1, 2, 3, 4, 5, 130])
      expect(help.stdout).toMatch(new RegExp(`^  ${code} +\\w`, 'm'))
    expect((await runCommand(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  it.each([
    [[], /^Usage: copygraph/],
    [['cp'], /missing required argument 'source'/],
    [['cp', 'a', 'b', 'c'], /too many arguments/],
    [['cp', '--nonsense', 'a', 'b'], /unknown option '--nonsense'/],
    [['cp', 'alpine', 'oci:out'], /docker:\/\/alpine/],
    [['cp', 'host/app:v1', 'oci:out', '--concurrency', '0'], /whole number from 1/],
    [['cp', 'host/app:v1', 'oci:out', '--concurrency', '1e3'], /whole number from 1/],
    [['cp', 'host/app:v1', 'oci:out', '--platform', 'linux'], /os\/arch/],
    [['cp', 'host/app:v1', 'oci:out', '--retries', '-1'], /whole number from 0/],
    [['cp', 'host/app:v1', 'oci:out', '--retry-time', '1m'], /number of seconds/],
    [['cp', 'host/app:v1', 'oci:out', '--chunk-size', '0'], /number of bytes/],
    [['cp', 'host/app:v1', 'oci:out', '--chunk-size', '4MB'], /number of bytes/],
    [['cp', 'host/app:v1', 'oci:out', '--from-distribution-spec', 'v1.0'], /v1.1-referrers-api/],
    [['cp', 'host/app:v1', 'oci:out', '--verify', 'maybe'], /root, manifests, full/],
    [['cp', 'host/app:v1', 'oci:out', '--format', 'xml'], /text, json/],
    [['cp', 'host/app:v1', 'oci:out', '--mount-from', 'x'], /needs a destination in a registry/],
    [['cp', 'host/app:v1', 'host/b', '--mount-from', 'X!'], /no repository of host/],
    [['cp', 'host/app:v1', 'oci:out', '--from-password', 'x'], /--from-username NAME/],
    [['cp', 'host/app:v1', 'oci:out', '--from-username', 'x'], /--from-password-stdin/],
    [
      ['cp', 'host/app:v1', 'oci:out', '--from-ca-file', '/nonexistent'],
      /--from-ca-file cannot be read: ENOENT/,
    ],
    [
      [
        'cp',
        'host/app:v1',
        'host/b',
        '--from-username',
        'x',
        '--from-password',
        'y',
        '--from-password-stdin',
      ],
      /exclude each other/,
    ],
    [
      ['cp', 'host/app:v1', 'host/b', '--from-password-stdin', '--to-password-stdin'],
      /cannot both read stdin/,
    ],
    [['cp', 'host/app:v1', 'host/b', '--to-username', 'x', '--to-password-stdin'], /no password on stdin/],
    [['resolve', 'host/app'], /host\/app:TAG or host\/app@DIGEST/],
    [['repo', 'tags', 'host/app:v1'], /must not name a tag/],
    [['repo', 'ls', 'https://host'], /host:port/],
    [['repo'], /^Usage: copygraph repo/],
  ])('%j exits with 2 and one sentence', async (args, error) => {
    const { code, stdout, stderr } = await runCommand(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(error)
    expect(stderr).not.toMatch(/^ +at /m)
  })

  it.each(wrongCopies)('cp with %j exits with 2 and one sentence', async (flags, error) => {
    const { code, stdout, stderr } = await runCommand(['cp', 'host/app:v1', 'oci:out', ...flags])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(error)
    expect(stderr).not.toMatch(/^ +at /m)
  })

  it.each([
    [['cp', '--from-pasword=hunter2', 'a', 'b'], "unknown option '--from-pasword'"],
    [['cp', '--from-pasword=hun\nter2', 'a', 'b'], "unknown option '--from-pasword'"],
    [['cp', "--from-pasword=x'hunter2", 'a', 'b'], "unknown option '--from-pasword'"],
    [['cp', '-phunter2', 'a', 'b'], "unknown option '-p'"],
    [['cp', 'a', 'b', 'hunter2'], "too many arguments for 'cp'. Expected 2 arguments but got 3."],
    [
      ['cp', 'a', 'b', "x' but got 9\nhunter2"],
      "too many arguments for 'cp'. Expected 2 arguments but got 3.",
    ],
    [['login', 'host', '-u', 'me', 'hunter2'], "too many arguments for 'login'"],
    [['repo', 'tags', 'host/app', 'hunter2', 'hunter2'], "too many arguments for 'tags'"],
    [['user:hunter2@host/app'], "unknown command '***@host/app'"],
    [['cp', 'user:hunter2@host/app:v1', 'oci:out'], '***@host/app'],
    [['cp', 'host/app:v1', 'host/b', '--mount-from', 'user:hunter2@host/B'], '***@host/B'],
  ])('%j shows no password', async (args, shown) => {
    const { code, stderr } = await runCommand(args)
    expect(code).toBe(2)
    expect(stderr).toContain(shown)
    expect(stderr).not.toMatch(/hunter2|ter2/)
  })
})
