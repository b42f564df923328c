import type { MemoryTarget } from '../../src/targets/memory.ts'
import { graph, type TestGraph } from '../support/graph.ts'
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
