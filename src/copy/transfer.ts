import { contentOf, type Content } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import { tap, verify } from '../content/verify.ts'
import { OciError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Destination, PushOptions, PushOutcome, Source } from '../targets/target.ts'
import type { CachedSource } from './cached-source.ts'
import { failure, step } from './failure.ts'
import type { Lanes } from './lanes.ts'
import type { Ledger } from './ledger.ts'
import { nodeState, type Place } from './place.ts'
import type { CopyGraphOptions } from './options.ts'

/** What a copy works with. */
export interface Workshop {
  /** The source as the caller gave it: what a destination may recognise and take a shorter way from. */
  readonly original: Source
  readonly source: CachedSource
  readonly destination: Destination
  readonly lanes: Lanes
  readonly ledger: Ledger
  readonly options: CopyGraphOptions
  /** Aborts when the caller does, and when a part of the copy has failed. */
  readonly signal: AbortSignal
  readonly atDestination: SignalOptions
}

/** Moves a blob that was decided to be moved; false if the caller leaves it out. */
export async function transferBlob(
  place: Place,
  workshop: Workshop,
  existing: PushOptions['existing'],
): Promise<boolean> {
  if (await leftOut(place, workshop)) return false
  const state = nodeState(place)
  const mountFrom = await step('caller', 'mountFrom', place, () => workshop.options.mountFrom?.(state))
  await settle(place, workshop, await push(place, workshop, { existing, mountFrom }))
  return true
}

/** Pushes a node to the destination when it is its turn. `bytes` are those of a manifest that is in hand. */
export function push(
  place: Place,
  workshop: Workshop,
  options: PushOptions,
  bytes?: Uint8Array,
): Promise<PushOutcome> {
  const { destination, original, atDestination } = workshop
  return send(place, workshop, bytes, (content) =>
    destination.push(place.descriptor, content, { ...atDestination, ...options, source: original }),
  )
}

/** Asks `preCopy`; true if the node is to be left out, which is told. */
export async function leftOut(place: Place, { options, ledger }: Workshop): Promise<boolean> {
  const decision = await step('caller', 'preCopy', place, () => options.preCopy?.(nodeState(place)))
  if (decision === 'skip') ledger.tell({ type: 'skipped', descriptor: place.descriptor, reason: 'caller' })
  return decision === 'skip'
}

/** Gives the node's content to `receive` when it is its turn. An error of the source that comes out of there is stamped as the source's. */
export async function send<T>(
  place: Place,
  { source, lanes, ledger }: Workshop,
  bytes: Uint8Array | undefined,
  receive: (content: Content) => Promise<T>,
): Promise<T> {
  const { descriptor } = place
  let sourceError: unknown
  const opened = await step('source', 'fetch', place, () =>
    bytes === undefined ? source.fetch(descriptor) : verify(contentOf(bytes), descriptor),
  )
  const content = tap(
    opened,
    (chunk) => ledger.tell({ type: 'progress', descriptor, bytes: chunk.length }),
    (error) => (sourceError = error),
  )
  return lanes.transfer(descriptor, async () => {
    ledger.tell({ type: 'started', descriptor })
    try {
      return await receive(content)
    } catch (error) {
      const isOfSource = sourceError !== undefined && error === sourceError
      throw isOfSource
        ? failure('source', 'fetch', place, error)
        : failure('destination', 'push', place, error)
    }
  })
}

/** Tells what became of a node, then calls the caller's function for it. */
export async function settle(
  place: Place,
  { options, ledger }: Workshop,
  outcome: PushOutcome,
): Promise<void> {
  const { descriptor } = place
  switch (outcome) {
    case 'copied':
      ledger.tell({ type: 'copied', descriptor })
      return step('caller', 'postCopy', place, () => options.postCopy?.(nodeState(place)))
    case 'mounted':
      ledger.tell({ type: 'mounted', descriptor })
      return step('caller', 'onMounted', place, () => options.onMounted?.(nodeState(place)))
    case 'existed':
      ledger.tell({ type: 'skipped', descriptor, reason: 'exists' })
      return step('caller', 'onCopySkipped', place, () => options.onCopySkipped?.(nodeState(place)))
    default:
      return outcome satisfies never
  }
}

/**
 * Whether the destination has a node; with `verify: 'full'`, `'damaged'` if what it has is not what the descriptor says.
 * When its turn comes, `isAbsent` may say that the question has become needless.
 */
export async function look(
  place: Place,
  workshop: Workshop,
  isAbsent: () => boolean = () => false,
): Promise<'absent' | 'present' | 'damaged'> {
  const { destination, lanes, options, atDestination } = workshop
  const { descriptor } = place
  return step('destination', 'look for', place, async () => {
    const exists = await lanes.ask(async () => !isAbsent() && destination.exists(descriptor, atDestination))
    if (!exists) return 'absent'
    if (options.verify !== 'full') return 'present'
    return lanes.transfer(descriptor, () => readBack(descriptor, destination, atDestination))
  })
}

async function readBack(
  descriptor: Descriptor,
  destination: Destination,
  options: SignalOptions,
): Promise<'present' | 'damaged'> {
  try {
    for await (const _chunk of destination.fetch?.(descriptor, options) ?? []);
    return 'present'
  } catch (error) {
    if (error instanceof OciError && damage.has(error.code)) return 'damaged'
    throw error
  }
}

const damage: ReadonlySet<string> = new Set([
  'SIZE_MISMATCH',
  'DIGEST_MISMATCH',
  'NOT_FOUND',
  'INVALID_MANIFEST',
])
