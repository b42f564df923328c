import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import { successorsOf, type Successor } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { isForeignLayer } from '../content/media-types.ts'
import { UnsupportedError } from '../errors.ts'
import type { FilterReason } from '../events.ts'
import { failure, step } from './failure.ts'
import { placeBelow } from './filter.ts'
import { nodeState, type ReachedNode } from './reached-node.ts'
import type { Workshop } from './transfer.ts'

/** Where a copy goes on below a manifest. */
export interface Below {
  readonly followed: readonly ReachedNode[]
  /** What the manifest refers to besides, and is not followed. */
  readonly left: readonly Descriptor[]
  /** Those of them that the manifest is not to refer to any more. */
  readonly removed: readonly Descriptor[]
}

/**
 * Reads a manifest, and says where the copy goes on below it. The bytes are let go: of many manifests that wait for
 * their successors, only those that the cache can afford stay in memory.
 */
export async function nodesBelow(node: ReachedNode, workshop: Workshop, isNew: boolean): Promise<Below> {
  const facts = await readFacts(node, workshop)
  const successors = await findSuccessors(node, facts, workshop)
  const possible = successors.filter((successor) => isFollowed(node, successor, workshop))
  const kept = await keptBy(node, possible, workshop)
  const removed = workshop.options.filter?.parents === 'rewrite' ? without(possible, kept) : []
  return {
    followed: kept.map(({ descriptor, edge }) => ({
      descriptor,
      edge,
      parent: node,
      depth: node.depth + 1,
      isNewConfig: isNew && descriptor.digest === facts.config?.digest,
      ...(node.isOriginal === true && { isOriginal: true }),
    })),
    left: without(successorsOf(facts), kept),
    removed,
  }
}

function without(all: readonly Successor[], some: readonly Successor[]): readonly Descriptor[] {
  const keys = new Set(some.map(({ descriptor }) => nodeKey(descriptor)))
  return all.map(({ descriptor }) => descriptor).filter((descriptor) => !keys.has(nodeKey(descriptor)))
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

/** What the filter leaves of the successors of a node. */
export async function keptBy(
  node: ReachedNode,
  successors: readonly Successor[],
  workshop: Workshop,
): Promise<readonly Successor[]> {
  const { filter } = workshop.options
  if (filter === undefined || node.isOriginal === true) return successors
  const siblings = successors.map(({ descriptor }) => descriptor)
  const verdicts = await workshop.lanes.each(successors, (successor) =>
    step('caller', 'filter', node, () => filter.keep(placeBelow(node, successor, siblings, workshop))),
  )
  return successors.filter(({ descriptor }, index) => {
    if (verdicts[index] === true) return true
    if (filter.parents === 'error') throw failure('caller', 'filter', node, incomplete(descriptor))
    leaveOut(node, descriptor, 'filter', workshop)
    return false
  })
}

function incomplete({ digest }: Descriptor): UnsupportedError {
  return new UnsupportedError(`${digest} is filtered out, and what refers to it is to stay complete`)
}

/** Tells of a node that nobody has told of yet. */
export function leaveOut(
  { descriptor: parent }: ReachedNode,
  descriptor: Descriptor,
  reason: FilterReason,
  { ledger }: Workshop,
): void {
  if (ledger.hasOutcome(descriptor)) return
  ledger.tell({ type: 'discovered', descriptor, parent })
  ledger.tell({ type: 'filtered', descriptor, reason })
}

/** Asked for each edge, before the memo: the same blob may hang elsewhere under another media type. */
function isFollowed(node: ReachedNode, { descriptor }: Successor, workshop: Workshop): boolean {
  const { foreignLayers = 'skip' } = workshop.options
  if (foreignLayers === 'copy' || !isForeignLayer(descriptor.mediaType)) return true
  if (foreignLayers === 'error') throw foreignLayer(node, descriptor)
  // Under what its manifest was, it has been told of; a modifier may only have given it another media type.
  if (node.original === undefined) leaveOut(node, descriptor, 'foreign-layer', workshop)
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
