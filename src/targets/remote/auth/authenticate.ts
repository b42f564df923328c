import type { HttpRequest, HttpResponse, Send } from '../transport/http.ts'
import { isSameOrigin } from '../transport/origin.ts'
import { parseChallenges, type Challenge } from './challenge.ts'
import { basicAuthorization, type Credential, type FindCredential } from './credential.ts'
import { mergeScopes } from './scope.ts'
import { TokenCache } from './token-cache.ts'
import { fetchToken, type Token } from './token.ts'

/** What requests are authenticated with. */
export interface AuthenticateOptions {
  /** Where a registry is: the only origin that its credential, or a token for it, is sent to. */
  readonly registryUrl: (registry: string) => URL
  /** Finds the credential for a registry when it wants one. @default anonymous everywhere */
  readonly credential?: FindCredential | undefined
}

/** How a registry wants to be spoken to. */
type Scheme =
  | { readonly kind: 'fixed'; readonly authorization: string }
  | { readonly kind: 'token'; readonly realm: string | undefined; readonly service: string | undefined }

/** A request together with what there is to know about its registry. */
interface Asked {
  readonly request: HttpRequest
  readonly scopes: readonly string[]
  readonly registryUrl: URL
  /** Asks the user's function, once. */
  readonly credential: () => Promise<Credential | undefined>
}

/**
 * Attaches what the registry of a request wants to see, and answers a 401 of it once. A request without access, or
 * to another origin than that of its registry, passes as it is, and so does a 401 to it.
 */
export function authenticate(next: Send, options: AuthenticateOptions): Send {
  const { registryUrl, credential = () => undefined } = options
  const authenticator = new Authenticator(next)
  return async (request) => {
    const { access, url } = request
    if (access === undefined) return next(request)
    const home = registryUrl(access.registry)
    if (!isSameOrigin(url, home)) return next(request)
    let found: Promise<Credential | undefined> | undefined
    const find = async (): Promise<Credential | undefined> => credential(access.registry)
    return authenticator.send({
      request,
      scopes: access.scopes,
      registryUrl: home,
      credential: () => (found ??= find()),
    })
  }
}

/** Remembers the schemes and the tokens of registries. */
class Authenticator {
  readonly #next: Send
  readonly #tokens = new TokenCache()
  /** By origin. Known from its last challenge, so that a token can be fetched before a request is sent in vain. */
  readonly #schemes = new Map<string, Scheme>()

  constructor(next: Send) {
    this.#next = next
  }

  async send(asked: Asked): Promise<HttpResponse> {
    const { request, scopes, registryUrl } = asked
    const known = this.#schemes.get(registryUrl.origin)
    const first = known && (await this.#authorization(known, asked, {}))
    const response = await this.#next(withAuthorization(request, first))
    if (response.status !== 401) return response
    const challenges = parseChallenges(response.headers('www-authenticate'))
    const scheme = await schemeOf(challenges, asked).catch(async (error: unknown) => {
      await response.discard()
      throw error
    })
    if (scheme === undefined || (scheme.kind === 'fixed' && scheme.authorization === first)) return response
    this.#schemes.set(registryUrl.origin, scheme)
    // Before a token is fetched: it may come from the same host, whose place this response holds.
    await response.discard()
    const wanted = mergeScopes(scopes, challengedScopes(challenges))
    return this.#next(
      withAuthorization(request, await this.#authorization(scheme, asked, { wanted, refused: first })),
    )
  }

  async #authorization(
    scheme: Scheme,
    { request, scopes, registryUrl, credential }: Asked,
    { wanted = scopes, refused }: { wanted?: readonly string[]; refused?: string | undefined },
  ): Promise<string> {
    if (scheme.kind === 'fixed') return scheme.authorization
    const { signal, onEvent } = request
    const fetch = async (): Promise<Token> => {
      const tokenRequest = { ...scheme, registryUrl, scopes: wanted, credential: await credential() }
      return fetchToken(this.#next, tokenRequest, { signal, onEvent })
    }
    const key = { origin: registryUrl.origin, scopes }
    const token = await this.#tokens.obtain(key, fetch, { refused: refused?.slice(bearer.length), signal })
    return `${bearer}${token}`
  }
}

const bearer = 'Bearer '

/** How the challenge of a 401 can be answered; undefined if it cannot. Bearer is preferred: the password goes to fewer places. */
async function schemeOf(
  challenges: readonly Challenge[],
  { credential }: Asked,
): Promise<Scheme | undefined> {
  const known = await credential()
  const challenge = challengeOf(challenges, 'bearer')
  if (challenge !== undefined) {
    if (known !== undefined && 'accessToken' in known) {
      return { kind: 'fixed', authorization: `${bearer}${known.accessToken}` }
    }
    const { parameters } = challenge
    return { kind: 'token', realm: parameters.get('realm'), service: parameters.get('service') }
  }
  const isBasic = challengeOf(challenges, 'basic') !== undefined
  if (!isBasic || known === undefined || 'accessToken' in known) return undefined
  return { kind: 'fixed', authorization: basicAuthorization(known.username, known.password) }
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
