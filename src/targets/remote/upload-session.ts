import type { Digest } from '../../content/digest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import type { SignalOptions } from '../../events.ts'
import { repositoryScope } from './auth/scope.ts'
import { ask, nameOf, repositoryUrl, urlFromHeader, type Call, type Endpoint } from './endpoint.ts'
import { expectDigest } from './headers.ts'
import type { HttpRequest, HttpResponse } from './transport/http.ts'
import { expectStatus } from './transport/response.ts'

/** An upload at the registry; without a location there is none, or it is over. */
export interface UploadSession {
  /** Where it goes on, as the registry gave it. */
  location: URL | undefined
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
  await expectStatus(response, [202], `an upload to ${nameOf(endpoint)}`)
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
  return askUpload(endpoint, { method: 'POST', to: `blobs/uploads/?${query}`, scopes }, options)
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

/** Sends content of unknown size into the session. */
export async function sendChunks(
  endpoint: Endpoint,
  session: UploadSession,
  content: AsyncIterable<Uint8Array>,
  options: SignalOptions,
): Promise<void> {
  const call = { method: 'PATCH', to: at(session), headers: octets, body: { content } } as const
  const response = await askUpload(endpoint, call, options)
  await expectStatus(response, [202, 201, 204], `an upload to ${nameOf(endpoint)}`)
  if (response.header('location') === undefined) await response.discard()
  else await adoptLocation(endpoint, session, response)
}

/** Ends the session with the rest of the content. */
export async function finishSession(
  endpoint: Endpoint,
  session: UploadSession,
  { digest, body }: { readonly digest: Digest; readonly body: HttpRequest['body'] },
  options: SignalOptions,
): Promise<void> {
  const to = withDigest(at(session), digest)
  const response = await askUpload(endpoint, { method: 'PUT', to, headers: octets, body }, options)
  await expectStatus(response, [201, 200, 204], `blob ${digest} in ${nameOf(endpoint)}`)
  session.location = undefined
  await response.discard()
  expectDigest(response, digest)
}

/** Takes on the session that a response names. Error: RESPONSE if it is elsewhere. */
export async function adoptLocation(
  endpoint: Endpoint,
  session: UploadSession,
  response: HttpResponse,
): Promise<void> {
  session.location = await urlFromHeader(response, repositoryUrl(endpoint, ''), response.header('location'))
  await response.discard()
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
  // An abort of the user's has happened already, and must not leave the session behind.
  const signal = AbortSignal.timeout(cancelMilliseconds)
  try {
    const response = await askUpload(endpoint, { method: 'DELETE', to: location }, { signal, onEvent })
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
