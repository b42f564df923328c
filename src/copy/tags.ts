import type { Descriptor } from '../content/descriptor.ts'
import { readAll } from '../content/verify.ts'
import { saysContentIsMissing, UnsupportedError } from '../errors.ts'
import { failure, step } from './failure.ts'
import type { WriteManifest } from './fold.ts'
import { rootNode, type ReachedNode } from './reached-node.ts'
import type { Run } from './run.ts'
import { send } from './transfer.ts'

/** The tags that a root is to have and has not yet, asked when it is known what the root is. */
export type PendingTags = (root: Descriptor) => readonly string[]

/**
 * Copies what is under a root, and writes its tags when everything is there: the root goes over with the first tag in
 * one request where the destination can do that, the other tags follow. A root that was left out is not tagged.
 * The result is what the root is at the destination.
 */
export async function copyTagged(root: Descriptor, pending: PendingTags, run: Run): Promise<Descriptor> {
  const { destination, modification } = run.workshop
  const [first, ...others] = pending(root)
  if (first === undefined || destination.pushReference === undefined || modification !== undefined) {
    const folded = await run.fold([root])
    return tagResult(root, await folded.of(root), pending, run)
  }
  const written: string[] = []
  const writeRoot: WriteManifest = async (node, bytes) => {
    await pushTagged(node, bytes, first, run)
    written.push(first)
    return 'copied'
  }
  await run.fold([root], { writeRoot })
  await tagAll(root, written.length > 0 ? others : [first, ...others], run)
  return root
}

/** Tags what a root has become. Error: UNSUPPORTED if it was removed. */
export async function tagResult(
  root: Descriptor,
  result: Descriptor | undefined,
  pending: PendingTags,
  run: Run,
): Promise<Descriptor> {
  if (result === undefined) {
    const error = new UnsupportedError('the node that was asked for was left out: nothing can be tagged')
    throw failure('caller', 'copy', rootNode(root), error)
  }
  if (!run.workshop.ledger.wasLeftOut(result)) await tagAll(result, pending(result), run)
  return result
}

async function pushTagged(
  node: ReachedNode,
  bytes: Uint8Array,
  tag: string,
  { workshop }: Run,
): Promise<void> {
  const { destination, ledger, atDestination } = workshop
  const { descriptor } = node
  await send(node, workshop, bytes, async (content) => {
    const read = await readAll(content, descriptor, Infinity)
    await destination.pushReference?.(descriptor, read, tag, atDestination)
  })
  ledger.tell({ type: 'tagged', descriptor, reference: tag })
}

/** A destination that had the root may still miss what is under it, and says so when the root is sent by a tag. */
export async function tagAll(root: Descriptor, tags: readonly string[], run: Run): Promise<void> {
  if (tags.length === 0 || run.workshop.ledger.wasLeftOut(root)) return
  const bytes = await bytesToTag(root, run)
  const write = (): Promise<unknown> => Promise.all(tags.map((tag) => writeTag({ root, bytes }, tag, run)))
  try {
    await write()
  } catch (error) {
    if (!saysContentIsMissing(error)) throw error
    await run.workshop.lanes.onIdle()
    await run.fold([root], { isHealing: true })
    await write()
  }
}

/** Undefined where a tag needs no bytes. */
async function bytesToTag(root: Descriptor, { workshop }: Run): Promise<Uint8Array | undefined> {
  const { destination, lanes, source } = workshop
  if (destination.pushReference === undefined || !source.manifestTypes.isManifest(root.mediaType)) {
    return undefined
  }
  return step('source', 'fetch', rootNode(root), () => lanes.ask(() => source.read(root)))
}

async function writeTag(
  { root, bytes }: { readonly root: Descriptor; readonly bytes: Uint8Array | undefined },
  tag: string,
  { workshop }: Run,
): Promise<void> {
  const { destination, ledger, lanes, atDestination } = workshop
  const write = async (): Promise<void> =>
    bytes === undefined
      ? destination.tag(root, tag, atDestination)
      : destination.pushReference?.(root, bytes, tag, atDestination)
  await step('destination', 'tag', tag, () => lanes.ask(write))
  ledger.tell({ type: 'tagged', descriptor: root, reference: tag })
}
