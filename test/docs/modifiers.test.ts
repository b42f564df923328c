import { describe, expect, it } from 'vitest'
import * as filterExamples from '../../examples/filters.ts'
import * as modifierExamples from '../../examples/modifiers.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import type { CopyResult } from '../../src/copy/options.ts'
import { errorCode } from '../../src/errors.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import type { Destination, Source } from '../../src/targets/target.ts'
import { graph } from '../support/graph.ts'
import { readJson } from '../support/read-json.ts'
import { RecordingSource } from '../support/spy.ts'
import { blocksIn, examplesIn } from './examples.ts'

const linux = (architecture: string) => ({ os: 'linux', architecture })
const created = 'org.opencontainers.image.created'
const config = (at: string) => ({
  bytes: Buffer.from(JSON.stringify({ created: at, os: 'linux', config: { Env: ['PATH=/bin', 'DEBUG=1'] } })),
})
const blob = (mediaType: string, bytes: string | Uint8Array) => ({ mediaType, bytes: Buffer.from(bytes) })
const attestation = (of: string) => ({
  annotations: { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': of },
})
const amd = {
  amd: { children: ['amdConfig', 'shared', 'large'], platform: linux('amd64') },
  amdConfig: config('2020-01-01T00:00:00Z'),
  shared: blob(mediaTypes.ociLayerGzip, 'shared'),
  large: blob(mediaTypes.ociLayer, Buffer.alloc(1024 * 1024 + 1)),
}
const about = graph(amd).descriptor('amd').digest

const drawing = graph({
  ...amd,
  index: {
    kind: 'index',
    children: ['amd', 'arm', 'win', 'internal', 'attested'],
    annotations: { 'org.example.builder': 'me', [created]: '2020-01-01T00:00:00Z' },
  },
  arm: { children: ['armConfig', 'shared', 'gzip'], platform: { ...linux('arm64'), variant: 'v8' } },
  win: { children: ['armConfig', 'shared'], platform: { os: 'windows', architecture: 'amd64' } },
  internal: {
    children: ['armConfig', 'gzip'],
    platform: linux('riscv64'),
    entry: { annotations: { 'org.example.visibility': 'internal' } },
  },
  attested: {
    children: ['attestedConfig', 'statement'],
    platform: { os: 'unknown', architecture: 'unknown' },
    entry: attestation(about),
  },
  armConfig: config('2021-01-01T00:00:00Z'),
  gzip: blob(mediaTypes.ociLayerGzip, Buffer.alloc(1024 * 1024 + 2)),
  statement: blob('application/vnd.in-toto+json', '{}'),
  docker: { kind: 'docker', children: ['armConfig', 'dockerLayer'] },
  dockerLayer: blob(mediaTypes.dockerLayer, 'docker'),
  sbom: { children: ['empty', 'packages'], subject: 'index', artifactType: 'application/spdx+json' },
  empty: { mediaType: mediaTypes.ociEmpty, bytes: Buffer.from('{}') },
  packages: blob('application/spdx+json', '{ "packages": [ ] }'),
  signature: { children: ['empty', 'signed'], subject: 'index', artifactType: 'application/sig' },
  byTag: ['tagConfig', 'signed'],
  sbomByTag: ['tagConfig', 'packages'],
  mixed: { kind: 'index', children: ['arm', 'wasm'] },
  wasm: { children: ['empty', 'module'], artifactType: 'application/wasm' },
  nesting: { kind: 'index', children: ['arm', 'nested'] },
  nested: { kind: 'index', children: ['win'] },
})
const at = (name: string): Descriptor => drawing.descriptor(name)

interface Run {
  readonly source: MemoryTarget
  readonly destination: MemoryTarget
  readonly result: CopyResult
  /** What the root has become. */
  // eslint-disable-next-line typescript/no-explicit-any -- documents are looked into freely
  readonly document: any
}

async function filled(root: string): Promise<MemoryTarget> {
  const source = new MemoryTarget()
  await drawing.pushTo(source)
  const digestTag = at(root).digest.replace(':', '-')
  const tags = {
    v1: root,
    docker: 'docker',
    sbom: 'sbom',
    [`${digestTag}.sig`]: 'byTag',
    [`${digestTag}.sbom`]: 'sbomByTag',
  }
  for (const [tag, name] of Object.entries(tags)) await source.tag(at(name), tag)
  return source
}

async function run(
  example: (source: Source, destination: Destination) => Promise<CopyResult>,
  root = 'index',
): Promise<Run> {
  const [source, destination] = [await filled(root), new MemoryTarget()]
  const result = await example(source, destination)
  return { source, destination, result, document: await readJson(destination, result.root) }
}

/** What an index lists after an example, by the names of the drawing. */
async function entries(
  example: (source: Source, destination: Destination) => Promise<CopyResult>,
  root = 'index',
): Promise<readonly string[]> {
  const { document } = await run(example, root)
  const manifests: readonly Descriptor[] = document.manifests
  return manifests.map(({ digest }) => drawing.names.find((name) => at(name).digest === digest) ?? digest)
}

async function missing(
  { destination }: Run,
  names: readonly string[] = drawing.names,
): Promise<readonly string[]> {
  const there = await Promise.all(names.map((name) => destination.exists(at(name))))
  return names.filter((_, index) => there[index] !== true)
}

const filters: Readonly<Record<keyof typeof filterExamples, () => Promise<void>>> = {
  async somePlatforms() {
    expect(await entries(filterExamples.somePlatforms)).toEqual(['amd', 'arm', 'attested'])
  },
  async everyLinux() {
    expect(await entries(filterExamples.everyLinux)).toEqual(['amd', 'arm', 'internal', 'attested'])
  },
  async withoutSboms() {
    const made = await run(filterExamples.withoutSboms)
    expect(made.result.root).toEqual(at('index'))
    expect(await missing(made, ['sbom', 'packages', 'signature', 'signed'])).toEqual(['sbom', 'packages'])
  },
  async onlyIfSigned() {
    const { destination } = await run(filterExamples.onlyIfSigned)
    expect(await destination.exists(at('signature'))).toBe(true)
    const unsigned = run(filterExamples.onlyIfSigned, 'nesting')
    expect(errorCode(await unsigned.catch((error: unknown) => error))).toBe('NOT_FOUND')
  },
  async onlyWasm() {
    const made = await run(filterExamples.onlyWasm, 'mixed')
    expect(made.document.manifests).toEqual([at('wasm')])
    expect(await missing(made, ['wasm', 'empty', 'module', 'arm'])).toEqual(['arm'])
  },
  async withoutInternal() {
    expect(await entries(filterExamples.withoutInternal)).toEqual(['amd', 'arm', 'win', 'attested'])
  },
  async withoutNested() {
    expect(await entries(filterExamples.withoutNested, 'nesting')).toEqual(['arm'])
  },
  async withoutLargeLayers() {
    const made = await run(filterExamples.withoutLargeLayers)
    expect(made.result.root).toEqual(at('index'))
    expect(await missing(made, ['amd', 'arm', 'shared', 'large', 'gzip'])).toEqual(['large', 'gzip'])
  },
  async withoutDenied() {
    const { destination } = await run((from, to) => filterExamples.withoutDenied(from, to, ['sha256:none']))
    expect(await destination.exists(at('index'))).toBe(true)
    const denied = run((from, to) => filterExamples.withoutDenied(from, to, [at('gzip').digest]))
    expect(errorCode(await denied.catch((error: unknown) => error))).toBe('UNSUPPORTED')
  },
  async withSignatures() {
    const { destination } = await run(filterExamples.withSignatures)
    const tags = await Array.fromAsync(destination.tags())
    expect(tags.toSorted()).toEqual([`${at('index').digest.replace(':', '-')}.sig`, 'v1'])
  },
  async bothConditions() {
    expect(await entries(filterExamples.bothConditions)).toEqual(['amd', 'attested'])
  },
  async eitherCondition() {
    const made = await run(filterExamples.eitherCondition)
    expect(await missing(made, ['amd', 'arm', 'shared', 'large', 'gzip'])).toEqual(['large'])
  },
}

const vendor = { 'org.opencontainers.image.vendor': 'Example' }

const modifiers: Readonly<Record<keyof typeof modifierExamples, () => Promise<void>>> = {
  async annotate() {
    const { document } = await run(modifierExamples.annotate)
    expect(document.annotations).toEqual({ ...vendor, [created]: '2020-01-01T00:00:00Z' })
    expect(document.manifests[0]).toEqual(at('amd'))
  },
  async annotateImages() {
    const { document, destination } = await run(modifierExamples.annotateImages)
    const annotations = await annotationsBelow(destination, document.manifests)
    expect(annotations).toEqual([vendor, vendor, vendor, vendor, undefined])
  },
  async convertToOci() {
    const { result, document } = await run(modifierExamples.convertToOci)
    expect(result.root.mediaType).toBe(mediaTypes.ociManifest)
    expect(document.layers).toEqual([{ ...at('dockerLayer'), mediaType: mediaTypes.ociLayerGzip }])
  },
  async convertToDocker() {
    const { result, document } = await run(modifierExamples.convertToDocker)
    expect(result.root.mediaType).toBe(mediaTypes.dockerList)
    expect(document.manifests).toHaveLength(4)
  },
  async harden() {
    const { document, destination } = await run(modifierExamples.harden)
    const image = await readJson(destination, document.manifests[0])
    expect(await readJson(destination, image.config)).toMatchObject({
      config: {
        User: '65532:65532',
        Env: ['PATH=/bin', 'LANG=C.UTF-8'],
        Labels: { 'org.example.hardened': 'yes' },
      },
      history: [{ created_by: 'hardened', empty_layer: true }],
    })
  },
  async reproducible() {
    const { document, destination } = await run(modifierExamples.reproducible)
    expect(document.annotations[created]).toBe('2024-01-01T00:00:00Z')
    const image = await readJson(destination, document.manifests[0])
    expect(await readJson(destination, image.config)).toMatchObject({ created: '2024-01-01T00:00:00Z' })
  },
  async plainIndex() {
    expect(await entries(modifierExamples.plainIndex)).toEqual(['amd', 'arm', 'win', 'internal'])
  },
  async traceable() {
    const { document } = await run(modifierExamples.traceable)
    expect(document.annotations['io.copygraph.original.digest']).toBe(at('index').digest)
  },
  async repointed() {
    const { destination, result } = await run(modifierExamples.repointed)
    const referrers = await Array.fromAsync(destination.referrers(result.root))
    expect(referrers.map(({ artifactType }) => artifactType)).toEqual(['application/spdx+json'])
  },
  async minifySboms() {
    const modifier = modifierExamples.minifySboms()
    expect([modifier.id, modifier.parameters]).toEqual(['org.example.minify-sboms', null])
    await modifiers.remembered()
  },
  async remembered() {
    const [source, destination] = [new RecordingSource(await filled('index')), new MemoryTarget()]
    const { root, copied } = await modifierExamples.remembered(source, destination)
    expect(copied.nodes).toBe(0)
    expect((await readJson(destination, root)).layers[0].size).toBe('{"packages":[]}'.length)
    expect(source.fetched.filter((digest) => digest === at('packages').digest)).toHaveLength(1)
  },
}

describe('docs/modifiers.md', () => {
  it('shows the examples as they run', async () => {
    const examples = [
      ...(await examplesIn('examples/filters.ts')),
      ...(await examplesIn('examples/modifiers.ts')),
    ]
    expect((await blocksIn('docs/modifiers.md')).toSorted()).toEqual(examples.toSorted())
  })
  it.each(Object.entries(filters))('the example %s does what it says', (_, check) => check())
  it.each(Object.entries(modifiers))('the example %s does what it says', (_, check) => check())
})

function annotationsBelow(
  target: MemoryTarget,
  manifests: readonly Descriptor[],
): Promise<readonly unknown[]> {
  return Promise.all(manifests.map(async (entry) => (await readJson(target, entry)).annotations))
}
