import { nodeKey, plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { standardManifestTypes } from '../content/manifest-types.ts'
import {
  CopyError,
  NotFoundError,
  SizeExceedsLimitError,
  UnsupportedError,
  saysContentIsMissing,
} from '../errors.ts'
import { defaultMaxDepth, defaultMaxNodes } from '../graph/walk.ts'
import type { PushOutcome } from '../targets/target.ts'
import { failure, step } from './failure.ts'
import { becoming, type ReachedNode } from './reached-node.ts'
import { drop, modifyManifest } from './modified-manifest.ts'
import { Presence } from './presence.ts'
import { nodesBelow } from './successors.ts'
import { leftOut, look, push, settle, transferBlob, type Workshop } from './transfer.ts'
import { WaitGraph } from './wait-graph.ts'

/** Writes a manifest whose successors are all at the destination. */
export type WriteManifest = (
  node: ReachedNode,
  bytes: Uint8Array,
  existing: 'absent' | 'replace' | 'unknown',
) => Promise<PushOutcome>

/** How one fold differs from an ordinary one. */
export interface FoldOptions {
  /** Writes the root, if it is a manifest. @default as any other manifest */
  readonly writeRoot?: WriteManifest | undefined
  /**
   * The destination was caught lying: every manifest is sent again, whether it claims to have it or not, and all that
   * they name is asked for. @default false
   */
  readonly isHealing?: boolean | undefined
}

/**
 * The memoised fold: each node is handled once; its promise settles when it and all under it are at the destination.
 * A node awaits its successors' promises and then writes itself. Recursion passes through an `await` before each
 * level, so that depth costs memory and not the call stack.
 */
export class Fold {
  readonly #workshop: Workshop
  readonly #isHealing: boolean
  readonly #writeRoot: WriteManifest
  readonly #presence: Presence
  readonly #nodes = new Map<string, Promise<Descriptor | undefined>>()
  /** By digest and size; true if the bytes are at the destination, false if the caller left them out. */
  readonly #blobs = new Map<string, Promise<boolean>>()
  readonly #missingSubjects = new Set<string>()
  readonly #waits = new WaitGraph()

  constructor(workshop: Workshop, options: FoldOptions = {}) {
    const { isHealing = false, writeRoot } = options
    this.#workshop = workshop
    this.#isHealing = isHealing
    this.#writeRoot = writeRoot ?? this.#writeManifest
    this.#presence = new Presence(workshop)
  }

  /**
   * Settles when the node and all under it are at the destination, with what the node is there; undefined if it was
   * left out of what refers to it.
   */
  async visit(node: ReachedNode): Promise<Descriptor | undefined> {
    const key = this.#key(node)
    const known = this.#nodes.get(key) ?? this.#handled(node)
    this.#nodes.set(key, known)
    const result = await known
    if (node.edge !== 'subject' && this.#missingSubjects.has(key)) {
      const error = new NotFoundError(`${node.descriptor.digest} is not in the source`)
      throw failure('source', 'fetch', node, error)
    }
    return result
  }

  /** Settles when nothing of this fold is running any more. */
  async settled(): Promise<void> {
    for (let count = -1; count !== this.#nodes.size;) {
      count = this.#nodes.size
      await Promise.allSettled([...this.#nodes.values(), ...this.#blobs.values()])
    }
  }

  /** A run that modifies may need a manifest as it is, too. */
  #key({ descriptor, isOriginal }: ReachedNode): string {
    const isModifiable = this.#workshop.source.manifestTypes.isManifest(descriptor.mediaType)
    return isOriginal === true && isModifiable ? `${nodeKey(descriptor)} as it is` : nodeKey(descriptor)
  }

  /** Of each node only what identifies it stays in memory: annotations and embedded data can be of any length. */
  async #handled(node: ReachedNode): Promise<Descriptor | undefined> {
    const result = await this.#handle(node)
    return result === undefined || node.edge === 'root' ? result : plainDescriptor(result)
  }

  async #handle(node: ReachedNode): Promise<Descriptor | undefined> {
    const { descriptor } = node
    const { signal, ledger, source } = this.#workshop
    signal.throwIfAborted()
    this.#refuseExcess(node)
    const isToldOf = node.isOriginal === true && this.#nodes.has(nodeKey(descriptor))
    if (!isToldOf) ledger.tell({ type: 'discovered', descriptor, ...parentOf(node) })
    await Promise.resolve()
    const isManifest = source.manifestTypes.isManifest(descriptor.mediaType)
    this.#refuseDisagreement(node, isManifest)
    try {
      return await (isManifest ? this.#manifest(node) : this.#blob(node))
    } catch (error) {
      if (!this.#isMissingSubject(node, error)) throw error
      this.#missingSubjects.add(this.#key(node))
      ledger.tell({ type: 'skipped', descriptor, reason: 'missing-subject' })
      return descriptor
    }
  }

  #manifest(node: ReachedNode): Promise<Descriptor | undefined> {
    const { modification } = this.#workshop
    if (modification === undefined || node.isOriginal === true) return this.#unmodified(node)
    return modifyManifest(node, modification, {
      workshop: this.#workshop,
      visit: (at) => this.visit(at),
      look: (at) => this.#look(at),
      put: (at, state) => this.#put(at, state),
      waitFor: (at, below, act) => this.#waitFor(at, below, act),
    })
  }

  async #unmodified(node: ReachedNode): Promise<Descriptor> {
    const { descriptor } = node
    const state = await this.#look(node)
    if (state === 'settled') return descriptor
    const isReferrer = await this.#below(node, state === 'absent')
    if (state !== 'present') await this.#put(node, state)
    else if (isReferrer) await this.#confirm(node)
    else await settle(node, this.#workshop, 'existed')
    return descriptor
  }

  /** `'settled'` for a manifest that is there, where that stands for all that it names. */
  async #look(node: ReachedNode): Promise<'settled' | 'present' | 'absent' | 'damaged'> {
    const { verify = 'root' } = this.#workshop.options
    if (this.#isHealing) return 'damaged'
    const state = await look(node, this.#workshop)
    if (state !== 'present' || verify !== 'root') return state
    await settle(node, this.#workshop, 'existed')
    return 'settled'
  }

  async #put(node: ReachedNode, state: 'absent' | 'damaged'): Promise<void> {
    if (await leftOut(node, this.#workshop)) return
    const outcome = await this.#write(node, state === 'damaged' ? 'replace' : 'absent')
    await settle(node, this.#workshop, outcome)
  }

  /** True if the node refers to a subject. */
  async #below(node: ReachedNode, isNew: boolean): Promise<boolean> {
    const below = await nodesBelow(node, this.#workshop, isNew)
    const { ledger } = this.#workshop
    // Below what has become another node the filter is not asked again.
    const followed = below.followed.filter(
      ({ descriptor }) => !this.#isHealing || !ledger.wasFiltered(descriptor),
    )
    await this.#waitFor(node, followed, (at) => this.visit(at))
    return followed.some(({ edge }) => edge === 'subject')
  }

  /** Does something with each successor of a node; a node that would wait for itself fails. */
  async #waitFor<T>(
    node: ReachedNode,
    successors: readonly ReachedNode[],
    act: (below: ReachedNode) => Promise<T>,
  ): Promise<readonly T[]> {
    const key = this.#key(node)
    const keys = successors.map((below) => this.#key(below))
    await step('source', 'copy', node, () => this.#waits.begin(key, keys))
    const results = await Promise.all(successors.map(act))
    this.#waits.end(key)
    return results
  }

  /** A destination that keeps lists of referrers itself may have been interrupted between a manifest and its list. */
  async #confirm(node: ReachedNode): Promise<void> {
    const { source, lanes } = this.#workshop
    const bytes = await step('source', 'fetch', node, () => lanes.ask(() => source.read(node.descriptor)))
    await settle(node, this.#workshop, await this.#writeManifest(node, bytes, 'unknown'))
  }

  /** A destination that misses content, though it claimed to have it, gets all that the manifest names again, once. */
  async #write(node: ReachedNode, existing: 'absent' | 'replace'): Promise<PushOutcome> {
    const { source, lanes } = this.#workshop
    const bytes = await step('source', 'fetch', node, () => lanes.ask(() => source.read(node.descriptor)))
    const write = node.edge === 'root' ? this.#writeRoot : this.#writeManifest
    try {
      return await write(node, bytes, existing)
    } catch (error) {
      if (this.#isHealing || !saysContentIsMissing(error)) throw error
      const healer = new Fold(this.#workshop, { isHealing: true })
      try {
        await healer.#below(node, false)
      } finally {
        await healer.settled()
      }
      return write(node, bytes, existing)
    }
  }

  /** A store lists a manifest that nothing contains; that something will is promised only if nobody can prevent it. */
  readonly #writeManifest: WriteManifest = (node, bytes, existing) => {
    const { modification, options } = this.#workshop
    const isPreventable = modification !== undefined || options.preCopy !== undefined
    const contained = node.edge === 'contains' && !isPreventable
    return push(node, this.#workshop, { existing, contained }, bytes)
  }

  async #blob(node: ReachedNode): Promise<Descriptor | undefined> {
    const { modification } = this.#workshop
    if (modification === undefined || node.isOriginal === true) return this.#sendBlob(node)
    const made = await modification.blob(node, false)
    if (made === undefined) return drop(node, 'modifier', this.#workshop)
    const target = becoming(node, made)
    const stored = modification.storedAs(made)
    if (stored !== undefined) await settle(target, this.#workshop, stored)
    else await this.#sendBlob(target)
    return made
  }

  /** A blob is moved once, whatever media types it is named by. */
  async #sendBlob(node: ReachedNode): Promise<Descriptor> {
    const { digest, size } = node.descriptor
    const key = `${digest} ${size}`
    const moving = this.#blobs.get(key)
    if (moving === undefined) {
      const moved = this.#moveBlob(node)
      this.#blobs.set(key, moved)
      await moved
      return node.descriptor
    }
    const reason = (await moving) ? 'same-content' : 'caller'
    this.#workshop.ledger.tell({ type: 'skipped', descriptor: node.descriptor, reason })
    return node.descriptor
  }

  async #moveBlob(node: ReachedNode): Promise<boolean> {
    const existing = await this.#presence.of(node)
    if (existing !== 'present') return transferBlob(node, this.#workshop, existing)
    await settle(node, this.#workshop, 'existed')
    return true
  }

  #isMissingSubject({ edge, descriptor }: ReachedNode, error: unknown): boolean {
    return (
      edge === 'subject' &&
      this.#workshop.options.onMissingSubject === 'skip' &&
      error instanceof CopyError &&
      error.origin === 'source' &&
      error.descriptor?.digest === descriptor.digest &&
      error.cause instanceof NotFoundError
    )
  }

  /** Where one end takes a manifest for a blob, what it names would be lost. */
  #refuseDisagreement(node: ReachedNode, isManifest: boolean): void {
    const { manifestTypes = standardManifestTypes } = this.#workshop.destination
    const { mediaType } = node.descriptor
    if (manifestTypes.isManifest(mediaType) === isManifest) return
    const [declared, other] = isManifest ? ['source', 'destination'] : ['destination', 'source']
    const reason = `${mediaType} is declared a manifest at the ${declared} and not at the ${other}`
    throw failure('destination', 'push', node, new UnsupportedError(reason))
  }

  #refuseExcess(node: ReachedNode): void {
    const { maxDepth = defaultMaxDepth, maxNodes = defaultMaxNodes } = this.#workshop.options
    const isTooDeep = node.depth > maxDepth
    if (!isTooDeep && this.#nodes.size < maxNodes) return
    const excess = isTooDeep ? `is more than ${maxDepth} levels deep` : `has more than ${maxNodes} nodes`
    throw failure('source', 'copy', node, new SizeExceedsLimitError(`the graph ${excess}`))
  }
}

/** As it was, if it has become another one: so it is told of, too. */
function parentOf({ parent }: ReachedNode): { parent?: Descriptor } {
  return parent === undefined ? {} : { parent: parent.original ?? parent.descriptor }
}
