import { Graph } from '@dagrejs/graphlib'
import PQueue from 'p-queue'
import type { Annotations } from '../content/annotations.ts'
import { nodeKey, plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import type { Digest } from '../content/digest.ts'
import type { Edge } from '../content/manifest-types.ts'
import { SizeExceedsLimitError, UnsupportedError } from '../errors.ts'
import type { Predecessor, Source } from '../targets/target.ts'
import {
  defaultConcurrency,
  defaultMaxDepth,
  defaultMaxNodes,
  manifestTypesOf,
  readNodes,
  SeenNodes,
  type WalkedNode,
  type WalkOptions,
} from './walk.ts'

/** What a copy does with a node, or would do. */
export type GraphNodeState = 'copy' | 'skip' | 'mount' | 'rewrite' | 'filtered'

/** A node of a finished graph. */
export interface GraphNode {
  /** As its first parent names it. */
  readonly descriptor: Descriptor
  /** Of a manifest. */
  readonly artifactType?: string | undefined
  /** Of the manifest itself, not of the entry that names it. */
  readonly annotations?: Annotations | undefined
  /** That point at it, as far as the caller knows. */
  readonly tags?: readonly string[] | undefined
  /** The source does not have it. */
  readonly isMissing?: boolean | undefined
  /** A manifest that was not read: of what it refers to, only what else led there is in the graph. */
  readonly isUnread?: boolean | undefined
  /** In the graph of a plan. */
  readonly state?: GraphNodeState | undefined
}

/** An edge of a finished graph, from a manifest to what it refers to. */
export interface GraphEdge {
  /** Whether it is the subject of this manifest. */
  readonly edge: Edge
  /** The successor as this manifest names it: with the platform and annotations of its entry. */
  readonly descriptor: Descriptor
}

/** The label of a finished graph. */
export interface GraphLabel {
  /** The id of the node that was asked about. */
  readonly root: string
}

/** Ids are numbers of our own, `n0` and so on: names from outside are not safe as ids of graphlib. */
export type ContentGraph = Graph<GraphLabel, GraphNode, GraphEdge>

/** Which way a graph is built from its root. */
export type GraphDirection = 'down' | 'up' | 'both'

/** What a graph holds; `maxDepth` and `maxNodes` are limits of the whole, beyond which it fails. */
export interface BuildGraphOptions extends WalkOptions {
  /**
   * `'down'`: all under the root. `'up'`: all that refers to it, as subject or otherwise, and to those; nothing is read.
   * `'both'`: all under the root and all that refers to it; the referrers of every manifest with all that is under them.
   * What contains the root stands alone, without its other children.
   * @default 'both' where the source can find predecessors, else 'down'
   */
  readonly direction?: GraphDirection | undefined
  /** Nodes that are further from the root, in edges either way, are left out. @default no limit */
  readonly depth?: number | undefined
  /** What is known of tags, by digest. @default none */
  readonly tags?: ReadonlyMap<Digest, readonly string[]> | undefined
}

/**
 * The graph around a node as a value to look at. Each manifest is read once, and asked once for what refers to it. One that
 * the source does not have is a node with `isMissing`, but for the root.
 *
 * Errors: NOT_FOUND for the root, INVALID_MANIFEST, SIZE_EXCEEDS_LIMIT; UNSUPPORTED, before any I/O, for a source that cannot
 * find predecessors and a direction that needs them; RangeError for a depth that is none. Costs O(nodes + edges).
 */
export async function buildGraph(
  source: Source,
  root: Descriptor,
  options: BuildGraphOptions = {},
): Promise<ContentGraph> {
  const { direction = source.predecessors === undefined ? 'down' : 'both', tags } = options
  const { depth: lastDepth = Infinity, maxDepth = defaultMaxDepth, maxNodes, concurrency } = options
  if (!(lastDepth >= 0)) throw new RangeError(`depth is ${lastDepth}: expected 0 or more`)
  if (direction !== 'down' && source.predecessors === undefined) {
    throw new UnsupportedError('the source has no ability predecessors')
  }
  const queue = new PQueue({ concurrency: concurrency ?? defaultConcurrency })
  const surveyor = new Surveyor(source, direction, queue, options)
  const builder = new Builder(root, tags)
  const seen = new SeenNodes(maxNodes)
  seen.add(root)
  const isDown = direction !== 'up'
  let level: readonly Reached[] = [{ descriptor: root, isOpen: isDown, isBelow: direction === 'down' }]
  for (let depth = 0; level.length > 0 && depth < lastDepth; depth++) {
    if (depth > maxDepth) throw new SizeExceedsLimitError(`the graph is more than ${maxDepth} levels high`)
    const found = await surveyor.survey(level, depth)
    for (const one of found) builder.add(one)
    level = found.flatMap(({ next }) => next.filter(({ descriptor }) => seen.add(descriptor)))
  }
  const types = manifestTypesOf({ source, options })
  builder.markUnread((mediaType) => types.isManifest(mediaType))
  return builder.graph
}

/** A node that the next level begins at. */
interface Reached {
  readonly descriptor: Descriptor
  /** What is under it belongs to the graph. */
  readonly isOpen: boolean
  /** What contains it does not belong to the graph. */
  readonly isBelow: boolean
}

/** What is around one node. */
interface Surroundings {
  /** Undefined if it was not read. */
  readonly node: WalkedNode | undefined
  readonly descriptor: Descriptor
  readonly predecessors: readonly Predecessor[]
  readonly next: readonly Reached[]
}

class Surveyor {
  readonly #source: Source
  readonly #direction: GraphDirection
  readonly #queue: PQueue
  readonly #options: BuildGraphOptions

  constructor(source: Source, direction: GraphDirection, queue: PQueue, options: BuildGraphOptions) {
    this.#source = source
    this.#direction = direction
    this.#queue = queue
    this.#options = options
  }

  async survey(level: readonly Reached[], depth: number): Promise<readonly Surroundings[]> {
    this.#options.signal?.throwIfAborted()
    const reading = { source: this.#source, options: this.#options }
    const open = level
      .filter(({ isOpen }) => isOpen)
      .map(({ descriptor }) => ({ descriptor, mayBeMissing: depth > 0 }))
    const nodes = await readNodes(open, depth, this.#queue, reading)
    const read = new Map(nodes.map((node) => [node.descriptor, node]))
    try {
      return await Promise.all(
        level.map(async (reached) => this.#around(reached, read.get(reached.descriptor))),
      )
    } finally {
      this.#queue.clear()
      await this.#queue.onIdle()
    }
  }

  async #around(reached: Reached, node: WalkedNode | undefined): Promise<Surroundings> {
    const { descriptor, isBelow } = reached
    const below = (node?.successors ?? []).map((successor) => ({
      descriptor: successor.descriptor,
      isOpen: true,
      isBelow: true,
    }))
    // Below the root only manifests that are there are asked: blobs have no referrers.
    const isAsked = this.#direction !== 'down' && (!isBelow || node?.facts !== undefined)
    const all = isAsked ? await this.#queue.add(() => this.#predecessorsOf(descriptor)) : []
    const predecessors = all.filter(({ edge }) => edge === 'subject' || !isBelow)
    const above = predecessors.map((predecessor) => ({
      descriptor: predecessor.descriptor,
      isOpen: this.#direction === 'both' && predecessor.edge === 'subject',
      isBelow: this.#direction === 'both' && predecessor.edge === 'subject',
    }))
    return { node, descriptor, predecessors, next: [...below, ...above] }
  }

  async #predecessorsOf(descriptor: Descriptor): Promise<readonly Predecessor[]> {
    const { signal, onEvent, maxNodes = defaultMaxNodes } = this.#options
    signal?.throwIfAborted()
    const found: Predecessor[] = []
    for await (const predecessor of this.#source.predecessors?.(descriptor, { signal, onEvent }) ?? []) {
      found.push(predecessor)
      if (found.length > maxNodes) {
        throw new SizeExceedsLimitError(`more than ${maxNodes} manifests refer to ${descriptor.digest}`)
      }
    }
    return found
  }
}

class Builder {
  readonly graph: ContentGraph
  readonly #ids = new Map<string, string>()
  readonly #tags: ReadonlyMap<Digest, readonly string[]>
  readonly #read = new Set<string>()

  constructor(root: Descriptor, tags: ReadonlyMap<Digest, readonly string[]> = new Map()) {
    this.graph = new Graph<GraphLabel, GraphNode, GraphEdge>({ directed: true })
    this.#tags = tags
    this.graph.setGraph({ root: this.#id(root) })
  }

  add({ node, descriptor, predecessors }: Surroundings): void {
    const id = this.#id(descriptor)
    if (node !== undefined) this.#addRead(id, node)
    for (const { descriptor: predecessor, edge } of predecessors) {
      const above = this.#id(predecessor, predecessor.annotations)
      // What the manifest itself says of its successor is more than what the list of predecessors does.
      if (!this.graph.hasEdge(above, id))
        this.graph.setEdge(above, id, { edge, descriptor: plainDescriptor(descriptor) })
    }
  }

  markUnread(isManifest: (mediaType: string) => boolean): void {
    for (const id of this.graph.nodes()) {
      const node = this.graph.node(id)
      if (this.#read.has(id) || !isManifest(node.descriptor.mediaType)) continue
      this.graph.setNode(id, { ...node, isUnread: true })
    }
  }

  #addRead(id: string, { facts, successors, isMissing }: WalkedNode): void {
    const known = this.graph.node(id)
    const { artifactType = known.artifactType, annotations = known.annotations } = facts ?? {}
    this.#read.add(id)
    this.graph.setNode(id, { ...known, artifactType, annotations, isMissing })
    for (const successor of successors) this.graph.setEdge(id, this.#id(successor.descriptor), successor)
  }

  /** A list of predecessors gives the annotations of the manifest itself; an entry in a manifest has its own. */
  #id(descriptor: Descriptor, annotations?: Annotations): string {
    const key = nodeKey(descriptor)
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = `n${this.#ids.size}`
    const { digest, artifactType } = descriptor
    this.#ids.set(key, id)
    this.graph.setNode(id, { descriptor, artifactType, annotations, tags: this.#tags.get(digest) })
    return id
  }
}
