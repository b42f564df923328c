import { contentOf, type Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import { readAll, tap } from '../../content/verify.ts'
import { causesOf, ResponseError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { blobExists, blobName } from './blobs.ts'
import { isTooLarge, lowerLimit, maxWholeBytes } from './body-limits.ts'
import { repositoryUrl, type Endpoint } from './endpoint.ts'
import { expectDigest } from './headers.ts'
import { sendInChunks } from './send-chunks.ts'
import { Attempts, passingFailure, type Failure } from './transport/attempts.ts'
import type { HttpResponse } from './transport/http.ts'
import { expectStatus } from './transport/response.ts'
import {
  adoptLocation,
  cancelSession,
  finishSession,
  openSession,
  postBlob,
  receivedBytes,
  type UploadSession,
} from './upload-session.ts'

/** A blob on its way. */
interface Upload {
  readonly descriptor: Descriptor
  /** Verified; small content is in memory, so that it may go twice. */
  readonly body: Uint8Array | Content
}

/** A blob that is to be sent. */
export interface BlobToSend {
  readonly descriptor: Descriptor
  readonly content: Content
  /** Where the open session stands; more than 0 only for content that can be read from there on. @default 0 */
  readonly offset?: number | undefined
}

/** How a blob is sent. */
export interface SendBlobOptions extends SignalOptions {
  /** What is there under this digest is damaged, so that its being there proves nothing. @default false */
  readonly isReplacement?: boolean | undefined
}

/**
 * Sends a blob: small content in the opening request, other content in one PUT, in the session if one is open, or in
 * chunks where the user wants that or the registry refuses so large a body. When that breaks, it goes on where the
 * registry says that the session stands, or in a new session from the beginning.
 */
export async function sendBlob(
  endpoint: Endpoint,
  session: UploadSession,
  { descriptor, content, offset: begun = 0 }: BlobToSend,
  { isReplacement = false, ...options }: SendBlobOptions,
): Promise<void> {
  const { singlePostBytes, transport } = endpoint
  let sourceError: unknown
  const body =
    descriptor.size <= singlePostBytes
      ? await readAll(content, descriptor, singlePostBytes)
      : tap(
          content,
          () => undefined,
          (error) => (sourceError = error),
        )
  const url = repositoryUrl(endpoint, 'blobs/uploads/')
  const attempts = new Attempts(transport.retryPolicy, { method: 'PUT', url, ...options })
  let offset = begun
  let furthest = begun
  for (;;) {
    // Outside of what is tried again here: the transport has tried it often enough.
    if (await opened(endpoint, session, { descriptor, body }, options)) return
    let isConfused = false
    try {
      if (await sendRest(endpoint, session, { descriptor, body, offset }, options)) return
    } catch (error) {
      options.signal?.throwIfAborted()
      if (error === sourceError) throw error
      const passing = passingFailure(error)
      isConfused = passing === undefined && offset > 0
      await attempts.recover(error, passing ?? lostSession(error, { ...session, offset }))
      // The answer to the last request may be all that was lost.
      if (!isReplacement && (await blobExists(endpoint, descriptor, options))) return
    }
    // A session that contradicts itself is left.
    offset = isConfused ? 0 : await resumableBytes(endpoint, session, { descriptor, body }, options)
    // Bytes that an earlier session had before it was lost are nothing new.
    if (offset > furthest) attempts.advance()
    furthest = Math.max(furthest, offset)
    if (offset === 0) await cancelSession(endpoint, session, options)
  }
}

/** From which byte on the session can be gone on with; 0 to begin anew. */
async function resumableBytes(
  endpoint: Endpoint,
  session: UploadSession,
  { descriptor, body }: Upload,
  options: SignalOptions,
): Promise<number> {
  const isSeekable = !(body instanceof Uint8Array) && body.from !== undefined
  const received = isSeekable ? await receivedBytes(endpoint, session, options) : 0
  return received <= descriptor.size ? received : 0
}

/** Opens a session unless one is open; true if the registry has taken the blob at once instead. */
async function opened(
  endpoint: Endpoint,
  session: UploadSession,
  { descriptor: { digest, size }, body }: Upload,
  options: SignalOptions,
): Promise<boolean> {
  if (isOpen(session)) return false
  const isPostable = endpoint.traits.takesSinglePost && size <= maxWholeBytes(endpoint)
  if (isPostable && body instanceof Uint8Array) {
    if (await sendInPost(endpoint, session, { digest, bytes: body }, options)) return true
  }
  if (!isOpen(session)) await openSession(endpoint, session, options)
  return false
}

function isOpen({ location }: UploadSession): boolean {
  return location !== undefined
}

/** False if a request was too large, and the next one is smaller. */
async function sendRest(
  endpoint: Endpoint,
  session: UploadSession,
  { descriptor, body, offset }: Upload & { readonly offset: number },
  options: SignalOptions,
): Promise<boolean> {
  const { digest, size } = descriptor
  const isWhole = offset === 0 && size <= maxWholeBytes(endpoint)
  if (isWhole) return sendWhole(endpoint, session, { descriptor, body }, options)
  const content = body instanceof Uint8Array ? contentOf(body) : body
  const isMissing = offset < size
  if (isMissing && !(await sendInChunks(endpoint, session, { content, offset, end: size }, options)))
    return false
  // Its digest is that of the whole, which the registry checks in the end.
  await finishSession(endpoint, session, { digest, body: new Uint8Array() }, options)
  return true
}

async function sendWhole(
  endpoint: Endpoint,
  session: UploadSession,
  { descriptor: { digest, size }, body: content }: Upload,
  options: SignalOptions,
): Promise<boolean> {
  const body = content instanceof Uint8Array ? content : { content, size }
  try {
    await finishSession(endpoint, session, { digest, body }, options)
    return true
  } catch (error) {
    if (!isTooLarge(error) || !lowerLimit(endpoint, session, 'maxPutBytes', size)) throw error
    return false
  }
}

/** Answers of registries that want no body in a POST, or do not know the parameter. */
const noSinglePost: ReadonlySet<number> = new Set([400, 405, 411, 413, 415, 501])

/** True if the registry has taken the blob. Else it has opened a session, or nothing; it is not asked in this way again. */
async function sendInPost(
  endpoint: Endpoint,
  session: UploadSession,
  { digest, bytes }: { readonly digest: Digest; readonly bytes: Uint8Array },
  options: SignalOptions,
): Promise<boolean> {
  const response = await postBlob(endpoint, digest, bytes, options)
  if (noSinglePost.has(response.status)) await response.discard()
  else await expectStatus(response, [201, 202], blobName(endpoint, digest))
  if (response.status === 201) return created(response, digest)
  endpoint.traits.takesSinglePost = false
  if (response.status === 202) await adoptLocation(endpoint, session, response)
  return false
}

/** The answer that says that a blob is there, which must be the right one. Error: DIGEST_MISMATCH. */
export async function created(response: HttpResponse, digest: Digest): Promise<true> {
  await response.discard()
  expectDigest(response, digest)
  return true
}

/** The registry has dropped an open session, has it in another state than it said, or still works on what it got. */
function lostSession(
  error: unknown,
  { location, offset }: UploadSession & { readonly offset: number },
): Failure | undefined {
  const status = causesOf(error).find((at) => at instanceof ResponseError)?.status
  // A wrong digest too, if the content was put together of several requests.
  const isLost = status === 404 || status === 409 || status === 416 || (status === 400 && offset > 0)
  return location !== undefined && isLost ? { reason: `the upload was answered with ${status}` } : undefined
}
