import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import type { FilterReason } from '../events.ts'
import { disposeOf } from './disposition.ts'
import { parseDocument, type Mapping } from './document.ts'
import { step } from './failure.ts'
import type { Modification } from './modification.ts'
import { isImage, mayBeImage } from './modifiers/image.ts'
import { becoming, type ReachedNode } from './reached-node.ts'
import { nodesBelow, type Below } from './successors.ts'
import { settle, type Workshop } from './transfer.ts'

/** What a manifest that is modified needs of the fold that it is in. */
export interface Folding {
  readonly workshop: Workshop
  readonly visit: (node: ReachedNode) => Promise<Descriptor | undefined>
  readonly look: (node: ReachedNode) => Promise<'settled' | 'present' | 'absent' | 'damaged'>
  readonly put: (node: ReachedNode, state: 'absent' | 'damaged') => Promise<void>
  /** Does something with each successor; a node that would wait for itself fails. */
  readonly waitFor: <T>(
    node: ReachedNode,
    successors: readonly ReachedNode[],
    act: (below: ReachedNode) => Promise<T>,
  ) => Promise<readonly T[]>
}

/**
 * Brings what a manifest becomes to the destination: its successors first; then it can be said what it is, and of the
 * blobs only those that it then names are sent. The result is undefined if it is left out.
 */
export async function modifyManifest(
  node: ReachedNode,
  modification: Modification,
  folding: Folding,
): Promise<Descriptor | undefined> {
  const { workshop } = folding
  const { source, lanes } = workshop
  const below = await nodesBelow(node, workshop, false)
  const subject = await visitBelow(node, subjectOf(below), modification, folding)
  const disposition = await disposeOf(node, below, subject, workshop)
  if (disposition === 'keep') return folding.visit({ ...node, isOriginal: true })
  if (disposition === 'drop') return drop(node, 'invalidated', workshop)
  const mapping = await visitBelow(node, below, modification, folding)
  const bytes = await step('source', 'fetch', node, () => lanes.ask(() => source.read(node.descriptor)))
  const made = await modification.manifest(node, bytes, mapping)
  await modification.confirm(node)
  if (made === undefined) return drop(node, 'modifier', workshop)
  const target = becoming(node, made)
  const state = await folding.look(target)
  if (state === 'settled') return made
  const done = { below, mapping, isNew: state === 'absent' }
  await sendMissing(target, done, modification, folding)
  if (state === 'present') await settle(target, workshop, 'existed')
  else await folding.put(target, state)
  return made
}

/** It comes first: it may decide that nothing else below the manifest is to be sent. */
function subjectOf({ followed }: Below): Pick<Below, 'followed' | 'removed'> {
  return { followed: followed.filter(({ edge }) => edge === 'subject'), removed: [] }
}

/** Tells that a node is left out. */
export function drop({ descriptor }: ReachedNode, reason: FilterReason, { ledger }: Workshop): undefined {
  ledger.tell({ type: 'filtered', descriptor, reason })
  return undefined
}

/** What each successor has become. Of the blobs, only those that are made anew are sent now. */
async function visitBelow(
  node: ReachedNode,
  { followed, removed }: Pick<Below, 'followed' | 'removed'>,
  modification: Modification,
  { workshop, visit, waitFor }: Folding,
): Promise<Mapping> {
  const { source } = workshop
  const isArtifact = !(await isOfImage(node, workshop))
  const results = await waitFor(node, followed, (below) =>
    source.manifestTypes.isManifest(below.descriptor.mediaType)
      ? visit(below)
      : modification.blob(below, isArtifact),
  )
  const mapping = new Map(followed.map(({ descriptor }, index) => [nodeKey(descriptor), results[index]]))
  for (const descriptor of removed) mapping.set(nodeKey(descriptor), undefined)
  return mapping
}

/** Whether a manifest is that of an image, in the source. */
async function isOfImage(node: ReachedNode, { source, lanes }: Workshop): Promise<boolean> {
  const { mediaType } = node.descriptor
  if (!mayBeImage(mediaType)) return false
  const bytes = await step('source', 'fetch', node, () => lanes.ask(() => source.read(node.descriptor)))
  return isImage({ mediaType, document: parseDocument(bytes) })
}

interface Done {
  readonly below: Below
  readonly mapping: Mapping
  /** The destination does not have the manifest. */
  readonly isNew: boolean
}

/** What a manifest names now, and is neither there already nor to be left out. */
async function sendMissing(
  target: ReachedNode,
  { below, mapping, isNew }: Done,
  modification: Modification,
  { workshop, visit }: Folding,
): Promise<void> {
  const { manifestTypes } = workshop.source
  const results = [...mapping.values()].filter((result) => result !== undefined)
  const manifests = results.filter(({ mediaType }) => manifestTypes.isManifest(mediaType))
  const there = new Set([...manifests, ...below.left].map(nodeKey))
  // Under another media type it is left out all the same.
  const wanted = new Set(results.map(contentKey))
  const left = new Set(below.left.map(contentKey).filter((key) => !wanted.has(key)))
  const { followed } = await nodesBelow(target, workshop, isNew)
  const missing = followed.filter(
    ({ descriptor }) =>
      !there.has(nodeKey(descriptor)) &&
      !left.has(contentKey(descriptor)) &&
      modification.storedAs(descriptor) === undefined,
  )
  await Promise.all(missing.map(visit))
}

function contentKey({ digest, size }: Descriptor): string {
  return `${digest} ${size}`
}
