import { randomBytes } from 'node:crypto'
import { answerOf, errorAnswer, jsonOf } from './answers.ts'
import { collect } from './bodies.ts'
import type { FaultyAnswer, FaultyRequest, Next } from './fault.ts'
import { parseScopes, type Scopes } from './scopes.ts'
import { parseBasic, type Users } from './users.ts'

/** How a token service behaves. */
export interface TokenRules {
  /** Who may log in; a wrong password is answered with 401. @default nobody */
  readonly users?: Users | undefined
  /**
   * Whether an action on a resource (`repository:name`) is put into a token; `user` is undefined for anonymous.
   * @default users may do everything, anonymous may pull
   */
  readonly allows?: ((user: string | undefined, resource: string, action: string) => boolean) | undefined
  /** @default 300 */
  readonly lifetimeSeconds?: number | undefined
  /** Whether the answer says how long the token lives. @default true */
  readonly saysLifetime?: boolean | undefined
  /** Where the token stands in the answer. @default 'token' */
  readonly member?: 'token' | 'access_token' | undefined
  /** Answers every POST with this status, as services without the OAuth2 flow do. @default it has that flow */
  readonly refusesPostWith?: number | undefined
  /** Answers a request for one of these actions with 400. @default none */
  readonly refusedActions?: readonly string[] | undefined
}

/** What a token is good for. */
export interface Grant {
  /** Undefined for an anonymous one. */
  readonly user: string | undefined
  readonly scopes: Scopes
}

/** Issues opaque tokens and remembers them (distribution, "Token Authentication Specification"). */
export interface Tokens {
  /** Answers a request for a token, by GET or by POST. */
  readonly answer: Next
  /** What the token in an Authorization header is good for; undefined if it is none, is over, or was revoked. */
  grantOf(authorization: string | undefined): Grant | undefined
  /** No token that was issued until now is good any more; refresh tokens stay. */
  revokeAll(): void
}

/** A service that has issued no token yet. */
export function createTokens(rules: TokenRules = {}): Tokens {
  const { users = {}, lifetimeSeconds = 300, refusesPostWith, refusedActions = [] } = rules
  const issued = new Map<string, Grant & { readonly expires: number }>()
  const refreshTokens = new Map<string, string>()
  const answer: Next = async (request) => {
    if (request.method === 'POST' && refusesPostWith !== undefined) {
      return errorAnswer(refusesPostWith, { code: 'UNSUPPORTED', message: 'no POST here' })
    }
    const asked = await readQuestion(request)
    const login = loginOf(asked, users, refreshTokens)
    if (login === 'refused') return unauthorized()
    const { user } = login
    const wanted = parseScopes(asked.scopes)
    if ([...wanted.values()].some((actions) => refusedActions.some((action) => actions.has(action)))) {
      return errorAnswer(400, { code: 'UNSUPPORTED', message: 'an action that is not known here' })
    }
    const token = randomBytes(24).toString('base64url')
    const expires = performance.now() + lifetimeSeconds * 1000
    issued.set(token, { user, scopes: allowed(user, wanted, rules), expires })
    return tokenAnswer(
      token,
      user !== undefined && asked.wantsRefresh ? { user, refreshTokens } : undefined,
      rules,
    )
  }
  return {
    answer,
    grantOf(authorization) {
      const grant = issued.get(/^bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '')
      return grant !== undefined && grant.expires > performance.now() ? grant : undefined
    },
    revokeAll: () => issued.clear(),
  }
}

/** The user name under which a refresh token is given as a password (as `docker login` stores it). */
export const tokenUser = '<token>'

interface Question {
  readonly scopes: readonly string[]
  readonly login: { readonly user: string; readonly password: string } | undefined
  readonly refreshToken: string | undefined
  readonly wantsRefresh: boolean
}

async function readQuestion({ method, query, headers, body }: FaultyRequest): Promise<Question> {
  const form =
    method === 'POST' ? new URLSearchParams((await collect(body, maxFormBytes)).toString()) : undefined
  const user = form?.get('username') ?? undefined
  const basic = parseBasic(headers.authorization)
  return {
    scopes: (form ?? query).getAll('scope'),
    login: user === undefined ? basic : { user, password: form?.get('password') ?? '' },
    refreshToken: form?.get('refresh_token') ?? (basic?.user === tokenUser ? basic.password : undefined),
    wantsRefresh: query.get('offline_token') === 'true' || form?.get('access_type') === 'offline',
  }
}

function loginOf(
  { login, refreshToken }: Question,
  users: Users,
  refreshTokens: ReadonlyMap<string, string>,
): { readonly user: string | undefined } | 'refused' {
  if (refreshToken !== undefined) {
    const user = refreshTokens.get(refreshToken)
    return user === undefined ? 'refused' : { user }
  }
  if (login === undefined) return { user: undefined }
  const isKnown = Object.hasOwn(users, login.user) && users[login.user] === login.password
  return isKnown ? { user: login.user } : 'refused'
}

function allowed(user: string | undefined, wanted: Scopes, rules: TokenRules): Scopes {
  const { allows = (name, _resource, action) => name !== undefined || action === 'pull' } = rules
  return new Map(
    [...wanted].map(([resource, actions]) => [
      resource,
      new Set([...actions].filter((action) => allows(user, resource, action))),
    ]),
  )
}

interface Refresh {
  readonly user: string
  readonly refreshTokens: Map<string, string>
}

function tokenAnswer(
  token: string,
  refresh: Refresh | undefined,
  { member = 'token', lifetimeSeconds = 300, saysLifetime = true }: TokenRules,
): FaultyAnswer {
  const refreshToken = refresh && randomBytes(24).toString('base64url')
  if (refreshToken !== undefined) refresh?.refreshTokens.set(refreshToken, refresh.user)
  return jsonOf(200, {
    [member]: token,
    ...(saysLifetime && { expires_in: lifetimeSeconds, issued_at: new Date().toISOString() }),
    ...(refreshToken !== undefined && { refresh_token: refreshToken }),
  })
}

function unauthorized(): FaultyAnswer {
  const body = JSON.stringify({ details: 'incorrect username or password' })
  return answerOf(401, { headers: { 'content-type': 'application/json' }, body })
}

const maxFormBytes = 64 * 1024
