import { nodeKey, sameNode, type Descriptor } from '../content/descriptor.ts'
import { UnsupportedError } from '../errors.ts'
import type { Destination, Source } from '../targets/target.ts'
import { currentDigests, destinationNames, findEnds } from './copy.ts'
import type {
  AscentOptions,
  ExtendedCopyGraphOptions,
  ExtendedCopyOptions,
  ExtendedCopyResult,
} from './extended-options.ts'
import type { DigestTag } from './digest-tags.ts'
import { dispose } from './disposition.ts'
import { findRoots, type FoundRoots } from './find-roots.ts'
import { leaveOut } from './successors.ts'
import { rootNode } from './reached-node.ts'
import type { CopyGraphOptions } from './options.ts'
import { runCopy, type Folded, type Run } from './run.ts'
import { copyTagged, tagAll, tagResult, type PendingTags } from './tags.ts'

/**
 * Copies the graph under a tag or digest of the source, and what refers to it: signatures, SBOMs, attestations, with
 * all that is under them; byte for byte. The tags of the destination are written last, when all this is there.
 *
 * Errors: as `copy`; UNSUPPORTED, before any I/O, for a source that cannot find predecessors, or with `digestTags`
 * cannot list its tags.
 */
export async function extendedCopy(
  source: Source,
  reference: string,
  destination: Destination,
  options: ExtendedCopyOptions = {},
): Promise<ExtendedCopyResult> {
  refuseUnable(source, options)
  const names = destinationNames(reference, options)
  const ascent = new Ascent(options)
  return runCopy(source, destination, { ...options, ...ascent.copyOptions }, async (run) => {
    const { root, pending } = await findEnds(reference, names, run, options)
    return ascent.copy(root, run, { tags: names.tags, pending })
  })
}

/**
 * Copies the graph under a node and what refers to it, byte for byte. Nothing is tagged but what `digestTags` carries
 * over. Errors: as `copyGraph`; UNSUPPORTED as `extendedCopy`.
 */
export async function extendedCopyGraph(
  source: Source,
  node: Descriptor,
  destination: Destination,
  options: ExtendedCopyGraphOptions = {},
): Promise<ExtendedCopyResult> {
  refuseUnable(source, options)
  const ascent = new Ascent(options)
  return runCopy(source, destination, { ...options, ...ascent.copyOptions }, (run) =>
    ascent.copy(node, run, { tags: [], pending: () => [] }),
  )
}

function refuseUnable(
  source: Source,
  { referrers = 'all', edges = ['subject'], digestTags = false }: AscentOptions,
): void {
  const isAscending = edges.includes('contains') || (edges.includes('subject') && referrers !== 'none')
  if (isAscending && source.predecessors === undefined) {
    throw new UnsupportedError(
      'an extended copy finds what refers to a node, and this source has no predecessors',
    )
  }
  if (digestTags && source.tags === undefined) {
    throw new UnsupportedError('digest tags are found in the list of tags, and this source has no tags')
  }
}

interface Tags {
  readonly tags: readonly string[]
  readonly pending: PendingTags
}

/** One extended copy: what it finds bounds what is followed downwards. */
class Ascent {
  readonly #options: ExtendedCopyGraphOptions
  #found: FoundRoots | undefined

  constructor(options: ExtendedCopyGraphOptions) {
    this.#options = options
  }

  /** What differs from an ordinary copy. */
  get copyOptions(): Pick<CopyGraphOptions, 'findSuccessors'> {
    if (this.#options.ancestors !== 'alone') return {}
    return {
      findSuccessors: async (state) => {
        const successors = (await this.#options.findSuccessors?.(state)) ?? state.successors
        const { ancestors, line } = this.#found ?? {}
        if (ancestors?.has(nodeKey(state.descriptor)) !== true) return successors
        return successors.filter(
          ({ edge, descriptor }) => edge === 'subject' || line?.has(nodeKey(descriptor)) === true,
        )
      },
    }
  }

  async copy(node: Descriptor, run: Run, { tags, pending }: Tags): Promise<ExtendedCopyResult> {
    const found = await findRoots(node, run.workshop, this.#options)
    this.#found = found
    const { roots } = found
    const { ledger, modification } = run.workshop
    modification?.request(node)
    if (modification === undefined) pending(node)
    const isAlone = found.digestTags.length === 0 && roots.every((root) => sameNode(root, node))
    const { result, digestTags } = isAlone
      ? { result: await copyTagged(node, pending, run), digestTags: [] }
      : await copyAll(node, found, pending, run)
    return { ...ledger.result(result, ledger.wasLeftOut(result) ? [] : tags), roots, digestTags }
  }
}

/** What the node itself has become is asked of the same fold, which has handled it below one of the roots. */
async function copyAll(
  node: Descriptor,
  found: FoundRoots,
  pending: PendingTags,
  run: Run,
): Promise<{ readonly result: Descriptor; readonly digestTags: readonly string[] }> {
  const folded = await run.fold(found.roots)
  const carried = await run.workshop.lanes.each(found.digestTags, (tag) => carry(tag, folded, run))
  const digestTags = carried
    .filter((tag) => tag !== undefined)
    .filter(({ descriptor }) => !run.workshop.ledger.wasLeftOut(descriptor))
  await writeDigestTags(digestTags, run)
  const result = await tagResult(node, await folded.of(node), pending, run)
  return { result, digestTags: digestTags.map(({ tag }) => tag) }
}

interface CarriedTag {
  readonly tag: string
  readonly descriptor: Descriptor
}

/** Undefined where the tag is not carried over. */
async function carry(
  digestTag: DigestTag,
  folded: Folded,
  { workshop }: Run,
): Promise<CarriedTag | undefined> {
  const { tag, descriptor, subject } = digestTag
  const result = await folded.of(subject)
  const node = rootNode(descriptor)
  const disposition = await dispose(node, { subject, result }, workshop)
  if (disposition === 'keep') {
    await Promise.all([folded.asItIs(subject), folded.asItIs(descriptor)])
    return { tag, descriptor }
  }
  if (disposition === 'drop') {
    leaveOut(rootNode(subject), descriptor, 'invalidated', workshop)
    return undefined
  }
  const carried = await folded.of(descriptor)
  if (carried === undefined) return undefined
  const name = result === undefined ? tag : tag.replace(nameAfter(subject), nameAfter(result))
  return { tag: name, descriptor: carried }
}

function nameAfter({ digest }: Descriptor): string {
  return digest.replace(':', '-')
}

async function writeDigestTags(digestTags: readonly CarriedTag[], run: Run): Promise<void> {
  const names = digestTags.map(({ tag }) => tag)
  const current = await currentDigests(names, run)
  const pending = digestTags.filter(({ tag, descriptor }) => current.get(tag) !== descriptor.digest)
  await Promise.all(pending.map(({ tag, descriptor }) => tagAll(descriptor, [tag], run)))
}
