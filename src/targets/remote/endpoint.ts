import { isDigest, type Digest } from '../../content/digest.ts'
import type { ManifestTypes } from '../../content/manifest-types.ts'
import { isTag } from '../../content/reference.ts'
import { InvalidReferenceError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { repositoryScope, type Action } from './auth/scope.ts'
import { isSameOrigin } from './transport/origin.ts'
import type { HttpRequest, HttpResponse } from './transport/http.ts'
import { redactUrl } from './transport/redact.ts'
import { unusable } from './transport/response.ts'
import type { RegistryTraits, Transport } from './transport/transport.ts'
import type { ListUpdate } from './update-tagged-referrers.ts'
import type { UploadJournal } from './upload-journal.ts'

/** How the referrers of a repository are kept: by the API of distribution-spec 1.1, or in tags. */
export type ReferrersMode = 'api' | 'tag-schema'

/** What is found out about a repository while working with it. */
export interface RepositoryState {
  /** A copy to here has begun, so that reading and writing are asked for at once. */
  isPrepared: boolean
  /** A request for something in it has succeeded. */
  isKnown: boolean
  referrers: ReferrersMode | undefined
  /** By subject, the lists of referrers in tags that are being changed. */
  readonly listUpdates: Map<Digest, ListUpdate>
  /** Whether a list of referrers that was replaced may be deleted. */
  takesDelete: boolean
  /** Names of repositories that nothing can be mounted from. */
  readonly refusedMounts: Set<string>
  /** By name of a repository, how many mounts from it have failed in a row. */
  readonly failedMounts: Map<string, number>
  /** A manifest with a subject was taken without a word about it, so that lists in tags are ours to keep. */
  ignoresSubjects: boolean
}

/** One repository, as the operations on it see it. */
export interface Endpoint {
  readonly transport: Transport
  readonly registry: string
  readonly repository: string
  readonly manifestTypes: ManifestTypes
  readonly maxMetadataBytes: number
  readonly singlePostBytes: number
  /** A larger blob goes in chunks of so many bytes. */
  readonly chunkBytes: number
  /** Where large uploads are written down while they run. */
  readonly uploadJournal: UploadJournal | undefined
  readonly tagPageSize: number | undefined
  /** What the user has decided; undefined to find out. */
  readonly referrers: ReferrersMode | undefined
  readonly state: RepositoryState
  readonly traits: RegistryTraits
}

/** One request to a repository. */
export interface Call extends Pick<HttpRequest, 'method' | 'headers' | 'body' | 'repeat' | 'isUrgent'> {
  /** Under `/v2/<repository>/`, or a URL that the registry gave. */
  readonly to: string | URL
  readonly actions: readonly Action[]
  /** Needed besides the actions on this repository. */
  readonly scopes?: readonly string[] | undefined
}

/** Asks the registry of a repository. GET and HEAD follow redirects. Errors: AUTH, UNREACHABLE, RESPONSE. */
export async function ask(endpoint: Endpoint, call: Call, options: SignalOptions): Promise<HttpResponse> {
  const { registry, repository, state, transport } = endpoint
  const { method, headers, body, repeat, isUrgent, to, scopes = [] } = call
  const isRead = method === 'GET' || method === 'HEAD'
  const actions: readonly Action[] = isRead && state.isPrepared ? ['pull', 'push'] : call.actions
  const response = await transport.send({
    method,
    url: typeof to === 'string' ? repositoryUrl(endpoint, to) : to,
    headers,
    body,
    repeat,
    isUrgent,
    access: { registry, scopes: [repositoryScope(repository, actions), ...scopes] },
    redirect: isRead ? 'follow' : 'refuse',
    signal: options.signal,
    onEvent: options.onEvent,
  })
  if (response.status < 300) state.isKnown = true
  return response
}

/** The URL of something in the repository. The path is made of parts that were checked: repository, tag, digest. */
export function repositoryUrl({ registry, repository, transport }: Endpoint, path: string): URL {
  return new URL(`/v2/${repository}/${path}`, transport.registryUrl(registry))
}

/** `host/repository`, for messages. */
export function nameOf({ registry, repository }: Endpoint): string {
  return `${registry}/${repository}`
}

/**
 * The URL of a header that a registry says where to go on with. It may be relative, and must not lead to another
 * scheme, host or port: what follows carries credentials and content. Its query is kept as it came.
 * Error: RESPONSE.
 */
export async function urlFromHeader(
  response: HttpResponse,
  registryUrl: URL,
  value: string | undefined,
): Promise<URL> {
  const url = value === undefined ? null : URL.parse(value, response.url.href)
  if (url !== null && isOwnUrl(url, registryUrl)) return url
  await response.discard()
  const problem = url === null ? 'no URL to go on with' : `a URL elsewhere, ${redactUrl(url)}`
  throw unusable(response, `${registryUrl.host} gave ${problem}`)
}

/** True for a URL on the registry's own scheme, host and port, without user info. */
export function isOwnUrl(url: URL, registryUrl: URL): boolean {
  return isSameOrigin(url, registryUrl) && url.username === '' && url.password === ''
}

/** What a method's argument names. */
export type TagOrDigest =
  | { readonly tag: string; readonly digest?: undefined }
  | { readonly tag?: undefined; readonly digest: Digest }

/** A method's argument. Of `tag@digest` the digest decides. Error: INVALID_REFERENCE. */
export function parseTagOrDigest(reference: string): TagOrDigest {
  const at = reference.indexOf('@')
  const digest = reference.slice(at + 1)
  if (isDigest(digest) && (at === -1 || isTag(reference.slice(0, at)))) return { digest }
  return { tag: parseTag(reference) }
}

/** Error: INVALID_REFERENCE. */
export function parseTag(reference: string): string {
  if (isTag(reference)) return reference
  throw new InvalidReferenceError(`${JSON.stringify(reference.slice(0, 300))} is not a tag or digest`)
}
