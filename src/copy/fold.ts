import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import type { Digest } from '../content/digest.ts'
import { standardManifestTypes, successorsOf, type Successor } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { isForeignLayer } from '../content/media-types.ts'
import { NotFoundError, SizeExceedsLimitError, UnsupportedError } from '../errors.ts'
import type { PushOutcome } from '../targets/target.ts'
import { failure, saysContentIsMissing, step } from './failure.ts'
import { nodeState, type Place } from './place.ts'
import { Presence } from './presence.ts'
import { leftOut, look, push, settle, transferBlob, type Workshop } from './transfer.ts'
import { WaitGraph } from './wait-graph.ts'

/** Writes a manifest whose successors are all at the destination. */
export type WriteManifest = (
  place: Place,
  bytes: Uint8Array,
  existing: 'absent' | 'replace',
) => Promise<PushOutcome>

/**
 * The memoised fold: each node is handled once; its promise settles when it and all under it are at the destination.
 * A node awaits its successors' promises and then writes itself. Recursion passes through an `await` before each
 * level, so that depth costs memory and not the call stack.
 */
export class Fold {
  readonly #workshop: Workshop
  readonly #writeManifest: WriteManifest = (place, bytes, existing) =>
    push(place, this.#workshop, { existing, contained: place.edge === 'contains' }, bytes)
  readonly #signal: AbortSignal
  readonly #writeRoot: WriteManifest
  readonly #presence: Presence
  /** Mends: what the destination claims to have is sent again, because it has just been caught lying. */
  readonly #isHealing: boolean
  readonly #nodes = new Map<string, Promise<void>>()
  readonly #blobs = new Map<Digest, Promise<void>>()
  readonly #missingSubjects = new Set<string>()
  readonly #waits = new WaitGraph()

  constructor(workshop: Workshop, signal: AbortSignal, writeRoot?: WriteManifest, isHealing = false) {
    this.#workshop = workshop
    this.#signal = signal
    this.#writeRoot = writeRoot ?? this.#writeManifest
    this.#presence = new Presence(workshop)
    this.#isHealing = isHealing
  }

  /** Settles when the node and all under it are at the destination. */
  async visit(place: Place): Promise<void> {
    const key = nodeKey(place.descriptor)
    const known = this.#nodes.get(key)
    if (known !== undefined) {
      const { parent } = place
      if (parent !== undefined)
        await step('source', 'copy', place, () => this.#waits.refuseCycle(nodeKey(parent.descriptor), key))
      await known
    } else {
      const handled = this.#handle(place)
      this.#nodes.set(key, handled)
      await handled
    }
    if (place.edge !== 'subject' && this.#missingSubjects.has(key)) {
      throw failure(
        'source',
        'fetch',
        place,
        new NotFoundError(`${place.descriptor.digest} is not in the source`),
      )
    }
  }

  /** Settles when nothing of this fold is running any more. */
  async settled(): Promise<void> {
    for (let count = -1; count !== this.#nodes.size;) {
      count = this.#nodes.size
      await Promise.allSettled([...this.#nodes.values(), ...this.#blobs.values()])
    }
  }

  async #handle(place: Place): Promise<void> {
    const { ledger, options, source } = this.#workshop
    this.#signal.throwIfAborted()
    this.#refuseExcess(place)
    ledger.tell({ type: 'discovered', descriptor: place.descriptor, ...parentOf(place) })
    await Promise.resolve()
    const types = options.manifestTypes ?? source.manifestTypes
    if (!types.isManifest(place.descriptor.mediaType)) return this.#blob(place)
    this.#refuseUnknownType(place)
    return this.#manifest(place)
  }

  async #manifest(place: Place): Promise<void> {
    const { options, ledger } = this.#workshop
    const state = this.#isHealing ? 'damaged' : await look(place, this.#workshop)
    if (state === 'present' && (options.verify ?? 'root') === 'root')
      return settle(place, this.#workshop, 'existed')
    const bytes = await this.#readManifest(place)
    if (bytes === undefined) {
      return ledger.tell({ type: 'skipped', descriptor: place.descriptor, reason: 'missing-subject' })
    }
    await this.#successors(place, bytes, state === 'absent')
    if (state === 'present') return settle(place, this.#workshop, 'existed')
    if (await leftOut(place, this.#workshop)) return
    const write = place.edge === 'root' ? this.#writeRoot : this.#writeManifest
    const outcome = await this.#healing(place, bytes, () =>
      write(place, bytes, state === 'damaged' ? 'replace' : 'absent'),
    )
    await settle(place, this.#workshop, outcome)
  }

  /** Undefined for a subject that the source does not have, where that is allowed. */
  async #readManifest(place: Place): Promise<Uint8Array | undefined> {
    const { source, lanes, options } = this.#workshop
    try {
      return await lanes.ask(() => source.read(place.descriptor))
    } catch (error) {
      if (error instanceof NotFoundError && place.edge === 'subject' && options.onMissingSubject === 'skip') {
        this.#missingSubjects.add(nodeKey(place.descriptor))
        return undefined
      }
      throw failure('source', 'fetch', place, error)
    }
  }

  async #successors(place: Place, bytes: Uint8Array, isNew: boolean): Promise<void> {
    const { facts, successors } = await this.#findSuccessors(place, bytes)
    const followed = successors.filter((successor) => this.#follows(place, successor))
    const key = nodeKey(place.descriptor)
    this.#waits.begin(
      key,
      followed.map(({ descriptor }) => nodeKey(descriptor)),
    )
    await Promise.all(
      followed.map(({ descriptor, edge }) => {
        const isNewConfig = isNew && descriptor.digest === facts.config?.digest
        return this.visit({ descriptor, edge, parent: place, depth: place.depth + 1, isNewConfig })
      }),
    )
    this.#waits.end(key)
  }

  async #findSuccessors(
    place: Place,
    bytes: Uint8Array,
  ): Promise<{ facts: ManifestFacts; successors: readonly Successor[] }> {
    const { options, source } = this.#workshop
    const types = options.manifestTypes ?? source.manifestTypes
    const limits = { maxBytes: options.maxMetadataBytes }
    const facts = await step('source', 'read', place, () => types.read(place.descriptor, bytes, limits))
    const found = successorsOf(facts)
    const chosen = await step('caller', 'findSuccessors', place, () =>
      options.findSuccessors?.({ ...nodeState(place), successors: found, source }),
    )
    return { facts, successors: chosen ?? found }
  }

  /** Asked for each edge, before the memo: the same blob may hang elsewhere under another media type. */
  #follows(place: Place, { descriptor }: Successor): boolean {
    const { options, ledger } = this.#workshop
    const { foreignLayers = 'skip' } = options
    if (foreignLayers === 'copy' || !isForeignLayer(descriptor.mediaType)) return true
    if (foreignLayers === 'error') {
      const error = new UnsupportedError(`${descriptor.mediaType} may not be distributed`)
      throw failure(
        'source',
        'copy',
        { descriptor, edge: 'contains', parent: place, depth: place.depth + 1 },
        error,
      )
    }
    if (!ledger.hasOutcome(descriptor)) ledger.tell({ type: 'filtered', descriptor, reason: 'foreign-layer' })
    return false
  }

  /** A destination that misses content, though it claimed to have it, gets all that the manifest names again, once. */
  async #healing(place: Place, bytes: Uint8Array, write: () => Promise<PushOutcome>): Promise<PushOutcome> {
    try {
      return await write()
    } catch (error) {
      if (this.#isHealing || !saysContentIsMissing(error)) throw error
      const healer = new Fold(this.#workshop, this.#signal, undefined, true)
      try {
        await healer.#successors(place, bytes, false)
      } finally {
        await healer.settled()
      }
      return write()
    }
  }

  /** A blob is moved once, whatever media types it is named by. */
  async #blob(place: Place): Promise<void> {
    const { ledger } = this.#workshop
    const { digest } = place.descriptor
    const moving = this.#blobs.get(digest)
    if (moving !== undefined) {
      await moving
      return ledger.tell({ type: 'skipped', descriptor: place.descriptor, reason: 'same-content' })
    }
    const moved = this.#moveBlob(place)
    this.#blobs.set(digest, moved)
    await moved
  }

  async #moveBlob(place: Place): Promise<void> {
    const existing = await this.#presence.of(place)
    if (existing === 'present') return settle(place, this.#workshop, 'existed')
    await transferBlob(place, this.#workshop, existing)
  }

  /** A destination that took a manifest for a blob would lose it. */
  #refuseUnknownType(place: Place): void {
    const { manifestTypes = standardManifestTypes } = this.#workshop.destination
    const { mediaType } = place.descriptor
    if (manifestTypes.isManifest(mediaType)) return
    throw failure(
      'destination',
      'push',
      place,
      new UnsupportedError(`${mediaType} is not declared a manifest there`),
    )
  }

  #refuseExcess(place: Place): void {
    const { maxDepth = 1000, maxNodes = 1_000_000 } = this.#workshop.options
    if (place.depth > maxDepth) {
      throw failure(
        'source',
        'copy',
        place,
        new SizeExceedsLimitError(`the graph is more than ${maxDepth} levels deep`),
      )
    }
    if (this.#nodes.size >= maxNodes) {
      throw failure(
        'source',
        'copy',
        place,
        new SizeExceedsLimitError(`the graph has more than ${maxNodes} nodes`),
      )
    }
  }
}

function parentOf({ parent }: Place): { parent?: Descriptor } {
  return parent === undefined ? {} : { parent: parent.descriptor }
}
