import type { Descriptor } from '../content/descriptor.ts'
import { successorsOf, type Successor } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { isForeignLayer } from '../content/media-types.ts'
import { UnsupportedError } from '../errors.ts'
import { failure, step } from './failure.ts'
import { nodeState, type Place } from './place.ts'
import type { Workshop } from './transfer.ts'

/**
 * Reads a manifest, and says where the copy goes on below it. The bytes are let go: of many manifests that wait for
 * their successors, only those that the cache can afford stay in memory.
 */
export async function placesBelow(
  place: Place,
  workshop: Workshop,
  isNew: boolean,
): Promise<readonly Place[]> {
  const facts = await readFacts(place, workshop)
  const successors = await findSuccessors(place, facts, workshop)
  return successors
    .filter((successor) => isFollowed(place, successor, workshop))
    .map(({ descriptor, edge }) => ({
      descriptor,
      edge,
      parent: place,
      depth: place.depth + 1,
      isNewConfig: isNew && descriptor.digest === facts.config?.digest,
    }))
}

async function readFacts(place: Place, { source, lanes }: Workshop): Promise<ManifestFacts> {
  const bytes = await step('source', 'fetch', place, () => lanes.ask(() => source.read(place.descriptor)))
  return step('source', 'read', place, () => source.parse(place.descriptor, bytes))
}

async function findSuccessors(
  place: Place,
  facts: ManifestFacts,
  { options, source }: Workshop,
): Promise<readonly Successor[]> {
  const successors = successorsOf(facts)
  const state = { ...nodeState(place), successors, source }
  const chosen = await step('caller', 'findSuccessors', place, () => options.findSuccessors?.(state))
  return chosen ?? successors
}

/** Asked for each edge, before the memo: the same blob may hang elsewhere under another media type. */
function isFollowed(place: Place, { descriptor }: Successor, { options, ledger }: Workshop): boolean {
  const { foreignLayers = 'skip' } = options
  if (foreignLayers === 'copy' || !isForeignLayer(descriptor.mediaType)) return true
  if (foreignLayers === 'error') throw foreignLayer(place, descriptor)
  if (!ledger.hasOutcome(descriptor)) {
    ledger.tell({ type: 'discovered', descriptor, parent: place.descriptor })
    ledger.tell({ type: 'filtered', descriptor, reason: 'foreign-layer' })
  }
  return false
}

function foreignLayer(parent: Place, descriptor: Descriptor): Error {
  const place: Place = { descriptor, edge: 'contains', parent, depth: parent.depth + 1 }
  return failure(
    'source',
    'copy',
    place,
    new UnsupportedError(`${descriptor.mediaType} may not be distributed`),
  )
}
