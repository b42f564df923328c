import { challenge } from '../access.ts'
import { changeHeaders, insteadOf, refuseWith } from '../answers.ts'
import { on } from '../match.ts'
import type { Fault } from '../fault.ts'
import type { Tokens } from '../tokens.ts'
import type { Profile } from './profile.ts'
import { changeTags } from './traits.ts'

/**
 * JFrog Artifactory. The row: "fresh 401 for each request when tokens are cached by exact scope; HEAD of a missing tag
 * in virtual repos 403; digests inside tag lists; POST token 401; realm with explicit `:443` and a path;
 * `application/json;charset=ISO-8859-1`; native referrers in recent versions". A token is good for all that its user may
 * do, and the challenge names no scope. Not played: a port that is its scheme's own.
 */
export function artifactory(): Profile {
  const path = '/artifactory/api/docker/virtual/v2/token'
  return {
    tokens: { refusesPostWith: 401 },
    faults: ({ tokens }) => [
      (request, next) => (request.path === path ? tokens.answer(request) : next(request)),
      requireAnyToken(tokens, path),
      on(
        { method: 'HEAD', endpoint: 'manifest', when: ({ reference }) => !reference.includes(':') },
        insteadOf(404, refuseWith(403, 'DENIED', 'forbidden')),
      ),
      changeTags((tags) => ({ tags: [`sha256:${'0'.repeat(64)}`, ...tags] })),
      on(
        { endpoint: ['base', 'tags', 'catalog'] },
        changeHeaders({ 'content-type': 'application/json;charset=ISO-8859-1' }),
      ),
    ],
  }
}

/** Anonymous tokens read, those of users do everything. */
function requireAnyToken(tokens: Tokens, path: string): Fault {
  const refuse = challenge(tokens, {
    realm: ({ origins }) => `${origins.registry}${path}`,
    service: 'artifactory.example',
    saysScope: false,
  })
  return (request, next) => {
    const grant = tokens.grantOf(request.headers.authorization)
    const isReading = request.method === 'GET' || request.method === 'HEAD'
    const isAllowed = grant !== undefined && (isReading || grant.user !== undefined)
    return (isAllowed || request.at !== 'registry' ? next : refuse)(request, next)
  }
}
