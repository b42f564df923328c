import { hashSync } from 'bcryptjs'
import { describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry } from '../support/registry.ts'
import { runCommand, startCommand } from './command.ts'
import { fill, repository, sampleImage } from './registry.ts'

describe('copygraph resolve', () => {
  it('prints the digest of a tag, and the descriptor as JSON', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await fill(registry, image, 'index')
    const { digest } = image.descriptor('index')
    const reference = `${registry.name}/app:v1`
    expect(await runCommand(['resolve', reference])).toEqual({ code: 0, stdout: `${digest}\n`, stderr: '' })
    const { stdout } = await runCommand(['resolve', '--format', 'json', `${registry.name}/app@${digest}`])
    expect(JSON.parse(stdout)).toEqual(image.descriptor('index'))
  })

  it('finds the image of a platform, also in a layout', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    const args = ['resolve', '--oci-layout', '--platform', 'linux/amd64', `${folder.path}:v1`]
    expect(await runCommand(args)).toMatchObject({ code: 0, stdout: `${image.descriptor('amd64').digest}\n` })
  })

  it('names the flags without a side when it needs credentials', async () => {
    await using registry = await startRegistry({ htpasswd: `me:${hashSync('secret', 4)}` })
    const { code, stderr } = await runCommand(['resolve', `${registry.name}/app:v1`])
    expect(code).toBe(4)
    expect(stderr).toMatch(
      /\nHint: give credentials: --username NAME --password-stdin, or copygraph login 127\.0\.0\.1:\d+\n$/,
    )
  })
})

describe('copygraph repo tags', () => {
  it('lists the tags of a repository in order, after one and at most so many', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    for (const tag of ['v3', 'v1', 'v2', 'v4']) await fill(registry, image, 'index', { tag })
    const name = `${registry.name}/app`
    expect(await runCommand(['repo', 'tags', name])).toMatchObject({ code: 0, stdout: 'v1\nv2\nv3\nv4\n' })
    const some = await runCommand(['repo', 'tags', name, '--last', 'v1', '--limit', '2', '--format', 'json'])
    expect(JSON.parse(some.stdout)).toEqual({ tags: ['v2', 'v3'] })
  })

  it('lists the tags of a layout, whatever they are, without control characters', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    for (const tag of ['v1', 'x\u001b[31m']) await layout.tag(image.descriptor('index'), tag)
    const text = await runCommand(['repo', 'tags', `oci:${folder.path}`])
    expect(text).toMatchObject({ code: 0, stdout: 'v1\nx\\u{1b}[31m\n' })
    const json = await runCommand(['repo', 'tags', '--format', 'json', '--oci-layout', folder.path])
    expect(JSON.parse(json.stdout)).toEqual({ tags: ['v1', 'x\u001b[31m'] })
  })

  it('for an unknown repository exits with 3', async () => {
    await using registry = await startRegistry()
    const result = await runCommand(['repo', 'tags', `${registry.name}/nobody`])
    expect(result).toMatchObject({ code: 3, stdout: '' })
  })

  it('ends quietly when nobody reads its output any more', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await image.pushTo(repository(registry, 'app'))
    const tags = Array.from({ length: 5000 }, (_, index) => `${'t'.repeat(100)}${index}`)
    for (const tag of tags) await repository(registry, 'app').tag(image.descriptor('index'), tag)
    const { child, ended, firstLine } = startCommand(['repo', 'tags', `${registry.name}/app`])
    await firstLine()
    child.stdout?.destroy()
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })
})

describe('copygraph repo ls', () => {
  it('lists the repositories of a registry, and those under a prefix', async () => {
    await using registry = await startRegistry()
    const all = await runCommand(['repo', 'ls', registry.name])
    expect(all).toMatchObject({ code: 0, stdout: 'app\ncopy\nteam/other\n' })
    const one = await runCommand(['repo', 'ls', `${registry.name}/team`, '--format', 'json'])
    expect(JSON.parse(one.stdout)).toEqual({ repositories: ['team/other'] })
    const limited = await runCommand(['repo', 'ls', registry.name, '--limit', '1', '--last', 'app'])
    expect(limited.stdout).toBe('copy\n')
  })
})
