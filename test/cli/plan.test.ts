import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { afterAll, describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { newFolder } from '../support/folder.ts'
import { graph } from '../support/graph.ts'
import { startRegistry, type TestRegistry } from '../support/registry.ts'
import { runCommand } from './command.ts'
import { actionsOf, makePlan, writesIn, type SavedPlan } from './planning.ts'
import { fill, repository, signedImage } from './registry.ts'
import { runReport } from './report.ts'

const image = signedImage()
const amd64 = ['config1', 'base', 'layer1', 'amd64']

interface Setup extends AsyncDisposable {
  readonly registry: TestRegistry
  readonly folder: string
  /** Its image, tagged v1 in `app`. */
  readonly from: string
  /** Two places that have nothing yet. */
  readonly layout: string
  readonly copy: string
  /** Puts a text into a file, and is the flag for it. */
  save(text: string): Promise<readonly ['--plan', string]>
}

async function setUp(): Promise<Setup> {
  const registry = await startRegistry()
  const { path: folder, remove } = await newFolder()
  await fill(registry, image, 'index')
  const file = join(folder, 'plan.json')
  return {
    registry,
    folder,
    from: `${registry.name}/app:v1`,
    layout: `oci:${folder}/out:v1`,
    copy: `${registry.name}/copy:v1`,
    async save(text) {
      await writeFile(file, text)
      return ['--plan', file]
    },
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]()
      await remove()
    },
  }
}

/** A plan that is not carried out: exit code, sentence and hint, and no write anywhere. */
async function expectRefused(
  { registry, folder }: Setup,
  args: readonly string[],
  expected: { readonly code: number; readonly error: RegExp; readonly hint?: RegExp },
): Promise<void> {
  const { code, stdout, stderr } = await runCommand(['cp', '-q', ...args])
  expect({ code, stdout }, stderr).toEqual({ code: expected.code, stdout: '' })
  const [error, hint = ''] = stderr.split('\n')
  expect(error).toMatch(expected.error)
  expect(hint).toMatch(expected.hint ?? /^$/)
  expect(writesIn(registry)).toEqual([])
  expect(existsSync(join(folder, 'out'))).toBe(false)
}

/** Of the layout, which need not be there. */
async function tagsIn({ folder }: Setup): Promise<readonly string[]> {
  const layout = new OciLayout(join(folder, 'out'))
  await layout.prepare()
  return Array.fromAsync(layout.tags())
}

const stale = /^Hint: nothing was tagged: make the plan again \(--dry-run --format json\)/

describe('copygraph cp --plan', () => {
  it.each([
    [[]],
    [['-r']],
    [['-r', '--artifact-type', 'application/sbom']],
    [['--platform', 'linux/amd64']],
    [['--platform', 'linux/amd64', '--keep-index', '--verify', 'manifests']],
    [['--annotation', 'a=b', '-r', '--on-invalidated', 'repoint', '--record-original-digest']],
  ])(
    'with %j does what the plan says, in so many requests and those that look whether it holds',
    async (flags) => {
      await using setup = await setUp()
      const { registry, from, layout, copy } = setup
      for (const to of [layout, copy]) {
        const args = [...flags, from, to]
        const { text, plan } = await makePlan(args)
        registry.requests.length = 0
        const { report } = await runReport([...(await setup.save(text)), ...args])
        expect(actionsOf(report.nodes)).toEqual(actionsOf(plan.nodes))
        expect(report.descriptor.digest).toBe(plan.descriptor?.digest)
        expect(report.tags).toEqual(['v1'])
        expect(report.totals.bytes).toBe(plan.totals.bytes)
        const { source, destination } = report.totals.requests
        expect(registry.requests).toHaveLength(source + destination)
        const { requests } = plan.totals
        expect(source - requests.source).toBeGreaterThanOrEqual(0)
        expect(source - requests.source).toBeLessThanOrEqual(1)
        expect(destination - requests.destination).toBe(to === copy ? 1 : 0)
      }
    },
  )

  it('prints what a copy prints, and skips what has come by now', async () => {
    await using setup = await setUp()
    const { from, layout, folder } = setup
    const { text } = await makePlan([from, layout])
    const target = new OciLayout(join(folder, 'out'))
    await image.pushTo(target, amd64)
    const { code, stdout, stderr } = await runCommand(['cp', ...(await setup.save(text)), from, layout])
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `oci:${folder}/out@${image.descriptor('index').digest}\n`,
    })
    expect(stderr).toMatch(/ 9 copied, 2 skipped, /)
  })

  it('carries out a plan of what is not known before it is made', async () => {
    await using setup = await setUp()
    const drawing = graph({
      image: ['config', 'layer'],
      config: { bytes: Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]}}') },
      layer: { mediaType: 'application/vnd.oci.image.layer.v1.tar', bytes: Buffer.alloc(1024) },
    })
    await fill(setup.registry, drawing, 'image')
    const args = ['--compress', 'gzip', setup.from, setup.layout]
    const { text } = await makePlan(args)
    const { report } = await runReport([...(await setup.save(text)), ...args])
    expect(report.totals.nodes).toMatchObject({ rewrite: 2 })
  })

  it('refuses where the tag of the source has moved', async () => {
    await using setup = await setUp()
    const { registry, from, layout } = setup
    const plan = await setup.save((await makePlan(['-r', from, layout])).text)
    await repository(registry, 'app').tag(image.descriptor('amd64'), 'v1')
    const error = /^Error: the plan is out of date: "v1" of the source is sha256:\w+, and was sha256:/
    await expectRefused(setup, [...plan, '-r', from, layout], { code: 1, error, hint: stale })
  })

  it('refuses where the one tag of a layout is another now', async () => {
    await using setup = await setUp()
    const source = new OciLayout(join(setup.folder, 'in'))
    await image.pushTo(source)
    await source.tag(image.descriptor('index'), 'v1')
    const args = [`oci:${setup.folder}/in`, setup.layout]
    const plan = await setup.save((await makePlan(args)).text)
    await source.tag(image.descriptor('index'), 'v2')
    await source.untag('v1')
    const error = /the plan is out of date: the source has "v2", and had "v1"/
    await expectRefused(setup, [...plan, ...args], { code: 1, error, hint: stale })
  })

  it('refuses where something new refers to the source', async () => {
    await using setup = await setUp()
    const { registry, from, layout } = setup
    const plan = await setup.save((await makePlan(['-r', from, layout])).text)
    const late = graph({
      config1: { kind: 'blob', bytes: image.node('config1').bytes },
      amd64: { children: ['config1', 'base', 'layer1'], platform: { os: 'linux', architecture: 'amd64' } },
      late: { children: ['empty', 'late payload'], subject: 'amd64' },
    })
    await late.pushTo(repository(registry, 'app'))
    const { code, stderr } = await runCommand(['cp', '-q', ...plan, '-r', from, layout])
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^Error: the plan is out of date: sha256:\w+ would be copied or looked for, and is not in/,
    )
    expect(stderr).toMatch(new RegExp(stale.source, 'm'))
    expect(await tagsIn(setup)).toEqual([])
  })

  it.each(['planned', 'not planned'])(
    'refuses where the tag of the destination has moved: %s',
    async (when) => {
      await using setup = await setUp()
      const { registry, from, copy } = setup
      const target = repository(registry, 'copy')
      await image.pushTo(target, amd64)
      if (when === 'planned') await target.tag(image.descriptor('amd64'), 'v1')
      const plan = await setup.save((await makePlan([from, copy])).text)
      if (when === 'planned') await target.untag('v1')
      else await target.tag(image.descriptor('amd64'), 'v1')
      const error = /^Error: the plan is out of date: "v1" of the destination is (gone|sha256:\w+), and was /
      await expectRefused(setup, [...plan, from, copy], { code: 1, error, hint: stale })
    },
  )

  it('refuses where the destination has lost what was to be skipped', async () => {
    await using setup = await setUp()
    const { registry, from, copy } = setup
    const target = repository(registry, 'copy')
    await image.pushTo(target, amd64)
    const plan = await setup.save((await makePlan([from, copy])).text)
    await target.delete(image.descriptor('amd64'))
    const { code, stderr } = await runCommand(['cp', ...plan, from, copy])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^Error: the plan is out of date: sha256:\w+ would be copied/m)
    expect(await Array.fromAsync(target.tags())).toEqual([])
  })

  it('tells platforms from each other that only a filter knows', async () => {
    await using setup = await setUp()
    const { from, copy } = setup
    const platforms = (names: string): readonly string[] => ['--platform', names, '--keep-index', from, copy]
    const plan = await setup.save((await makePlan(platforms('linux/amd64,linux/arm64'))).text)
    const error = /made with other flags/
    await expectRefused(setup, [...plan, ...platforms('linux/amd64')], { code: 2, error })
  })

  it('takes other limits, and needs the source and the destination of the plan', async () => {
    await using setup = await setUp()
    const { registry, from, layout, copy } = setup
    const plan = await setup.save((await makePlan([from, layout])).text)
    registry.requests.length = 0
    await expectRefused(setup, [...plan, from, copy], {
      code: 2,
      error: /its destination is "oci:.*\/out:v1", and not "127\.0\.0\.1:\d+\/copy:v1"/,
    })
    await expectRefused(setup, [...plan, `${registry.name}/app:v2`, layout], {
      code: 2,
      error: /its source is ".*\/app:v1", and not ".*\/app:v2"/,
    })
    await expectRefused(setup, plan, { code: 2, error: /missing required argument 'source'/, hint: /--help/ })
    expect(registry.requests).toEqual([])
    const limits = ['-j', '2', '--retries', '0', '--from-resolve', 'nowhere.test:443:127.0.0.1']
    await runReport([...plan, ...limits, from, layout])
  })

  it('tags nothing for a file from which somebody has removed a node', async () => {
    await using setup = await setUp()
    const { from, layout } = setup
    const { plan } = await makePlan([from, layout])
    const nodes = plan.nodes.filter(({ digest }) => digest !== image.descriptor('layer1').digest)
    const totals = { ...plan.totals, nodes: { ...plan.totals.nodes, copy: nodes.length } }
    const file = await setup.save(JSON.stringify({ ...plan, nodes, totals }))
    const { code, stderr } = await runCommand(['cp', '-q', ...file, from, layout])
    expect(code).toBe(1)
    expect(stderr).toMatch(/^Error: the plan is out of date: sha256:/)
    expect(await tagsIn(setup)).toEqual([])
  })

  it('shows nothing of a file that is no plan, and nothing of one that could steer a terminal', async () => {
    await using setup = await setUp()
    const { from, copy, folder } = setup
    for (const text of ['hunter2', '{"auths":"hunter2"}', '', '\u0000', '"hunter2', '[[[[["hunter2"']) {
      const { code, stderr } = await runCommand(['cp', ...(await setup.save(text)), from, copy])
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: `Error: --plan ${folder}/plan.json: it is not what cp --dry-run --format json has printed\n`,
      })
    }
    const { plan } = await makePlan([from, copy])
    const steering = '\u001b]0;x\u0007\u202e\n'
    for (const changed of [{ source: steering }, { reference: steering }, { operation: steering }]) {
      const file = await setup.save(JSON.stringify({ ...plan, ...changed }))
      const { code, stderr } = await runCommand(['cp', ...file, from, copy])
      expect(code).toBeGreaterThan(0)
      expect(stderr).toMatch(/^Error: /)
      expect(stderr).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
    }
    for (const [file, error] of [
      [join(folder, 'missing'), /--plan cannot be read: ENOENT/],
      [folder, /is no file/],
      ['/dev/zero', /is no file/],
    ] as const) {
      await expectRefused(setup, ['--plan', file, from, copy], { code: 2, error })
    }
  })

  it('takes credentials anew: the file has none', async () => {
    await using setup = await setUp()
    await using guarded = await startRegistry({ htpasswd: `me:${hashSync('hunter2', 4)}` })
    const args = [setup.from, `${guarded.name}/copy:v1`]
    const credentials = ['--to-username', 'me', '--to-password-stdin']
    const options = { stdin: 'hunter2' }
    const { text } = await makePlan([...credentials, ...args], options)
    expect(text).not.toMatch(/hunter2|"me"/)
    const plan = await setup.save(text)
    expect(await runCommand(['cp', ...plan, ...args])).toMatchObject({ code: 4, stdout: '' })
    expect(await runCommand(['cp', ...plan, ...credentials, ...args], options)).toMatchObject({ code: 0 })
    const found = await repository(guarded, 'copy').resolve('v1')
    expect(found.digest).toBe(image.descriptor('index').digest)
  })
})

interface Edit {
  readonly what: string
  readonly edit: (plan: SavedPlan) => object
  readonly error: RegExp
  /** @default 2 */
  readonly code?: number
}

describe('copygraph cp --plan, before anything is written,', async () => {
  const shared = await setUp()
  afterAll(() => shared[Symbol.asyncDispose]())
  const plain = await makePlan([shared.from, shared.copy])
  const recursive = await makePlan(['-r', shared.from, shared.copy])

  it.each([
    [[], /made with --recursive/],
    [['-r', '--verify', 'manifests'], /made with other flags/],
    [['-r', '--platform', 'linux/amd64'], /made with other flags/],
    [['-r', '--platform', 'linux/amd64,linux/arm64'], /made with other flags/],
    [['-r', '--artifact-type', 'application/sbom'], /made with other flags/],
    [['-r', '--depth', '1'], /made with other flags/],
    [['-r', '--annotation', 'a=b'], /made with other flags/],
    [['-r', '--foreign-layers', 'copy'], /made with other flags/],
    [['-r', '--mount-from', 'team/other'], /made with other flags/],
  ])('refuses other flags than those of the plan: %j', async (flags, error) => {
    const { registry, from, copy } = shared
    const plan = await shared.save(recursive.text)
    registry.requests.length = 0
    await expectRefused(shared, [...plan, ...flags, from, copy], { code: 2, error })
    expect(registry.requests).toEqual([])
  })

  const edits: readonly Edit[] = [
    {
      what: 'an action',
      edit: (plan) => ({ ...plan, nodes: plan.nodes.map((node) => ({ ...node, action: 'skip' })) }),
      error: /has been changed/,
    },
    {
      what: 'its sums',
      edit: (plan) => ({ ...plan, totals: { ...plan.totals, unknown: 1 } }),
      error: /has been changed/,
    },
    {
      what: 'its version',
      edit: (plan) => ({ ...plan, schemaVersion: 2 }),
      error: /is not what cp --dry-run/,
    },
    {
      what: 'that it is one',
      edit: (plan) => ({ ...plan, dryRun: false }),
      error: /is not what cp --dry-run/,
    },
    {
      what: 'a digest',
      edit: (plan) => ({ ...plan, root: { ...plan.root, digest: '../../etc' } }),
      error: /is not what cp --dry-run/,
    },
    {
      what: 'its operation',
      edit: (plan) => ({ ...plan, operation: 'extendedCopy' }),
      error: /made with --recursive/,
    },
    {
      what: 'its operation, to none of the command',
      edit: (plan) => ({ ...plan, operation: 'copyGraph' }),
      error: /it is of copyGraph/,
    },
    {
      what: 'its options',
      edit: (plan) => ({ ...plan, optionsDigest: plan.root.digest }),
      error: /made with other flags/,
    },
    {
      what: 'its destination',
      edit: (plan) => ({ ...plan, destination: '/etc/passwd' }),
      error: /its destination is "\/etc\/passwd"/,
    },
    {
      what: 'its source, to none',
      edit: (plan) => ({ ...plan, source: undefined }),
      error: /its source is not named/,
    },
    {
      what: 'its root',
      edit: (plan) => ({ ...plan, root: image.descriptor('amd64') }),
      error: /out of date: "v1" of the source/,
      code: 1,
    },
    {
      what: 'its reference',
      edit: (plan) => ({ ...plan, reference: 'v2' }),
      error: /out of date: the source has "v1", and had "v2"/,
      code: 1,
    },
    {
      what: 'its tags',
      edit: (plan) => ({ ...plan, destinationTags: [{ tag: 'v1', digest: plan.root.digest }] }),
      error: /"v1" of the destination is gone/,
      code: 1,
    },
  ]

  it.each(edits)('refuses a file in which somebody has changed $what', async ({ edit, error, code = 2 }) => {
    const { from, copy } = shared
    const file = await shared.save(JSON.stringify(edit(plain.plan)))
    await expectRefused(shared, [...file, from, copy], { code, error, hint: code === 1 ? stale : /^$/ })
  })
})

describe('the flags of a plan', () => {
  it.each([
    [['--dry-run', '--plan', 'x'], /--dry-run makes a plan, and --plan carries one out/],
    [['--format', 'dot'], /--format dot shows a plan: add --dry-run/],
    [['--format', 'tree', '--plan', 'x'], /--format tree shows a plan/],
    [['--dry-run', '--format', 'png'], /text, json, tree, dot/],
    [['--plan', '/nonexistent'], /--plan cannot be read: ENOENT/],
    [['--plan'], /--plan <file>' argument missing/],
  ])('%j are wrong usage', async (flags, error) => {
    const { code, stdout, stderr } = await runCommand(['cp', 'host/app:v1', 'oci:nowhere:v1', ...flags])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(error)
  })

  it('are explained by the help', async () => {
    const { stdout } = await runCommand(['cp', '--help'])
    expect(stdout).toMatch(/^ {2}--dry-run +show what would be copied/m)
    expect(stdout).toMatch(/^ {2}--plan <file> +do what --dry-run --format json has printed/m)
    expect(stdout).toContain('the same command with --plan FILE instead of --dry-run')
  })
})
