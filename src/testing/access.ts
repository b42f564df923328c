import { errorAnswer } from './answers.ts'
import type { Fault, FaultyRequest } from './fault.ts'
import { covers, formatScopes, neededScopes } from './scopes.ts'
import type { Tokens } from './tokens.ts'
import { basicUser, type Users } from './users.ts'

/** Lets nobody to the registry who does not show a user's password by Basic. */
export function requireBasic(users: Users, realm: string = 'registry'): Fault {
  return async (request, next) => {
    if (request.at !== 'registry' || basicUser(users, request.headers.authorization) !== undefined) {
      return next(request)
    }
    return unauthorized({ 'www-authenticate': `Basic realm="${realm}"` })
  }
}

/** What a Bearer challenge says. */
export interface ChallengeOptions {
  /** Where tokens come from, or a function of the request that was refused. @default `/token` of the origin `tokens` */
  readonly realm?: string | ((request: FaultyRequest) => string) | undefined
  /** @default 'registry' */
  readonly service?: string | undefined
  /** Whether the challenge says which scope is missing. @default true */
  readonly saysScope?: boolean | undefined
  /** What deleting needs. @default 'delete' */
  readonly deleteAction?: string | undefined
}

/** Lets nobody to the registry without a token that is good for what the request does. */
export function requireToken(tokens: Tokens, options: ChallengeOptions = {}): Fault {
  const { deleteAction = 'delete' } = options
  return async (request, next) => {
    const grant = tokens.grantOf(request.headers.authorization)
    const isAllowed = grant !== undefined && covers(grant.scopes, neededScopes(request, deleteAction))
    return request.at !== 'registry' || isAllowed ? next(request) : challenge(tokens, options)(request, next)
  }
}

/** Answers 401 with the challenge that `requireToken` gives. */
export function challenge(tokens: Tokens, options: ChallengeOptions = {}): Fault {
  const {
    realm = ({ origins }) => `${origins.tokens}/token`,
    service = 'registry',
    saysScope = true,
    deleteAction = 'delete',
  } = options
  return async (request) => {
    const { authorization } = request.headers
    const scope = formatScopes(neededScopes(request, deleteAction))
    const parameters = [
      `realm="${typeof realm === 'string' ? realm : realm(request)}"`,
      `service="${service}"`,
      ...(saysScope && scope !== '' ? [`scope="${scope}"`] : []),
      ...(authorization === undefined ? [] : [`error="${problem(tokens, authorization)}"`]),
    ]
    return unauthorized({ 'www-authenticate': `Bearer ${parameters.join(',')}` })
  }
}

function problem(tokens: Tokens, authorization: string): string {
  return tokens.grantOf(authorization) === undefined ? 'invalid_token' : 'insufficient_scope'
}

function unauthorized(headers: Record<string, string>): ReturnType<typeof errorAnswer> {
  return errorAnswer(401, { code: 'UNAUTHORIZED', message: 'authentication required' }, headers)
}
