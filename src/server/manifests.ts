import PQueue from 'p-queue'
import { contentOf } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import { digestOf, isDigest, parseDigest } from '../content/digest.ts'
import { standardManifestTypes } from '../content/manifest-types.ts'
import type { ManifestFacts } from '../content/manifest.ts'
import { isForeignLayer, withoutParameters } from '../content/media-types.ts'
import { isTag } from '../content/reference.ts'
import { InvalidDigestError, InvalidManifestError, SizeExceedsLimitError } from '../errors.ts'
import type { Target } from '../targets/target.ts'
import { refusal, refusals } from './errors.ts'
import { bodyOf, bodySize, withRepository, type Answer, type Exchange } from './exchange.ts'
import { resolveManifest } from './resolve.ts'

/** GET and HEAD of a manifest by tag or digest. Its media type is answered whatever the Accept header says. */
export async function fetchManifest(exchange: Exchange): Promise<Answer> {
  const { reference, signal } = exchange
  return withRepository(exchange, 'read', async (target) => {
    const descriptor = await resolveManifest(target, reference, signal)
    if (descriptor === undefined) return unknownManifest(reference)
    const { mediaType, digest, size } = descriptor
    return {
      status: 200,
      headers: {
        'Content-Type': mediaType,
        'Content-Length': size,
        'Docker-Content-Digest': digest,
        ETag: `"${digest}"`,
      },
      body: target.fetch(descriptor, { signal }),
    }
  })
}

/**
 * PUT of a manifest by tag or digest (distribution-spec, "Pushing Manifests"). By tag its digest is of sha256, unless
 * the query says `digest`; by digest the query may say `tag`, many times.
 */
export async function pushManifest(exchange: Exchange): Promise<Answer> {
  const { request, reference, query, limits } = exchange
  const tags = isDigest(reference) ? query.getAll('tag') : [reference]
  const wanted = isDigest(reference) ? reference : query.get('digest')
  if (!tags.every(isTag)) return refusal(400, 'MANIFEST_INVALID', 'not a legal tag')
  if (tags.length > maxTags)
    return refusal(414, 'MANIFEST_INVALID', `more than ${maxTags} tags in one request`)
  if (wanted !== null && !isDigest(wanted)) return refusal(400, 'DIGEST_INVALID', 'not a digest')
  const bytes = await readBody(exchange)
  if (bytes === undefined) {
    return refusal(413, 'MANIFEST_INVALID', `a manifest may have ${limits.maxMetadataBytes} bytes at most`)
  }
  const digest = digestOf(bytes, wanted === null ? 'sha256' : parseDigest(wanted).algorithm)
  if (wanted !== null && wanted !== digest) {
    return refusal(400, 'DIGEST_INVALID', `the manifest has the digest ${digest}, not ${wanted}`)
  }
  const mediaType = withoutParameters(request.headers['content-type'] ?? '')
  return withRepository(exchange, 'write', (target) =>
    store({ ...exchange, target, descriptor: { mediaType, digest, size: bytes.length }, bytes, tags }),
  )
}

/** DELETE of a manifest by digest, with the tags that point at it; of a tag, which leaves the manifest. */
export async function deleteManifest(exchange: Exchange): Promise<Answer> {
  const { reference, signal } = exchange
  return withRepository(exchange, 'read', async (target) => {
    const isPossible = isDigest(reference) ? target.delete !== undefined : target.untag !== undefined
    if (!isPossible) return refusal(405, 'UNSUPPORTED', 'this store cannot delete')
    const descriptor = await resolveManifest(target, reference, signal)
    if (descriptor === undefined) return unknownManifest(reference)
    await (isDigest(reference)
      ? target.delete?.(descriptor, { signal })
      : target.untag?.(reference, { signal }))
    return { status: 202 }
  })
}

/** The dev version of distribution-spec asks for ten at least. */
const maxTags = 100
const maxMissingShown = 100
const existsConcurrency = 16

interface PushedManifest extends Exchange {
  readonly target: Target
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
  readonly tags: readonly string[]
}

async function store(pushed: PushedManifest): Promise<Answer> {
  const { name, target, descriptor } = pushed
  const facts = readFacts(pushed)
  if (typeof facts === 'string') return refusal(400, 'MANIFEST_INVALID', facts)
  const missing = await missingSuccessors(pushed, facts)
  if (missing.length > 0) return missingContent(missing)
  await pushAndTag(pushed)
  return {
    status: 201,
    headers: {
      Location: `/v2/${name}/manifests/${descriptor.digest}`,
      'Docker-Content-Digest': descriptor.digest,
      ...(pushed.tags.length > 0 && { 'OCI-Tag': pushed.tags.join(', ') }),
      // The header tells a client that it need not keep the referrers tag up to date.
      ...(facts.subject && target.referrers && { 'OCI-Subject': facts.subject.digest }),
    },
  }
}

async function readBody({ request, limits }: Exchange): Promise<Uint8Array | undefined> {
  if ((bodySize(request) ?? 0) > limits.maxMetadataBytes) return undefined
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of bodyOf(request)) {
    size += chunk.length
    if (size > limits.maxMetadataBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** What the manifest says, or why it is not one. The reasons speak of the client's bytes alone. */
function readFacts({ target, descriptor, bytes, limits }: PushedManifest): ManifestFacts | string {
  const { manifestTypes = standardManifestTypes } = target
  if (!manifestTypes.isManifest(descriptor.mediaType)) {
    return `the Content-Type must be one of ${manifestTypes.mediaTypes.join(', ')}`
  }
  try {
    return manifestTypes.read(descriptor, bytes, { maxBytes: limits.maxMetadataBytes })
  } catch (error) {
    const isRefused =
      error instanceof InvalidManifestError ||
      error instanceof InvalidDigestError ||
      error instanceof SizeExceedsLimitError
    if (isRefused) return error.message
    throw error
  }
}

/** All but the subject must be there, and layers that a registry is not expected to hold. */
async function missingSuccessors(
  { target, signal }: PushedManifest,
  { contains }: ManifestFacts,
): Promise<readonly string[]> {
  const needed = new Map(
    contains.flatMap((descriptor) =>
      isForeignLayer(descriptor.mediaType) ? [] : [[descriptor.digest, descriptor]],
    ),
  )
  const queue = new PQueue({ concurrency: existsConcurrency })
  const look = async (descriptor: Descriptor): Promise<readonly string[]> =>
    (await target.exists(descriptor, { signal })) ? [] : [descriptor.digest]
  try {
    const missing = await queue.addAll([...needed.values()].map((descriptor) => () => look(descriptor)))
    return missing.flat()
  } finally {
    queue.clear()
    await queue.onIdle()
  }
}

function missingContent(digests: readonly string[]): Answer {
  return refusals(
    400,
    digests.slice(0, maxMissingShown).map((digest) => ({
      code: 'MANIFEST_BLOB_UNKNOWN',
      message: `the manifest refers to ${digest}, which is not in this repository`,
      detail: { digest },
    })),
  )
}

async function pushAndTag({ target, descriptor, bytes, tags, signal }: PushedManifest): Promise<void> {
  const [tag, ...more] = tags
  if (tag !== undefined && target.pushReference !== undefined) {
    await target.pushReference(descriptor, bytes, tag, { signal })
  } else {
    await target.push(descriptor, contentOf(bytes), { signal })
    if (tag !== undefined) await target.tag(descriptor, tag, { signal })
  }
  for (const other of more) await target.tag(descriptor, other, { signal })
}

function unknownManifest(reference: string): Answer {
  return refusal(404, 'MANIFEST_UNKNOWN', `no manifest ${reference} in this repository`)
}
