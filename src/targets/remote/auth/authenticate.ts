import { isRegistry } from '../../../content/reference.ts'
import { AuthError, ResponseError } from '../../../errors.ts'
import type { HttpRequest, HttpResponse, Send } from '../transport/http.ts'
import { isSameOrigin } from '../transport/origin.ts'
import { parseChallenges, type Challenge } from './challenge.ts'
import { CredentialCache } from './credential-cache.ts'
import { basicAuthorization, isSameCredential, type Credential, type FindCredential } from './credential.ts'
import { mergeScopes, repositoryOf } from './scope.ts'
import { TokenCache } from './token-cache.ts'
import { fetchToken, type Token } from './token.ts'

/** How registries are shown who asks. */
export interface AuthenticationOptions {
  /** Finds the credential for a registry when it wants one. @default anonymous everywhere */
  readonly credential?: FindCredential | undefined
  /**
   * `'auto'`: as the registry wants it, by a token where it takes both. `'basic'`: the password with each request, from
   * the first one on. `'token'`: never the password itself to the registry. @default 'auto'
   */
  readonly authentication?: 'auto' | 'basic' | 'token' | undefined
  /** Hosts, with their ports, of token services that may see the credential of a registry elsewhere. @default none */
  readonly trustedRealms?: readonly string[] | undefined
}

/** What requests are authenticated with. */
export interface AuthenticateOptions extends AuthenticationOptions {
  /** Where a registry is: the only origin that its credential, or a token for it, is sent to. */
  readonly registryUrl: (registry: string) => URL
}

/**
 * Attaches what the registry of a request wants to see, and answers a 401 of it once. A request without access, or
 * to another origin than that of its registry, or with the user's own Authorization, passes as it is, and so does a 401 to it.
 * Throws a RangeError for a trusted realm that is no host.
 */
export function authenticate(next: Send, options: AuthenticateOptions): Send {
  const { trustedRealms = [] } = options
  const wrong = trustedRealms.find((host) => !isRegistry(host))
  if (wrong !== undefined) throw new RangeError(`the trusted realm ${JSON.stringify(wrong)} is no host`)
  const authenticator = new Authenticator(next, options)
  return async (request) => {
    const { access, url } = request
    if (access === undefined || request.customHeaders?.['authorization'] !== undefined) return next(request)
    const registryUrl = options.registryUrl(access.registry)
    if (!isSameOrigin(url, registryUrl)) return next(request)
    return authenticator.send({ request, registry: access.registry, scopes: access.scopes, registryUrl })
  }
}

/** How a registry wants to be spoken to. */
type Scheme =
  | { readonly kind: 'basic' }
  | { readonly kind: 'token'; readonly realm: string | undefined; readonly service: string | undefined }

/** A request together with what there is to know about its registry. */
interface Asked {
  readonly request: HttpRequest
  readonly registry: string
  readonly scopes: readonly string[]
  readonly registryUrl: URL
}

/** How a request can be authenticated. */
type Answer =
  | { readonly kind: 'none' }
  | { readonly kind: 'direct'; readonly authorization: string }
  | (Scheme & { readonly kind: 'token' })

interface TokenOptions {
  /** What the token must be good for. */
  readonly wanted: readonly string[]
  /** The Authorization that was not enough. @default none */
  readonly refused?: string | undefined
}

/** Remembers the schemes, the credentials and the tokens of registries. */
class Authenticator {
  readonly #next: Send
  readonly #options: AuthenticateOptions
  readonly #credentials = new CredentialCache()
  readonly #tokens = new TokenCache()
  /** By origin. Known from its last challenge, so that a token can be fetched before a request is sent in vain. */
  readonly #schemes = new Map<string, Scheme>()

  constructor(next: Send, options: AuthenticateOptions) {
    this.#next = next
    this.#options = options
  }

  async send(asked: Asked): Promise<HttpResponse> {
    const { request, scopes, registryUrl } = asked
    const { authentication = 'auto' } = this.#options
    const known = this.#schemes.get(registryUrl.origin) ?? (authentication === 'basic' ? basic : undefined)
    const first = known && (await this.#authorization(known, asked))
    const response = await this.#next(withAuthorization(request, first))
    if (response.status !== 401) return response
    const challenges = parseChallenges(response.headers('www-authenticate'))
    const scheme = schemeOf(challenges, authentication)
    if (scheme === undefined) return response
    this.#schemes.set(registryUrl.origin, scheme)
    const answer = await this.#answer(scheme, asked, first).catch(async (error: unknown) => {
      await response.discard()
      throw error
    })
    if (answer.kind === 'none') return response
    // Before a token is fetched: it may come from the same host, whose place this response holds.
    await response.discard()
    const wanted = mergeScopes(scopes, challengedScopes(challenges))
    const second =
      answer.kind === 'direct'
        ? answer.authorization
        : await this.#token(answer, asked, { wanted, refused: first })
    return this.#next(withAuthorization(request, second))
  }

  async #authorization(scheme: Scheme, asked: Asked): Promise<string | undefined> {
    const answer = answerOf(scheme, await this.#credential(asked))
    if (answer.kind === 'token') return this.#token(answer, asked, { wanted: asked.scopes })
    return answer.kind === 'direct' ? answer.authorization : undefined
  }

  /** To a 401 of a request that had this Authorization: a credential that is refused is looked up anew. */
  async #answer(scheme: Scheme, asked: Asked, refused: string | undefined): Promise<Answer> {
    const isRefused = (answer: Answer): boolean =>
      answer.kind === 'direct' && answer.authorization === refused
    const credential = await this.#credential(asked)
    const answer = answerOf(scheme, credential)
    if (!isRefused(answer)) return answer
    const other = answerOf(scheme, await this.#credential(asked, credential))
    return isRefused(other) ? { kind: 'none' } : other
  }

  async #token(scheme: Scheme & { kind: 'token' }, asked: Asked, options: TokenOptions): Promise<string> {
    const credential = await this.#credential(asked)
    try {
      return await this.#tokenOf(credential, scheme, asked, options)
    } catch (error) {
      if (credential === undefined || !isRefusal(error)) throw error
      const other = await this.#credential(asked, credential)
      if (isSameCredential(other, credential)) throw error
      return await this.#tokenOf(other, scheme, asked, options)
    }
  }

  async #tokenOf(
    credential: Credential | undefined,
    scheme: Scheme & { kind: 'token' },
    { request: { signal, onEvent, customHeaders }, registry, scopes, registryUrl }: Asked,
    { wanted, refused }: TokenOptions,
  ): Promise<string> {
    const { trustedRealms } = this.#options
    const fetch = (): Promise<Token> => {
      const known = { registry, registryUrl, credential, customHeaders, trustedRealms }
      const request = { ...scheme, ...known, scopes: wanted }
      return fetchToken(this.#next, request, { signal, onEvent })
    }
    const key = { origin: registryUrl.origin, credential, scopes }
    const token = await this.#tokens.obtain(key, fetch, { refused: refused?.slice(bearer.length), signal })
    return `${bearer}${token}`
  }

  async #credential(
    { request: { signal }, registry, scopes }: Asked,
    refused?: Credential,
  ): Promise<Credential | undefined> {
    const { credential: find } = this.#options
    if (find === undefined) return undefined
    const repository = repositoryOf(scopes)
    const look = (): ReturnType<FindCredential> => find(registry, { repository, signal, refused })
    const credential = await this.#credentials.obtain(`${registry}/${repository ?? ''}`, look, {
      signal,
      refused,
    })
    expectSendable(credential, registry)
    return credential
  }
}

const bearer = 'Bearer '
const basic: Scheme = { kind: 'basic' }

/** How the challenge of a 401 can be answered; undefined if it cannot. A token is preferred: the password goes to fewer places. */
function schemeOf(
  challenges: readonly Challenge[],
  authentication: AuthenticationOptions['authentication'],
): Scheme | undefined {
  const challenge = challengeOf(challenges, 'bearer')
  if (challenge !== undefined && authentication !== 'basic') {
    const { parameters } = challenge
    return { kind: 'token', realm: parameters.get('realm'), service: parameters.get('service') }
  }
  const takesPassword = challengeOf(challenges, 'basic') !== undefined && authentication !== 'token'
  return takesPassword ? basic : undefined
}

/** A token out of a file may have the file's last line break. */
function expectSendable(credential: Credential | undefined, registry: string): void {
  if (credential === undefined || !('accessToken' in credential)) return
  if (/^[\x21-\x7e]+$/.test(credential.accessToken)) return
  throw new AuthError(
    `the access token for ${registry} is none: expected visible ASCII characters, without spaces or line breaks`,
  )
}

function answerOf(scheme: Scheme, credential: Credential | undefined): Answer {
  if (scheme.kind === 'token') {
    const isToken = credential !== undefined && 'accessToken' in credential
    return isToken ? { kind: 'direct', authorization: `${bearer}${credential.accessToken}` } : scheme
  }
  if (credential === undefined || !('password' in credential)) return { kind: 'none' }
  return { kind: 'direct', authorization: basicAuthorization(credential.username, credential.password) }
}

/** True for the word of a token service that the credential is wrong. */
function isRefusal(error: unknown): boolean {
  return error instanceof AuthError && error.cause instanceof ResponseError && error.cause.status === 401
}

function challengeOf(challenges: readonly Challenge[], wanted: string): Challenge | undefined {
  return challenges.find(({ scheme }) => scheme === wanted)
}

function challengedScopes(challenges: readonly Challenge[]): readonly string[] {
  const scopes = challengeOf(challenges, 'bearer')?.parameters.get('scope')?.split(' ') ?? []
  return scopes.filter((scope) => scope !== '')
}

function withAuthorization(request: HttpRequest, authorization: string | undefined): HttpRequest {
  if (authorization === undefined) return request
  return { ...request, headers: { ...request.headers, authorization } }
}
