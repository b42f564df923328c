import { z } from 'zod'
import { requireToken } from '../access.ts'
import { errorAnswer } from '../answers.ts'
import { bodyOf, collect } from '../bodies.ts'
import { changeRequest, type Fault } from '../fault.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { ignoresSubjects, noReferrersApi } from './traits.ts'

/** The bounds of `gitlab`. */
export interface GitlabOptions {
  /** @default 300 */
  readonly tokenSeconds?: number | undefined
}

/**
 * GitLab, an older one. The row: "Referrers 404, and `sha256-<hex>` resolves as the digest; unknown config media types
 * refused with MANIFEST_INVALID; empty config 500; token life 5 minutes; token endpoint `/jwt/auth` on gitlab.com for
 * registry.gitlab.com: different host, same registrable domain".
 */
export function gitlab({ tokenSeconds = 300 }: GitlabOptions = {}): Profile {
  return {
    tokens: { lifetimeSeconds: tokenSeconds },
    faults: ({ tokens }) => [
      requireToken(tokens, {
        realm: ({ origins }) => `${origins.tokens}/jwt/auth`,
        service: 'container_registry',
      }),
      noReferrersApi(),
      ignoresSubjects(),
      on({ method: ['GET', 'HEAD', 'DELETE'], endpoint: 'manifest' }, resolvesTagAsDigest),
      on({ method: 'PUT', endpoint: 'manifest' }, checkConfig),
    ],
  }
}

/** Only where no such tag was pushed. */
const resolvesTagAsDigest: Fault = async (request, next) => {
  const [, hex] = /^sha256-([0-9a-f]{64})$/.exec(request.reference) ?? []
  if (hex === undefined) return next(request)
  const tagged = await next(changeRequest(request, { method: 'HEAD' }))
  if (tagged.status === 200) return next(request)
  return next(changeRequest(request, { url: request.url.replace(`sha256-${hex}`, `sha256:${hex}`) }))
}

const knownConfigs =
  /^application\/vnd\.(?:oci\.image\.config\.v1|docker\.container\.image\.v1|cncf\.helm\.config\.v1)\+json$/

const checkConfig: Fault = async (request, next) => {
  const bytes = await collect(request.body, 4 * 1024 * 1024)
  const { data } = manifest.safeParse(JSON.parse(bytes.toString()))
  if (data?.config.size === 0) return errorAnswer(500, { code: 'UNKNOWN', message: 'unknown error' })
  if (data !== undefined && !knownConfigs.test(data.config.mediaType)) {
    return errorAnswer(400, {
      code: 'MANIFEST_INVALID',
      message: `unknown media type: ${data.config.mediaType}`,
    })
  }
  return next(changeRequest(request, { body: bodyOf(bytes) }))
}

const manifest = z.object({ config: z.object({ mediaType: z.string(), size: z.number() }) })
