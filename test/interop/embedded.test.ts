import { afterAll, beforeAll, it } from 'vitest'
import { newFolder } from '../support/folder.ts'
import type { PeerRegistry } from '../support/peer-registries.ts'
import { describePeers, samplePath } from '../support/peers.ts'
import { expectSampleGraph, sampleDigest } from './layout-files.ts'
import { copiers, peerCopy, type Copier, type Spot } from './peer-copy.ts'
import { embeddedRegistries } from './registries.ts'

for (const kind of embeddedRegistries) {
  describePeers(['sample', ...copiers], `Peers and ${kind.name}`, () => {
    let registry: PeerRegistry | undefined
    const repository = (name: string): string => `${registry?.host}/${name}`
    beforeAll(async () => {
      registry = await kind.start()
    })
    afterAll(() => registry?.close())

    it.each(copiers)('takes the sample from %s, and gives it back to every peer', async (copier) => {
      await using folder = await newFolder()
      const root = await sampleDigest('multi')
      const written: Spot = { repository: repository(`from/${copier}`), reference: 'v1' }
      await peerCopy(copier, await sampleFor(copier, folder.path), written)
      for (const reader of copiers) {
        await using back = await newFolder()
        const reference = reader === copier ? root : 'v1'
        await peerCopy(reader, { ...written, reference }, { layout: back.path, reference: 'v1' })
        await expectSampleGraph(back.path, root)
      }
    })

    it.each(copiers)('lets %s copy from one repository to another', async (copier) => {
      await using back = await newFolder()
      const first = { repository: repository(`first/${copier}`), reference: 'v1' }
      const second = { repository: repository(`second/${copier}`), reference: 'v1' }
      await peerCopy('skopeo', { layout: samplePath(), reference: 'multi' }, first)
      await peerCopy(copier, first, second)
      await peerCopy('skopeo', second, { layout: back.path, reference: 'v1' })
      await expectSampleGraph(back.path, await sampleDigest('multi'))
    })
  })
}

/** crane pushes a layout as a whole, so it gets one with the image alone. */
async function sampleFor(copier: Copier, folder: string): Promise<Spot> {
  const sample = { layout: samplePath(), reference: 'multi' }
  if (copier !== 'crane') return sample
  const alone = { layout: folder, reference: 'multi' }
  await peerCopy('skopeo', sample, alone)
  return alone
}
