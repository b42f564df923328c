import { afterAll } from 'vitest'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { ownTypes } from '../../support/graph.ts'
import { startDistribution, startDockerRegistry, type PeerRegistry } from '../../support/peer-registries.ts'
import { describePeers, type Peer } from '../../support/peers.ts'
import { targetContract, type Lacks } from '../contract.ts'

const distributionLacks: Lacks = [
  'tag-blobs',
  'containers',
  'free-tags',
  'own-types',
  'artifact-manifests',
  'sha384',
  'sha512',
]

againstPeer('docker-registry', 'docker-registry', () => startDockerRegistry(), [
  ...distributionLacks,
  'untag',
])
againstPeer(
  'docker-registry',
  'docker-registry with relative locations',
  () => startDockerRegistry({ relativeUrls: true }),
  [...distributionLacks, 'untag'],
)
againstPeer('registry', 'distribution v3', () => startDistribution(), distributionLacks)

/** The contract in a new repository for each test, all in one registry. */
function againstPeer(peer: Peer, name: string, startPeer: () => Promise<PeerRegistry>, lacks: Lacks): void {
  describePeers([peer], `a repository in ${name}`, () => {
    let started: Promise<PeerRegistry> | undefined
    let count = 0
    afterAll(async () => (await started)?.close())
    targetContract(
      `Repository at ${name}`,
      async () => {
        const { host } = await (started ??= startPeer())
        const target = new Repository(`${host}/test/content${count++}`, { manifestTypes: ownTypes })
        return { target, close: () => target.close() }
      },
      lacks,
    )
  })
}
