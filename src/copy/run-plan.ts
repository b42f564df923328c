import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import { InvalidReferenceError, NotFoundError } from '../errors.ts'
import type { CopyEvent, SignalOptions } from '../events.ts'
import type { Destination, Source } from '../targets/target.ts'
import { copyGraph } from './copy-graph.ts'
import { copy, destinationNames, splitDigest } from './copy.ts'
import { extendedCopy, extendedCopyGraph } from './extended-copy.ts'
import type { ExtendedCopyOptions } from './extended-options.ts'
import { step } from './failure.ts'
import { Ledger } from './ledger.ts'
import type { CopyResult } from './options.ts'
import { optionsDigest } from './plan.ts'
import type { Plan } from './plan-types.ts'

/**
 * Does what a plan says, with the options that it was made with. That the reference of the source and the tags of the
 * destination are what they were is asked first; and the copy ends, with no tag written, at the first node that the plan
 * does not know or that becomes another one than it says: then the source has changed, or the destination has lost what
 * it had. What is at the destination by now besides is skipped.
 *
 * Errors: INVALID_REFERENCE where something has moved; RangeError for options that are data and not those of the plan;
 * else as of the operation that was planned.
 */
export async function runPlan(
  plan: Plan,
  source: Source,
  destination: Destination,
  options: ExtendedCopyOptions = {},
): Promise<CopyResult> {
  if (optionsDigest(options) !== plan.optionsDigest) {
    throw new RangeError('the options are not those that the plan was made with')
  }
  const { signal, onEvent } = options
  const ledger = new Ledger(onEvent)
  await expectUnmovedTags(plan, destination, { signal, onEvent: ledger.side('destination') })
  const { operation, reference, root } = plan
  const settings = { ...options, onEvent: guard(plan, onEvent) }
  if (operation === 'copyGraph') return copyGraph(source, root, destination, settings)
  if (operation === 'extendedCopyGraph') return extendedCopyGraph(source, root, destination, settings)
  const pinned = await pin(plan, source, { signal, onEvent: ledger.side('source') })
  const { tags, digests } = destinationNames(reference, options)
  // Checked before anything is tagged; a root that becomes another one is checked when it has.
  const isKept = plan.descriptor?.digest === root.digest
  const destinationReference = [...tags, ...digests, ...(isKept ? [root.digest] : [])]
  const run = operation === 'copy' ? copy : extendedCopy
  return run(source, pinned, destination, { ...settings, destinationReference })
}

/** The reference with the digest that it has had; one that names a digest cannot move. */
async function pin({ reference, root }: Plan, source: Source, options: SignalOptions): Promise<string> {
  if (splitDigest(reference).digest !== undefined) return reference
  const found = await step('source', 'resolve', reference, () => source.resolve(reference, options))
  expectSame(`${JSON.stringify(reference)} of the source`, found.digest, root.digest)
  return `${reference}@${root.digest}`
}

async function expectUnmovedTags(
  { destinationTags }: Plan,
  destination: Destination,
  options: SignalOptions,
): Promise<void> {
  await destination.prepare?.(options)
  for (const { tag, digest } of destinationTags) {
    const found = await step('destination', 'resolve', tag, () => find(tag, destination, options))
    expectSame(`${JSON.stringify(tag)} of the destination`, found, digest)
  }
}

async function find(
  tag: string,
  destination: Destination,
  options: SignalOptions,
): Promise<string | undefined> {
  try {
    return (await destination.resolve?.(tag, options))?.digest
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

function expectSame(what: string, found: string | undefined, planned: string | undefined): void {
  if (found === planned) return
  throw moved(`${what} is ${found ?? 'gone'}, and was ${planned ?? 'not there'}`)
}

/** Listens to a copy, and ends it where it leaves the plan. */
function guard(plan: Plan, onEvent: SignalOptions['onEvent']): (event: CopyEvent) => void {
  const planned = new Map(plan.nodes.map((node) => [nodeKey(node), node]))
  const isComplete = plan.totals.unknown === 0
  return (event) => {
    onEvent?.(event)
    if (event.type === 'discovered') expectPlanned(event.descriptor)
    if (event.type === 'started') expectUnfiltered(event.descriptor)
    if ((event.type === 'copied' || event.type === 'skipped') && event.result !== undefined) {
      const expected = planned.get(nodeKey(event.descriptor))
      if (expected?.bytes === undefined) return
      const { digest } = expected.result ?? expected
      expectSame(`what ${event.descriptor.digest} becomes`, event.result.digest, digest)
    }
  }

  function expectUnfiltered(descriptor: Descriptor): void {
    if (planned.get(nodeKey(descriptor))?.action !== 'filter') return
    throw moved(`${descriptor.digest} would be copied, and was to be left out`)
  }

  function expectPlanned(descriptor: Descriptor): void {
    if (!isComplete || planned.has(nodeKey(descriptor))) return
    throw moved(`${descriptor.digest} would be copied or looked for, and is not in the plan`)
  }
}

function moved(what: string): InvalidReferenceError {
  return new InvalidReferenceError(`the plan is out of date: ${what}`)
}
