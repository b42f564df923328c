import { isDigest } from '../content/digest.ts'
import { isRepository, isTag } from '../content/reference.ts'
import { fetchBlob, deleteBlob } from './blobs.ts'
import { listRepositories } from './catalog.ts'
import { refusal } from './errors.ts'
import { jsonAnswer, type Answer, type Exchange, type Handler } from './exchange.ts'
import { deleteManifest, fetchManifest, pushManifest } from './manifests.ts'
import { listReferrers } from './referrers.ts'
import { listTags } from './tags.ts'
import { appendToUpload, cancelUpload, finishUpload, startUpload, uploadStatus } from './uploads.ts'

/** A path of the API, taken apart. */
export interface Route {
  readonly noun: Noun
  readonly name: string
  readonly reference: string
}

type Noun = 'base' | 'catalog' | 'tags' | 'uploads' | 'upload' | 'manifest' | 'blob' | 'referrers'

const ping: Handler = async () => jsonAnswer({})

const handlers: Readonly<Record<Noun, ReadonlyMap<string, Handler>>> = {
  base: reading(ping),
  catalog: reading(listRepositories),
  tags: reading(listTags),
  referrers: reading(listReferrers),
  manifest: reading(fetchManifest, [
    ['PUT', pushManifest],
    ['DELETE', deleteManifest],
  ]),
  blob: reading(fetchBlob, [['DELETE', deleteBlob]]),
  uploads: new Map([['POST', startUpload]]),
  upload: reading(uploadStatus, [
    ['PATCH', appendToUpload],
    ['PUT', finishUpload],
    ['DELETE', cancelUpload],
  ]),
}

/** The route of a path (distribution-spec, "Endpoints"); undefined for any other path. Linear in its length. */
export function parseRoute(path: string): Route | undefined {
  if (path === '/v2/' || path === '/v2') return { noun: 'base', name: '', reference: '' }
  if (path === '/v2/_catalog') return { noun: 'catalog', name: '', reference: '' }
  if (!path.startsWith('/v2/')) return undefined
  const rest = path.slice('/v2/'.length)
  for (const [suffix, noun] of wholeSuffixes) {
    if (rest.endsWith(suffix)) return { noun, name: rest.slice(0, -suffix.length), reference: '' }
  }
  const slash = rest.lastIndexOf('/')
  const before = rest.slice(0, slash)
  const reference = rest.slice(slash + 1)
  for (const [suffix, noun] of referenceSuffixes) {
    if (before.endsWith(suffix)) return { noun, name: before.slice(0, -suffix.length), reference }
  }
  return undefined
}

/** Answers a request for a route: 400 for what is malformed in its path, 405 for a method that it does not have. */
export async function answerRoute(route: Route, exchange: Exchange, readOnly: boolean): Promise<Answer> {
  const method = exchange.request.method ?? ''
  const methods = handlers[route.noun]
  const handler = methods.get(method)
  if (handler === undefined) {
    return refusal(405, 'UNSUPPORTED', `${method} does not apply here`, {
      Allow: [...methods.keys()].join(', '),
    })
  }
  if (readOnly && !isReading(method)) return refusal(405, 'UNSUPPORTED', 'this registry is read-only')
  return refuseMalformed(route, method) ?? handler(exchange)
}

/** True for the methods that change nothing. */
export function isReading(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD'
}

const wholeSuffixes: readonly (readonly [string, Noun])[] = [
  ['/tags/list', 'tags'],
  ['/blobs/uploads/', 'uploads'],
  ['/blobs/uploads', 'uploads'],
]

const referenceSuffixes: readonly (readonly [string, Noun])[] = [
  ['/blobs/uploads', 'upload'],
  ['/manifests', 'manifest'],
  ['/blobs', 'blob'],
  ['/referrers', 'referrers'],
]

function reading(
  handler: Handler,
  writing: readonly (readonly [string, Handler])[] = [],
): ReadonlyMap<string, Handler> {
  return new Map([['GET', handler], ['HEAD', handler], ...writing])
}

function refuseMalformed({ noun, name, reference }: Route, method: string): Answer | undefined {
  if (noun === 'base' || noun === 'catalog') return undefined
  if (!isRepository(name)) return refusal(400, 'NAME_INVALID', 'not a legal name of a repository')
  const namesDigest =
    noun === 'blob' || noun === 'referrers' || (noun === 'manifest' && reference.includes(':'))
  if (namesDigest && !isDigest(reference)) {
    return refusal(400, 'DIGEST_INVALID', 'not a digest of a supported algorithm')
  }
  if (noun !== 'manifest' || namesDigest || isTag(reference)) return undefined
  // What cannot be a tag is not there; only a push of it is an error.
  if (method === 'PUT') return refusal(400, 'MANIFEST_INVALID', 'not a legal tag')
  return refusal(404, 'MANIFEST_UNKNOWN', 'no such tag')
}
