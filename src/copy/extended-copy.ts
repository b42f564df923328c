import { nodeKey, sameNode, type Descriptor } from '../content/descriptor.ts'
import { UnsupportedError } from '../errors.ts'
import type { Destination, Source } from '../targets/target.ts'
import { currentDigests, destinationNames, findRoot, refuseImpossible } from './copy.ts'
import type {
  AscentOptions,
  ExtendedCopyGraphOptions,
  ExtendedCopyOptions,
  ExtendedCopyResult,
} from './extended-options.ts'
import { findRoots, type FoundRoots } from './find-roots.ts'
import type { CopyGraphOptions } from './options.ts'
import { runCopy, type Run } from './run.ts'
import { copyTagged, tagAll } from './tags.ts'

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
  const { tags, digests } = destinationNames(reference, options)
  const ascent = new Ascent(options)
  return runCopy(source, destination, { ...options, ...ascent.copyOptions }, async (run) => {
    const finding = findRoot(source, reference, run, options)
    const asking = currentDigests(destination, tags, run)
    // Both have ended before either may fail the copy.
    await Promise.allSettled([finding, asking])
    const node = await finding
    const current = await asking
    refuseImpossible(node, tags, digests, destination)
    const pending = tags.filter((tag) => current.get(tag) !== node.digest)
    return ascent.copy(node, run, { tags, pending })
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
    ascent.copy(node, run, { tags: [], pending: [] }),
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
  /** Those that do not point at the node yet. */
  readonly pending: readonly string[]
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
    const { roots, digestTags } = found
    const isAlone = digestTags.size === 0 && roots.every((root) => sameNode(root, node))
    if (isAlone) await copyTagged(node, pending, run)
    else {
      await run.fold(roots)
      await writeDigestTags(digestTags, run)
      await tagAll(node, pending, run)
    }
    const { ledger } = run.workshop
    return {
      ...ledger.result(node, ledger.wasLeftOut(node) ? [] : tags),
      roots,
      digestTags: [...digestTags.keys()],
    }
  }
}

async function writeDigestTags(digestTags: FoundRoots['digestTags'], run: Run): Promise<void> {
  const current = await currentDigests(run.workshop.destination, [...digestTags.keys()], run)
  const pending = [...digestTags].filter(([tag, { digest }]) => current.get(tag) !== digest)
  await Promise.all(pending.map(([tag, tagged]) => tagAll(tagged, [tag], run)))
}
