import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import type { Mapping } from './document.ts'
import { step } from './failure.ts'
import type { Disposition, InvalidatedState } from './options.ts'
import type { ReachedNode } from './reached-node.ts'
import type { Below } from './successors.ts'
import type { Workshop } from './transfer.ts'

/**
 * What becomes of a manifest that says something of its subject, where the subject has become another one; undefined
 * where nothing is said of it. What the copy was asked for follows its subject in any case.
 */
export async function disposeOf(
  node: ReachedNode,
  { followed }: Below,
  mapping: Mapping,
  workshop: Workshop,
): Promise<Disposition | undefined> {
  const subject = followed.find(({ edge }) => edge === 'subject')?.descriptor
  if (subject === undefined || workshop.modification?.isRequested(node.descriptor) === true) return undefined
  return dispose(node, { subject, result: mapping.get(nodeKey(subject)) }, workshop)
}

/** A subject, and what it has become. */
export interface Become {
  readonly subject: Descriptor
  readonly result: Descriptor | undefined
}

/**
 * What becomes of a node that says something of a subject; undefined if that is what it was. Else it is decided and told
 * once, in however many ways the node says it.
 */
export async function dispose(
  node: ReachedNode,
  become: Become,
  workshop: Workshop,
): Promise<Disposition | undefined> {
  const { subject, result } = become
  if (result?.digest === subject.digest) return undefined
  const key = `${nodeKey(node.descriptor)} ${subject.digest}`
  return workshop.modification?.dispositionOf(key, () => decide(node, become, workshop))
}

async function decide(
  node: ReachedNode,
  { subject, result }: Become,
  workshop: Workshop,
): Promise<Disposition> {
  const artifactType = await artifactTypeOf(node, workshop)
  const state: InvalidatedState = { descriptor: node.descriptor, artifactType, subject }
  const { invalidated = 'drop' } = workshop.options
  const chosen =
    typeof invalidated === 'string'
      ? invalidated
      : await step('caller', 'invalidated', node, () => invalidated(state))
  // What is gone cannot be pointed at.
  const disposition = result === undefined && chosen === 'repoint' ? 'drop' : chosen
  workshop.ledger.invalidate({ ...state, disposition, reason: reasonFor(subject, result) })
  return disposition
}

/** Undefined for a blob, which a tag may point at too. */
async function artifactTypeOf(node: ReachedNode, { source, lanes }: Workshop): Promise<string | undefined> {
  const { descriptor } = node
  if (!source.manifestTypes.isManifest(descriptor.mediaType)) return undefined
  return step('source', 'fetch', node, async () => {
    const bytes = await lanes.ask(() => source.read(descriptor))
    return source.parse(descriptor, bytes).artifactType
  })
}

function reasonFor(subject: Descriptor, result: Descriptor | undefined): string {
  return result === undefined
    ? `its subject ${subject.digest} was left out`
    : `its subject ${subject.digest} has become ${result.digest}`
}
