import { afterAll, beforeAll, expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { newFolder } from '../support/folder.ts'
import type { PeerRegistry } from '../support/peer-registries.ts'
import { describePeers, run, samplePath } from '../support/peers.ts'
import { expectSampleGraph, sampleDigest, sampleSbom } from './layout-files.ts'
import { peerCopy } from './peer-copy.ts'
import { registries } from './registries.ts'

for (const kind of registries) {
  describePeers(['sample', 'orascopy', 'regctl', ...kind.peers], `The sample's SBOM in ${kind.name}`, () => {
    let registry: PeerRegistry | undefined
    beforeAll(async () => {
      registry = await kind.start()
    })
    afterAll(() => registry?.close())

    it('is found by peers when we pushed it', async () => {
      await using back = await newFolder()
      const repository = `${registry?.host}/ours`
      await using ours = new Repository(repository)
      const root = await sampleDigest('multi')
      const sbom = await sampleSbom(root)
      await copy(new OciLayout(samplePath()), 'multi', ours)
      await copy(new OciLayout(samplePath()), sbom, ours)
      const host = `--host=reg=${registry?.host},tls=disabled`
      const format = '--format={{range .Descriptors}}{{.Digest}}{{end}}'
      const { stdout } = await run('regctl', [host, 'artifact', 'list', format, `${repository}:multi`])
      expect(stdout.trim()).toBe(sbom)
      const reference = 'multi'
      await peerCopy(
        'orascopy',
        { repository, reference },
        { layout: back.path, reference },
        { isExtended: true },
      )
      await expectSampleGraph(back.path, sbom)
    })

    it('is found by us when a peer pushed it, and copies on with its subject', async () => {
      await using folder = await newFolder()
      const repository = `${registry?.host}/theirs`
      await using theirs = new Repository(repository)
      const reference = 'multi'
      const sample = { layout: samplePath(), reference }
      await peerCopy('orascopy', sample, { repository, reference }, { isExtended: true })
      const referrers = await Array.fromAsync(theirs.referrers(await theirs.resolve(reference)))
      const sbom = await sampleSbom(await sampleDigest('multi'))
      expect(referrers.map(({ digest }) => digest)).toEqual([sbom])
      await copy(theirs, sbom, new OciLayout(folder.path))
      await expectSampleGraph(folder.path, sbom)
    })
  })
}
