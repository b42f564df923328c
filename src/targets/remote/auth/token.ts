import { z } from 'zod'
import { tryParseJson } from '../../../content/try-parse-json.ts'
import { AuthError, type OciError, type ResponseError } from '../../../errors.ts'
import type { SignalOptions } from '../../../events.ts'
import type { HttpRequest, HttpResponse, Send } from '../transport/http.ts'
import { redactUrl } from '../transport/redact.ts'
import { errorByStatus, readBody, responseError } from '../transport/response.ts'
import { basicAuthorization, tokenUser, type Credential } from './credential.ts'
import { withoutDelete } from './scope.ts'
import { isSameOrigin } from '../transport/origin.ts'
import { expectTrusted, isTrustedByName, parseRealm } from './realm.ts'

/** What a Bearer challenge asks for (distribution, "Token Authentication"). */
export interface TokenRequest {
  /** The registry, as its references name it: its certificates serve a token service at its own origin. @default none */
  readonly registry?: string | undefined
  /** Where the registry is. */
  readonly registryUrl: URL
  /** Where the challenge says that tokens come from; untrusted. */
  readonly realm: string | undefined
  /** What the challenge calls the registry. */
  readonly service: string | undefined
  /** As in `repository:name:pull,push`; none asks only who the user is. */
  readonly scopes: readonly string[]
  /** Undefined, or an access token, asks anonymously. */
  readonly credential: Credential | undefined
  /** The user's own headers for the registry, which go to its origin alone. @default none */
  readonly customHeaders?: HttpRequest['customHeaders']
  /** Hosts (and ports) that may see credentials of other sites. @default none */
  readonly trustedRealms?: readonly string[] | undefined
}

/** What a token service gave. */
export interface Token {
  /** Goes behind `Bearer`, as it is. */
  readonly token: string
  /** From when on it is not used any more, in milliseconds on the clock of `performance.now`. */
  readonly expires: number
}

/** The specification's, for services that do not say. */
const defaultSeconds = 60

/**
 * Fetches a token from the service that a challenge names, with the user's credential where there is one. A password
 * goes with a GET, an identity token with a POST (distribution, "Token Authentication" and "OAuth2 Token Authentication");
 * where the service does not know that, the other way is tried. Where it refuses to hear of deleting, as Quay's does, the
 * token is for pushing instead.
 * Errors: AUTH if the service refuses, or is not one that the credential may be shown to; RESPONSE, UNREACHABLE.
 */
export async function fetchToken(send: Send, request: TokenRequest, options: SignalOptions): Promise<Token> {
  const { credential, registryUrl, trustedRealms = [] } = request
  const realm = parseRealm(request.realm, registryUrl)
  if (credential !== undefined && !('accessToken' in credential)) {
    await expectTrusted(realm, registryUrl, trustedRealms)
  }
  const { first, second, unknown = [] } = plan(realm, request)
  const common = { ...toService(realm, request), ...options }
  let asked = performance.now()
  let response = await send({ ...first, ...common })
  if (second !== undefined && unknown.includes(response.status)) {
    await response.discard()
    asked = performance.now()
    response = await send({ ...second, ...common })
  }
  if (response.status === 200) return readToken(response, realm, asked)
  const scopes = request.scopes.map(withoutDelete)
  if (response.status === 400 && scopes.some((scope, index) => scope !== request.scopes[index])) {
    await response.discard()
    return fetchToken(send, { ...request, scopes }, options)
  }
  const what = `a token for ${registryUrl.host}`
  throw refusal(await responseError(response, what, { codesOnly: true }), what)
}

/** What belongs to the registry goes to its own origin alone; what its challenge has led to is no address of the user's. */
function toService(
  realm: URL,
  { registry, registryUrl, customHeaders, trustedRealms = [] }: TokenRequest,
): Pick<HttpRequest, 'customHeaders' | 'redirect' | 'learnedFrom' | 'access'> {
  const isOwn = isSameOrigin(realm, registryUrl)
  const isNamed = isOwn || isTrustedByName(realm, trustedRealms)
  return {
    customHeaders: isOwn ? customHeaders : undefined,
    redirect: 'refuse',
    learnedFrom: isNamed ? undefined : registryUrl,
    access: isOwn && registry !== undefined ? { registry, scopes: [] } : undefined,
  }
}

/**
 * Never NOT_FOUND: a token service that is not there says nothing about the content that was asked for. A timeout and
 * too many requests are faults of the moment.
 */
function refusal(cause: ResponseError, what: string): OciError {
  const { message, status } = cause
  if (status === 401 || status === 403) return errorByStatus(cause, what)
  const isRefused = status >= 400 && status < 500 && status !== 408 && status !== 429
  return isRefused ? new AuthError(message, { cause }) : cause
}

type Message = Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>

interface Plan {
  readonly first: Message
  /** Where the first one was answered with a status that says: not known here. */
  readonly second?: Message
  readonly unknown?: readonly number[]
}

/** As GCR (404), Artifactory (401) and ACR (400) answer to a POST that they do not know. */
const unknownPost = [400, 401, 404, 405] as const
/** Not 401: a wrong password that is sent twice may lock its user out. */
const unknownGet = [404, 405] as const

function plan(realm: URL, request: TokenRequest): Plan {
  const { credential } = request
  if (credential === undefined || 'accessToken' in credential) return { first: getToken(realm, request) }
  if ('password' in credential) {
    const { username, password } = credential
    const get = getToken(realm, request, basicAuthorization(username, password))
    const post = postForToken(realm, request, { grant_type: 'password', username, password })
    return { first: get, second: post, unknown: unknownGet }
  }
  const { identityToken, username = tokenUser } = credential
  const form = { grant_type: 'refresh_token', refresh_token: identityToken }
  const get = getToken(realm, request, basicAuthorization(username, identityToken))
  return { first: postForToken(realm, request, form), second: get, unknown: unknownPost }
}

function getToken(realm: URL, { service, scopes }: TokenRequest, authorization?: string): Message {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.append('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return { method: 'GET', url, headers: authorization === undefined ? {} : { authorization } }
}

function postForToken(
  url: URL,
  { service, scopes }: TokenRequest,
  form: Readonly<Record<string, string>>,
): Message {
  const fields = new URLSearchParams({ ...form, client_id: 'copygraph' })
  if (service !== undefined) fields.set('service', service)
  if (scopes.length > 0) fields.set('scope', scopes.join(' '))
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return { method: 'POST', url, headers, body: Buffer.from(fields.toString()) }
}

async function readToken(response: HttpResponse, realm: URL, asked: number): Promise<Token> {
  const { token, expires_in: seconds = defaultSeconds } = parseToken(
    await readBody(response, response.limits.tokenBytes),
    realm,
  )
  // Renewed before it ends, so that no large body is sent in vain.
  return { token, expires: asked + seconds * 800 }
}

function parseToken(bytes: Uint8Array, realm: URL): { token: string; expires_in?: number | undefined } {
  const parsed = tokenSchema.safeParse(tryParseJson(Buffer.from(bytes).toString()))
  const token = parsed.data?.token || parsed.data?.access_token
  if (parsed.data === undefined || !token || !/^[\x21-\x7e]+$/.test(token)) {
    throw new AuthError(`${redactUrl(realm)} answered without a usable token`)
  }
  return { token, expires_in: parsed.data.expires_in }
}

const tokenSchema = z.object({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  expires_in: z.number().nonnegative().optional().catch(undefined),
})
