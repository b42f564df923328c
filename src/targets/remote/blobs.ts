import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest, type Digest } from '../../content/digest.ts'
import { mediaTypes, withoutParameters } from '../../content/media-types.ts'
import type { SignalOptions } from '../../events.ts'
import { ask, nameOf, type Call, type Endpoint } from './endpoint.ts'
import { contentLength, expectSameDigest, headerDigest } from './headers.ts'
import type { HttpResponse } from './transport/http.ts'
import { expectStatus, unusable } from './transport/response.ts'

/** The descriptor of a blob, by HEAD. What it is, a registry does not know. */
export async function blobDescriptor(
  endpoint: Endpoint,
  digest: Digest,
  options: SignalOptions,
): Promise<Descriptor> {
  const response = await askBlob(endpoint, { method: 'HEAD', digest }, options)
  await expectStatus(response, [200], `${digest} in ${nameOf(endpoint)}`)
  expectBlob(response, digest)
  const size = contentLength(response)
  if (size === undefined) throw unusable(response, 'the answer has no Content-Length')
  return { mediaType: mediaTypes.octetStream, digest, size }
}

/**
 * Whether there is a blob of this digest, and of this size where both sides say one: any other is damaged. An answer
 * with neither a length nor a digest may be that of a server which knows every path, and counts for no blob.
 */
export async function blobExists(
  endpoint: Endpoint,
  { digest, size }: { readonly digest: Digest; readonly size?: number | undefined },
  options: SignalOptions,
): Promise<boolean> {
  parseDigest(digest)
  const response = await askBlob(endpoint, { method: 'HEAD', digest }, options)
  if (response.status === 404) return false
  await expectStatus(response, [200], blobName(endpoint, digest))
  expectBlob(response, digest)
  const length = contentLength(response)
  if (length === undefined && headerDigest(response) === undefined) return false
  return size === undefined || length === undefined || length === size
}

/** Refuses an HTML page, unless the registry names the digest: then that is the media type of the blob. */
function expectBlob(response: HttpResponse, digest: Digest): void {
  const mediaType = withoutParameters(response.header('content-type') ?? '')
  if (mediaType === 'text/html' && headerDigest(response) === undefined) {
    throw unusable(response, 'it is an HTML page, not a blob: is this a registry?')
  }
  expectSameDigest(response, digest)
}

/** Asks for a blob. */
export async function askBlob(
  endpoint: Endpoint,
  { digest, ...call }: Pick<Call, 'method' | 'headers'> & { readonly digest: Digest },
  options: SignalOptions,
): Promise<HttpResponse> {
  return ask(endpoint, { ...call, to: `blobs/${digest}`, actions: ['pull'] }, options)
}

/** For messages. */
export function blobName(endpoint: Endpoint, digest: Digest): string {
  return `blob ${digest} in ${nameOf(endpoint)}`
}
