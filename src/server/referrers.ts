import type { Descriptor } from '../content/descriptor.ts'
import { mediaTypes } from '../content/media-types.ts'
import { defaultMaxMetadataBytes } from '../content/verify.ts'
import type { Target } from '../targets/target.ts'
import { refusal } from './errors.ts'
import { jsonAnswer, type Answer, type Exchange } from './exchange.ts'
import { nextLink } from './pages.ts'

/**
 * GET referrers (distribution-spec, "Listing Referrers"): an index, also where the subject or the repository is not
 * known. Pages are cut in the order of digests, so that a list which changes meanwhile loses and repeats nothing.
 */
export async function listReferrers(exchange: Exchange): Promise<Answer> {
  const { store, name, query, limits, signal } = exchange
  const target = await store.open(name, { signal })
  if (target !== undefined && target.referrers === undefined) {
    return refusal(404, 'UNSUPPORTED', 'this store has no list of referrers')
  }
  const artifactType = query.get('artifactType') || undefined
  const rest = await referrersAfter(target, exchange, artifactType)
  const page = cutPage(rest, limits.referrersPageSize)
  return jsonAnswer(
    { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: page },
    {
      'Content-Type': mediaTypes.ociIndex,
      ...(artifactType !== undefined && { 'OCI-Filters-Applied': 'artifactType' }),
      ...(page.length < rest.length && nextLink(exchange, { artifactType, last: page.at(-1)?.digest })),
    },
  )
}

async function referrersAfter(
  target: Target | undefined,
  { reference, query, signal }: Exchange,
  artifactType: string | undefined,
): Promise<Descriptor[]> {
  const last = query.get('last') ?? ''
  const subject = { mediaType: mediaTypes.ociManifest, digest: reference, size: 0 }
  const referrers = await Array.fromAsync(target?.referrers?.(subject, { artifactType, signal }) ?? [])
  return referrers
    .filter(({ digest }) => digest > last)
    .sort((one, other) => (one.digest < other.digest ? -1 : 1))
}

/** Clients read no more of a list than of a manifest, and annotations can be long. */
function cutPage(referrers: readonly Descriptor[], maxEntries: number): readonly Descriptor[] {
  let bytes = 0
  const tooMany = referrers.findIndex((descriptor, index) => {
    bytes += Buffer.byteLength(JSON.stringify(descriptor)) + 1
    return index > 0 && (index >= maxEntries || bytes > maxPageBytes)
  })
  return tooMany === -1 ? referrers : referrers.slice(0, tooMany)
}

const maxPageBytes = defaultMaxMetadataBytes - 1024
