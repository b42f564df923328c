import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest, type Digest } from '../../content/digest.ts'
import { readImageIndex, type ManifestFacts } from '../../content/manifest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { InvalidManifestError, NotFoundError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { FetchedManifest } from '../target.ts'
import type { Endpoint } from './endpoint.ts'
import { fetchReference } from './manifests.ts'

/** A list of referrers that a tag points at. */
export interface TaggedList {
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
    return (await readTaggedList(endpoint, subject.digest, options)).referrers
  } catch (error) {
    if (error instanceof InvalidManifestError || error instanceof UnsupportedError) return []
    throw error
  }
}

/**
 * What the tag points at counts only if it is an index, and not the subject itself: some registries resolve the tag
 * `sha256-…` as the digest, and who takes that for the list loses the subject. What cannot be read is an error: who
 * takes that for no list overwrites one.
 */
export async function readTaggedList(
  endpoint: Endpoint,
  subject: Digest,
  options: SignalOptions,
): Promise<TaggedList> {
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
