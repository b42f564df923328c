import type { Descriptor } from '../content/descriptor.ts'
import { successorsOf, type Successor } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { isForeignLayer } from '../content/media-types.ts'
import { UnsupportedError } from '../errors.ts'
import { failure, step } from './failure.ts'
import { nodeState, type ReachedNode } from './reached-node.ts'
import type { Workshop } from './transfer.ts'

/**
 * Reads a manifest, and says where the copy goes on below it. The bytes are let go: of many manifests that wait for
 * their successors, only those that the cache can afford stay in memory.
 */
export async function nodesBelow(
  node: ReachedNode,
  workshop: Workshop,
  isNew: boolean,
): Promise<readonly ReachedNode[]> {
  const facts = await readFacts(node, workshop)
  const successors = await findSuccessors(node, facts, workshop)
  return successors
    .filter((successor) => isFollowed(node, successor, workshop))
    .map(({ descriptor, edge }) => ({
      descriptor,
      edge,
      parent: node,
      depth: node.depth + 1,
      isNewConfig: isNew && descriptor.digest === facts.config?.digest,
    }))
}

async function readFacts(node: ReachedNode, { source, lanes }: Workshop): Promise<ManifestFacts> {
  const bytes = await step('source', 'fetch', node, () => lanes.ask(() => source.read(node.descriptor)))
  return step('source', 'read', node, () => source.parse(node.descriptor, bytes))
}

async function findSuccessors(
  node: ReachedNode,
  facts: ManifestFacts,
  { options, source }: Workshop,
): Promise<readonly Successor[]> {
  const successors = successorsOf(facts)
  const state = { ...nodeState(node), successors, source }
  const chosen = await step('caller', 'findSuccessors', node, () => options.findSuccessors?.(state))
  return chosen ?? successors
}

/** Asked for each edge, before the memo: the same blob may hang elsewhere under another media type. */
function isFollowed(node: ReachedNode, { descriptor }: Successor, { options, ledger }: Workshop): boolean {
  const { foreignLayers = 'skip' } = options
  if (foreignLayers === 'copy' || !isForeignLayer(descriptor.mediaType)) return true
  if (foreignLayers === 'error') throw foreignLayer(node, descriptor)
  if (!ledger.hasOutcome(descriptor)) {
    ledger.tell({ type: 'discovered', descriptor, parent: node.descriptor })
    ledger.tell({ type: 'filtered', descriptor, reason: 'foreign-layer' })
  }
  return false
}

function foreignLayer(parent: ReachedNode, descriptor: Descriptor): Error {
  const node: ReachedNode = { descriptor, edge: 'contains', parent, depth: parent.depth + 1 }
  return failure(
    'source',
    'copy',
    node,
    new UnsupportedError(`${descriptor.mediaType} may not be distributed`),
  )
}
