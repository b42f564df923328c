import { errorAnswer, refuseWith } from '../answers.ts'
import type { Fault } from '../fault.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'

/** The bounds of `zot`. */
export interface ZotOptions {
  /** How many requests of each method are answered in a second. @default 100 */
  readonly requestsPerSecond?: number | undefined
  /** How many repositories may be written to; more are refused with 429 for ever. @default no limit */
  readonly repositories?: number | undefined
}

/**
 * zot. The row: "Referrers yes; 4 MiB manifest cap; 416 rules stricter than before; per-method rate limits and quota as
 * 429; many tags per PUT via `tag` query; rejects Docker media types unless compat mode". Ranges and tags are those of
 * the embedded registry.
 */
export function zot({ requestsPerSecond = 100, repositories = Infinity }: ZotOptions = {}): Profile {
  return {
    limits: { maxMetadataBytes: 4 * 1024 * 1024 },
    faults: () => [
      ratePerMethod(requestsPerSecond),
      on({ method: ['POST', 'PUT'], endpoint: ['uploads', 'manifest'] }, quota(repositories)),
      on(
        {
          method: 'PUT',
          endpoint: 'manifest',
          when: ({ headers }) => (headers['content-type'] ?? '').startsWith('application/vnd.docker.'),
        },
        refuseWith(415, 'MANIFEST_INVALID', 'docker media types are not accepted'),
      ),
    ],
  }
}

/** Each method has a bucket of its own, which holds what one second allows. */
function ratePerMethod(perSecond: number): Fault {
  const buckets = new Map<string, { left: number; filled: number }>()
  return async (request, next) => {
    const now = performance.now()
    const { left, filled } = buckets.get(request.method) ?? { left: perSecond, filled: now }
    const available = Math.min(perSecond, left + ((now - filled) / 1000) * perSecond)
    const isAllowed = available >= 1
    buckets.set(request.method, { left: isAllowed ? available - 1 : available, filled: now })
    if (isAllowed) return next(request)
    return errorAnswer(429, { code: 'TOOMANYREQUESTS', message: 'too many requests' })
  }
}

function quota(repositories: number): Fault {
  const names = new Set<string>()
  return async (request, next) => {
    const { repository } = request
    if (!names.has(repository) && names.size >= repositories) {
      return errorAnswer(429, { code: 'DENIED', message: 'repository quota exceeded' })
    }
    names.add(repository)
    return next(request)
  }
}
