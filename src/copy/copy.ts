import type { Descriptor } from '../content/descriptor.ts'
import { isDigest } from '../content/digest.ts'
import { InvalidReferenceError, NotFoundError, UnsupportedError } from '../errors.ts'
import type { Destination, Source } from '../targets/target.ts'
import { failure, step } from './failure.ts'
import type { CopyOptions, CopyResult } from './options.ts'
import { runCopy, type Run } from './run.ts'
import { selectPlatform } from './select-platform.ts'
import { copyTagged, type PendingTags } from './tags.ts'

/**
 * Copies the graph under a tag or digest of the source, byte for byte, and then tags its root at the destination.
 * A tag is written only when everything under it is there. A destination whose tags point at the root already is left
 * as it is, unless `verify` asks for more.
 *
 * Errors: COPY, with the target's or the caller's error as `cause`; UNSUPPORTED and INVALID_REFERENCE before any
 * content moves; the reason of an abort itself. Costs O(nodes + edges).
 */
export async function copy(
  source: Source,
  reference: string,
  destination: Destination,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const names = destinationNames(reference, options)
  const { tags } = names
  return runCopy(source, destination, options, async (run) => {
    const { ledger, modification } = run.workshop
    const { root, pending } = await findEnds(reference, names, run, options)
    modification?.request(root)
    const isCurrent = modification === undefined && pending(root).length === 0 && tags.length > 0
    if (isCurrent && (run.workshop.options.verify ?? 'root') === 'root') {
      ledger.tell({ type: 'discovered', descriptor: root })
      ledger.tell({ type: 'skipped', descriptor: root, reason: 'tag-current' })
      await step('caller', 'onCopySkipped', reference, () => options.onCopySkipped?.({ descriptor: root }))
      return ledger.result(root, tags)
    }
    const result = await copyTagged(root, pending, run)
    return ledger.result(result, ledger.wasLeftOut(result) ? [] : tags)
  })
}

/** How the root is named at the destination. */
export interface DestinationNames {
  /** To be written. */
  readonly tags: readonly string[]
  /** That the root must have. */
  readonly digests: readonly string[]
}

/** The tag of the source is that of the destination, where nothing else is said. Error: INVALID_REFERENCE for an empty name. */
export function destinationNames(
  reference: string,
  { destinationReference = splitDigest(reference).tag ?? [] }: CopyOptions,
): DestinationNames {
  const named = typeof destinationReference === 'string' ? [destinationReference] : destinationReference
  const names = named.map(splitDigest)
  return {
    tags: [...new Set(names.flatMap(({ tag }) => tag ?? []))],
    digests: names.flatMap(({ digest }) => digest ?? []),
  }
}

/** Finds the root in the source, and where the tags of the destination point, both at once. */
export async function findEnds(
  reference: string,
  { tags, digests }: DestinationNames,
  run: Run,
  options: CopyOptions,
): Promise<{ readonly root: Descriptor; readonly pending: PendingTags }> {
  const { destination } = run.workshop
  const finding = findRoot(reference, run, options)
  const asking = currentDigests(tags, run)
  // Both have ended before either may fail the copy.
  await Promise.allSettled([finding, asking])
  const root = await finding
  const current = await asking
  const pending: PendingTags = (result) => {
    refuseImpossible(result, tags, digests, destination)
    return tags.filter((tag) => current.get(tag) !== result.digest)
  }
  return { root, pending }
}

/** `tag`, `digest` or `tag@digest`; a tag of a layout may be any other text. Error: INVALID_REFERENCE for an empty one. */
export function splitDigest(reference: string): { tag?: string; digest?: string } {
  if (reference === '') throw new InvalidReferenceError('a reference is empty: expected a tag or a digest')
  if (isDigest(reference)) return { digest: reference }
  const at = reference.lastIndexOf('@')
  const digest = reference.slice(at + 1)
  return at > 0 && isDigest(digest) ? { tag: reference.slice(0, at), digest } : { tag: reference }
}

async function findRoot(reference: string, run: Run, options: CopyOptions): Promise<Descriptor> {
  const { source, lanes, signal } = run.workshop
  const { mapRoot, platform } = options
  const found = await step('source', 'resolve', reference, () =>
    lanes.ask(() => resolve(reference, run, options)),
  )
  signal.throwIfAborted()
  const mapped = await step('caller', 'mapRoot', reference, () => mapRoot?.({ root: found, source }))
  const root = mapped ?? found
  if (platform === undefined) return root
  return step('source', 'select a platform of', reference, () =>
    lanes.ask(() => selectPlatform(source, root, platform)),
  )
}

async function resolve(
  reference: string,
  { workshop: { original, source }, atSource }: Run,
  { mapRoot, platform, maxMetadataBytes }: CopyOptions,
): Promise<Descriptor> {
  const { tag, digest } = splitDigest(reference)
  const name = digest ?? tag ?? reference
  // Where the root is looked into anyway, asking for it first would be one request too many.
  const isLookedInto = mapRoot !== undefined || platform !== undefined
  if (original.fetchReference === undefined || (original.countsPulls === true && !isLookedInto)) {
    return original.resolve(name, atSource)
  }
  try {
    const { descriptor, bytes } = await original.fetchReference(name, {
      ...atSource,
      maxBytes: maxMetadataBytes,
    })
    source.remember(descriptor, bytes)
    return descriptor
  } catch (error) {
    // A digest may name a blob, which only `resolve` looks for.
    if (error instanceof NotFoundError && digest !== undefined) return original.resolve(digest, atSource)
    throw error
  }
}

/** Where the tags point now. A target that cannot be read knows of none. */
export async function currentDigests(
  tags: readonly string[],
  { workshop: { destination, lanes, atDestination } }: Run,
): Promise<ReadonlyMap<string, string>> {
  const current = new Map<string, string>()
  await Promise.all(
    tags.map(async (tag) => {
      try {
        const found = await lanes.ask(async () => destination.resolve?.(tag, atDestination))
        if (found !== undefined) current.set(tag, found.digest)
      } catch (error) {
        if (!(error instanceof NotFoundError)) throw failure('destination', 'resolve', tag, error)
      }
    }),
  )
  return current
}

function refuseImpossible(
  root: Descriptor,
  tags: readonly string[],
  digests: readonly string[],
  destination: Destination,
): void {
  const wrong = digests.find((digest) => digest !== root.digest)
  if (wrong !== undefined) {
    throw new InvalidReferenceError(`the destination is named ${wrong}, but the root is ${root.digest}`)
  }
  if (tags.length > 0 && destination.canTag?.(root.mediaType) === false) {
    throw new UnsupportedError(
      `the destination cannot tag ${root.digest}: ${root.mediaType} is no manifest there`,
    )
  }
}
