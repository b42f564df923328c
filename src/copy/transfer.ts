import { contentOf, type Content } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import { stoppable, tap, verify } from '../content/verify.ts'
import { OciError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Destination, PushOptions, PushOutcome, Source } from '../targets/target.ts'
import type { CachedSource } from './cached-source.ts'
import { failure, step } from './failure.ts'
import type { Lanes } from './lanes.ts'
import type { Modification } from './modification.ts'
import type { Ledger } from './ledger.ts'
import { nodeState, type ReachedNode } from './reached-node.ts'
import type { CopyGraphOptions } from './options.ts'

/** What a copy works with. */
export interface Workshop {
  /** The source as the caller gave it: what a destination may recognise and take a shorter way from. */
  readonly original: Source
  /** The same, with the manifests that were read. */
  readonly source: CachedSource
  readonly destination: Destination
  readonly lanes: Lanes
  readonly ledger: Ledger
  readonly options: CopyGraphOptions
  /** Aborts when the caller does, and when a part of the copy has failed. */
  readonly signal: AbortSignal
  /** The options for every call of the destination. */
  readonly atDestination: SignalOptions
  /** Where nodes may become others; undefined for a copy byte for byte. */
  readonly modification?: Modification | undefined
}

/** Moves a blob that was decided to be moved; false if the caller leaves it out. */
export async function transferBlob(
  node: ReachedNode,
  workshop: Workshop,
  existing: PushOptions['existing'],
): Promise<boolean> {
  if (await leftOut(node, workshop)) return false
  const state = nodeState(node)
  const mountFrom = await step('caller', 'mountFrom', node, () => workshop.options.mountFrom?.(state))
  await settle(node, workshop, await push(node, workshop, { existing, mountFrom }))
  return true
}

/** Pushes a node to the destination when it is its turn. `bytes` are those of a manifest that is in hand. */
export function push(
  node: ReachedNode,
  workshop: Workshop,
  options: PushOptions,
  bytes?: Uint8Array,
): Promise<PushOutcome> {
  const { destination, original, atDestination } = workshop
  const { keepPartial } = workshop.options
  return send(node, workshop, bytes, (content) =>
    destination.push(node.descriptor, content, {
      ...atDestination,
      ...options,
      keepPartial,
      source: original,
    }),
  )
}

/** Asks `preCopy`; true if the node is to be left out, which is told. */
export async function leftOut(node: ReachedNode, { options, ledger }: Workshop): Promise<boolean> {
  const decision = await step('caller', 'preCopy', node, () => options.preCopy?.(nodeState(node)))
  if (decision === 'skip') ledger.tell({ type: 'skipped', ...toldOf(node), reason: 'caller' })
  return decision === 'skip'
}

/** Gives the node's content to `receive` when it is its turn. An error of the source that comes out of there is stamped as the source's. */
export async function send<T>(
  node: ReachedNode,
  { source, lanes, ledger }: Workshop,
  bytes: Uint8Array | undefined,
  receive: (content: Content) => Promise<T>,
): Promise<T> {
  const { descriptor } = node
  let sourceError: unknown
  const watched = (content: Content): Content =>
    tap(
      content,
      (chunk) => ledger.tell({ type: 'progress', descriptor, bytes: chunk.length }),
      (error) => (sourceError = error),
    )
  // Opened anew for each iteration: each time it may be other content, and each time it may fail.
  const open = (signal?: AbortSignal): Content => {
    try {
      return watched(verify(source.fetch(descriptor, { signal }), descriptor))
    } catch (error) {
      sourceError = error
      throw error
    }
  }
  const content = await step('source', 'fetch', node, () =>
    bytes === undefined ? stoppable(open) : watched(verify(contentOf(bytes), descriptor)),
  )
  return lanes.transfer(descriptor, async () => {
    ledger.tell({ type: 'started', descriptor })
    try {
      return await receive(content)
    } catch (error) {
      const isOfSource = sourceError !== undefined && error === sourceError
      throw isOfSource ? failure('source', 'fetch', node, error) : failure('destination', 'push', node, error)
    }
  })
}

/** Tells what became of a node, then calls the caller's function for it. */
export async function settle(
  node: ReachedNode,
  { options, ledger }: Workshop,
  outcome: PushOutcome,
): Promise<void> {
  const told = toldOf(node)
  switch (outcome) {
    case 'copied':
      ledger.tell({ type: 'copied', ...told })
      return step('caller', 'postCopy', node, () => options.postCopy?.(nodeState(node)))
    case 'mounted':
      ledger.tell({ type: 'mounted', ...told })
      return step('caller', 'onMounted', node, () => options.onMounted?.(nodeState(node)))
    case 'existed':
      ledger.tell({ type: 'skipped', ...told, reason: 'exists' })
      return step('caller', 'onCopySkipped', node, () => options.onCopySkipped?.(nodeState(node)))
    default:
      return outcome satisfies never
  }
}

/** A node that has become another one is told under its old name, with the new one beside it. */
function toldOf({ descriptor, original }: ReachedNode): { descriptor: Descriptor; result?: Descriptor } {
  return original === undefined ? { descriptor } : { descriptor: original, result: descriptor }
}

/**
 * Whether the destination has a node; with `verify: 'full'`, `'damaged'` if what it has is not what the descriptor says.
 */
export async function look(node: ReachedNode, workshop: Workshop): Promise<'absent' | 'present' | 'damaged'> {
  const { destination, lanes, options, atDestination } = workshop
  const { descriptor } = node
  return step('destination', 'look for', node, async () => {
    const exists = await lanes.ask(() => destination.exists(descriptor, atDestination))
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
