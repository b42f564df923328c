import type { Descriptor } from '../../content/descriptor.ts'
import { digestOf, parseDigest, type Digest } from '../../content/digest.ts'
import { readImageIndex, type ManifestFacts } from '../../content/manifest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { InvalidManifestError, NotFoundError, OciError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { FetchedManifest } from '../target.ts'
import { repositoryUrl, type Endpoint } from './endpoint.ts'
import { fetchReference, putManifest } from './manifests.ts'
import { removeAt } from './removal.ts'

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
 * One after the other for all that share the transport: an update reads, changes and writes. Other processes are not
 * kept out; nothing in a registry could.
 */
export async function updateTaggedReferrers(
  endpoint: Endpoint,
  subject: Descriptor,
  change: (referrers: readonly Descriptor[]) => readonly Descriptor[],
  options: SignalOptions,
): Promise<void> {
  const update = async (): Promise<void> => {
    const old = await readList(endpoint, subject.digest, options)
    const referrers = change(old.referrers)
    if (referrers.length === old.referrers.length) return
    await putList(endpoint, subject, { ...old, referrers }, options)
    await deleteList(endpoint, old, options)
  }
  const { href } = repositoryUrl(endpoint, `referrers/${subject.digest}`)
  await endpoint.transport.updates.take(href, update, options.signal)
}

async function putList(
  endpoint: Endpoint,
  subject: Descriptor,
  { referrers, annotations }: TaggedList,
  options: SignalOptions,
): Promise<void> {
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: referrers, annotations }),
  )
  const descriptor = { mediaType: mediaTypes.ociIndex, digest: digestOf(bytes), size: bytes.length }
  await putManifest(endpoint, referrersTag(subject.digest), { descriptor, bytes }, options)
}

/**
 * Deletes a list when the next one is up, so that there is one at any time. An empty list stays: its bytes are those of
 * every empty index, and deleting them removes all tags that point there, other people's too. Any other that stays is
 * rubbish and no more, so that a registry which refuses is only reported, and not asked again.
 */
async function deleteList(
  endpoint: Endpoint,
  { digest, referrers }: TaggedList,
  options: SignalOptions,
): Promise<void> {
  if (digest === undefined || referrers.length === 0 || !endpoint.state.takesDelete) return
  try {
    await removeAt(endpoint, `manifests/${digest}`, `the old list of referrers ${digest}`, options)
  } catch (error) {
    if (!(error instanceof OciError)) throw error
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
