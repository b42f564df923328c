import { nodeKey } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import type { ManifestTypes } from '../../content/manifest-types.ts'
import type { Change } from './changes.ts'
import type { Snapshot } from './index-file.ts'
import { insert, isPlain, lists, without, type Entry, type IndexJson } from './index-json.ts'
import type { ManifestGraph } from './manifest-graph.ts'
import type { Manifests } from './manifests.ts'

/** What the listing follows from. */
export interface ListingSetting {
  readonly graph: ManifestGraph
  readonly manifests: Manifests
  readonly manifestTypes: ManifestTypes
}

/**
 * Keeps the rule of which untagged manifests index.json lists: those that nothing contains which is listed itself.
 * Referring to a subject is not containing. An entry that says more than a plain descriptor stays when something
 * contains it. What is not here, as another process may have deleted it meanwhile, is not put in. The graph is asked
 * only where the answer depends on it.
 */
export async function settleListing(
  changed: IndexJson,
  changes: readonly Change[],
  snapshot: Snapshot,
  { graph, manifests, manifestTypes }: ListingSetting,
): Promise<IndexJson> {
  const isManifest = ({ descriptor }: Entry): boolean =>
    descriptor !== undefined && manifestTypes.isManifest(descriptor.mediaType)
  const index = await withoutDeleted(changed, changes, manifests)
  const covering = new Set(changes.flatMap((change) => change.covering ?? []))
  const removed = new Set(changes.flatMap((change) => change.removed ?? []))
  const uncovered = await present(newEntries(index, changes).filter(isManifest), manifests)
  const isDispensable = (entry: Entry): boolean => isPlain(entry) && isManifest(entry)
  const dispensable = covering.size === 0 ? [] : index.entries.filter(isDispensable)
  if (uncovered.length === 0 && dispensable.length === 0) return index

  await graph.refresh({ index, generation: snapshot.generation }, {})
  const listed = new Set([...index.entries.filter(isManifest), ...uncovered].map(digestOf))
  const among = (entries: readonly Entry[], holders: ReadonlySet<unknown>): Promise<ReadonlySet<unknown>> =>
    graph.containedIn(
      entries.flatMap((entry) => digestOf(entry) ?? []),
      (digest) => holders.has(digest),
      removed,
    )
  const needless = await among(dispensable, covering)
  const covered = await among(uncovered, listed)
  return uncovered
    .filter((entry) => !covered.has(digestOf(entry)))
    .reduce(
      insert,
      without(index, (entry) => isDispensable(entry) && needless.has(digestOf(entry))),
    )
}

/** What the changes want listed and is not, each node once. */
function newEntries(index: IndexJson, changes: readonly Change[]): readonly Entry[] {
  const entries = new Map<string, Entry>()
  for (const entry of changes.flatMap(({ uncovered = [] }) => uncovered)) {
    const { descriptor } = entry
    if (descriptor !== undefined && !lists(index, descriptor)) entries.set(nodeKey(descriptor), entry)
  }
  return [...entries.values()]
}

/** One that was pushed again while it was being deleted keeps its entries. */
async function withoutDeleted(
  index: IndexJson,
  changes: readonly Change[],
  manifests: Manifests,
): Promise<IndexJson> {
  const deleted = new Set<Digest>(changes.flatMap((change) => change.deleted ?? []))
  if (deleted.size === 0) return index
  const isDeleted = ({ descriptor }: Entry): boolean =>
    descriptor !== undefined && deleted.has(descriptor.digest)
  const kept = new Set(await present(index.entries.filter(isDeleted), manifests))
  return without(index, (entry) => isDeleted(entry) && !kept.has(entry))
}

/** Those whose manifest is here. */
async function present(entries: readonly Entry[], manifests: Manifests): Promise<readonly Entry[]> {
  const here = new Set(await manifests.here(entries.flatMap(({ descriptor }) => descriptor ?? [])))
  return entries.filter(({ descriptor }) => descriptor !== undefined && here.has(descriptor))
}

function digestOf({ descriptor }: Entry): Digest | undefined {
  return descriptor?.digest
}
