import { nodeKey } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import type { ManifestTypes } from '../../content/manifest-types.ts'
import type { Change } from './changes.ts'
import type { Snapshot } from './index-file.ts'
import { insert, isPlain, lists, without, type Entry, type IndexJson } from './index-json.ts'
import type { ManifestGraph } from './manifest-graph.ts'

/**
 * Keeps the rule of which untagged manifests index.json lists: those that nothing contains which is listed itself.
 * Referring to a subject is not containing. An entry that says more than a plain descriptor is never taken out. The
 * graph is asked only where the answer depends on it.
 */
export async function settleListing(
  index: IndexJson,
  changes: readonly Change[],
  snapshot: Snapshot,
  { graph, manifestTypes }: { readonly graph: ManifestGraph; readonly manifestTypes: ManifestTypes },
): Promise<IndexJson> {
  const isManifest = ({ descriptor }: Entry): boolean =>
    descriptor !== undefined && manifestTypes.isManifest(descriptor.mediaType)
  const covering = new Set(changes.flatMap((change) => change.covering ?? []))
  const removed = new Set(changes.flatMap((change) => change.removed ?? []))
  const uncovered = newEntries(index, changes).filter(isManifest)
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

function digestOf({ descriptor }: Entry): Digest | undefined {
  return descriptor?.digest
}
