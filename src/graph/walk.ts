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

/** The limits of a walk, and how it reads. */
export interface WalkOptions extends SignalOptions {
  /** The longest path from the root, in edges; beyond it the walk fails with SIZE_EXCEEDS_LIMIT. @default 1,000 */
  readonly maxDepth?: number | undefined
  /** The most nodes; beyond it the walk fails with SIZE_EXCEEDS_LIMIT. @default 1,000,000 */
  readonly maxNodes?: number | undefined
  /** The largest manifest that is read, in bytes; beyond it the walk fails with SIZE_EXCEEDS_LIMIT. @default 4 MiB */
  readonly maxMetadataBytes?: number | undefined
  /** Manifests read, or lists of predecessors, at once. @default 8 */
  readonly concurrency?: number | undefined
  /** The media types that are manifests; every other node is a leaf. @default those of the source */
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
  /** The source does not have it. */
  readonly isMissing?: boolean
}

/** The longest path that is followed when nothing else is said. */
export const defaultMaxDepth = 1000
/** The most nodes that are met when nothing else is said. */
export const defaultMaxNodes = 1_000_000
/** What is read at once when nothing else is said. */
export const defaultConcurrency = 8

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
  const { maxDepth = defaultMaxDepth, maxNodes, concurrency = defaultConcurrency, signal } = options
  const seen = new SeenNodes(maxNodes)
  const queue = new PQueue({ concurrency })
  let level: readonly Successor[] = seen.add(root) ? [{ descriptor: root, edge: 'contains' }] : []
  for (let depth = 0; level.length > 0; depth++) {
    signal?.throwIfAborted()
    if (depth > maxDepth) throw new SizeExceedsLimitError(`the graph is more than ${maxDepth} levels deep`)
    const open = level.map(({ descriptor, edge }) => ({ descriptor, mayBeMissing: edge === 'subject' }))
    const nodes = await readNodes(open, depth, queue, { source, options })
    yield* nodes
    level = nodes.flatMap(({ successors }) => successors.filter(({ descriptor }) => seen.add(descriptor)))
  }
}

/** The nodes that have been met, bounded. */
export class SeenNodes {
  readonly #keys = new Set<string>()
  readonly #maxNodes: number

  constructor(maxNodes: number = defaultMaxNodes) {
    this.#maxNodes = maxNodes
  }

  /** True if the node is new. Error: SIZE_EXCEEDS_LIMIT. */
  add(node: Descriptor): boolean {
    const { size } = this.#keys
    const isNew = this.#keys.add(nodeKey(node)).size > size
    if (this.#keys.size <= this.#maxNodes) return isNew
    throw new SizeExceedsLimitError(`the graph has more than ${this.#maxNodes} nodes`)
  }
}

/** Where nodes are read, and how. */
export interface Reading {
  readonly source: Source
  readonly options: WalkOptions
}

/** A node that is about to be read. */
export interface OpenNode {
  readonly descriptor: Descriptor
  /** Whether the source need not have it: it is then a node with `isMissing`, and no error. */
  readonly mayBeMissing: boolean
}

/** One level of a walk, in its order. When it fails it starts nothing more, and settles when nothing is being read any more. */
export async function readNodes(
  nodes: readonly OpenNode[],
  depth: number,
  queue: PQueue,
  reading: Reading,
): Promise<readonly WalkedNode[]> {
  const types = manifestTypesOf(reading)
  try {
    return await Promise.all(
      nodes.map(async (node) => {
        const { descriptor } = node
        if (!types.isManifest(descriptor.mediaType)) return { descriptor, depth, successors: [] }
        return queue.add(() => readManifest(node, depth, types, reading))
      }),
    )
  } finally {
    queue.clear()
    await queue.onIdle()
  }
}

/** Those of the options, else those of the source, else the standard ones. */
export function manifestTypesOf({ source, options }: Reading): ManifestTypes {
  return options.manifestTypes ?? source.manifestTypes ?? standardManifestTypes
}

async function readManifest(
  { descriptor, mayBeMissing }: OpenNode,
  depth: number,
  types: ManifestTypes,
  { source, options }: Reading,
): Promise<WalkedNode> {
  const { maxMetadataBytes = defaultMaxMetadataBytes, signal, onEvent } = options
  signal?.throwIfAborted()
  try {
    const bytes = await readAll(source.fetch(descriptor, { signal, onEvent }), descriptor, maxMetadataBytes)
    const facts = types.read(descriptor, bytes, { maxBytes: maxMetadataBytes })
    return { descriptor, depth, facts, successors: successorsOf(facts) }
  } catch (error) {
    if (!mayBeMissing || !(error instanceof NotFoundError)) throw error
    return { descriptor, depth, successors: [], isMissing: true }
  }
}
