import { layoutStore } from '../../src/server/layout-store.ts'
import { serve } from '../../src/server/serve.ts'
import { memoryStore, type RegistryStore } from '../../src/server/store.ts'
import { newFolder } from '../support/folder.ts'
import {
  startDistribution,
  startDockerRegistry,
  startGgcrRegistry,
  type PeerRegistry,
} from '../support/peer-registries.ts'
import type { Peer } from '../support/peers.ts'

/** A registry that tests run against. */
export interface RegistryKind {
  readonly name: string
  /** What it needs on PATH. */
  readonly peers: readonly Peer[]
  start(): Promise<PeerRegistry>
}

/** Registries that others wrote. */
export const foreignRegistries: readonly RegistryKind[] = [
  { name: 'docker-registry', peers: ['docker-registry'], start: () => startDockerRegistry() },
  {
    name: 'docker-registry with relative URLs',
    peers: ['docker-registry'],
    start: () => startDockerRegistry({ relativeUrls: true }),
  },
  { name: 'distribution v3', peers: ['registry'], start: () => startDistribution() },
  { name: 'go-containerregistry', peers: ['ggcrserve'], start: () => startGgcrRegistry() },
]

/** The embedded registry, over each of its stores. */
export const embeddedRegistries: readonly RegistryKind[] = [
  { name: 'the embedded registry in memory', peers: [], start: () => startEmbedded(() => memoryStore()) },
  { name: 'the embedded registry over a folder', peers: [], start: () => startEmbedded(layoutStore) },
]

export const registries: readonly RegistryKind[] = [...foreignRegistries, ...embeddedRegistries]

async function startEmbedded(store: (directory: string) => RegistryStore): Promise<PeerRegistry> {
  const folder = await newFolder()
  const registry = await serve(store(folder.path))
  const close = async (): Promise<void> => {
    await registry.close()
    await folder[Symbol.asyncDispose]()
  }
  const host = `${registry.host}:${registry.port}`
  return { host, url: registry.url, close, [Symbol.asyncDispose]: close }
}
