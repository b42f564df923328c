import { changeHeaders, errorAnswer, insteadOf, refuseWith } from '../answers.ts'
import type { Fault } from '../fault.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { noDelete } from './traits.ts'

/** The bounds of `olareg`. */
export interface OlaregOptions {
  /** How long a page of referrers can be gone on from. @default 300 */
  readonly pageSeconds?: number | undefined
  /** How many referrers a page has. @default 100 */
  readonly pageSize?: number | undefined
  /** How many uploads may be unfinished at a time. @default 100 */
  readonly uploads?: number | undefined
}

/**
 * olareg. The row: "Warning headers, Retry-After: 1, referrers pages cached 5 minutes, delete disabled by default,
 * sparse content refused by default, upload count cap". Sparse content the embedded registry refuses as well.
 */
export function olareg({ pageSeconds = 300, pageSize = 100, uploads = 100 }: OlaregOptions = {}): Profile {
  return {
    limits: { referrersPageSize: pageSize, maxUploads: uploads },
    faults: () => [
      changeHeaders({ warning: '299 - "this registry is for tests"' }),
      on({ method: 'GET', endpoint: 'referrers' }, expiringPages(pageSeconds)),
      on(
        { endpoint: 'uploads' },
        insteadOf(429, refuseWith(429, 'TOOMANYREQUESTS', 'too many uploads', { 'retry-after': '1' })),
      ),
      noDelete(),
    ],
  }
}

/** The list is kept from its first page on; who comes too late must begin again. */
function expiringPages(seconds: number): Fault {
  const begun = new Map<string, number>()
  return async (request, next) => {
    const { path, query } = request
    const now = performance.now()
    if (!query.has('last')) begun.set(path, now)
    const isOver = now - (begun.get(path) ?? -Infinity) >= seconds * 1000
    if (query.has('last') && isOver) {
      return errorAnswer(400, { code: 'UNSUPPORTED', message: 'this page is over' })
    }
    return next(request)
  }
}
