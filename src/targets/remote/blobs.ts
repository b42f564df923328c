import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest, type Digest } from '../../content/digest.ts'
import { mediaTypes, withoutParameters } from '../../content/media-types.ts'
import { verify } from '../../content/verify.ts'
import { SizeMismatchError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { ask, nameOf, type Call, type Endpoint } from './endpoint.ts'
import { contentLength, expectSameDigest, headerDigest } from './headers.ts'
import type { HttpResponse } from './transport/http.ts'
import { redactUrl } from './transport/redact.ts'
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

/** A blob's content, lazily, also from an offset on. */
export function fetchBlob(endpoint: Endpoint, descriptor: Descriptor, options: SignalOptions): Content {
  return verify(
    {
      [Symbol.asyncIterator]: () => blobChunks(endpoint, descriptor, options),
      from: (offset) => blobSuffix(endpoint, descriptor, { ...options, offset }),
    },
    descriptor,
  )
}

async function* blobChunks(
  endpoint: Endpoint,
  { digest, size }: Descriptor,
  options: SignalOptions,
): AsyncGenerator<Uint8Array> {
  const response = await askBlob(endpoint, { method: 'GET', digest }, options)
  await expectStatus(response, [200], blobName(endpoint, digest))
  await expectLength(response, size, digest)
  yield* response.body
}

interface SuffixOptions extends SignalOptions {
  readonly offset: number
}

async function* blobSuffix(
  endpoint: Endpoint,
  { digest, size }: Descriptor,
  { offset, ...options }: SuffixOptions,
): AsyncGenerator<Uint8Array> {
  if (offset >= size) return
  // Some registries know no range without an end.
  const range = `bytes=${offset}-${size - 1}`
  const response = await askBlob(endpoint, { method: 'GET', digest, headers: { range } }, options)
  await expectStatus(response, [206, 200], blobName(endpoint, digest))
  const answered = /^bytes (\d{1,15})-\d+\/(\d{1,15}|\*)$/.exec(response.header('content-range') ?? '')
  if (response.status !== 206 || Number(answered?.[1]) !== offset) {
    await response.discard()
    throw new UnsupportedError(
      `${redactUrl(response.url)} cannot be read from byte ${offset} on: the registry does not answer with that range`,
    )
  }
  await expectLength(response, size - offset, digest)
  let left = size - offset
  for await (const chunk of response.body) {
    left -= chunk.length
    if (left < 0) throw new SizeMismatchError(`${digest} has more than its ${size} bytes`)
    yield chunk
  }
  if (left > 0) throw new SizeMismatchError(`${digest} ends ${left} bytes before its ${size} bytes`)
}

/** A wrong length shows before a byte was read; a registry need not say one. */
async function expectLength(response: HttpResponse, expected: number, digest: Digest): Promise<void> {
  const length = contentLength(response)
  if (length === undefined || length === expected) return
  await response.discard()
  throw new SizeMismatchError(
    `GET ${redactUrl(response.url)} has ${length} bytes, expected were ${expected} of ${digest}`,
  )
}

async function askBlob(
  endpoint: Endpoint,
  { digest, ...call }: Pick<Call, 'method' | 'headers'> & { readonly digest: Digest },
  options: SignalOptions,
): Promise<HttpResponse> {
  return ask(endpoint, { ...call, to: `blobs/${digest}`, actions: ['pull'] }, options)
}

function blobName(endpoint: Endpoint, digest: Digest): string {
  return `blob ${digest} in ${nameOf(endpoint)}`
}
