import PQueue from 'p-queue'
import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import {
  standardManifestTypes,
  successorsOf,
  type ManifestTypes,
  type Successor,
} from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { defaultMaxMetadataBytes, readAll } from '../content/verify.ts'
import { NotFoundError, SizeExceedsLimitError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Source } from '../targets/target.ts'

export interface WalkOptions extends SignalOptions {
  /** The longest path from the root; beyond it the walk fails. @default 1,000 */
  readonly maxDepth?: number | undefined
  /** The most nodes; beyond it the walk fails. @default 1,000,000 */
  readonly maxNodes?: number | undefined
  /** The largest manifest that is read, in bytes. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
  /** Manifests read at once. @default 8 */
  readonly concurrency?: number | undefined
  /** @default those of the source */
  readonly manifestTypes?: ManifestTypes | undefined
}

/** A node of a walk with what it refers to. */
export interface WalkedNode {
  /** As its first parent names it. */
  readonly descriptor: Descriptor
  /** Edges from the root. */
  readonly depth: number
  /** Of a manifest; undefined for a blob and for a manifest that is missing. */
  readonly facts?: ManifestFacts
  /** Subject first; none for a blob. */
  readonly successors: readonly Successor[]
  /** A subject that the source does not have, which the spec allows. */
  readonly isMissing?: boolean
}

/**
 * Every node under a root, each once, level by level, without its content. The walk reads one level of manifests at
 * a time, and no further than its consumer asks.
 *
 * Errors: NOT_FOUND for a manifest that is missing (a missing subject is a node with `isMissing`), INVALID_MANIFEST,
 * SIZE_EXCEEDS_LIMIT. Costs O(nodes + edges); memory O(nodes).
 */
export async function* walk(
  source: Source,
  root: Descriptor,
  options: WalkOptions = {},
): AsyncGenerator<WalkedNode> {
  const { maxDepth = 1000, maxNodes = 1_000_000, signal } = options
  const queue = new PQueue({ concurrency: options.concurrency ?? 8 })
  const seen = new Set([nodeKey(root)])
  let level: readonly Successor[] = [{ descriptor: root, edge: 'contains' }]
  for (let depth = 0; level.length > 0; depth++) {
    signal?.throwIfAborted()
    if (depth > maxDepth) throw new SizeExceedsLimitError(`the graph is more than ${maxDepth} levels deep`)
    const nodes = await readLevel(level, depth, queue, { source, options })
    yield* nodes
    level = nodes.flatMap(({ successors }) => successors.filter(({ descriptor }) => isNew(descriptor, seen)))
    if (seen.size > maxNodes) throw new SizeExceedsLimitError(`the graph has more than ${maxNodes} nodes`)
  }
}

/** True the first time that a node is shown to it with this set. */
export function isNew(node: Descriptor, seen: Set<string>): boolean {
  const { size } = seen
  return seen.add(nodeKey(node)).size > size
}

interface Reading {
  readonly source: Source
  readonly options: WalkOptions
}

/** Settles when nothing of the level is being read any more, also when it fails. */
async function readLevel(
  level: readonly Successor[],
  depth: number,
  queue: PQueue,
  reading: Reading,
): Promise<readonly WalkedNode[]> {
  const settled = await Promise.allSettled(
    level.map((successor) => queue.add(() => readNode(successor, depth, reading))),
  )
  const failed = settled.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return settled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

async function readNode(
  { descriptor, edge }: Successor,
  depth: number,
  { source, options }: Reading,
): Promise<WalkedNode> {
  const { maxMetadataBytes = defaultMaxMetadataBytes, signal, onEvent } = options
  const types = options.manifestTypes ?? source.manifestTypes ?? standardManifestTypes
  signal?.throwIfAborted()
  if (!types.isManifest(descriptor.mediaType)) return { descriptor, depth, successors: [] }
  try {
    const bytes = await readAll(source.fetch(descriptor, { signal, onEvent }), descriptor, maxMetadataBytes)
    const facts = types.read(descriptor, bytes, { maxBytes: maxMetadataBytes })
    return { descriptor, depth, facts, successors: successorsOf(facts) }
  } catch (error) {
    if (edge !== 'subject' || !(error instanceof NotFoundError)) throw error
    return { descriptor, depth, successors: [], isMissing: true }
  }
}
