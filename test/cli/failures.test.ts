import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { cert, key } from '../server/certificate.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry, type Misbehaviour } from '../support/registry.ts'
import { runCommand, type CommandResult } from './command.ts'
import { fill, repository, sampleImage } from './registry.ts'

/** One sentence and one hint as the last lines on stderr, no stack trace, nothing on stdout. */
function expectFailure(
  { code, stdout, stderr }: CommandResult,
  expected: number,
  error: RegExp,
  hint: RegExp,
): void {
  const [errorLine = '', hintLine = ''] = stderr.trimEnd().split('\n').slice(-2)
  expect(code).toBe(expected)
  expect(stdout).toBe('')
  expect(errorLine).toMatch(/^Error: /)
  expect(errorLine).toMatch(error)
  expect(hintLine).toMatch(/^Hint: /)
  expect(hintLine).toMatch(hint)
  expect(stderr).not.toMatch(/^ +at /m)
  expect(stderr).not.toMatch(/[^\n\P{C}]/u)
}

/** Nothing half-written, and no tag. */
async function expectNothingIn(directory: string): Promise<void> {
  const names = await readdir(directory, { recursive: true })
  expect(names.filter((name) => /ingest|tmp|lock/.test(name))).toEqual([])
  if (names.includes('index.json')) expect(await Array.fromAsync(new OciLayout(directory).tags())).toEqual([])
}

/** Answers a GET whose path matches by itself. */
function onGet(path: RegExp, status: number, type: string, body: string): Misbehaviour {
  return (request, response) => {
    if (!/^(GET|HEAD)$/.test(request.method ?? '') || !path.test(request.url ?? '')) return false
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
    response.end(request.method === 'HEAD' ? undefined : body)
    return true
  }
}

describe('a copy that fails', () => {
  it('for an unknown tag exits with 3, and says how to list the tags', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, sampleImage(), 'index')
    const result = await runCommand(['cp', `${registry.name}/app:v9`, `oci:${folder.path}/out`])
    expectFailure(
      result,
      3,
      /at the source: .*v9.*\/app/,
      new RegExp(`copygraph repo tags ${registry.name}/app`),
    )
    await expectNothingIn(folder.path)
  })

  it('for an unknown repository exits with 3', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const result = await runCommand(['cp', `${registry.name}/nobody:v1`, `oci:${folder.path}/out`])
    expectFailure(result, 3, /\/nobody/, /check the spelling/)
  })

  it('for a platform that is not there exits with 3, and names those that are', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, sampleImage(), 'index')
    const result = await runCommand([
      'cp',
      '--platform',
      'windows/amd64',
      `${registry.name}/app:v1`,
      `oci:${folder.path}/out`,
    ])
    expectFailure(result, 3, /windows\/amd64.*linux\/amd64, linux\/arm64/, /./)
  })

  it.each(['from', 'to'])(
    'for missing credentials (%s) exits with 4, and names the flags of that side',
    async (side) => {
      await using open = await startRegistry()
      await using closed = await startRegistry({ htpasswd: `me:${hashSync('secret', 4)}` })
      await fill(open, sampleImage(), 'index')
      await fill(closed, sampleImage(), 'index')
      const [from, to] = side === 'from' ? [closed, open] : [open, closed]
      const result = await runCommand(['cp', `${from.name}/app:v1`, `${to.name}/copy:v1`])
      expectFailure(result, 4, /credentials/, new RegExp(`--${side}-username NAME --${side}-password-stdin`))
      expect(await Array.fromAsync(repository(to, 'copy').tags())).toEqual([])
    },
  )

  it('for a wrong password exits with 4, without showing it', async () => {
    await using registry = await startRegistry({ htpasswd: `me:${hashSync('secret', 4)}` })
    await using folder = await newFolder()
    const result = await runCommand(
      [
        'cp',
        `${registry.name}/app:v1`,
        `oci:${folder.path}`,
        '--from-username',
        'me',
        '--from-password-stdin',
        '--debug',
      ],
      { stdin: 'wrong-secret' },
    )
    expect(result.code).toBe(4)
    expect(result.stderr).toMatch(/^Hint: check the user name and the password/m)
    expect(result.stderr).not.toContain('wrong-secret')
    expect(result.stderr).not.toContain(Buffer.from('me:wrong-secret').toString('base64'))
  })

  it('for an unreachable host exits with 5', async () => {
    await using folder = await newFolder()
    // Nothing listens on the first of all ports, and no other test can be given it.
    const name = '127.0.0.1:1'
    const result = await runCommand(['cp', `${name}/app:v1`, `oci:${folder.path}/out`])
    expectFailure(result, 5, new RegExp(`cannot reach ${name}: connection refused`), /nothing listens there/)
  })

  it('for a certificate that nobody trusts exits with 5, and names the flags of that side', async () => {
    await using registry = await startRegistry({ tls: { cert, key } })
    await using folder = await newFolder()
    const other = join(folder.path, 'other.pem')
    await writeFile(other, otherCertificate)
    const result = await runCommand([
      'cp',
      '--from-ca-file',
      other,
      `${registry.name}/app:v1`,
      `oci:${folder.path}/out`,
    ])
    expectFailure(result, 5, /certificate/, /--from-ca-file FILE .*--from-insecure/)
  })

  it('for a registry without TLS exits with 5, and names the flag', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const result = await runCommand([
      'cp',
      `oci:${folder.path}/in:v1`,
      '--to-insecure',
      `${registry.name}/copy`,
    ])
    expect(result.code).toBe(1)
    await sampleImage().pushTo(new OciLayout(join(folder.path, 'in')))
    await new OciLayout(join(folder.path, 'in')).tag(sampleImage().descriptor('index'), 'v1')
    const again = await runCommand([
      'cp',
      `oci:${folder.path}/in:v1`,
      '--to-insecure',
      `${registry.name}/copy`,
    ])
    expectFailure(again, 5, /does not speak TLS/, /--to-plain-http/)
  })

  it('for HTML instead of a manifest exits with 1', async () => {
    const misbehave = onGet(
      /manifests/,
      200,
      'text/html; charset=utf-8',
      '<!doctype html><title>Log in</title>',
    )
    await using registry = await startRegistry({ misbehave })
    await using folder = await newFolder()
    const result = await runCommand(['cp', `${registry.name}/app:v1`, `oci:${folder.path}/out`])
    expectFailure(result, 1, /HTML/i, /check that 127\.0\.0\.1:\d+ is a registry/)
  })

  it.each([
    ['wrong', 'WRONG!', /digest|sha256/],
    ['truncated', 'la', /size|bytes/],
    ['overlong', 'layer1 and more', /size|bytes/],
  ])('for a %s blob exits with 1, and leaves no tag and nothing half-written', async (_what, body, error) => {
    const image = sampleImage()
    const misbehave = onGet(
      new RegExp(image.descriptor('layer1').digest),
      200,
      'application/octet-stream',
      body,
    )
    await using registry = await startRegistry({ misbehave })
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const result = await runCommand(['cp', `${registry.name}/app:v1`, `oci:${folder.path}/out:v1`])
    expectFailure(result, 1, error, /damaged at 127/)
    await expectNothingIn(join(folder.path, 'out'))
    expect(await new OciLayout(join(folder.path, 'out')).exists(image.descriptor('layer1'))).toBe(false)
  })

  it('for a layout with a broken index.json exits with 1', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await mkdir(join(folder.path, 'blobs'))
    await writeFile(join(folder.path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    await writeFile(join(folder.path, 'index.json'), '{"schemaVersion":2,"manifests":[')
    const read = await runCommand(['cp', `oci:${folder.path}:v1`, `${registry.name}/copy`])
    expectFailure(read, 1, /index\.json/, /check the folder/)
    await fill(registry, sampleImage(), 'index')
    const written = await runCommand(['cp', `${registry.name}/app:v1`, `oci:${folder.path}:v1`])
    expectFailure(written, 1, /index\.json/, /check the folder/)
  })

  it('for a folder that is no layout, and one without the tag, says so', async () => {
    await using folder = await newFolder()
    const none = await runCommand(['cp', `oci:${folder.path}:v1`, `oci:${folder.path}/out:v1`])
    expectFailure(none, 1, /is not an OCI image layout/, /check the folder/)
    const layout = new OciLayout(folder.path)
    const image = sampleImage()
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    await layout.tag(image.descriptor('index'), 'v2')
    const wrong = await runCommand(['cp', `oci:${folder.path}:v3`, `oci:${folder.path}/out:v1`])
    expectFailure(wrong, 3, /"v3"/, /copygraph repo tags oci:/)
    const open = await runCommand(['cp', `oci:${folder.path}`, `oci:${folder.path}/out:v1`])
    expectFailure(open, 3, /several tags, choose one: oci:.*:v1, oci:.*:v2/, /./)
  })

  it('for a folder below a file says what is in the way', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, sampleImage(), 'index')
    await writeFile(join(folder.path, 'file'), '')
    const result = await runCommand(['cp', `${registry.name}/app:v1`, `oci:${folder.path}/file/out:v1`])
    expectFailure(result, 1, /file\/out/, /a file stands where/)
  })

  it('for a destination that refuses the tag exits with 1 and leaves it alone', async () => {
    const image = sampleImage()
    const misbehave: Misbehaviour = (request, response) => {
      if (request.method !== 'PUT' || !request.url?.includes('/manifests/v1')) return false
      request.resume()
      response.writeHead(409, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ errors: [{ code: 'DENIED', message: 'tag \u001b[31mv1 is immutable' }] }))
      return true
    }
    await using registry = await startRegistry({ misbehave })
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    const result = await runCommand(['cp', `oci:${folder.path}:v1`, `${registry.name}/copy`])
    expectFailure(result, 1, /409.*DENIED tag \\u\{1b\}\[31mv1 is immutable/, /refuses this/)
    expect(await Array.fromAsync(repository(registry, 'copy').tags())).toEqual([])
  })

  it('for a read-only registry exits with 1, and for a broken one advises to wait', async () => {
    const image = sampleImage()
    await using closed = await startRegistry({ readOnly: true })
    await using broken = await startRegistry({ misbehave: onGet(/manifests/, 503, 'text/plain', 'busy') })
    await using folder = await newFolder()
    await fill(closed, image, 'index')
    const refused = await runCommand(['cp', `${closed.name}/app:v1`, `${closed.name}/copy:v1`])
    expectFailure(refused, 1, /takes no uploads/, /./)
    const busy = await runCommand(['cp', `${broken.name}/app:v1`, `oci:${folder.path}/out`])
    expectFailure(busy, 1, /503/, /again later/)
  })

  it('for a destination whose digest is another one exits with 1 before anything moves', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await fill(registry, image, 'index')
    const { digest } = image.descriptor('amd64')
    const result = await runCommand(['cp', `${registry.name}/app:v1`, `${registry.name}/copy@${digest}`])
    expectFailure(result, 1, /the destination is named sha256:/, /./)
    expect(registry.requests.filter((request) => /^(PUT|POST)/.test(request))).toEqual([])
  })

  it('shows where it failed with --debug', async () => {
    await using registry = await startRegistry()
    const result = await runCommand(['cp', '--debug', `${registry.name}/app:v1`, `${registry.name}/copy:v1`])
    expect(result.code).toBe(3)
    expect(result.stderr).toMatch(/^ +at .*copy/m)
    expect(result.stderr).toMatch(/^source GET http:\/\/.* 404 /m)
  })
})

/** Of another localhost, whose key nobody has. */
const otherCertificate = `-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUccZWgW/ZUK+qS0V1vVGwxwECl+0wCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA2MTcyMloYDzIxMjYxMDI4
MDYxNzIyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQVL8uSVvqdoM0ySaZYfBqMyMpgicDf0g57qmuV8/ruqTqPC3i6TBl6
I972tnwUiCF7I1GWHJEV0aS4os7OU06bo28wbTAdBgNVHQ4EFgQUdwxARhQI6U0U
NXkXjyT510kPYCswHwYDVR0jBBgwFoAUdwxARhQI6U0UNXkXjyT510kPYCswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAJNygXfnfhT9tfqdknpgWwbSRhKR5h+OaMKYneSk7RA1AiAl
cHOARg/EYy/g+1Dm/vos/MfifZNbKVbzGZvTqQS/hA==
-----END CERTIFICATE-----
`
