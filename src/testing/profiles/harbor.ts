import { changeHeaders, insteadOf, refuseWith } from '../answers.ts'
import type { Fault } from '../fault.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { compresses, ignoresSubjects, noReferrersApi, tokensAt } from './traits.ts'

/** Who is who in `harbor`. */
export interface HarborOptions {
  /** Who may list the repositories. @default 'admin' */
  readonly admin?: string | undefined
}

/**
 * Harbor, an older one. The row: "referrers answers 401; HEAD and GET Content-Length differ because GET is compressed;
 * error code NOT_FOUND instead of MANIFEST_UNKNOWN; sets cookies; mount without access 401; `_catalog` for admins
 * only; robot accounts with `$` in the name". Not played: its proxy cache.
 */
export function harbor({ admin = 'admin' }: HarborOptions = {}): Profile {
  const unauthorized = refuseWith(401, 'UNAUTHORIZED', 'unauthorized to access this', {})
  return {
    tokens: {
      allows: (user, resource, action) =>
        resource === 'registry:catalog' ? user === admin : user !== undefined || action === 'pull',
    },
    faults: ({ tokens, store }) => [
      setsCookies(),
      ...tokensAt('/service/token', tokens, { service: 'harbor-registry' }),
      noReferrersApi(unauthorized),
      ignoresSubjects(),
      on({ endpoint: 'uploads', when: ({ query }) => query.has('mount') }, async (request, next) => {
        const from = request.query.get('from') ?? ''
        const isThere = (await store.open(from, { signal: request.signal })) !== undefined
        return (isThere ? next : unauthorized)(request, next)
      }),
      on(
        { method: ['GET', 'HEAD'], endpoint: 'manifest' },
        insteadOf(404, refuseWith(404, 'NOT_FOUND', 'artifact not found')),
      ),
      on({ method: 'GET', endpoint: 'manifest' }, compresses()),
    ],
  }
}

function setsCookies(): Fault {
  return changeHeaders({ 'set-cookie': 'sid=5f1b2c; Path=/; HttpOnly' })
}
