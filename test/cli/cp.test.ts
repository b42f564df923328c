import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readAll } from '../../src/content/verify.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import type { Source } from '../../src/targets/target.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { cert, key } from '../server/certificate.ts'
import { runCommand } from './command.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry } from '../support/registry.ts'
import { fill, repository, sampleImage } from './registry.ts'

async function expectSame(image: TestGraph, target: Source, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { descriptor, bytes } = image.node(name)
    expect(Buffer.from(await readAll(target.fetch(descriptor), descriptor))).toEqual(Buffer.from(bytes))
  }
}

const reportSchema = z.fromJSONSchema(
  JSON.parse(await readFile(new URL('../../docs/cp-report.schema.json', import.meta.url), 'utf8')),
)

describe('copygraph cp', () => {
  it('copies from a registry to a layout and on to another registry, byte for byte, and prints what is there', async () => {
    const image = sampleImage()
    const { digest } = image.descriptor('index')
    await using first = await startRegistry()
    await using second = await startRegistry()
    await using folder = await newFolder()
    await fill(first, image, 'index')

    const pulled = await runCommand(['cp', `${first.name}/app:v1`, `oci:${folder.path}/out:here`])
    expect(pulled).toMatchObject({ code: 0, stdout: `oci:${folder.path}/out@${digest}\n` })
    const layout = new OciLayout(join(folder.path, 'out'))
    await expectSame(image, layout, image.names)
    expect((await layout.resolve('here')).digest).toBe(digest)

    const pushed = await runCommand(['copy', `ocidir://${folder.path}/out:here`, `${second.name}/copy:a,b`])
    expect(pushed).toMatchObject({ code: 0, stdout: `${second.name}/copy@${digest}\n` })
    await expectSame(image, repository(second, 'copy'), image.names)
    expect(await Array.fromAsync(repository(second, 'copy').tags())).toEqual(['a', 'b'])
  })

  it("gives a repository without a tag the source's, docker:// latest, and a layout none", async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const source = `${registry.name}/app:v1`
    for (const destination of [
      `${registry.name}/copy`,
      `docker://${registry.name}/copy`,
      `oci:${folder.path}`,
    ]) {
      expect(await runCommand(['cp', source, destination])).toMatchObject({ code: 0 })
    }
    expect(await Array.fromAsync(repository(registry, 'copy').tags())).toEqual(['latest', 'v1'])
    expect(await Array.fromAsync(new OciLayout(folder.path).tags())).toEqual([])
  })

  it('takes the only tag of a layout, and the layout flags', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await image.pushTo(new OciLayout(join(folder.path, 'a')))
    await new OciLayout(join(folder.path, 'a')).tag(image.descriptor('index'), 'only')
    const onward = await runCommand([
      'cp',
      '--from-oci-layout',
      '--to-oci-layout',
      `${folder.path}/a:only`,
      `${folder.path}/b:only`,
    ])
    expect(onward).toMatchObject({ code: 0 })
    expect(await runCommand(['cp', `oci:${folder.path}/b`, `${registry.name}/copy`])).toMatchObject({
      code: 0,
    })
    expect((await repository(registry, 'copy').resolve('only')).digest).toBe(image.descriptor('index').digest)
  })

  it('takes the only root of a layout without tags, and else says which there are', async () => {
    const image = sampleImage()
    const { digest } = image.descriptor('index')
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const from = `oci:${folder.path}/a`
    const layout = new OciLayout(join(folder.path, 'a'))
    await image.pushTo(layout)
    expect(await runCommand(['resolve', from])).toMatchObject({ code: 0, stdout: `${digest}\n` })
    expect(await runCommand(['cp', from, `${registry.name}/copy:v1`])).toMatchObject({ code: 0 })
    expect((await repository(registry, 'copy').resolve('v1')).digest).toBe(digest)

    const others = graph(
      Object.fromEntries(Array.from({ length: 10 }, (_, at) => [`m${at}`, ['config', `l${at}`]])),
    )
    await others.pushTo(layout)
    const several = await runCommand(['resolve', from])
    expect(several).toMatchObject({ code: 3, stdout: '' })
    expect(several.stderr).toContain(`has no tags, but several digests, choose one: ${from}@sha256:`)
    expect(several.stderr.match(/@sha256:[0-9a-f]{64}/g)).toHaveLength(10)
    expect(several.stderr).toContain(', …')
  })

  it('says of a layout that lists nothing that it is empty', async () => {
    await using folder = await newFolder()
    const image = sampleImage()
    await image.pushTo(new OciLayout(folder.path), ['layer1'])
    const empty = await runCommand(['cp', `oci:${folder.path}`, `oci:${folder.path}/out`])
    expect(empty).toMatchObject({ code: 3, stdout: '' })
    expect(empty.stderr).toContain(`oci:${folder.path} is empty: it lists no tag and no digest`)
  })

  it('counts the bytes of blobs that are linked from layout to layout', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(join(folder.path, 'a'))
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    const args = ['cp', '--format', 'json', `oci:${folder.path}/a:v1`, `oci:${folder.path}/b:v1`]
    const { totals } = JSON.parse((await runCommand(args)).stdout)
    const sizes = image.names.map((name) => image.descriptor(name).size)
    expect(totals).toMatchObject({ nodes: { copy: 8 }, bytes: sizes.reduce((sum, size) => sum + size, 0) })
  })

  it('takes the image of one platform', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const result = await runCommand([
      'cp',
      '--platform',
      'linux/arm64',
      `${registry.name}/app:v1`,
      `oci:${folder.path}:arm`,
    ])
    expect(result.stdout).toBe(`oci:${folder.path}@${image.descriptor('arm64').digest}\n`)
    expect(await new OciLayout(folder.path).exists(image.descriptor('layer1'))).toBe(false)
  })

  it('reports by a published schema, which has no other fields', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const args = ['cp', '--format', 'json', `${registry.name}/app:v1`, `oci:${folder.path}:x,y`]
    const first = await runCommand(args)
    const report = JSON.parse(first.stdout)
    expect(reportSchema.parse(report)).toEqual(report)
    expect(report).toMatchObject({
      schemaVersion: 1,
      source: `${registry.name}/app:v1`,
      destination: `oci:${folder.path}:x,y`,
      tags: ['x', 'y'],
      descriptor: image.descriptor('index'),
      totals: { nodes: { copy: 8, skip: 0, mount: 0, rewrite: 0, filter: 0 }, requests: { destination: 0 } },
    })
    const sizes = image.names.map((name) => image.descriptor(name).size)
    expect(report.totals.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0))
    expect(report.totals.requests.source).toBe(registry.requests.length)

    const second = JSON.parse((await runCommand(args)).stdout)
    expect(reportSchema.parse(second)).toEqual(second)
    expect(second.nodes).toEqual([
      expect.objectContaining({ action: 'skip', reason: 'tag-current', digest: report.descriptor.digest }),
    ])
  })

  it('reports what was mounted and what was left out, with the reason', async () => {
    const image = graph({
      foreign: { kind: 'blob', mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar' },
      image: ['config', 'layer', 'foreign'],
    })
    await using registry = await startRegistry()
    await fill(registry, image, 'image')
    const result = await runCommand([
      'cp',
      '--format',
      'json',
      `${registry.name}/app:v1`,
      `${registry.name}/copy`,
    ])
    const report = JSON.parse(result.stdout)
    expect(reportSchema.parse(report)).toEqual(report)
    expect(report.totals.nodes).toEqual({ copy: 1, skip: 0, mount: 2, rewrite: 0, filter: 1 })
    expect(report.nodes).toContainEqual({
      ...image.descriptor('foreign'),
      action: 'filter',
      reason: 'foreign-layer',
    })
    const copied = await runCommand([
      'cp',
      '--foreign-layers',
      'error',
      `${registry.name}/app:v1`,
      `${registry.name}/team/other:2`,
    ])
    expect(copied).toMatchObject({ code: 1, stdout: '' })
    expect(copied.stderr).toContain('may not be distributed')
  })

  it('mounts from the repositories that it is told of', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index', { name: 'team/other' })
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    const { stdout } = await runCommand([
      'cp',
      '--format',
      'json',
      '--mount-from',
      `${registry.name}/team/other`,
      `oci:${folder.path}:v1`,
      `${registry.name}/copy`,
    ])
    expect(JSON.parse(stdout).totals.nodes).toMatchObject({ mount: 5, copy: 3 })
  })

  it('says one line for each event on stderr, and nothing with --quiet', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const source = `${registry.name}/app:v1`
    const told = await runCommand(['cp', source, `oci:${folder.path}/a:v1`])
    const { digest } = image.descriptor('layer1')
    expect(told.stderr).toContain(`Copied   ${digest.slice(7, 19)}  application/octet-stream  6 B\n`)
    expect(told.stderr).toContain('Tagged   v1\n')
    expect(told.stderr).toMatch(/ => oci:.*a:v1: 8 copied, .* requests\n$/)
    const quiet = await runCommand(['cp', '--quiet', source, `oci:${folder.path}/b:v1`])
    expect(quiet).toMatchObject({ code: 0, stderr: '', stdout: told.stdout.replace('/a@', '/b@') })
  })

  it('shows each request with --debug, but neither password nor token', async () => {
    const image = sampleImage()
    await using registry = await startRegistry({ htpasswd: `me:${hashSync('secret-word', 4)}` })
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const { code, stderr } = await runCommand(
      [
        'cp',
        '--debug',
        '--from-username',
        'me',
        '--from-password-stdin',
        `${registry.name}/app:v1`,
        `oci:${folder.path}:v1`,
      ],
      { stdin: 'secret-word\n' },
    )
    expect(code).toBe(0)
    expect(stderr).toMatch(/^source GET http:\/\/127\.0\.0\.1:\d+\/v2\/app\/manifests\/v1 200 \d+ ms$/m)
    expect(stderr).not.toContain('secret-word')
    expect(stderr).not.toContain(Buffer.from('me:secret-word').toString('base64'))
  })

  it('sends credentials to the side they are for, and warns of a password that others see', async () => {
    const image = sampleImage()
    const htpasswd = `me:${hashSync('secret', 4)}`
    await using first = await startRegistry()
    await using second = await startRegistry({ htpasswd })
    await fill(first, image, 'index')
    const args = ['cp', `${first.name}/app:v1`, `${second.name}/copy`, '--to-username', 'me']
    const piped = await runCommand([...args, '--to-password-stdin'], { stdin: 'secret' })
    expect(piped).toMatchObject({ code: 0 })
    expect(piped.stderr).not.toContain('Warning')
    const typed = await runCommand([...args, '--to-password', 'secret'])
    expect(typed).toMatchObject({ code: 0 })
    expect(typed.stderr).toMatch(/^Warning: --to-password shows the password/)
    const wrongSide = await runCommand(
      ['cp', ...args.slice(1, 3), '--from-username', 'me', '--from-password-stdin'],
      {
        stdin: 'secret',
      },
    )
    expect(wrongSide).toMatchObject({ code: 4 })
  })

  it('speaks TLS where a CA file or --insecure is given, for localhost too', async () => {
    const image = sampleImage()
    await using registry = await startRegistry({ tls: { cert, key } })
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const file = join(folder.path, 'ca.pem')
    await writeFile(file, cert)
    for (const flags of [['--from-ca-file', file], ['--from-insecure']]) {
      const result = await runCommand([
        'cp',
        ...flags,
        `${registry.name}/app:v1`,
        `oci:${folder.path}/${flags.length}`,
      ])
      expect(result).toMatchObject({ code: 0 })
    }
  })

  it('never lets control characters from outside through, in lines and in JSON', async () => {
    const mediaType = 'application/x\u001b[2J\u009b31m\u202e'
    const image = graph({ evil: { kind: 'blob', mediaType }, image: ['config', 'evil'] })
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'image')
    const { code, stdout, stderr } = await runCommand([
      'cp',
      '--format',
      'json',
      `${registry.name}/app:v1`,
      `oci:${folder.path}:v1`,
    ])
    expect(code).toBe(0)
    expect(stderr).toContain('application/x\\u{1b}[2J')
    expect(stdout + stderr).not.toMatch(/[^\n\P{C}]/u)
    expect(JSON.parse(stdout).nodes).toContainEqual(expect.objectContaining({ mediaType }))
  })
})
