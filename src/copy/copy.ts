import type { Descriptor } from '../content/descriptor.ts'
import { isDigest } from '../content/digest.ts'
import { readAll } from '../content/verify.ts'
import { InvalidReferenceError, NotFoundError, UnsupportedError } from '../errors.ts'
import type { Destination, Source } from '../targets/target.ts'
import { failure, step } from './failure.ts'
import type { WriteManifest } from './fold.ts'
import type { CopyOptions, CopyResult } from './options.ts'
import { selectPlatform } from './select-platform.ts'
import { send } from './transfer.ts'
import { runCopy, type Run } from './run.ts'

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
  const references = destinationReferences(reference, options)
  const tags = references.filter((name) => !isDigest(name))
  return runCopy(source, destination, options, async (run) => {
    const { ledger } = run.workshop
    const [root, current] = await Promise.all([
      findRoot(source, reference, run, options),
      currentDigests(destination, tags, run),
    ])
    refuseImpossible(root, references, destination)
    const pending = tags.filter((tag) => current.get(tag) !== root.digest)
    const isCurrent = tags.length > 0 && pending.length === 0
    if (isCurrent && (options.verify ?? 'root') === 'root') {
      ledger.tell({ type: 'skipped', descriptor: root, reason: 'tag-current' })
      await step('caller', 'onCopySkipped', reference, () => options.onCopySkipped?.({ descriptor: root }))
    } else {
      await copyTagged(root, pending, run)
    }
    return ledger.result(root, ledger.wasLeftOut(root) ? [] : tags)
  })
}

/** The tag of the source is that of the destination, where nothing else is said. */
function destinationReferences(reference: string, { destinationReference }: CopyOptions): readonly string[] {
  if (destinationReference !== undefined) {
    return typeof destinationReference === 'string'
      ? [destinationReference]
      : [...new Set(destinationReference)]
  }
  const [tag = ''] = reference.split('@', 1)
  return tag === '' || isDigest(tag) ? [] : [tag]
}

async function findRoot(
  source: Source,
  reference: string,
  { workshop, atSource }: Run,
  { mapRoot, platform, maxMetadataBytes }: CopyOptions,
): Promise<Descriptor> {
  const { source: cached, lanes } = workshop
  const resolve = async (): Promise<Descriptor> => {
    if (source.fetchReference === undefined) return source.resolve(reference, atSource)
    try {
      const found = await source.fetchReference(reference, { ...atSource, maxBytes: maxMetadataBytes })
      cached.remember(found.descriptor, found.bytes)
      return found.descriptor
    } catch (error) {
      // A digest may name a blob, which only `resolve` looks for.
      if (error instanceof NotFoundError && namesDigest(reference)) return source.resolve(reference, atSource)
      throw error
    }
  }
  const found = await step('source', 'resolve', reference, () => lanes.ask(resolve))
  const mapped = await step('caller', 'mapRoot', reference, () => mapRoot?.({ root: found, source: cached }))
  const root = mapped ?? found
  if (platform === undefined) return root
  return step('source', 'select a platform of', reference, () =>
    lanes.ask(() => selectPlatform(cached, root, platform)),
  )
}

/** Where the tags point now. A target that cannot be read knows of none. */
async function currentDigests(
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

function refuseImpossible(root: Descriptor, references: readonly string[], destination: Destination): void {
  const wrong = references.find((reference) => isDigest(reference) && reference !== root.digest)
  if (wrong !== undefined) {
    throw new InvalidReferenceError(`the destination is named ${wrong}, but the root is ${root.digest}`)
  }
  const isTagged = references.some((reference) => !isDigest(reference))
  if (isTagged && destination.canTag?.(root.mediaType) === false) {
    throw new UnsupportedError(
      `the destination cannot tag ${root.digest}: ${root.mediaType} is no manifest there`,
    )
  }
}

/** The root goes over with its first tag in one request where the destination can do that; the other tags follow. */
async function copyTagged(root: Descriptor, tags: readonly string[], run: Run): Promise<void> {
  const { destination, ledger, atDestination } = run.workshop
  const [first] = tags
  if (first === undefined || destination.pushReference === undefined) {
    await run.fold(root)
    return tagAll(root, tags, run)
  }
  const written: string[] = []
  const writeRoot: WriteManifest = async (place, bytes) => {
    await send(place, run.workshop, bytes, async (content) => {
      const read = await readAll(content, root, Infinity)
      await destination.pushReference?.(root, read, first, atDestination)
    })
    written.push(first)
    ledger.tell({ type: 'tagged', descriptor: root, reference: first })
    return 'copied'
  }
  await run.fold(root, writeRoot)
  await tagAll(root, tags.slice(written.length), run)
}

async function tagAll(root: Descriptor, tags: readonly string[], { workshop }: Run): Promise<void> {
  const { destination, ledger, lanes, source, atDestination } = workshop
  if (ledger.wasLeftOut(root)) return
  const tag = async (name: string): Promise<void> => {
    if (destination.pushReference === undefined) await destination.tag(root, name, atDestination)
    else await destination.pushReference(root, await source.read(root), name, atDestination)
    ledger.tell({ type: 'tagged', descriptor: root, reference: name })
  }
  await Promise.all(tags.map((name) => step('destination', 'tag', name, () => lanes.ask(() => tag(name)))))
}

function namesDigest(reference: string): boolean {
  return isDigest(reference.slice(reference.indexOf('@') + 1))
}
