import { expect, it } from 'vitest'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copy } from '../../src/copy/copy.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { newFolder } from '../support/folder.ts'
import { startDockerRegistry } from '../support/peer-registries.ts'
import { describePeers, run, samplePath } from '../support/peers.ts'
import { registries } from './registries.ts'

for (const kind of registries) {
  const peers = ['sample', 'skopeo', 'crane', 'docker-registry', ...kind.peers] as const
  describePeers(peers, `The sample image in Docker's format and ${kind.name}`, () => {
    it('goes by a layout into it, byte for byte', async () => {
      await using folder = await newFolder()
      await using source = await startDockerRegistry()
      await using destination = await kind.start()
      const names = { there: `${source.host}/docker/image`, here: `${destination.host}/docker/image` }
      const convert = ['copy', '--quiet', '--all', '--format=v2s2', '--dest-tls-verify=false']
      const ends = [`oci:${samplePath()}:multi`, `docker://${names.there}:v1`]
      await succeed('skopeo', ['--insecure-policy', ...convert, ...ends])
      await using from = new Repository(names.there)
      await using to = new Repository(names.here)
      const layout = new OciLayout(folder.path)
      const { root } = await copy(from, 'v1', layout)
      expect(root.mediaType).toBe(mediaTypes.dockerList)
      await copy(layout, 'v1', to)
      const manifests = [names.there, names.here].map((name) => succeed('crane', ['manifest', `${name}:v1`]))
      const [original, copied] = await Promise.all(manifests)
      expect(copied).toBe(original)
      // Reads every manifest, config and layer, and compares digests, sizes and the digests of the unpacked layers.
      await succeed('crane', ['validate', '--remote', `${names.here}:v1`])
    })
  })
}

async function succeed(binary: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(binary, args)
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}
