import type { Descriptor } from '../content/descriptor.ts'
import { readAll } from '../content/verify.ts'
import { saysContentIsMissing } from '../errors.ts'
import { step } from './failure.ts'
import type { WriteManifest } from './fold.ts'
import { rootNode, type ReachedNode } from './reached-node.ts'
import type { Run } from './run.ts'
import { send } from './transfer.ts'

/**
 * Copies what is under a root, and writes its tags when everything is there: the root goes over with the first tag in
 * one request where the destination can do that, the other tags follow. A root that was left out is not tagged.
 */
export async function copyTagged(root: Descriptor, tags: readonly string[], run: Run): Promise<void> {
  const [first] = tags
  if (first === undefined || run.workshop.destination.pushReference === undefined) {
    await run.fold([root])
    return tagAll(root, tags, run)
  }
  const written: string[] = []
  const writeRoot: WriteManifest = async (node, bytes) => {
    await pushTagged(node, bytes, first, run)
    written.push(first)
    return 'copied'
  }
  await run.fold([root], { writeRoot })
  await tagAll(root, tags.slice(written.length), run)
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
