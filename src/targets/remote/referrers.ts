import { filtersAppliedAnnotation } from '../../content/annotations.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest, type Digest } from '../../content/digest.ts'
import { readImageIndex } from '../../content/manifest.ts'
import { mediaTypes, withoutParameters } from '../../content/media-types.ts'
import { ResponseError, SizeExceedsLimitError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { ReferrersOptions } from '../target.ts'
import { ask, nameOf, repositoryUrl, type Endpoint } from './endpoint.ts'
import { manifestExists } from './manifests.ts'
import { pages } from './pages.ts'
import { taggedReferrers } from './referrers-tag.ts'
import type { HttpResponse } from './transport/http.ts'
import { errorByStatus, readBody, responseError, unusable } from './transport/response.ts'

/** What is remembered of a list that a registry may make as long as it likes. */
const maxReferrers = 100_000

/**
 * The manifests whose subject is this one, each once: by the referrers API, or where the registry does not have it,
 * by the tag schema (distribution-spec, "Listing Referrers"). Error: SIZE_EXCEEDS_LIMIT for more than 100,000.
 */
export async function* listReferrers(
  endpoint: Endpoint,
  subject: Descriptor,
  options: ReferrersOptions,
): AsyncGenerator<Descriptor> {
  parseDigest(subject.digest)
  options.signal?.throwIfAborted()
  if (!endpoint.manifestTypes.isManifest(subject.mediaType)) return
  const seen = new Set<Digest>()
  for await (const referrer of allReferrers(endpoint, subject, options)) {
    if (seen.has(referrer.digest)) continue
    if (seen.size === maxReferrers) {
      throw new SizeExceedsLimitError(
        `${subject.digest} has more than ${maxReferrers} referrers in ${nameOf(endpoint)}`,
      )
    }
    seen.add(referrer.digest)
    yield referrer
  }
}

/**
 * How the referrers of this repository are kept, asked with this subject if nobody knows yet; undefined while the
 * registry does not know the repository.
 */
export async function findReferrersMode(
  endpoint: Endpoint,
  subject: Descriptor,
  options: SignalOptions,
): Promise<Endpoint['referrers']> {
  if (knownMode(endpoint) === undefined) {
    const response = await askReferrers(endpoint, subject, firstPage(endpoint, subject, {}), options)
    await response?.discard()
  }
  return knownMode(endpoint)
}

/** What the user has decided, or what was found out. */
export function knownMode({ referrers, state }: Endpoint): Endpoint['referrers'] {
  return referrers ?? state.referrers
}

async function* allReferrers(
  endpoint: Endpoint,
  subject: Descriptor,
  options: ReferrersOptions,
): AsyncGenerator<Descriptor> {
  if (knownMode(endpoint) !== 'tag-schema') {
    const progress = { pages: 0 }
    try {
      yield* listed(endpoint, subject, progress, options)
    } catch (error) {
      if (progress.pages === 0 || !isPageGone(error)) throw error
      yield* listed(endpoint, subject, progress, options)
    }
    if (progress.pages > 0) return
  }
  if (knownMode(endpoint) === 'api') return
  yield* ofType(await taggedReferrers(endpoint, subject, options), options.artifactType)
}

/** By the API; `progress` counts the pages that came. */
async function* listed(
  endpoint: Endpoint,
  subject: Descriptor,
  progress: { pages: number },
  options: ReferrersOptions,
): AsyncGenerator<Descriptor> {
  const first = firstPage(endpoint, subject, options)
  for await (const response of pages(first, (url) => askReferrers(endpoint, subject, url, options))) {
    progress.pages += 1
    yield* await readPage(endpoint, response, options.artifactType)
  }
}

/** A list that somebody reads slowly is over some minutes after it began, at olareg for example, and can be begun anew. */
function isPageGone(error: unknown): boolean {
  return error instanceof ResponseError && [400, 404, 410].includes(error.status)
}

function firstPage(endpoint: Endpoint, { digest }: Descriptor, { artifactType }: ReferrersOptions): URL {
  const query = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`
  return repositoryUrl(endpoint, `referrers/${digest}${query}`)
}

/**
 * A page; undefined where the registry has no such API or does not know the repository. Only an index, or an answer
 * that can mean nothing but "no such API", decides how referrers are kept: a fault of the moment must not.
 */
async function askReferrers(
  endpoint: Endpoint,
  subject: Descriptor,
  to: URL,
  options: SignalOptions,
): Promise<HttpResponse | undefined> {
  const { state } = endpoint
  const headers = { accept: mediaTypes.ociIndex }
  const response = await ask(endpoint, { method: 'GET', to, headers, actions: ['pull'] }, options)
  if (response.status === 200) return indexOnly(endpoint, response)
  const what = `referrers in ${nameOf(endpoint)}`
  const error = await responseError(response, what)
  // Nothing that follows a list from this API may end it in silence.
  if (error.status === 404 && state.referrers === 'api') throw error
  if (error.status === 404 && error.errors.some(({ code }) => code === 'NAME_UNKNOWN')) return undefined
  const isDenied = error.status === 401 || error.status === 403
  if (knownMode(endpoint) === 'api' || !(isDenied || [404, 405, 501].includes(error.status)))
    throw errorByStatus(error, what)
  if (isDenied && !(await isLetIn(endpoint, subject, options))) throw errorByStatus(error, what)
  state.referrers = 'tag-schema'
  return undefined
}

/**
 * Harbor refuses all that it does not know with 401. That means the API alone where the same credentials read the
 * subject, or are told that it is not there in a repository that has let them in. Errors as of `manifestExists`.
 */
async function isLetIn(endpoint: Endpoint, subject: Descriptor, options: SignalOptions): Promise<boolean> {
  const { isKnown } = endpoint.state
  return (await manifestExists(endpoint, subject, options)) || isKnown
}

/** Something else with the status 200 is from a server that answers every path, and is not remembered. */
async function indexOnly(endpoint: Endpoint, response: HttpResponse): Promise<HttpResponse | undefined> {
  if (withoutParameters(response.header('content-type') ?? '') === mediaTypes.ociIndex) {
    endpoint.state.referrers = 'api'
    return response
  }
  await response.discard()
  if (knownMode(endpoint) === 'api') throw unusable(response, 'the list of referrers is not an image index')
  return undefined
}

async function readPage(
  { maxMetadataBytes }: Endpoint,
  response: HttpResponse,
  artifactType: string | undefined,
): Promise<readonly Descriptor[]> {
  const bytes = await readBody(response, maxMetadataBytes)
  const { contains, annotations } = readImageIndex(bytes, mediaTypes.ociIndex, { maxBytes: maxMetadataBytes })
  const applied = [...response.headers('oci-filters-applied'), annotations?.[filtersAppliedAnnotation] ?? '']
  const isFiltered = applied.some((list) => list.split(',').some((name) => name.trim() === 'artifactType'))
  return isFiltered ? contains : ofType(contains, artifactType)
}

function ofType(referrers: readonly Descriptor[], artifactType: string | undefined): readonly Descriptor[] {
  return referrers.filter((referrer) => artifactType === undefined || referrer.artifactType === artifactType)
}
