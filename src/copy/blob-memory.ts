import { plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { digestOf } from '../content/digest.ts'
import { parseDescriptor } from '../content/manifest.ts'
import { step } from './failure.ts'
import type { Modifier } from './modifiers/modifier.ts'
import type { ReachedNode } from './reached-node.ts'
import { look, type Workshop } from './transfer.ts'

/** What a blob became in another run, if that is known and at the destination. */
export async function recall(
  node: ReachedNode,
  key: string,
  workshop: Workshop,
): Promise<Descriptor | undefined> {
  const { modifierMemory } = workshop.options
  if (modifierMemory === undefined) return undefined
  const made = await step('caller', 'modifierMemory', node, async () => {
    const known = await modifierMemory.get(key)
    return known === undefined ? undefined : plainDescriptor(parseDescriptor(known))
  })
  if (made === undefined) return undefined
  const state = await look({ ...node, descriptor: made }, workshop)
  return state === 'present' ? made : undefined
}

/** Keeps for other runs what a blob has become. */
export async function remember(
  node: ReachedNode,
  key: string,
  made: Descriptor,
  { options: { modifierMemory } }: Workshop,
): Promise<void> {
  if (modifierMemory === undefined) return
  await step('caller', 'modifierMemory', node, () => modifierMemory.set(key, plainDescriptor(made)))
}

/** A digest of all that decides what a blob becomes: it is of one length, and shows no parameter. */
export function memoryKey(
  { digest, size, mediaType }: Descriptor,
  modifiers: readonly Modifier[],
  isOfArtifact: boolean,
): string {
  const steps = modifiers.map(({ id, parameters }) => [id, parameters])
  return digestOf(Buffer.from(JSON.stringify([digest, size, mediaType, isOfArtifact, steps])))
}
