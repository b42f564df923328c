import { nodeKey, plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { referrerDescriptor, successorsOf, type Edge } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { NotFoundError, SizeExceedsLimitError } from '../errors.ts'
import { defaultMaxDepth, defaultMaxNodes } from '../graph/walk.ts'
import type { Predecessor } from '../targets/target.ts'
import { findDigestTags, resolveListed, type DigestTag, type DigestTags } from './digest-tags.ts'
import type { AscentOptions } from './extended-options.ts'
import { abilities } from './filter.ts'
import { failure, step } from './failure.ts'
import { rootNode } from './reached-node.ts'
import { keptBy, leaveOut } from './successors.ts'
import type { Workshop } from './transfer.ts'

/** What an extended copy takes along with a node. */
export interface FoundRoots {
  /** Nothing that was found refers to them, and the node and all that was found is under them, or has a digest tag. */
  readonly roots: readonly Descriptor[]
  /** The tags that are named after digests of what was found. */
  readonly digestTags: readonly DigestTag[]
  /** Keys of the manifests that contain the node, and were found on the way up. */
  readonly ancestors: ReadonlySet<string>
  /** Keys of the node and of all that was found above it. */
  readonly line: ReadonlySet<string>
}

/**
 * Walks up from a node, level by level, so that a depth is exact; and with `referrers: 'all'` also from every manifest
 * below what was found. Each node is met once, so that a cycle ends. A manifest that does not refer to the node as it is
 * said to, or is not there, is left out with a warning. Costs O(nodes + edges).
 */
export async function findRoots(
  node: Descriptor,
  workshop: Workshop,
  options: AscentOptions,
): Promise<FoundRoots> {
  const search = new RootSearch(node, workshop, options)
  await search.run()
  return search.found()
}

/** A node of the level that is looked at. */
interface Met {
  readonly descriptor: Descriptor
  /** On a way that leads from the node only upwards. */
  readonly isInLine: boolean
  /** A tag led to it, or to a node above it: the tag brings it along, and no root does. */
  readonly isTagged: boolean
}

/** The lowest levels at which a node was met: in any way, and on a way that leads only upwards. */
interface Heights {
  readonly any: number
  readonly inLine: number
}

class RootSearch {
  readonly #workshop: Workshop
  readonly #options: { readonly [Name in keyof AscentOptions]-?: Exclude<AscentOptions[Name], undefined> }
  readonly #heights = new Map<string, Heights>()
  readonly #node: Descriptor
  readonly #found = new Map<string, Descriptor>()
  /** Keys of what is below something that was found. */
  readonly #below = new Set<string>()
  readonly #line: Set<string>
  readonly #ancestors = new Set<string>()
  readonly #digestTags = new Map<string, DigestTag>()
  #allDigestTags: Promise<DigestTags> | undefined
  /** Artifact types of the referrers of the node. */
  readonly #types = new Set<string>()
  #nextLevel: Met[] = []

  constructor(node: Descriptor, workshop: Workshop, options: AscentOptions) {
    const { referrers = 'all', edges = ['subject'], depth = Infinity } = options
    const { ancestors = 'complete', digestTags = false } = options
    const { ascentFilter = () => true, requiredReferrers = [] } = options
    this.#workshop = workshop
    this.#options = { referrers, edges, depth, ancestors, digestTags, ascentFilter, requiredReferrers }
    this.#node = node
    this.#found.set(nodeKey(node), node)
    this.#line = new Set([nodeKey(node)])
    this.#meetLater({ descriptor: node, isInLine: true, isTagged: false }, 0)
  }

  async run(): Promise<void> {
    const { maxDepth = defaultMaxDepth } = this.#workshop.options
    for (let height = 0; this.#nextLevel.length > 0; height++) {
      if (height > maxDepth) throw this.#excess(`is more than ${maxDepth} levels high`)
      const level = this.#nextLevel.filter((met) => this.#isDue(met, height))
      this.#nextLevel = []
      await this.#workshop.lanes.each(level, (met) => this.#handle(met, height))
    }
    this.#refuseLack()
  }

  #refuseLack(): void {
    const lacking = this.#options.requiredReferrers.filter((type) => !this.#types.has(type))
    if (lacking.length === 0) return
    const there = this.#types.size === 0 ? 'it has none' : `it has ${[...this.#types].join(', ')}`
    const error = new NotFoundError(
      `there is no referrer of the artifact type ${lacking.join(', ')}: ${there}`,
    )
    throw failure('source', 'find the referrers of', rootNode(this.#node), error)
  }

  found(): FoundRoots {
    return {
      roots: [...this.#found].filter(([key]) => !this.#below.has(key)).map(([, node]) => node),
      digestTags: [...this.#digestTags.values()],
      ancestors: this.#ancestors,
      line: this.#line,
    }
  }

  /** The way down does not count: what is below a node is on the level of that node. */
  async #handle(met: Met, height: number): Promise<void> {
    // So that depth costs memory and not the call stack.
    await Promise.resolve()
    const isTop = height >= this.#options.depth
    const { lanes } = this.#workshop
    await Promise.all([
      lanes.during(() => this.#descend(met, height)),
      isTop ? undefined : lanes.during(() => this.#findPredecessors(met, height + 1)),
      isTop ? undefined : lanes.during(() => this.#findDigestTags(met, height + 1)),
    ])
  }

  /** A manifest that is missing below is the copy's to report. */
  async #descend(met: Met, height: number): Promise<void> {
    const { source } = this.#workshop
    const isManifest = source.manifestTypes.isManifest(met.descriptor.mediaType)
    if (this.#options.referrers !== 'all' || !isManifest) return
    const facts = await this.#read(met.descriptor)
    const followed = successorsOf(facts ?? { contains: [] }).filter((to) => this.#isFollowed(met, to))
    const kept = await keptBy(rootNode(met.descriptor), followed, this.#workshop)
    const manifests = kept
      .map(({ descriptor }) => descriptor)
      .filter(({ mediaType }) => source.manifestTypes.isManifest(mediaType))
    const { isTagged } = met
    if (!isTagged) for (const descriptor of manifests) this.#below.add(nodeKey(descriptor))
    const below = manifests.map((descriptor): Met => ({ descriptor, isInLine: false, isTagged }))
    const news = below.filter((at) => this.#meet(at, height))
    await this.#workshop.lanes.each(news, (at) => this.#handle(at, height))
  }

  #isFollowed(
    { descriptor }: Met,
    successor: { readonly descriptor: Descriptor; readonly edge: Edge },
  ): boolean {
    const isAlone = this.#options.ancestors === 'alone' && this.#ancestors.has(nodeKey(descriptor))
    return !isAlone || successor.edge === 'subject' || this.#line.has(nodeKey(successor.descriptor))
  }

  async #findPredecessors({ descriptor, isInLine }: Met, height: number): Promise<void> {
    const { referrers, edges } = this.#options
    const isAsked = (edge: Edge): boolean =>
      edges.includes(edge) &&
      (edge === 'contains' ? isInLine : referrers === 'all' || (referrers === 'root' && isInLine))
    if (!isAsked('subject') && !isAsked('contains')) return
    const predecessors = await this.#predecessorsOf(descriptor)
    const asked = predecessors.filter(({ edge }) => isAsked(edge))
    await this.#workshop.lanes.each(asked, (predecessor) =>
      this.#add(predecessor, descriptor, { isInLine, height }),
    )
  }

  async #predecessorsOf(descriptor: Descriptor): Promise<readonly Predecessor[]> {
    const { original, lanes, ledger, signal, options } = this.#workshop
    const { maxNodes = defaultMaxNodes } = options
    return step('source', 'find the predecessors of', rootNode(descriptor), () =>
      lanes.ask(async () => {
        const found: Predecessor[] = []
        const atSource = { signal, onEvent: ledger.side('source') }
        for await (const predecessor of original.predecessors?.(descriptor, atSource) ?? []) {
          // Annotations of any length are only claimed: of many entries they fill the memory.
          found.push({ edge: predecessor.edge, descriptor: plainDescriptor(predecessor.descriptor) })
          if (found.length > maxNodes) throw this.#excess(`has more than ${maxNodes} nodes`)
        }
        return found
      }),
    )
  }

  /** A list of referrers is only what somebody says of a manifest. */
  async #add({ descriptor, edge }: Predecessor, of: Descriptor, { isInLine, height }: Step): Promise<void> {
    if (!this.#workshop.source.manifestTypes.isManifest(descriptor.mediaType)) {
      return this.#warn(descriptor, of, 'is no manifest')
    }
    const facts = await this.#read(descriptor)
    if (facts === undefined) return this.#warn(descriptor, of, 'is not in the source')
    const successors = successorsOf(facts)
    if (!successors.some((to) => to.edge === edge && isSameContent(to.descriptor, of))) {
      return this.#warn(descriptor, of, 'does not refer to it')
    }
    const place = { descriptor: referrerDescriptor(descriptor, facts), edge }
    if (!(await this.#isWanted(place, of))) return
    if (edge === 'subject' && of.digest === this.#node.digest) this.#types.add(facts.artifactType ?? '')
    // By the whole key: what is named as a blob brings nothing that is below it, and must not hide a manifest from the roots.
    for (const successor of successors) this.#below.add(nodeKey(successor.descriptor))
    const key = nodeKey(descriptor)
    if (isInLine) this.#line.add(key)
    if (edge === 'contains') this.#ancestors.add(key)
    this.#found.set(key, descriptor)
    this.#meetLater({ descriptor, isInLine, isTagged: false }, height)
  }

  async #isWanted(
    { descriptor, edge, tag }: Predecessor & { readonly tag?: string },
    of: Descriptor,
  ): Promise<boolean> {
    const place = { descriptor, edge, tag, parent: of, direction: 'up', path: [], siblings: [] } as const
    const isWanted = await step('caller', 'ascentFilter', rootNode(descriptor), () =>
      this.#options.ascentFilter({ ...place, ...abilities(descriptor, this.#workshop) }),
    )
    if (!isWanted) leaveOut(rootNode(of), plainDescriptor(descriptor), 'filter', this.#workshop)
    return isWanted
  }

  async #findDigestTags({ descriptor, isInLine }: Met, height: number): Promise<void> {
    const { digestTags, referrers } = this.#options
    if (!digestTags || (referrers !== 'all' && !isInLine)) return
    this.#allDigestTags ??= findDigestTags(this.#workshop)
    const tags = (await this.#allDigestTags).get(descriptor.digest) ?? []
    await this.#workshop.lanes.each(tags, (tag) => this.#addTagged(tag, descriptor, { isInLine, height }))
  }

  async #addTagged(tag: string, subject: Descriptor, { isInLine, height }: Step): Promise<void> {
    const descriptor = await resolveListed(tag, this.#workshop)
    if (descriptor === undefined) return
    if (!(await this.#isWanted({ descriptor, edge: 'subject', tag }, subject))) return
    this.#digestTags.set(tag, { tag, descriptor, subject })
    // No root: what it is attached to may have become another one, and that decides whether it is copied.
    this.#meetLater({ descriptor, isInLine, isTagged: true }, height)
  }

  /** True if the node has not been met as low. Error: SIZE_EXCEEDS_LIMIT. */
  #meet({ descriptor, isInLine }: Met, height: number): boolean {
    const key = nodeKey(descriptor)
    const { any = Infinity, inLine = Infinity } = this.#heights.get(key) ?? {}
    if (height >= (isInLine ? inLine : any)) return false
    this.#heights.set(key, { any: Math.min(any, height), inLine: isInLine ? height : inLine })
    const { maxNodes = defaultMaxNodes } = this.#workshop.options
    if (this.#heights.size > maxNodes) throw this.#excess(`has more than ${maxNodes} nodes`)
    return true
  }

  #meetLater(met: Met, height: number): void {
    if (this.#meet(met, height)) this.#nextLevel.push(met)
  }

  /** False for what was met lower meanwhile, and handled there: which of two ways is faster changes nothing. */
  #isDue({ descriptor, isInLine }: Met, height: number): boolean {
    const { any, inLine } = this.#heights.get(nodeKey(descriptor)) ?? {}
    return height === (isInLine ? inLine : any)
  }

  /** Undefined for a manifest that is not there. */
  async #read(descriptor: Descriptor): Promise<ManifestFacts | undefined> {
    const { source, lanes } = this.#workshop
    try {
      const bytes = await lanes.ask(() => source.read(descriptor))
      return source.parse(descriptor, bytes)
    } catch (error) {
      if (error instanceof NotFoundError) return undefined
      throw failure('source', 'fetch', rootNode(descriptor), error)
    }
  }

  #warn({ digest }: Descriptor, of: Descriptor, problem: string): void {
    const message = `${digest} is said to refer to ${of.digest}, but ${problem}: it is left out`
    this.#workshop.ledger.side('source')({ type: 'warning', message })
  }

  #excess(excess: string): SizeExceedsLimitError {
    return new SizeExceedsLimitError(`the graph above ${this.#node.digest} ${excess}`)
  }
}

/** A step upwards: how the node below was met, and the level that it leads to. */
interface Step {
  readonly isInLine: boolean
  readonly height: number
}

function isSameContent(a: Descriptor, b: Descriptor): boolean {
  return a.digest === b.digest && a.size === b.size
}
