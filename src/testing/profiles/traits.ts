import { gzipSync } from 'node:zlib'
import { z } from 'zod'
import { requireToken, type ChallengeOptions } from '../access.ts'
import { answerWith, changeHeaders, changeJson, redirectTo, refuseWith } from '../answers.ts'
import { bodyOf, brokenOffAfter, collect } from '../bodies.ts'
import { changeRequest, type Fault, type FaultyRequest } from '../fault.ts'
import { on } from '../match.ts'
import type { Tokens } from '../tokens.ts'
import type { ProfileParts } from './profile.ts'

/** Tokens are asked for, and come from a path of the registry itself. */
export function tokensAt(path: string, tokens: Tokens, options: ChallengeOptions = {}): readonly Fault[] {
  const realm = ({ origins }: FaultyRequest): string => `${origins.registry}${path}`
  return [
    (request, next) => (request.path === path ? tokens.answer(request) : next(request)),
    requireToken(tokens, { realm, ...options }),
  ]
}

/** No referrers API, and no word about subjects. */
export function noReferrersApi(refusal: Fault = answerWith(404, { body: '404 page not found\n' })): Fault {
  return on({ endpoint: 'referrers', at: 'registry' }, refusal)
}

/** A manifest with a subject is taken as if it had none. */
export function ignoresSubjects(): Fault {
  return on({ method: 'PUT', endpoint: 'manifest' }, changeHeaders({ 'oci-subject': undefined }))
}

/** Nothing is deleted; uploads can be cancelled. */
export function noDelete(): Fault {
  return on(
    { method: 'DELETE', endpoint: ['manifest', 'blob'] },
    refuseWith(405, 'UNSUPPORTED', 'The operation is unsupported.'),
  )
}

/** There is no list of repositories. */
export function noCatalog(): Fault {
  return on({ endpoint: 'catalog' }, answerWith(404, { body: '404 page not found\n' }))
}

/** Lists of tags come in pages of so many at most, whatever was asked for. */
export function tagPages(size: number): Fault {
  return on({ method: 'GET', endpoint: 'tags' }, (request, next) => {
    const query = new URLSearchParams(request.query)
    query.set('n', `${Math.min(Number(query.get('n') ?? size), size)}`)
    return next(changeRequest(request, { url: `${request.path}?${query.toString()}` }))
  })
}

/** Changes what a list of tags says. */
export function changeTags(
  edit: (tags: readonly string[], request: FaultyRequest) => Readonly<Record<string, unknown>>,
): Fault {
  return on({ method: 'GET', endpoint: 'tags' }, (request, next) => {
    const change = changeJson((document) => {
      const list = tagList.parse(document)
      return { ...list, ...edit(list.tags, request) }
    })
    return change(request, next)
  })
}

/**
 * Blobs are read from a storage elsewhere, by a URL that is signed: what shows an Authorization header there, as
 * clients do that follow redirects with all headers, is answered with `refusal`.
 */
export function blobsInStorage(refusal: number = 400): Fault {
  const signature = 'c2lnbmVk/+b'
  const toStorage = redirectTo(
    ({ origins, path }) => `${origins.storage}${path}?se=2099-01-01&sig=${encodeURIComponent(signature)}`,
  )
  return async (request, next) => {
    const { at, method, endpoint, headers, query } = request
    if (at === 'registry') {
      if (method !== 'GET' || endpoint !== 'blob') return next(request)
      const { status } = await next(changeRequest(request, { method: 'HEAD' }))
      return (status === 200 ? toStorage : next)(request, next)
    }
    const isReading = method === 'GET' || method === 'HEAD'
    if (headers.authorization !== undefined)
      return storageError(refusal, 'InvalidAuthenticationInfo')(request, next)
    if (!isReading || endpoint !== 'blob' || query.get('sig') !== signature) {
      return storageError(403, 'AuthenticationFailed')(request, next)
    }
    return next(request)
  }
}

/** Nothing is pushed to a repository that nobody has made. */
export function existingRepositoriesOnly({ store }: Pick<ProfileParts, 'store'>): Fault {
  const unknown = refuseWith(404, 'NAME_UNKNOWN', 'The repository does not exist in the registry')
  return async (request, next) => {
    const { repository, signal } = request
    const isThere = repository === '' || (await store.open(repository, { signal })) !== undefined
    return isThere ? next(request) : unknown(request, next)
  }
}

/** A body of more bytes is refused: at once where its length is told, else when so many have come. */
export function limitBody(maxBytes: number, refusal: Fault): Fault {
  return async (request, next) => {
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) return refusal(request, next)
    const body = brokenOffAfter(request.body, maxBytes + 1)
    const answer = await next(changeRequest(request, { body }))
    return answer.status === undefined && !request.signal.aborted ? refusal(request, next) : answer
  }
}

/** An answer goes out compressed to whoever takes that, so that its length is not that of the HEAD. */
export function compresses(): Fault {
  return async (request, next) => {
    const answer = await next(request)
    const takesGzip = String(request.headers['accept-encoding'] ?? '').includes('gzip')
    if (answer.status !== 200 || !takesGzip) return answer
    const body = gzipSync(await collect(answer.body, 4 * 1024 * 1024))
    const headers = { ...answer.headers, 'content-encoding': 'gzip', 'content-length': `${body.length}` }
    return { ...answer, headers, body: bodyOf(body) }
  }
}

function storageError(status: number, code: string): Fault {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code></Error>`
  return answerWith(status, { headers: { 'content-type': 'application/xml' }, body })
}

const tagList = z.looseObject({ tags: z.array(z.string()) })
