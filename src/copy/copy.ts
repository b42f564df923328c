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
  const { tags, digests } = destinationNames(reference, options)
  return runCopy(source, destination, options, async (run) => {
    const { ledger } = run.workshop
    const finding = findRoot(source, reference, run, options)
    const asking = currentDigests(destination, tags, run)
    // Both have ended before either may fail the copy.
    await Promise.allSettled([finding, asking])
    const root = await finding
    const current = await asking
    const { modification } = run.workshop
    modification?.request(root)
    const pending: PendingTags = (result) => {
      refuseImpossible(result, tags, digests, destination)
      return tags.filter((tag) => current.get(tag) !== result.digest)
    }
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

/** The tags to write, and the digests that the root must have. The tag of the source is that of the destination, where nothing else is said. */
export function destinationNames(
  reference: string,
  { destinationReference = splitDigest(reference).tag ?? [] }: CopyOptions,
): { tags: readonly string[]; digests: readonly string[] } {
  const named = typeof destinationReference === 'string' ? [destinationReference] : destinationReference
  const names = named.map(splitDigest)
  return {
    tags: [...new Set(names.flatMap(({ tag }) => tag ?? []))],
    digests: names.flatMap(({ digest }) => digest ?? []),
  }
}

/** `tag`, `digest` or `tag@digest`; a tag of a layout may be any other text. Error: INVALID_REFERENCE for an empty one. */
function splitDigest(reference: string): { tag?: string; digest?: string } {
  if (reference === '') throw new InvalidReferenceError('a reference is empty: expected a tag or a digest')
  if (isDigest(reference)) return { digest: reference }
  const at = reference.lastIndexOf('@')
  const digest = reference.slice(at + 1)
  return at > 0 && isDigest(digest) ? { tag: reference.slice(0, at), digest } : { tag: reference }
}

export async function findRoot(
  source: Source,
  reference: string,
  { workshop, atSource }: Run,
  { mapRoot, platform, maxMetadataBytes }: CopyOptions,
): Promise<Descriptor> {
  const { source: cached, lanes, signal } = workshop
  const { tag, digest } = splitDigest(reference)
  const name = digest ?? tag ?? reference
  // Where the root is looked into anyway, asking for it first would be one request too many.
  const isLookedInto = mapRoot !== undefined || platform !== undefined
  const resolve = async (): Promise<Descriptor> => {
    if (source.fetchReference === undefined || (source.countsPulls === true && !isLookedInto)) {
      return source.resolve(name, atSource)
    }
    try {
      const found = await source.fetchReference(name, { ...atSource, maxBytes: maxMetadataBytes })
      cached.remember(found.descriptor, found.bytes)
      return found.descriptor
    } catch (error) {
      // A digest may name a blob, which only `resolve` looks for.
      if (error instanceof NotFoundError && digest !== undefined) return source.resolve(digest, atSource)
      throw error
    }
  }
  const found = await step('source', 'resolve', reference, () => lanes.ask(resolve))
  signal.throwIfAborted()
  const mapped = await step('caller', 'mapRoot', reference, () => mapRoot?.({ root: found, source: cached }))
  const root = mapped ?? found
  if (platform === undefined) return root
  return step('source', 'select a platform of', reference, () =>
    lanes.ask(() => selectPlatform(cached, root, platform)),
  )
}

/** Where the tags point now. A target that cannot be read knows of none. */
export async function currentDigests(
  destination: Destination,
  tags: readonly string[],
  { workshop: { lanes, atDestination } }: Run,
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

export function refuseImpossible(
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
