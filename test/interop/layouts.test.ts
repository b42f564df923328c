import { afterAll, beforeAll, expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { runCommand } from '../cli/command.ts'
import { startGgcrRegistry, type PeerRegistry } from '../support/peer-registries.ts'
import { describePeers, run, samplePath } from '../support/peers.ts'
import { newFolder } from '../support/folder.ts'
import { expectSampleGraph, sampleDigest, taggedDigest } from './layout-files.ts'
import { copiers, peerCopy } from './peer-copy.ts'

describePeers(['sample'], 'The sample image in layouts', () => {
  it.each(['multi', 'single'] as const)('goes from a layout to memory to a layout: %s', async (tag) => {
    await using folder = await newFolder()
    const memory = new MemoryTarget()
    await copy(new OciLayout(samplePath()), tag, memory)
    await copy(memory, tag, new OciLayout(folder.path))
    expect(await taggedDigest(folder.path, tag)).toBe(await sampleDigest(tag))
    await expectSampleGraph(folder.path, await sampleDigest(tag))
  })

  it('goes by digest, and is then listed without a tag', async () => {
    await using folder = await newFolder()
    const root = await sampleDigest('multi')
    await copy(new OciLayout(samplePath()), root, new OciLayout(folder.path))
    await expectSampleGraph(folder.path, root)
    expect(await Array.fromAsync(new OciLayout(folder.path).tags())).toEqual([])
  })

  it('goes for one platform alone', async () => {
    await using folder = await newFolder()
    const platform = { os: 'linux', architecture: 'amd64' }
    await copy(new OciLayout(samplePath()), 'multi', new OciLayout(folder.path), { platform })
    expect(await taggedDigest(folder.path, 'multi')).toBe(await sampleDigest('single'))
    await expectSampleGraph(folder.path, await sampleDigest('single'))
  })
})

describePeers(['sample', 'skopeo', 'crane', 'ggcrserve'], 'Layouts that a peer writes without a name', () => {
  let registry: PeerRegistry | undefined
  beforeAll(async () => {
    registry = await startGgcrRegistry()
    const seed = { repository: `${registry.host}/seed`, reference: 'multi' }
    await peerCopy('skopeo', { layout: samplePath(), reference: 'multi' }, seed)
  })
  afterAll(() => registry?.close())

  it.each(['crane', 'skopeo'] as const)('need no digest to copy from them: %s', async (peer) => {
    await using theirs = await newFolder()
    await using ours = await newFolder()
    const seed = `${registry?.host}/seed:multi`
    const flags = ['--insecure-policy', 'copy', '--quiet', '--all', '--src-tls-verify=false']
    const args = {
      crane: ['pull', '--format', 'oci', seed, theirs.path],
      skopeo: [...flags, `docker://${seed}`, `oci:${theirs.path}`],
    }
    expect(await run(peer, args[peer])).toMatchObject({ code: 0 })
    expect(await Array.fromAsync(new OciLayout(theirs.path).tags())).toEqual([])
    const root = await sampleDigest('multi')
    const resolved = await runCommand(['resolve', `oci:${theirs.path}`])
    expect(resolved).toMatchObject({ code: 0, stdout: `${root}\n` })
    expect(await runCommand(['cp', `oci:${theirs.path}`, `oci:${ours.path}:v1`])).toMatchObject({ code: 0 })
    expect(await taggedDigest(ours.path, 'v1')).toBe(root)
    await expectSampleGraph(ours.path, root)
  })
})

for (const copier of copiers) {
  describePeers(['sample', 'skopeo', 'ggcrserve', copier], `Layouts and ${copier}`, () => {
    let registry: PeerRegistry | undefined
    const repository = (name: string): string => `${registry?.host}/${name}`
    beforeAll(async () => {
      registry = await startGgcrRegistry()
      for (const reference of ['multi', 'single']) {
        const seed = { repository: repository('seed'), reference }
        await peerCopy('skopeo', { layout: samplePath(), reference }, seed)
      }
    })
    afterAll(() => registry?.close())

    it('copies on from a layout that it wrote', async () => {
      await using theirs = await newFolder()
      await using ours = await newFolder()
      const reference = 'multi'
      await peerCopy(
        copier,
        { repository: repository('seed'), reference },
        { layout: theirs.path, reference },
      )
      const root = await sampleDigest('multi')
      // crane writes no names into a layout.
      await copy(new OciLayout(theirs.path), copier === 'crane' ? root : reference, new OciLayout(ours.path))
      await expectSampleGraph(ours.path, root)
    })

    it('writes a layout that it reads', async () => {
      await using ours = await newFolder()
      await using back = await newFolder()
      await copy(new OciLayout(samplePath()), 'multi', new OciLayout(ours.path))
      const there = { repository: repository('there'), reference: 'v1' }
      await peerCopy(copier, { layout: ours.path, reference: 'multi' }, there)
      await peerCopy('skopeo', there, { layout: back.path, reference: 'v1' })
      await expectSampleGraph(back.path, await sampleDigest('multi'))
    })

    it('shares a layout with it', async () => {
      await using folder = await newFolder()
      const single = { repository: repository('seed'), reference: 'single' }
      const shared = new OciLayout(folder.path)
      await copy(new OciLayout(samplePath()), 'multi', shared, { destinationReference: ['one', 'two'] })
      await peerCopy(copier, single, { layout: folder.path, reference: 'theirs' })
      await copy(new OciLayout(samplePath()), 'single', shared, { destinationReference: 'three' })
      expect(await Array.fromAsync(shared.tags())).toEqual(
        copier === 'crane' ? ['one', 'three', 'two'] : ['one', 'theirs', 'three', 'two'],
      )
      await expectSampleGraph(folder.path, await sampleDigest('multi'))
    })
  })
}
