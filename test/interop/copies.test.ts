import { afterAll, beforeAll, expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { newFolder } from '../support/folder.ts'
import type { PeerRegistry } from '../support/peer-registries.ts'
import { describePeers, samplePath } from '../support/peers.ts'
import { expectSampleGraph, sampleDigest, taggedDigest } from './layout-files.ts'
import { copiers, peerCopy, type Copier, type Spot } from './peer-copy.ts'
import { registries, type RegistryKind } from './registries.ts'

const sample = (): OciLayout => new OciLayout(samplePath())

for (const [number, kind] of registries.entries()) {
  const next = registries[(number + 1) % registries.length] ?? kind
  describePeers(['sample', ...copiers, ...kind.peers], `The sample image and ${kind.name}`, () => {
    copiesWithin(kind)
  })
  const both = [...kind.peers, ...next.peers]
  describePeers(['sample', 'skopeo', ...both], `The sample image from ${kind.name} to ${next.name}`, () => {
    copiesAcross(kind, next)
  })
}

function copiesWithin(kind: RegistryKind): void {
  let registry: PeerRegistry | undefined
  const repository = (name: string): string => `${registry?.host}/${name}`
  beforeAll(async () => {
    registry = await kind.start()
    await peerCopy(
      'skopeo',
      { layout: samplePath(), reference: 'multi' },
      { repository: repository('seed'), reference: 'multi' },
    )
  })
  afterAll(() => registry?.close())

  it('goes from a layout to it, and every peer reads it', async () => {
    const root = await sampleDigest('multi')
    await using written = new Repository(repository('written'))
    await copy(sample(), 'multi', written)
    for (const copier of copiers) {
      await expectReads(copier, { repository: repository('written'), reference: 'multi' }, root)
      await expectReads(copier, { repository: repository('written'), reference: root }, root)
    }
  })

  it.each(['multi', 'digest'])('goes from it to a layout, by %s', async (by) => {
    await using folder = await newFolder()
    await using seed = new Repository(repository('seed'))
    const root = await sampleDigest('multi')
    const destinationReference = 'v1'
    await copy(seed, by === 'digest' ? root : by, new OciLayout(folder.path), { destinationReference })
    expect(await taggedDigest(folder.path, 'v1')).toBe(root)
    await expectSampleGraph(folder.path, root)
  })

  it('goes from it to a layout for one platform', async () => {
    await using folder = await newFolder()
    await using seed = new Repository(repository('seed'))
    const platform = { os: 'linux', architecture: 'amd64' }
    await copy(seed, 'multi', new OciLayout(folder.path), { platform })
    await expectSampleGraph(folder.path, await sampleDigest('single'))
  })

  it('goes from one repository of it to another without its layers', async () => {
    await using seed = new Repository(repository('seed'))
    await using sibling = new Repository(repository('sibling'))
    const { copied } = await copy(seed, 'multi', sibling)
    expect(copied.bytes).toBeLessThan(10_000)
    const root = await sampleDigest('multi')
    await expectReads('skopeo', { repository: repository('sibling'), reference: 'multi' }, root)
  })

  it('has nothing to do the second time', async () => {
    await using seed = new Repository(repository('seed'))
    const { copied, skipped } = await copy(sample(), 'multi', seed)
    expect({ copied, skipped: skipped.nodes }).toEqual({ copied: { nodes: 0, bytes: 0 }, skipped: 1 })
  })
}

function copiesAcross(kind: RegistryKind, next: RegistryKind): void {
  it.each(['multi', 'single'] as const)('goes by tag and by digest: %s', async (tag) => {
    await using source = await kind.start()
    await using destination = await next.start()
    const root = await sampleDigest(tag)
    const seeded = { repository: `${source.host}/team/image`, reference: tag }
    await peerCopy('skopeo', { layout: samplePath(), reference: tag }, seeded)
    await using from = new Repository(seeded.repository)
    for (const reference of [tag, root]) {
      const name = `${destination.host}/by-${reference === tag ? 'tag' : 'digest'}/image`
      await using to = new Repository(name)
      await copy(from, reference, to)
      await expectReads('skopeo', { repository: name, reference }, root)
    }
  })
}

/** Expects that a peer takes the whole graph under a root from a repository, byte for byte. */
async function expectReads(copier: Copier, from: Spot, root: string): Promise<void> {
  await using back = await newFolder()
  await peerCopy(copier, from, { layout: back.path, reference: 'v1' })
  await expectSampleGraph(back.path, root)
}
