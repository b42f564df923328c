import { Repository } from '../../src/targets/remote/repository.ts'
import { ownTypes } from '../support/graph.ts'
import { describePeers } from '../support/peers.ts'
import { targetContract, type Lacks } from '../targets/contract.ts'
import { foreignRegistries } from './registries.ts'

/** What no registry can do. */
const common: Lacks = ['tag-blobs', 'free-tags', 'containers']

/** What each registry refuses besides; the contract asserts that it does. */
const lacks: Readonly<Record<string, Lacks>> = {
  'docker-registry': ['sha384', 'sha512', 'own-types', 'artifact-manifests', 'untag'],
  'distribution v3': ['sha384', 'sha512', 'own-types', 'artifact-manifests'],
  'go-containerregistry': ['sha384', 'sha512', 'tags-of-deleted', 'artifact-types'],
}

for (const kind of foreignRegistries) {
  const refused = lacks[kind.name]
  if (refused === undefined) continue
  describePeers(kind.peers, `Repository against ${kind.name}`, () => {
    // A registry for each test: go-containerregistry's has one store of blobs for all repositories.
    const make = async (): Promise<{ target: Repository; close(): Promise<void> }> => {
      const registry = await kind.start()
      const target = new Repository(`${registry.host}/contract`, { manifestTypes: ownTypes })
      const close = async (): Promise<void> => {
        await target.close()
        await registry.close()
      }
      return { target, close }
    }
    targetContract('Repository', make, [...common, ...refused])
  })
}
