import { describe, expect, it } from 'vitest'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { copy } from '../../src/copy/copy.ts'
import { extendedCopyGraph } from '../../src/copy/extended-copy.ts'
import type { FilterRule, NodeFilter } from '../../src/copy/filter.ts'
import {
  allOf,
  anyOf,
  hasAnnotation,
  hasArtifactType,
  hasMediaType,
  hasTag,
  isAtMost,
  isForPlatform,
  isNoneOf,
  manifestsOnly,
  not,
  parsePlatformPattern,
} from '../../src/copy/filters.ts'
import { errorCode } from '../../src/errors.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { readJson } from '../support/read-json.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'

const amd64 = { os: 'linux', architecture: 'amd64' }
const arm64 = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const windows = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.1' }

const images = graph({
  amd: { children: ['c1', 'shared'], platform: amd64 },
  arm: { children: ['c2', 'shared'], platform: arm64 },
  win: { children: ['c3', 'w'], platform: windows },
})

/** An index as BuildKit makes it: an attestation for each image, that names it in an annotation of its entry. */
async function withAttestations(): Promise<{ source: MemoryTarget; drawing: TestGraph }> {
  const unknown = { os: 'unknown', architecture: 'unknown' }
  const about = (name: string): { readonly annotations: Record<string, string> } => ({
    annotations: { 'vnd.docker.reference.digest': images.descriptor(name).digest },
  })
  const drawing = graph({
    amd: { children: ['c1', 'shared'], platform: amd64 },
    arm: { children: ['c2', 'shared'], platform: arm64 },
    win: { children: ['c3', 'w'], platform: windows },
    onAmd: { children: ['empty', 'a'], platform: unknown, entry: about('amd') },
    onArm: { children: ['empty', 'b'], platform: unknown, entry: about('arm') },
    index: { kind: 'index', children: ['amd', 'arm', 'win', 'onAmd', 'onArm'], annotations: { kept: 'yes' } },
  })
  const source = new MemoryTarget()
  await drawing.pushTo(source)
  await source.tag(drawing.descriptor('index'), 'v1')
  return { source, drawing }
}

async function present(target: MemoryTarget, drawing: TestGraph): Promise<readonly string[]> {
  const there = await Promise.all(drawing.names.map((name) => target.exists(drawing.descriptor(name))))
  return drawing.names.filter((_, index) => there[index])
}

describe('A filter on the way down', () => {
  const linux = isForPlatform(amd64, { os: 'linux', architecture: 'arm64' })

  it('leaves a sparse index with its digest', async () => {
    const { source, drawing } = await withAttestations()
    const destination = new MemoryTarget()
    const filter: FilterRule = { keep: linux, parents: 'sparse' }
    const { root, filtered } = await copy(source, 'v1', destination, { filter })
    expect(root.digest).toBe(drawing.descriptor('index').digest)
    expect(await present(destination, drawing)).toEqual(
      drawing.names.filter((name) => !['win', 'c3', 'w'].includes(name)),
    )
    expect(filtered.nodes).toBe(1)
  })

  it('rewrites the index, whose other fields stay', async () => {
    const { source, drawing } = await withAttestations()
    const destination = new MemoryTarget()
    const filter: FilterRule = { keep: linux, parents: 'rewrite' }
    const { root } = await copy(source, 'v1', destination, { filter })
    expect(await destination.resolve('v1')).toEqual(root)
    const before = JSON.parse(String(drawing.node('index').bytes))
    const after = await readJson(destination, root)
    const [amd, arm, , onAmd, onArm] = before.manifests
    expect(after).toEqual({ ...before, manifests: [amd, arm, onAmd, onArm] })
    expect(await present(destination, drawing)).toEqual(
      drawing.names.filter((name) => !['index', 'win', 'c3', 'w'].includes(name)),
    )
  })

  it('gives the same digest each time, and then moves nothing', async () => {
    const { source } = await withAttestations()
    const destination = new MemoryTarget()
    const filter: FilterRule = { keep: linux, parents: 'rewrite' }
    const first = await copy(source, 'v1', destination, { filter })
    const second = await copy(source, 'v1', destination, { filter })
    expect(second.root).toEqual(first.root)
    expect(second.copied).toEqual({ nodes: 0, bytes: 0 })
  })

  it('drops an attestation with its image', async () => {
    const { source, drawing } = await withAttestations()
    const destination = new MemoryTarget()
    await copy(source, 'v1', destination, { filter: { keep: isForPlatform(amd64), parents: 'rewrite' } })
    expect(await present(destination, drawing)).toEqual(['c1', 'shared', 'amd', 'empty', 'a', 'onAmd'])
  })

  it('fails where the parent must stay complete', async () => {
    const { source, drawing } = await withAttestations()
    const destination = new MemoryTarget()
    const copying = copy(source, 'v1', destination, { filter: { keep: linux, parents: 'error' } })
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('UNSUPPORTED')
    await expect(copying).rejects.toThrow(drawing.descriptor('win').digest)
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('says which platforms there are, where none matches', async () => {
    const { source } = await withAttestations()
    const wanted = isForPlatform({ os: 'linux', architecture: 's390x' })
    const copying = copy(source, 'v1', new MemoryTarget(), { filter: { keep: wanted, parents: 'rewrite' } })
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('NOT_FOUND')
    await expect(copying).rejects.toThrow(
      'has nothing for linux/s390x: it offers linux/amd64, linux/arm64/v8, windows/amd64:10.0.1',
    )
  })

  it('warns once of platforms that match nothing', async () => {
    const { source } = await withAttestations()
    const warnings: string[] = []
    const keep = isForPlatform(amd64, { os: 'plan9' })
    await copy(source, 'v1', new MemoryTarget(), {
      filter: { keep, parents: 'rewrite' },
      onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
    })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('has nothing for plan9/*')
  })

  it('rewrites every manifest above what is left out', async () => {
    const drawing = graph({
      outer: ['inner', 'm3'],
      inner: ['m1', 'm2'],
      m1: ['c1', 'l1'],
      m2: ['c2', 'l2'],
      m3: ['c3', 'l3'],
    })
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    await drawing.pushTo(source)
    const keep = isNoneOf([drawing.descriptor('m2').digest])
    const { root, copied } = await copyGraph(source, drawing.descriptor('outer'), destination, {
      filter: { keep, parents: 'rewrite' },
    })
    const outer = await readJson(destination, root)
    const inner = await readJson(destination, outer.manifests[0])
    expect(inner.manifests).toEqual([drawing.descriptor('m1')])
    expect(outer.manifests[1]).toEqual(drawing.descriptor('m3'))
    expect(copied.nodes).toBe(8)
    expect(await destination.exists(drawing.descriptor('inner'))).toBe(false)
  })

  it('tells in the error what a filter threw, and at which node', async () => {
    const { source, drawing } = await withAttestations()
    const keep: NodeFilter = () => {
      throw new Error('no opinion')
    }
    const copying = copy(source, 'v1', new MemoryTarget(), { filter: { keep, parents: 'sparse' } })
    await expect(copying).rejects.toMatchObject({
      code: 'COPY',
      origin: 'caller',
      descriptor: { digest: drawing.descriptor('index').digest },
    })
    await expect(copying).rejects.toThrow('no opinion')
  })
})

describe('Filters', () => {
  const drawing = graph({
    index: ['typed', 'plain'],
    typed: {
      children: ['c1', 'l1'],
      artifactType: 'application/x',
      annotations: { __proto__: 'own', team: 'a' },
    },
    plain: ['c2', 'a long layer'],
  })
  const kept = async (keep: NodeFilter): Promise<readonly string[]> => {
    const [source, destination] = [new MemoryTarget({ manifestTypes: ownTypes }), new MemoryTarget()]
    await drawing.pushTo(source)
    await copyGraph(source, drawing.descriptor('index'), destination, {
      filter: { keep, parents: 'sparse' },
    })
    return present(destination, drawing)
  }
  const typed = ['c1', 'l1', 'typed', 'index']

  it.each<[string, NodeFilter, readonly string[]]>([
    ['an artifact type', manifestsOnly(hasArtifactType('application/x')), typed],
    ['a pattern of artifact types', manifestsOnly(hasArtifactType(/\/x$/g)), typed],
    ['an annotation', manifestsOnly(hasAnnotation('team')), typed],
    ['the value of an annotation', manifestsOnly(hasAnnotation('team', 'a')), typed],
    ['another value', manifestsOnly(hasAnnotation('team', 'b')), ['index']],
    ['a name that every object has', manifestsOnly(hasAnnotation('constructor')), ['index']],
    ['an annotation of the entry', manifestsOnly(hasAnnotation('team', /./, { of: 'entry' })), ['index']],
    ['a media type', not(hasMediaType('application/octet-stream')), ['c1', 'c2', 'typed', 'plain', 'index']],
    ['a size', anyOf(hasMediaType(/json$/), isAtMost(4)), ['c1', 'l1', 'c2', 'typed', 'plain', 'index']],
    ['all of several', allOf(manifestsOnly(hasAnnotation('team')), isAtMost(0)), ['index']],
    ['no digest of a list', isNoneOf([drawing.descriptor('plain').digest]), typed],
  ])('choose by %s', async (_, keep, names) => {
    expect((await kept(keep)).toSorted()).toEqual([...names].toSorted())
  })

  it.each([
    ['linux/amd64', amd64],
    ['linux/*', { os: 'linux' }],
    ['*/arm64', { architecture: 'arm64' }],
    ['*/*/v8', { variant: 'v8' }],
  ])('read the platform pattern %s', (text, pattern) => {
    expect(parsePlatformPattern(text)).toEqual(pattern)
  })

  it.each(['', 'linux', 'linux/', 'a/b/c/d'])('refuse the platform pattern %j', (text) => {
    expect(() => parsePlatformPattern(text)).toThrow(RangeError)
  })
})

describe('A filter on the way up', () => {
  const drawing = graph({
    image: ['config', 'layer'],
    sbom: { children: ['empty', 'a'], subject: 'image', artifactType: 'application/spdx+json' },
    signature: { children: ['empty', 'b'], subject: 'image', artifactType: 'application/sig' },
    onSbom: { children: ['empty', 'd'], subject: 'sbom', artifactType: 'application/sig' },
  })
  const source = new MemoryTarget()

  it('leaves out referrers, and what refers to them', async () => {
    await drawing.pushTo(source)
    const destination = new MemoryTarget()
    const { filtered } = await extendedCopyGraph(source, drawing.descriptor('image'), destination, {
      ascentFilter: hasArtifactType('application/sig'),
    })
    expect(await present(destination, drawing)).toEqual(
      drawing.names.filter((name) => !['sbom', 'a', 'onSbom', 'd'].includes(name)),
    )
    expect(filtered.nodes).toBe(1)
  })

  it('chooses among tags named after digests', async () => {
    await drawing.pushTo(source)
    const prefix = drawing.descriptor('image').digest.replace(':', '-')
    await source.tag(drawing.descriptor('signature'), `${prefix}.sig`)
    await source.tag(drawing.descriptor('sbom'), `${prefix}.sbom`)
    const { digestTags } = await extendedCopyGraph(source, drawing.descriptor('image'), new MemoryTarget(), {
      digestTags: true,
      referrers: 'root',
      ascentFilter: hasTag(/\.sig$/),
    })
    expect(digestTags).toEqual([`${prefix}.sig`])
  })

  it('is no leave to lack a referrer that is required', async () => {
    await drawing.pushTo(source)
    const destination = new MemoryTarget()
    const demand = (requiredReferrers: readonly string[]): Promise<unknown> =>
      extendedCopyGraph(source, drawing.descriptor('image'), destination, { requiredReferrers })
    const lacking = demand(['application/spdx+json', 'application/vex+json'])
    expect(errorCode(await lacking.catch((error: unknown) => error))).toBe('NOT_FOUND')
    await expect(lacking).rejects.toThrow(
      'no referrer of the artifact type application/vex+json: it has application/spdx+json, application/sig',
    )
    expect(await present(destination, drawing)).toEqual([])
    await demand(['application/spdx+json'])
    expect(await present(destination, drawing)).toEqual(drawing.names)
  })
})
