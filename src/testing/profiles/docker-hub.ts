import { challenge, requireToken } from '../access.ts'
import { answerWith, changeHeaders, errorAnswer } from '../answers.ts'
import type { Fault } from '../fault.ts'
import { on } from '../match.ts'
import { noCatalog, noDelete, noReferrersApi } from './traits.ts'
import type { Profile, ProfileParts } from './profile.ts'

/** The bounds of `dockerHub`. */
export interface DockerHubOptions {
  /** How many manifests may be read in six hours. @default 100 */
  readonly pulls?: number | undefined
}

/**
 * Docker Hub, as of 2024. The row: "missing repo gives 401 insufficient_scope, not 404; GET manifest counts as a pull,
 * HEAD does not; `ratelimit-limit/remaining;w=21600` headers, two kinds of 429 with and without JSON body; mount from
 * an unknown repo fails auth; OCI-Subject without API in 2024; no `_catalog`; manifest DELETE reported refused". Tokens
 * come from another host. Not played: the aliases of its name, subjects that were refused before, the API that came later.
 */
export function dockerHub({ pulls = 100 }: DockerHubOptions = {}): Profile {
  return {
    faults: (parts) => [
      requireToken(parts.tokens, { service: 'registry.docker.io' }),
      hidesUnknownRepositories(parts),
      noCatalog(),
      countPulls(pulls),
      noReferrersApi(),
      noDelete(),
    ],
  }
}

/** Who is anonymous, or mounts, is not told that a repository does not exist. */
function hidesUnknownRepositories({ store, tokens }: ProfileParts): Fault {
  const refuse = challenge(tokens, { service: 'registry.docker.io' })
  return async (request, next) => {
    const { repository, query, endpoint, headers, signal } = request
    const from = endpoint === 'uploads' && query.has('mount') ? query.get('from') : null
    const isAnonymous = tokens.grantOf(headers.authorization)?.user === undefined
    const name = isAnonymous ? repository : (from ?? '')
    const isHidden = name !== '' && (await store.open(name, { signal })) === undefined
    return isHidden ? refuse(request, next) : next(request)
  }
}

function countPulls(pulls: number): Fault {
  let left = pulls
  let refusals = 0
  const rate = (): Record<string, string> => ({
    'ratelimit-limit': `${pulls};w=21600`,
    'ratelimit-remaining': `${left};w=21600`,
  })
  return on({ method: ['GET', 'HEAD'], endpoint: 'manifest' }, async (request, next) => {
    if (left === 0 && request.method === 'GET') {
      refusals += 1
      const error = { code: 'TOOMANYREQUESTS', message: 'You have reached your pull rate limit.' }
      if (refusals % 2 === 1) return errorAnswer(429, error, rate())
      return answerWith(429, { headers: { 'content-type': 'text/html' }, body: 'Too Many Requests' })(
        request,
        next,
      )
    }
    if (request.method === 'GET') left -= 1
    return changeHeaders(rate())(request, next)
  })
}
