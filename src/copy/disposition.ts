import { nodeKey, sameNode, type Descriptor } from '../content/descriptor.ts'
import type { Mapping } from './document.ts'
import { step } from './failure.ts'
import type { Disposition, InvalidatedState } from './options.ts'
import type { ReachedNode } from './reached-node.ts'
import type { Below } from './successors.ts'
import type { Workshop } from './transfer.ts'

/** A node as what it has become; nothing is modified below it again. */
export function becoming(node: ReachedNode, made: Descriptor): ReachedNode {
  if (sameNode(node.descriptor, made)) return { ...node, isOriginal: true }
  return { ...node, descriptor: made, original: node.descriptor, isOriginal: true }
}

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

/** What becomes of a node that says something of a subject; undefined if that is what it was. Else it is told. */
export async function dispose(
  node: ReachedNode,
  { subject, result }: Become,
  { ledger, source, options }: Workshop,
): Promise<Disposition | undefined> {
  if (result?.digest === subject.digest) return undefined
  const { artifactType } = source.parse(node.descriptor, await source.read(node.descriptor))
  const state: InvalidatedState = { descriptor: node.descriptor, artifactType, subject }
  const { invalidated = 'drop' } = options
  const chosen =
    typeof invalidated === 'string'
      ? invalidated
      : await step('caller', 'invalidated', node, () => invalidated(state))
  // What is gone cannot be pointed at.
  const disposition = result === undefined && chosen === 'repoint' ? 'drop' : chosen
  ledger.invalidate({ ...state, disposition, reason: reasonFor(subject, result) })
  return disposition
}

function reasonFor(subject: Descriptor, result: Descriptor | undefined): string {
  return result === undefined
    ? `its subject ${subject.digest} was left out`
    : `its subject ${subject.digest} has become ${result.digest}`
}
