import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest } from '../../content/digest.ts'
import { isTag } from '../../content/reference.ts'
import { readAll } from '../../content/verify.ts'
import { NotFoundError, ResponseError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { FetchedManifest, TagsOptions } from '../target.ts'
import { ask, nameOf, parseTag, repositoryUrl, type Endpoint } from './endpoint.ts'
import { fetchManifest, putManifest, type PutAnswer } from './manifests.ts'
import { listQuery, namePages, readNames } from './names.ts'
import { removeAt } from './removal.ts'
import type { HttpResponse } from './transport/http.ts'

/** All tags in lexical order. */
export async function listTags(endpoint: Endpoint, options: TagsOptions): Promise<readonly string[]> {
  const { tagPageSize, maxMetadataBytes, state } = endpoint
  if (options.limit === 0) return []
  const list = { member: 'tags', isName: isTag, maxPageBytes: maxMetadataBytes } as const
  const first = repositoryUrl(endpoint, `tags/list${listQuery(options, tagPageSize)}`)
  const get = (to: URL): Promise<HttpResponse> =>
    ask(endpoint, { method: 'GET', to, actions: ['pull'] }, options)
  try {
    return await readNames(namePages(first, `repository ${nameOf(endpoint)}`, get), list, options)
  } catch (error) {
    if (!(error instanceof NotFoundError) || !state.isKnown) throw error
    // distribution says NAME_UNKNOWN of a repository that has content but never had a tag.
    if (!saysPathIsMissing(error)) return []
    throw new UnsupportedError(`${endpoint.registry} does not list the tags of a repository`, {
      cause: error,
    })
  }
}

/** As the public side of Amazon's registry answers, which has no such list. */
function saysPathIsMissing({ cause }: NotFoundError): boolean {
  return cause instanceof ResponseError && cause.errors.some(({ code }) => code === 'NOT_FOUND')
}

/** Points a tag at a manifest that is there: it is read and put again. */
export async function tagManifest(
  endpoint: Endpoint,
  descriptor: Descriptor,
  reference: string,
  options: SignalOptions,
): Promise<void> {
  const tag = parseTag(reference)
  requireManifest(endpoint, descriptor, tag)
  const content = fetchManifest(endpoint, descriptor, options)
  const bytes = await readAll(content, descriptor, endpoint.maxMetadataBytes)
  await putTag(endpoint, tag, { descriptor, bytes }, options)
}

/**
 * Puts a manifest under a tag. A registry computes its digest by sha256; for another algorithm it is told the digest
 * and, besides, the tag, which the specification after 1.1.1 has.
 */
export async function putTag(
  endpoint: Endpoint,
  tag: string,
  manifest: FetchedManifest,
  options: SignalOptions,
): Promise<PutAnswer> {
  const { digest } = manifest.descriptor
  if (parseDigest(digest).algorithm !== 'sha256') {
    const answer = await putManifest(endpoint, `${digest}?tag=${tag}`, manifest, options)
    if (answer.tags.includes(tag)) return answer
  }
  return putManifest(endpoint, tag, manifest, options)
}

/** Removes a tag. */
export async function untag(endpoint: Endpoint, reference: string, options: SignalOptions): Promise<void> {
  const tag = parseTag(reference)
  await removeAt(endpoint, `manifests/${tag}`, `tag ${tag} in ${nameOf(endpoint)}`, options)
}

/** Error: UNSUPPORTED for a blob: a registry tags manifests alone. */
export function requireManifest(
  { manifestTypes }: Endpoint,
  { mediaType, digest }: Descriptor,
  tag: string,
): void {
  if (manifestTypes.isManifest(mediaType)) return
  throw new UnsupportedError(
    `${digest} cannot be tagged ${tag}: a registry tags only manifests, and ${mediaType} is none`,
  )
}
