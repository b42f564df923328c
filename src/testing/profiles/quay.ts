import { refuseWith } from '../answers.ts'
import { changeRequest, type Fault } from '../fault.ts'
import { on } from '../match.ts'
import type { Profile } from './profile.ts'
import { changeTags, ignoresSubjects, noReferrersApi, tokensAt } from './traits.ts'

/**
 * Quay, before it had referrers. The row: "opaque `next_page` tokens, page 50, `last` ignored; 413 when n is too large;
 * mount without `from` fails; asking for the `delete` action in a token makes the request fail (deleting needs `push`); referrers absent at
 * spec 1.1 time".
 */
export function quay(): Profile {
  return {
    tokens: { refusedActions: ['delete'] },
    faults: ({ tokens }) => [
      ...tokensAt('/v2/auth', tokens, { service: 'quay.io', deleteAction: 'push' }),
      on(
        { endpoint: 'uploads', when: ({ query }) => query.has('mount') && !query.has('from') },
        refuseWith(400, 'UNSUPPORTED', 'mount without from'),
      ),
      on(
        { endpoint: 'tags', when: ({ query }) => Number(query.get('n')) > 100 },
        refuseWith(413, 'UNSUPPORTED', 'n is too large'),
      ),
      opaquePages(50),
      noReferrersApi(),
      ignoresSubjects(),
    ],
  }
}

/** Its pages follow from each other by tokens alone. */
function opaquePages(size: number): Fault {
  const places = new Map<string, number>()
  return on({ method: 'GET', endpoint: 'tags' }, async (request, next) => {
    const { path, query } = request
    const first = places.get(query.get('next_page') ?? '') ?? 0
    const limit = Math.min(Number(query.get('n') ?? size), size)
    const list = { length: 0 }
    const answer = await changeTags((tags) => {
      list.length = tags.length
      return { tags: tags.slice(first, first + limit) }
    })(changeRequest(request, { url: path }), next)
    if (list.length <= first + limit) return answer
    const token = Buffer.from(`gAAAA${first + limit}${path}`).toString('base64url')
    places.set(token, first + limit)
    const link = `<${path}?n=${limit}&next_page=${token}>; rel="next"`
    return { ...answer, headers: { ...answer.headers, link } }
  })
}
