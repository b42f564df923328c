import { existsSync } from 'node:fs'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stateFills } from '../../src/graph/label.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { parseXml } from '../graph/parse-xml.ts'
import { newFolder } from '../support/folder.ts'
import { graph } from '../support/graph.ts'
import { startRegistry } from '../support/registry.ts'
import { runCommand } from './command.ts'
import { actionsOf, makePlan, writesIn } from './planning.ts'
import { fill, repository, signedImage } from './registry.ts'
import { runReport } from './report.ts'

const image = signedImage()
const amd64 = ['config1', 'base', 'layer1', 'amd64']

/** Every file below a folder with its content and the time of its last change. */
async function filesBelow(directory: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.map(async (entry) => {
    const path = join(entry.parentPath, entry.name)
    const content = entry.isFile() ? await readFile(path, 'base64') : ''
    return [path, `${(await stat(path)).mtimeMs} ${content}`] as const
  })
  return new Map(await Promise.all(files))
}

describe('copygraph cp --dry-run', () => {
  it.each([
    [[]],
    [['-r']],
    [['-r', '--digest-tags', '--referrers', 'all']],
    [['--platform', 'linux/amd64']],
    [['--platform', 'linux/*', '-r', '--on-invalidated', 'keep']],
    [['--annotation', 'a=b', '-r', '--on-invalidated', 'repoint']],
    [['--strip-attestations']],
  ])('with %j writes nothing, and says what the copy then does', async (flags) => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const tag = `${image.descriptor('arm64').digest.replace(':', '-')}.sig`
    await repository(registry, 'app').tag(image.descriptor('sbomSignature'), tag)
    const journal = join(folder.path, 'journal')
    for (const to of [`oci:${folder.path}/out:v1`, `${registry.name}/copy:v1`]) {
      const args = [...flags, `${registry.name}/app:v1`, to]
      const { plan } = await makePlan(args, { env: { COPYGRAPH_UPLOAD_JOURNAL: journal } })
      expect(writesIn(registry)).toEqual([])
      expect(await readdir(folder.path)).toEqual([])
      expect(plan.uncertainties).toEqual([])
      registry.requests.length = 0

      const { report } = await runReport(args)
      expect(report.descriptor.digest).toBe(plan.descriptor?.digest)
      expect(report.tags).toEqual(plan.tags)
      expect(actionsOf(report.nodes)).toEqual(actionsOf(plan.nodes))
      const { unknown, ...totals } = plan.totals
      expect({ totals: report.totals, unknown }).toEqual({ totals, unknown: 0 })
      expect(registry.requests).toHaveLength(totals.requests.source + totals.requests.destination)
      expect(report.invalidated.map(({ digest }) => digest)).toEqual(
        plan.invalidated.map(({ descriptor }) => descriptor.digest),
      )
      registry.requests.length = 0
      await rm(join(folder.path, 'out'), { recursive: true, force: true })
    }
  })

  it('leaves a layout as it is, and says what is there', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout, amd64)
    await layout.tag(image.descriptor('amd64'), 'v1')
    const before = await filesBelow(folder.path)
    const { plan } = await makePlan([`${registry.name}/app:v1`, `oci:${folder.path}:v1`])
    expect(await filesBelow(folder.path)).toEqual(before)
    expect(plan.destinationTags).toEqual([{ tag: 'v1', digest: image.descriptor('amd64').digest }])
    expect(plan.nodes).toContainEqual(
      expect.objectContaining({ digest: image.descriptor('amd64').digest, action: 'skip', reason: 'exists' }),
    )
  })

  it('prints a line for each node with the reason, for each image, and for the whole', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout, amd64)
    await layout.tag(image.descriptor('amd64'), 'v1')
    const [from, to] = [`${registry.name}/app:v1`, `oci:${folder.path}:v1,v2`]
    const flags = ['--platform', 'linux/amd64', '--keep-index', '-r']
    const { code, stdout, stderr } = await runCommand(['cp', '--dry-run', ...flags, from, to])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const short = (name: string): string => image.descriptor(name).digest.slice(0, 19)
    const lines = stdout.split('\n')
    expect(lines[0]).toBe(`Plan of ${from} => ${to}; nothing has been written`)
    const line = (start: string): string | undefined => lines.find((known) => known.startsWith(start))
    expect(line(`skip    ${short('amd64')}`)).toMatch(/, 0 B, 2 \+ 0 requests: the destination has it$/)
    expect(line(`filter  ${short('arm64')}`)).toMatch(/: not chosen$/)
    expect(line(`rewrite ${short('index')} => sha256:`)).toMatch(/: changed on the way/)
    expect(line(`copy    ${short('statement1')}`)).toMatch(
      /in-toto\+json, 8 B, 1 \+ 0 requests: the destination does not/,
    )
    expect(line(`linux/amd64 ${short('amd64')}: `)).toMatch(/: 1 to skip, 0 B, \d \+ 0 requests$/)
    expect(line('In all: ')).toMatch(/^In all: \d+ to copy, 1 to rewrite, 1 to skip, 3 to filter, \d/)
    expect(line('Tag v1: ')).toBe(`Tag v1: moves, from ${short('amd64')}`)
    expect(line('Tag v2: ')).toBe('Tag v2: new')
    expect(line('Invalidated: ')).toContain(`${image.descriptor('signature').digest} (application/signature)`)
  })

  it('says what it cannot know', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    const drawing = graph({
      image: ['config', 'layer'],
      config: { bytes: Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]}}') },
      layer: { mediaType: 'application/vnd.oci.image.layer.v1.tar', bytes: Buffer.alloc(1024) },
    })
    await fill(registry, drawing, 'image')
    const args = ['--compress', 'gzip', `${registry.name}/app:v1`, `oci:${folder.path}/out:v1`]
    const { plan } = await makePlan(args)
    expect(plan).not.toHaveProperty('descriptor')
    const { stdout } = await runCommand(['cp', '--dry-run', ...args])
    expect(stdout).toMatch(/^rewrite sha256:.*, bytes not known, /m)
    expect(stdout).toMatch(/^In all: .* and what is made of \d nodes, /m)
    expect(stdout).toMatch(/^Not certain: how many requests /m)
  })

  it('draws the graph, in the colours of what becomes of each node, and asks for nothing twice', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    await image.pushTo(new OciLayout(folder.path), amd64)
    const narrowed = ['-r', '--platform', 'linux/amd64', '--keep-index', `${registry.name}/app:v1`]
    const print = async (format: string): Promise<string> => {
      const to = `oci:${folder.path}:v1`
      const { code, stdout, stderr } = await runCommand([
        'cp',
        '--dry-run',
        '--format',
        format,
        ...narrowed,
        to,
      ])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      return stdout
    }
    const { plan } = await makePlan([...narrowed, `oci:${folder.path}:v1`])
    const asked = registry.requests.splice(0).toSorted()
    const tree = await print('tree')
    expect(registry.requests.toSorted()).toEqual(asked)
    const [root, ...below] = tree.trimEnd().split('\n')
    expect(root).toMatch(
      new RegExp(`^${image.descriptor('index').digest.slice(0, 19)} .*\\[v1\\] \\(rewrite\\)$`),
    )
    expect(below).toContainEqual(expect.stringMatching(/ linux\/amd64 .* \(skip\)$/))
    expect(below).toContainEqual(expect.stringMatching(/ linux\/arm64 .* \(filtered\)$/))
    expect(below).toContainEqual(expect.stringMatching(/ application\/vnd.in-toto\+json 8 B \(copy\)$/))
    expect(below).toContainEqual(
      expect.stringMatching(/ referrer .* application\/signature .* \(filtered\)$/),
    )
    for (const { digest } of plan.nodes) expect(tree).toContain(digest.slice(0, 19))

    const dot = await print('dot')
    expect(dot).toMatch(/^digraph copygraph \{\n[^]*\n\}\n$/)
    const { copy, skip, rewrite, filtered } = stateFills
    for (const colour of [copy, skip, rewrite, filtered]) expect(dot).toContain(`fillcolor="${colour}"`)
    expect(await print('mermaid')).toMatch(/^flowchart LR\n[^]*:::state_filtered\n/)
    const svg = await print('svg')
    expect(parseXml(svg).at(-1)).toMatchObject({ name: 'svg' })
    expect(svg).toContain(`fill="${rewrite}"`)
    expect(await print('html')).toMatch(/^<!DOCTYPE html>\n[^]*<\/html>\n$/)
    expect(writesIn(registry)).toEqual([])
  })

  it('draws an image that is there as the plan says: it stands for all that is under it', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    await image.pushTo(new OciLayout(folder.path))
    const args = [`${registry.name}/app:v1`, `oci:${folder.path}:v1`]
    const { plan } = await makePlan(args)
    const asked = registry.requests.splice(0).toSorted()
    const { stdout } = await runCommand(['cp', '--dry-run', '--format', 'tree', ...args])
    expect(plan.nodes).toMatchObject([{ action: 'skip', reason: 'exists' }])
    expect(registry.requests.toSorted()).toEqual(asked)
    expect(stdout.trimEnd().split('\n')).toEqual([expect.stringMatching(/ \[v1\] \(skip\)$/)])
  })

  it('draws what is attached by tags alone as trees of its own, and a chosen image as the root', async () => {
    await using registry = await startRegistry()
    await fill(registry, image, 'amd64')
    const apart = graph({ attached: ['config', 'payload'] })
    await apart.pushTo(repository(registry, 'app'))
    const tag = `${image.descriptor('amd64').digest.replace(':', '-')}.sig`
    await repository(registry, 'app').tag(apart.descriptor('attached'), tag)
    await repository(registry, 'app').tag(image.descriptor('index'), 'all')
    await image.pushTo(repository(registry, 'app'))
    const flags = ['-r', '--digest-tags', '--platform', 'linux/amd64']
    const args = ['cp', '--dry-run', '--format', 'tree', ...flags]
    const { stdout } = await runCommand([...args, `${registry.name}/app:all`, `${registry.name}/copy:v1`])
    const roots = stdout.split('\n').filter((line) => line.startsWith('sha256:'))
    expect(roots.map((line) => line.slice(0, 19))).toEqual([
      image.descriptor('amd64').digest.slice(0, 19),
      apart.descriptor('attached').digest.slice(0, 19),
    ])
    expect(roots[0]).toMatch(/\[v1\] \(copy\)$/)
    expect(stdout).toMatch(/ \(mount\)$/m)
  })

  it('writes nothing from outside that could steer a terminal', async () => {
    const drawing = graph({
      m: { children: ['config', 'layer'], platform: { os: 'li\u001b[31mnux', architecture: 'x\u202e' } },
      index: ['m'],
    })
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, drawing, 'index')
    for (const format of ['text', 'json', 'tree', 'dot', 'mermaid', 'svg', 'html']) {
      const args = ['cp', '--dry-run', '--format', format, `${registry.name}/app:v1`, `oci:${folder.path}/x`]
      const { code, stdout } = await runCommand(args)
      expect(code, format).toBe(0)
      expect(stdout, format).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
    }
  })

  it('fails as the copy does, and records that it has read', async () => {
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const to = `oci:${folder.path}/out:v1`
    const from = `${registry.name}/app`
    for (const [code, ...args] of [
      [3, `${from}:v2`, to],
      [3, '--platform', 'linux/s390x', `${from}:v1`, to],
      [3, '-r', '--require-referrer', 'a/b', `${from}:v1`, to],
      [1, `${from}:v1`, `${to}@${image.descriptor('amd64').digest}`],
      [5, `127.0.0.1:1/app:v1`, to, '--retries', '0'],
    ] as const) {
      expect(await runCommand(['cp', '--dry-run', ...args]), args.join(' ')).toMatchObject({
        code,
        stdout: '',
      })
    }
    const log = join(folder.path, 'log')
    expect(await runCommand(['cp', '--dry-run', '-q', '--audit-log', log, `${from}:v1`, to])).toMatchObject({
      code: 0,
      stderr: '',
    })
    const records = (await readFile(log, 'utf8')).trimEnd().split('\n')
    expect(records.map((record): unknown => JSON.parse(record))).toEqual([
      expect.objectContaining({ operation: 'read', target: from, reference: 'v1', outcome: 'ok' }),
    ])
    expect(existsSync(join(folder.path, 'out'))).toBe(false)
  })
})
