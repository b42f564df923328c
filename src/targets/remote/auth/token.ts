import { z } from 'zod'
import { printable } from '../../../content/printable.ts'
import { AuthError, type OciError, type ResponseError } from '../../../errors.ts'
import type { SignalOptions } from '../../../events.ts'
import type { Send } from '../transport/http.ts'
import { isSameOrigin } from '../transport/origin.ts'
import { redactUrl } from '../transport/redact.ts'
import { errorByStatus, readBody, responseError } from '../transport/response.ts'
import { basicAuthorization, type Credential } from './credential.ts'

/** What a Bearer challenge asks for (distribution, "Token Authentication"). */
export interface TokenRequest {
  /** Where the registry is. */
  readonly registryUrl: URL
  /** Where the challenge says that tokens come from; untrusted. */
  readonly realm: string | undefined
  /** What the challenge calls the registry. */
  readonly service: string | undefined
  /** As in `repository:name:pull,push`; none asks only who the user is. */
  readonly scopes: readonly string[]
  /** Undefined asks anonymously. */
  readonly credential: Credential | undefined
}

/** What a token service gave. */
export interface Token {
  /** Goes behind `Bearer`, as it is. */
  readonly token: string
  /** From when on it is not used any more, in milliseconds on the clock of `performance.now`. */
  readonly expires: number
}

const tokenBodyBytes = 128 * 1024
/** The specification's, for services that do not say. */
const defaultSeconds = 60

/**
 * Fetches a token from the service that a challenge names, with the user's credential where there is one.
 * Errors: AUTH if the service refuses, or is not one that the credential may be shown to; RESPONSE, UNREACHABLE.
 */
export async function fetchToken(send: Send, request: TokenRequest, options: SignalOptions): Promise<Token> {
  const { credential, registryUrl } = request
  const realm = parseRealm(request)
  const headers = await authorizationFor(realm, credential, registryUrl)
  const response = await send({
    method: 'GET',
    url: tokenUrl(realm, request),
    headers,
    redirect: 'refuse',
    ...options,
  })
  if (response.status !== 200) {
    const what = `a token for ${registryUrl.host}`
    throw refusal(await responseError(response, what), what)
  }
  const expiry = performance.now()
  const body = parseToken(await readBody(response, tokenBodyBytes), realm)
  const seconds = body.expires_in ?? defaultSeconds
  // Renewed before it ends, so that no large body is sent in vain.
  return { token: body.token, expires: expiry + seconds * 800 }
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

/** The realm comes from the registry, and may be anything. */
function parseRealm({ realm, registryUrl }: TokenRequest): URL {
  const url = realm === undefined ? null : URL.parse(realm)
  const problem = realmProblem(realm, url)
  if (url === null || problem !== undefined) {
    throw new AuthError(`${registryUrl.host} wants a token, but does not say where from: ${problem}`)
  }
  if (registryUrl.protocol === 'https:' && url.protocol !== 'https:') {
    throw new AuthError(`${registryUrl.host} wants a token from ${url.host}, which is not HTTPS as itself`)
  }
  return url
}

/** What is no URL is not shown at all: nothing could be redacted in it. */
function realmProblem(realm: string | undefined, url: URL | null): string | undefined {
  if (url === null) return realm === undefined ? 'there is no realm' : 'its realm is no URL'
  const isHttp = url.protocol === 'https:' || url.protocol === 'http:'
  if (!isHttp) return `its realm has the scheme ${printable(url.protocol.slice(0, 20))}`
  const hasUser = url.username !== '' || url.password !== ''
  return hasUser ? `its realm ${printable(redactUrl(url).slice(0, 300))} has a user name in it` : undefined
}

async function authorizationFor(
  realm: URL,
  credential: Credential | undefined,
  registryUrl: URL,
): Promise<Record<string, string>> {
  if (credential === undefined || 'accessToken' in credential) return {}
  if (!(await mayReceiveCredential(realm, registryUrl))) {
    throw new AuthError(
      `${registryUrl.host} asks to send the credential to ${realm.host}, which is another site: refused`,
    )
  }
  return { authorization: basicAuthorization(credential.username, credential.password) }
}

/** The registry itself, or by HTTPS the same host or one under the same registrable domain, as auth.docker.io is. */
async function mayReceiveCredential(realm: URL, registryUrl: URL): Promise<boolean> {
  if (isSameOrigin(realm, registryUrl)) return true
  if (realm.protocol !== 'https:') return false
  if (realm.hostname === registryUrl.hostname) return true
  const site = await siteOf(realm)
  return site !== null && site === (await siteOf(registryUrl))
}

/**
 * Domains under which customers of a cloud have registries, and which the public suffix list does not have as such. No
 * registry there has its token service on another host.
 */
const sharedDomains: ReadonlySet<string> = new Set([
  'amazonaws.com',
  'amazonaws.com.cn',
  'amazonaws.eu',
  'on.aws',
  'azurecr.io',
  'azurecr.cn',
  'azurecr.de',
  'azurecr.us',
  'jfrog.io',
  'tencentcloudcr.com',
])

/**
 * The registrable domain by the public suffix list, with the suffixes under which a provider's customers have names.
 * Null where a host has no other beside it: addresses, single labels, and registries in a shared domain. The list is
 * large, and loaded only here, since most registries give out their tokens themselves.
 */
async function siteOf({ hostname }: URL): Promise<string | null> {
  const { getDomain } = await import('tldts')
  const domain = getDomain(hostname, { allowPrivateDomains: true })
  return domain === null || sharedDomains.has(domain) ? null : domain
}

function tokenUrl(realm: URL, { service, scopes }: TokenRequest): URL {
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.append('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  return url
}

function parseToken(bytes: Uint8Array, realm: URL): { token: string; expires_in?: number | undefined } {
  const parsed = tokenSchema.safeParse(parseJson(bytes))
  const token = parsed.data?.token || parsed.data?.access_token
  if (parsed.data === undefined || !token || !/^[\x21-\x7e]+$/.test(token)) {
    throw new AuthError(`${redactUrl(realm)} answered without a usable token`)
  }
  return { token, expires_in: parsed.data.expires_in }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString())
  } catch {
    // Its text may hold a token, so that the parser's message is not handed on.
    return undefined
  }
}

const tokenSchema = z.object({
  token: z.string().nullish(),
  access_token: z.string().nullish(),
  expires_in: z.number().nonnegative().optional().catch(undefined),
})
