import type { Descriptor } from '../content/descriptor.ts'
import type { Digest } from '../content/digest.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { referrerDescriptor, successorsOf, type Edge } from '../content/manifest-types.ts'
import type { Predecessor } from './target.ts'

/** Which manifests of a store refer to a node. Adding and removing cost O(successors), looking up O(predecessors). */
export class PredecessorIndex {
  /** For each digest, the edges into it, by edge and manifest, so that a manifest that names a node twice counts once. */
  readonly #predecessors = new Map<Digest, Map<string, Predecessor>>()
  readonly #successors = new Map<Digest, readonly { digest: Digest; edge: Edge }[]>()

  add(manifest: Descriptor, facts: ManifestFacts): void {
    if (this.#successors.has(manifest.digest)) return
    const descriptor = referrerDescriptor(manifest, facts)
    const successors = successorsOf(facts).map(({ descriptor: { digest }, edge }) => ({ digest, edge }))
    for (const { digest, edge } of successors) {
      const edges = this.#predecessors.get(digest) ?? new Map<string, Predecessor>()
      edges.set(edgeKey(edge, manifest.digest), { descriptor, edge })
      this.#predecessors.set(digest, edges)
    }
    this.#successors.set(manifest.digest, successors)
  }

  remove(digest: Digest): void {
    for (const successor of this.#successors.get(digest) ?? []) {
      const edges = this.#predecessors.get(successor.digest)
      edges?.delete(edgeKey(successor.edge, digest))
      if (edges?.size === 0) this.#predecessors.delete(successor.digest)
    }
    this.#successors.delete(digest)
  }

  /** In the order in which the manifests were added. */
  of(digest: Digest): readonly Predecessor[] {
    return [...(this.#predecessors.get(digest)?.values() ?? [])]
  }

  /** The manifests whose subject is this one. */
  referrers(digest: Digest, artifactType?: string): readonly Descriptor[] {
    return this.of(digest)
      .filter(({ edge }) => edge === 'subject')
      .map(({ descriptor }) => descriptor)
      .filter((descriptor) => artifactType === undefined || descriptor.artifactType === artifactType)
  }
}

function edgeKey(edge: Edge, digest: Digest): string {
  return `${edge} ${digest}`
}
