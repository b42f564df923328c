import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { digestOf, parseDigest, type Digest } from '../../content/digest.ts'
import { verify, verifyBytes } from '../../content/verify.ts'
import {
  InvalidManifestError,
  NotFoundError,
  ResponseError,
  SizeExceedsLimitError,
  UnsupportedError,
  saysContentIsMissing,
} from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { FetchedManifest, FetchReferenceOptions } from '../target.ts'
import { blobDescriptor, blobExists } from './blobs.ts'
import { ask, nameOf, parseTagOrDigest, type Call, type Endpoint } from './endpoint.ts'
import { contentLength, expectDigest, expectSameDigest, headerDigest, readHeaders } from './headers.ts'
import { manifestTypeIn, manifestTypeOf } from './media-type.ts'
import type { HttpResponse } from './transport/http.ts'
import { redactUrl } from './transport/redact.ts'
import { errorByStatus, expectStatus, readBody, responseError } from './transport/response.ts'

/** The descriptor of a tag or digest, by HEAD where that says enough. A digest may be that of a blob. */
export async function resolve(
  endpoint: Endpoint,
  reference: string,
  options: SignalOptions,
): Promise<Descriptor> {
  const { tag, digest } = parseTagOrDigest(reference)
  // A fault may have the reason that the digest is that of a blob.
  const repeat = digest === undefined ? 'any' : 'except-500'
  const response = await askManifest(endpoint, { method: 'HEAD', reference: digest ?? tag, repeat }, options)
  if (response.status === 404 && digest !== undefined) return blobDescriptor(endpoint, digest, options)
  if (response.status === 500 && digest !== undefined) return resolveAfterFault(endpoint, digest, options)
  if (!headSaysNothing.has(response.status)) {
    await expectStatus(response, [200], manifestName(endpoint, reference))
    const descriptor = describedBy(response, endpoint, digest)
    if (descriptor !== undefined) return descriptor
  }
  return resolveByGet(endpoint, { reference, digest }, options)
}

/** Some registries have no HEAD, proxies take it away, and Artifactory answers it with 403 for what is not there. */
const headSaysNothing: ReadonlySet<number> = new Set([403, 405, 501])

/** A manifest by one GET. Its digest is computed, whatever the headers say. */
export async function fetchReference(
  endpoint: Endpoint,
  reference: string,
  options: FetchReferenceOptions & Pick<ManifestQuestion, 'repeat'>,
): Promise<FetchedManifest> {
  const { maxBytes = endpoint.maxMetadataBytes, repeat } = options
  const { tag, digest } = parseTagOrDigest(reference)
  const response = await askManifest(endpoint, { method: 'GET', reference: digest ?? tag, repeat }, options)
  await expectStatus(response, [200], manifestName(endpoint, reference))
  const [type, expected] = await readHeaders(response, () => [
    manifestTypeOf(response, endpoint.manifestTypes),
    digest ?? headerDigest(response),
  ])
  const bytes = await readBody(response, maxBytes)
  const known = { digest: expected ?? digestOf(bytes), size: bytes.length }
  verifyBytes(bytes, { ...known, mediaType: '' })
  const mediaType = type ?? manifestTypeIn(bytes, endpoint.manifestTypes, response)
  return { descriptor: { mediaType, ...known }, bytes }
}

/** A manifest's content, lazily. */
export function fetchManifest(endpoint: Endpoint, descriptor: Descriptor, options: SignalOptions): Content {
  return verify({ [Symbol.asyncIterator]: () => manifestChunks(endpoint, descriptor, options) }, descriptor)
}

/** Whether there is a manifest of this digest. */
export async function manifestExists(
  endpoint: Endpoint,
  { digest, mediaType }: Descriptor,
  options: SignalOptions,
): Promise<boolean> {
  parseDigest(digest)
  const question = { reference: digest, mediaType }
  let response = await askManifest(endpoint, { method: 'HEAD', ...question }, options)
  if (headSaysNothing.has(response.status)) {
    response = await askManifest(endpoint, { method: 'GET', ...question }, options)
  }
  if (response.status === 404) {
    await response.discard()
    return false
  }
  await expectStatus(response, [200], manifestName(endpoint, digest))
  // A server that says yes to every path would make a copy leave everything out.
  await readHeaders(response, () => {
    manifestTypeOf(response, endpoint.manifestTypes)
    expectSameDigest(response, digest)
  })
  await response.discard()
  return true
}

/** For messages. */
export function manifestName(endpoint: Endpoint, reference: string): string {
  return `manifest ${reference} in ${nameOf(endpoint)}`
}

/** What the answer to a manifest that was put says. */
export interface PutAnswer {
  /** The registry keeps the list of referrers itself. */
  readonly keepsReferrers: boolean
  /** The tags of the query that the registry has set. */
  readonly tags: readonly string[]
}

/**
 * Puts a manifest of verified bytes under a tag or digest, which may be followed by a query.
 * Errors: DIGEST_MISMATCH if the registry answers with another digest; RESPONSE, also for a 404 that says that
 * content which the manifest names is missing.
 */
export async function putManifest(
  endpoint: Endpoint,
  reference: string,
  { descriptor, bytes }: FetchedManifest,
  options: SignalOptions & Pick<Call, 'repeat' | 'isUrgent'>,
): Promise<PutAnswer> {
  const { repeat, isUrgent } = options
  const response = await ask(
    endpoint,
    {
      method: 'PUT',
      to: `manifests/${reference}`,
      headers: { 'content-type': descriptor.mediaType },
      body: bytes,
      repeat,
      isUrgent,
      actions: ['pull', 'push'],
    },
    options,
  )
  if (response.status !== 201 && response.status !== 200) throw await putError(endpoint, reference, response)
  await response.discard()
  expectDigest(response, descriptor.digest)
  return {
    keepsReferrers: response.header('oci-subject') !== undefined,
    tags: response.headers('oci-tag').flatMap((header) => header.split(',').map((tag) => tag.trim())),
  }
}

async function resolveByGet(
  endpoint: Endpoint,
  { reference, digest }: { readonly reference: string; readonly digest: Digest | undefined },
  options: SignalOptions,
): Promise<Descriptor> {
  try {
    return (await fetchReference(endpoint, reference, options)).descriptor
  } catch (error) {
    if (!(error instanceof NotFoundError) || digest === undefined) throw error
    return blobDescriptor(endpoint, digest, options)
  }
}

/** distribution 2 fails with UNKNOWN where the digest is that of a blob. A fault of the moment passes. */
async function resolveAfterFault(
  endpoint: Endpoint,
  digest: Digest,
  options: SignalOptions,
): Promise<Descriptor> {
  try {
    return (await fetchReference(endpoint, digest, { ...options, repeat: 'except-500' })).descriptor
  } catch (error) {
    if (!(error instanceof ResponseError) || error.status !== 500) throw error
    const isOdd = error.errors.some(({ code }) => code === 'UNKNOWN')
    if (isOdd && (await blobExists(endpoint, { digest }, options))) {
      return blobDescriptor(endpoint, digest, options)
    }
  }
  return (await fetchReference(endpoint, digest, options)).descriptor
}

async function* manifestChunks(
  endpoint: Endpoint,
  { digest, mediaType, size }: Descriptor,
  options: SignalOptions,
): AsyncGenerator<Uint8Array> {
  const { manifestTypes, maxMetadataBytes } = endpoint
  if (size > maxMetadataBytes) {
    throw new SizeExceedsLimitError(`manifest ${digest} has ${size} bytes, the limit is ${maxMetadataBytes}`)
  }
  const response = await askManifest(endpoint, { method: 'GET', reference: digest, mediaType }, options)
  await expectStatus(response, [200], manifestName(endpoint, digest))
  const type = await readHeaders(response, () => manifestTypeOf(response, manifestTypes))
  if (type !== undefined && type !== mediaType) {
    await response.discard()
    throw new InvalidManifestError(
      `${redactUrl(response.url)} is a ${type}, and its descriptor says ${mediaType}`,
    )
  }
  yield* response.body
}

interface ManifestQuestion {
  readonly method: 'HEAD' | 'GET'
  readonly reference: string
  /** Which type is expected. */
  readonly mediaType?: string
  readonly repeat?: Call['repeat']
}

async function askManifest(
  endpoint: Endpoint,
  { method, reference, mediaType, repeat }: ManifestQuestion,
  options: SignalOptions,
): Promise<HttpResponse> {
  // With `*/*` a registry shows what it has instead of saying that there is nothing, and the error can name it.
  const accept = new Set([
    ...(mediaType === undefined ? [] : [mediaType]),
    ...endpoint.manifestTypes.mediaTypes,
    '*/*',
  ])
  const headers = { accept: [...accept].join(', ') }
  return ask(endpoint, { method, to: `manifests/${reference}`, headers, repeat, actions: ['pull'] }, options)
}

/** The descriptor in the headers of a HEAD; undefined where one is missing. */
function describedBy(
  response: HttpResponse,
  { manifestTypes }: Endpoint,
  wanted: Digest | undefined,
): Descriptor | undefined {
  const mediaType = manifestTypeOf(response, manifestTypes)
  const size = contentLength(response)
  if (wanted !== undefined) expectSameDigest(response, wanted)
  const digest = wanted ?? headerDigest(response)
  if (mediaType === undefined || size === undefined || digest === undefined) return undefined
  return { mediaType, digest, size }
}

/** That what a manifest names is missing is no answer about the manifest itself, whatever the status. */
async function putError(endpoint: Endpoint, reference: string, response: HttpResponse): Promise<Error> {
  const what = manifestName(endpoint, reference)
  const error = await responseError(response, what)
  if (saysContentIsMissing(error)) return error
  if (error.status !== 405) return errorByStatus(error, what)
  return new UnsupportedError(`the registry does not take this: ${error.message}`, { cause: error })
}
