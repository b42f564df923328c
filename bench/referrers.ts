import { contentOf } from '../src/content/content.ts'
import type { Descriptor } from '../src/content/descriptor.ts'
import { digestOf } from '../src/content/digest.ts'
import { mediaTypes } from '../src/content/media-types.ts'
import { memoryStore, targetStore, type RegistryStore } from '../src/server/store.ts'
import { MemoryTarget } from '../src/targets/memory.ts'
import { referrersContestants, type Contestant, type Place } from './contestants.ts'
import { repository } from './exchange.ts'
import { tag } from './image.ts'
import { measure } from './measure.ts'
import { runRounds, type RoundsOptions, type Sample, type WorkloadResult } from './rounds.ts'
import { startSlowRegistry, type SlowRegistry } from './slow-registry.ts'

/** What `--only` finds the workload by. */
export const referrersName = 'referrers registry-registry'

const roundTripMilliseconds = 30
const images = 8
const layers = 2
const layerBytes = 8 * 1024

/**
 * Copies an index, with what refers to it, between two registries that list referrers, and to which each round trip takes
 * 30 ms more. `scale` makes the referrers fewer.
 */
export async function runReferrers(
  options: RoundsOptions & { readonly scale: number },
): Promise<WorkloadResult> {
  const present = referrersContestants().filter(({ program }) => program !== undefined)
  const count = Math.ceil(200 * options.scale)
  const target = new MemoryTarget()
  const nodes = await fill(target, count)
  await using source = await startSlowRegistry(
    targetStore(new Map([[repository, target]])),
    roundTripMilliseconds,
  )
  const entries = await runRounds(present, options, (contestant) =>
    runOnce(contestant, { ...options, nodes, source }),
  )
  const title = `index of ${images} with ${count} referrers, ${roundTripMilliseconds} ms for each round trip`
  return { workload: { name: referrersName, title, wallLimit: 0.2 }, entries }
}

interface Ground extends RoundsOptions {
  readonly nodes: readonly Descriptor[]
  readonly source: SlowRegistry
}

async function runOnce(contestant: Contestant, { nodes, source, ...options }: Ground): Promise<Sample> {
  const store = memoryStore()
  await using destination = await startSlowRegistry(store, roundTripMilliseconds)
  const before = source.requests()
  const measurement = await measure(contestant.command(placeOf(source), placeOf(destination)), options)
  await check(store, nodes)
  return {
    ...measurement,
    sourceRequests: source.requests() - before,
    destinationRequests: destination.requests(),
  }
}

function placeOf({ host }: SlowRegistry): Place {
  return { kind: 'registry', host }
}

/** Throws unless every node is there, and the tag on the index. */
async function check(store: RegistryStore, nodes: readonly Descriptor[]): Promise<void> {
  const target = await store.open(repository)
  for (const node of nodes) {
    if (target === undefined || !(await target.exists(node))) {
      throw new Error(`${node.digest} is not at the destination`)
    }
  }
  const tagged = await target?.resolve(tag)
  const index = nodes.find(({ mediaType }) => mediaType === mediaTypes.ociIndex)
  if (tagged?.digest !== index?.digest) throw new Error(`the tag is not on the index`)
}

/** An index of images, each with layers of its own, and referrers on the index; every node of it. */
async function fill(target: MemoryTarget, count: number): Promise<readonly Descriptor[]> {
  const nodes: Descriptor[] = []
  const push = async (mediaType: string, content: object | string): Promise<Descriptor> => {
    const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    if (!nodes.some(({ digest }) => digest === descriptor.digest)) nodes.push(descriptor)
    await target.push(descriptor, contentOf(bytes))
    return descriptor
  }
  const manifests: Descriptor[] = []
  for (let at = 0; at < images; at++) {
    const blobs: Descriptor[] = []
    for (let layer = 0; layer < layers; layer++) {
      blobs.push(await push(mediaTypes.ociLayerGzip, `${at}.${layer} `.padEnd(layerBytes, 'layer ')))
    }
    const config = await push(mediaTypes.ociConfig, { architecture: 'amd64', os: 'linux', variant: `v${at}` })
    manifests.push(await push(mediaTypes.ociManifest, manifest({ config, layers: blobs })))
  }
  const subject = await push(mediaTypes.ociIndex, {
    ...manifest({ manifests }),
    mediaType: mediaTypes.ociIndex,
  })
  await target.tag(subject, tag)
  const empty = await push(mediaTypes.ociEmpty, '{}')
  for (let at = 0; at < count; at++) {
    const statement = await push('application/json', { statement: at })
    const artifactType = 'application/vnd.example.statement'
    await push(
      mediaTypes.ociManifest,
      manifest({ artifactType, config: empty, layers: [statement], subject }),
    )
  }
  return nodes
}

function manifest(fields: object): object {
  return { schemaVersion: 2, mediaType: mediaTypes.ociManifest, ...fields }
}
