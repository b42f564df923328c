import type { Descriptor } from '../../content/descriptor.ts'
import { digestOf, parseDigest, type Digest } from '../../content/digest.ts'
import { readImageIndex, type ManifestFacts } from '../../content/manifest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { InvalidManifestError, LockedError, NotFoundError, OciError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { FetchedManifest } from '../target.ts'
import { nameOf, repositoryUrl, type Endpoint } from './endpoint.ts'
import { fetchReference, putManifest } from './manifests.ts'
import { removeAt } from './removal.ts'
import { Attempts, pause, waitSignal } from './transport/attempts.ts'

/** A list of referrers that a tag points at. */
interface TaggedList {
  readonly referrers: readonly Descriptor[]
  /** Undefined where there is no list yet. */
  readonly digest: Digest | undefined
  readonly annotations?: ManifestFacts['annotations']
}

/** The tag that lists the referrers of a manifest (distribution-spec, "Referrers Tag Schema"). */
export function referrersTag(subject: Digest): string {
  const { algorithm, encoded } = parseDigest(subject)
  return `${algorithm}-${encoded.slice(0, 64)}`
}

/** The referrers that the tag of a subject lists; none where there is no such list, or what is there cannot be read as one. */
export async function taggedReferrers(
  endpoint: Endpoint,
  subject: Descriptor,
  options: SignalOptions,
): Promise<readonly Descriptor[]> {
  try {
    return (await readList(endpoint, subject.digest, options)).referrers
  } catch (error) {
    if (error instanceof InvalidManifestError || error instanceof UnsupportedError) return []
    throw error
  }
}

/**
 * Changes the list that the tag of a subject points at; what `change` gives back in the same length changes nothing.
 * Nothing in a registry keeps others from replacing a list that was read, but not written yet. Those that share the
 * transport go one after the other. After all others the list is read again, and changed again where one of them has
 * replaced it. Error: LOCKED if that happens ten times in a row.
 */
export async function updateTaggedReferrers(
  endpoint: Endpoint,
  subject: Descriptor,
  change: (referrers: readonly Descriptor[]) => readonly Descriptor[],
  options: SignalOptions,
): Promise<void> {
  const { updates, retryPolicy } = endpoint.transport
  const url = repositoryUrl(endpoint, `referrers/${subject.digest}`)
  const attempts = new Attempts(retryPolicy, { method: 'PUT', url, ...options })
  const update: Update = { subject: subject.digest, change, attempts, replaced: new Set(), milliseconds: 0 }
  for (let round = 1; round <= maxRounds; round++) {
    await updates.take(url.href, () => advance(endpoint, update, options), options.signal)
    if (update.milliseconds === undefined) return
    // Who has read the list before it was replaced has written by then, if it is not much slower than this one.
    const milliseconds = Math.max(minWaitMilliseconds, update.milliseconds) * (1 + Math.random()) * round
    await pause(milliseconds, waitSignal(retryPolicy, options.signal))
  }
  throw new LockedError(
    `the list of the referrers of ${subject.digest} in ${nameOf(endpoint)} was written ${maxRounds} times, ` +
      'and is not what was written: others replace it all the time, or the registry does not show it',
  )
}

const maxRounds = 10
const minWaitMilliseconds = 50

/** A change of a list while it is under way. */
interface Update {
  readonly subject: Digest
  readonly change: (referrers: readonly Descriptor[]) => readonly Descriptor[]
  readonly attempts: Attempts
  /** Lists that have been replaced, and are rubbish. */
  readonly replaced: Set<Digest>
  /** The list that was written last. */
  written?: Digest
  /** How long reading and writing took; undefined once the list is as it should be. */
  milliseconds: number | undefined
}

/**
 * Writes the list as it should be, or finds that it is. A write that failed is not repeated as it is: the list may be
 * another one by then.
 */
async function advance(endpoint: Endpoint, update: Update, options: SignalOptions): Promise<void> {
  const { subject, change, attempts, replaced } = update
  const started = performance.now()
  const old = await readList(endpoint, subject, options)
  const referrers = change(old.referrers)
  if (referrers.length === old.referrers.length) {
    if (old.digest !== undefined) replaced.delete(old.digest)
    for (const digest of replaced) await deleteList(endpoint, digest, options)
    update.milliseconds = undefined
    return
  }
  if (update.written !== undefined) replaced.add(update.written)
  if (old.digest !== undefined && old.referrers.length > 0) replaced.add(old.digest)
  const list = listOf({ ...old, referrers })
  try {
    await putManifest(endpoint, referrersTag(subject), list, { ...options, repeat: 'never' })
  } catch (error) {
    await attempts.recover(error)
  }
  if (referrers.length > 0) update.written = list.descriptor.digest
  update.milliseconds = performance.now() - started
}

function listOf({ referrers, annotations }: Omit<TaggedList, 'digest'>): FetchedManifest {
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: referrers, annotations }),
  )
  return {
    descriptor: { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.length },
    bytes,
  }
}

/**
 * Deletes a list when the next one is up and has been read, so that there is one at any time, also for who has looked
 * the tag up a moment ago. An empty list is none to delete: its bytes are those of every empty index, and deleting
 * them removes all tags that point there, other people's too. Any other that stays is rubbish and no more, so that a
 * registry which refuses is only reported, and not asked again.
 */
async function deleteList(endpoint: Endpoint, digest: Digest, options: SignalOptions): Promise<void> {
  if (!endpoint.state.takesDelete) return
  try {
    await removeAt(endpoint, `manifests/${digest}`, `the old list of referrers ${digest}`, options)
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    // Another process has replaced the same list.
    if (error instanceof NotFoundError) return
    if (error instanceof UnsupportedError) endpoint.state.takesDelete = false
    options.onEvent?.({
      type: 'warning',
      message: `an old list of referrers stays behind: ${error.message}`,
    })
  }
}

/**
 * What the tag points at counts only if it is an index, and not the subject itself: some registries resolve the tag
 * `sha256-…` as the digest, and who takes that for the list loses the subject. What cannot be read is an error: who
 * takes that for no list overwrites one.
 */
async function readList(endpoint: Endpoint, subject: Digest, options: SignalOptions): Promise<TaggedList> {
  const found = await fetchList(endpoint, referrersTag(subject), options)
  if (found?.descriptor.mediaType !== mediaTypes.ociIndex || found.descriptor.digest === subject) {
    return { referrers: [], digest: undefined }
  }
  const { descriptor, bytes } = found
  const facts = readImageIndex(bytes, mediaTypes.ociIndex, { maxBytes: endpoint.maxMetadataBytes })
  return { referrers: facts.contains, digest: descriptor.digest, annotations: facts.annotations }
}

async function fetchList(
  endpoint: Endpoint,
  tag: string,
  options: SignalOptions,
): Promise<FetchedManifest | undefined> {
  try {
    return await fetchReference(endpoint, tag, options)
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}
