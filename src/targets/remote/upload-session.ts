import type { Digest } from '../../content/digest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { repositoryScope } from './auth/scope.ts'
import { blobName } from './blobs.ts'
import { ask, nameOf, repositoryUrl, urlFromHeader, type Call, type Endpoint } from './endpoint.ts'
import { expectDigest } from './headers.ts'
import type { HttpRequest, HttpResponse } from './transport/http.ts'
import { expectStatus, responseError, unusable } from './transport/response.ts'

/** An upload at the registry; without a location there is none, or it is over. */
export interface UploadSession {
  /** Where it goes on, as the registry gave it. */
  location: URL | undefined
  /** What the registry wants each chunk but the last one to have (distribution-spec, "Pushing a blob in chunks"). */
  minChunkBytes?: number | undefined
  /** Where it is written down, so that a later process can go on with it. */
  record?: SessionRecord | undefined
}

/** Keeps where a session is. Nothing that goes wrong there is a failure of the session. */
export interface SessionRecord {
  write(session: { readonly location: URL; readonly minChunkBytes?: number | undefined }): Promise<void>
  remove(): Promise<void>
}

const writing = ['pull', 'push'] as const
const octets = { 'content-type': mediaTypes.octetStream } as const
const cancelMilliseconds = 5000

/** Runs `act` with a session that is cancelled at the registry if it is open when `act` ends, however it ends. */
export async function withSession<T>(
  endpoint: Endpoint,
  options: SignalOptions,
  act: (session: UploadSession) => Promise<T>,
): Promise<T> {
  const session: UploadSession = { location: undefined }
  try {
    return await act(session)
  } finally {
    await cancelSession(endpoint, session, options)
  }
}

/** Opens a session. */
export async function openSession(
  endpoint: Endpoint,
  session: UploadSession,
  options: SignalOptions,
): Promise<void> {
  const response = await askUpload(endpoint, { method: 'POST', to: 'blobs/uploads/' }, options)
  await expectUpload(endpoint, response, [202])
  await adoptLocation(endpoint, session, response)
}

/** Asks to mount a blob. A registry that does not mount may open a session instead. */
export async function askToMount(
  endpoint: Endpoint,
  digest: Digest,
  from: string,
  options: SignalOptions,
): Promise<HttpResponse> {
  const query = new URLSearchParams({ mount: digest, from }).toString()
  const scopes = [repositoryScope(from, ['pull'])]
  return askUpload(
    endpoint,
    { method: 'POST', to: `blobs/uploads/?${query}`, scopes, repeat: 'except-500' },
    options,
  )
}

/** Sends a whole blob with the opening request. */
export async function postBlob(
  endpoint: Endpoint,
  digest: Digest,
  bytes: Uint8Array,
  options: SignalOptions,
): Promise<HttpResponse> {
  const to = `blobs/uploads/?digest=${digest}`
  return askUpload(endpoint, { method: 'POST', to, headers: octets, body: bytes }, options)
}

/** Sends content of unknown size into the session, in one request. */
export async function sendStream(
  endpoint: Endpoint,
  session: UploadSession,
  content: AsyncIterable<Uint8Array>,
  options: SignalOptions,
): Promise<void> {
  const call = { method: 'PATCH', to: at(session), headers: octets, body: { content } } as const
  const response = await askUpload(endpoint, call, options)
  await expectUpload(endpoint, response, [202, 201, 204])
  if (response.header('location') === undefined) await response.discard()
  else await adoptLocation(endpoint, session, response)
}

/** Some bytes of a blob, in their place. */
export interface Chunk {
  readonly content: AsyncIterable<Uint8Array> | Uint8Array
  /** Where it begins. */
  readonly offset: number
  /** Where the next one begins. */
  readonly end: number
}

/**
 * Sends a chunk into the session, which has all before it. Error: RESPONSE, also if the registry then says that it has
 * another number of bytes: some take a chunk, and keep nothing of it.
 */
export async function sendChunk(
  endpoint: Endpoint,
  session: UploadSession,
  { content, offset, end }: Chunk,
  options: SignalOptions,
): Promise<void> {
  const headers = { ...octets, 'content-range': `${offset}-${end - 1}` }
  const body = content instanceof Uint8Array ? content : { content, size: end - offset }
  const call = { method: 'PATCH', to: at(session), headers, body, repeat: 'never' } as const
  const response = await askUpload(endpoint, call, options)
  await expectUpload(endpoint, response, [202, 201, 204])
  const last = lastReceived(response)
  if (last !== undefined && last !== end - 1) {
    await response.discard()
    throw unusable(response, `an upload ends at byte ${last}, and byte ${end - 1} was sent`)
  }
  if (response.header('location') === undefined) await response.discard()
  else await adoptLocation(endpoint, session, response)
}

/**
 * How many bytes of the session the registry has; 0 too where it does not say, or has dropped the session. The range
 * `0-0` means one byte to some registries and none to others, and counts as none.
 */
export async function receivedBytes(
  endpoint: Endpoint,
  session: UploadSession,
  options: SignalOptions,
): Promise<number> {
  if (session.location === undefined) return 0
  const response = await askUpload(endpoint, { method: 'GET', to: session.location }, options)
  if (response.status !== 204 && response.status !== 202) {
    await response.discard()
    return 0
  }
  if (response.header('location') === undefined) await response.discard()
  else await adoptLocation(endpoint, session, response)
  const last = lastReceived(response) ?? 0
  return last === 0 ? 0 : last + 1
}

/** The last byte of the session that the registry has; 0 can also mean that there is none. */
function lastReceived(response: HttpResponse): number | undefined {
  const [, last] = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.header('range') ?? '') ?? []
  return last === undefined ? undefined : Number(last)
}

/** Ends the session with the rest of the content. */
export async function finishSession(
  endpoint: Endpoint,
  session: UploadSession,
  { digest, body }: { readonly digest: Digest; readonly body: HttpRequest['body'] },
  options: SignalOptions,
): Promise<void> {
  const to = withDigest(at(session), digest)
  const response = await askUpload(
    endpoint,
    { method: 'PUT', to, headers: octets, body, repeat: 'never' },
    options,
  )
  await expectStatus(response, [201, 200, 204], blobName(endpoint, digest))
  session.location = undefined
  await response.discard()
  expectDigest(response, digest)
}

/** Errors as of `expectStatus`; UNSUPPORTED where the registry does not take such a request at all. */
async function expectUpload(
  endpoint: Endpoint,
  response: HttpResponse,
  statuses: readonly number[],
): Promise<void> {
  const what = `an upload to ${nameOf(endpoint)}`
  if (response.status !== 405 && response.status !== 501) return expectStatus(response, statuses, what)
  const cause = await responseError(response, what)
  const lack = response.method === 'PATCH' ? 'blobs only whole and with their digest' : 'no uploads'
  throw new UnsupportedError(`${what}: this registry takes ${lack}`, { cause })
}

/** Takes on the session that a response names. Error: RESPONSE if it is elsewhere. */
export async function adoptLocation(
  endpoint: Endpoint,
  session: UploadSession,
  response: HttpResponse,
): Promise<void> {
  const location = await urlFromHeader(response, repositoryUrl(endpoint, ''), response.header('location'))
  session.location = location
  const minimum = response.header('oci-chunk-min-length')
  if (minimum !== undefined && /^\d{1,15}$/.test(minimum)) session.minChunkBytes = Number(minimum)
  await response.discard()
  await session.record?.write({ location, minChunkBytes: session.minChunkBytes })
}

/** Gives the session up. A registry need not be able to do that, and forgets sessions by itself; what failed before matters more. */
export async function cancelSession(
  endpoint: Endpoint,
  session: UploadSession,
  { onEvent }: SignalOptions,
): Promise<void> {
  const { location } = session
  if (location === undefined) return
  session.location = undefined
  await session.record?.remove()
  // An abort of the user's has happened already, and must not leave the session behind.
  const signal = AbortSignal.timeout(cancelMilliseconds)
  try {
    const response = await askUpload(
      endpoint,
      { method: 'DELETE', to: location, repeat: 'never', isUrgent: true },
      { signal, onEvent },
    )
    await response.discard()
  } catch {
    return
  }
}

async function askUpload(
  endpoint: Endpoint,
  call: Omit<Call, 'actions'>,
  options: SignalOptions,
): Promise<HttpResponse> {
  return ask(endpoint, { ...call, actions: writing }, options)
}

function at({ location }: UploadSession): URL {
  if (location === undefined) throw new TypeError('the upload is not open')
  return location
}

/** The registry's own query stays byte for byte: it may be signed. */
function withDigest(location: URL, digest: Digest): URL {
  const url = new URL(location)
  url.search = `${location.search}${location.search === '' ? '?' : '&'}digest=${digest}`
  return url
}
