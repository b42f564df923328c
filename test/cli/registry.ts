import type { MemoryTarget } from '../../src/targets/memory.ts'
import type { Source } from '../../src/targets/target.ts'
import { graph, type NodeSpec, type TestGraph } from '../support/graph.ts'
import type { TestRegistry } from '../support/registry.ts'

/** index ─ amd64 ─ config, base, layer; index ─ arm64 ─ config, base, layer */
export function sampleImage(): TestGraph {
  return graph({
    config1: { kind: 'blob', bytes: Buffer.from('{"architecture":"amd64","os":"linux"}') },
    config2: { kind: 'blob', bytes: Buffer.from('{"architecture":"arm64","os":"linux"}') },
    amd64: { children: ['config1', 'base', 'layer1'], platform: { os: 'linux', architecture: 'amd64' } },
    arm64: { children: ['config2', 'base', 'layer2'], platform: { os: 'linux', architecture: 'arm64' } },
    index: ['amd64', 'arm64'],
  })
}

/** Pushes a graph to a repository of the registry, and tags its root. */
export async function fill(
  registry: TestRegistry,
  image: TestGraph,
  root: string,
  options: { readonly tag?: string; readonly name?: string } = {},
): Promise<void> {
  const { tag = 'v1', name = 'app' } = options
  const target = repository(registry, name)
  await image.pushTo(target)
  await target.tag(image.descriptor(root), tag)
}

export function repository(registry: TestRegistry, name: string): MemoryTarget {
  const target = registry.repositories.get(name)
  if (target === undefined) throw new RangeError(`no repository ${name} in this test`)
  return target
}

/** What BuildKit writes into the entry of an attestation in an index. */
function about(digest: string): NodeSpec {
  return {
    platform: { os: 'unknown', architecture: 'unknown' },
    entry: {
      annotations: {
        'vnd.docker.reference.digest': digest,
        'vnd.docker.reference.type': 'attestation-manifest',
      },
    },
  }
}

/**
 * The sample image with an attestation for each platform in its index, and what refers to it:
 *
 *   signature ─→ index ─ amd64, arm64, onAmd64, onArm64       sbomSignature ─→ sbom ─→ amd64
 */
export function signedImage(): TestGraph {
  const sample = sampleImage()
  const statement = (text: string): NodeSpec => ({
    kind: 'blob',
    mediaType: 'application/vnd.in-toto+json',
    bytes: Buffer.from(text),
  })
  const blob = (name: string): NodeSpec => ({ kind: 'blob', bytes: sample.node(name).bytes })
  return graph({
    config1: blob('config1'),
    config2: blob('config2'),
    amd64: { children: ['config1', 'base', 'layer1'], platform: { os: 'linux', architecture: 'amd64' } },
    arm64: { children: ['config2', 'base', 'layer2'], platform: { os: 'linux', architecture: 'arm64' } },
    statement1: statement('of amd64'),
    statement2: statement('of arm64'),
    onAmd64: { children: ['empty', 'statement1'], ...about(sample.descriptor('amd64').digest) },
    onArm64: { children: ['empty', 'statement2'], ...about(sample.descriptor('arm64').digest) },
    index: ['amd64', 'arm64', 'onAmd64', 'onArm64'],
    signature: { children: ['empty', 'signed'], subject: 'index', artifactType: 'application/signature' },
    sbom: { children: ['empty', 'packages'], subject: 'amd64', artifactType: 'application/sbom' },
    sbomSignature: {
      children: ['empty', 'approved'],
      subject: 'sbom',
      artifactType: 'application/signature',
    },
  })
}

/** The nodes of a graph that a target has. */
export async function namesIn(target: Source, image: TestGraph): Promise<readonly string[]> {
  const there = await Promise.all(image.names.map((name) => target.exists(image.descriptor(name))))
  return image.names.filter((_, index) => there[index])
}

/** All names of a graph but some, in the order of `namesIn`. */
export function namesWithout(image: TestGraph, ...left: readonly string[]): readonly string[] {
  return image.names.filter((name) => !left.includes(name))
}
