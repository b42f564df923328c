import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { parseDigest, type Digest } from '../../content/digest.ts'
import { verify } from '../../content/verify.ts'
import { AuthError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { PushOptions, PushOutcome } from '../target.ts'
import { blobExists } from './blobs.ts'
import type { Endpoint } from './endpoint.ts'
import { created, sendBlob } from './send-blob.ts'
import type { HttpResponse } from './transport/http.ts'
import { responseError } from './transport/response.ts'
import type { UploadRecord } from './upload-journal.ts'
import {
  adoptLocation,
  askToMount,
  cancelSession,
  withSession,
  type UploadSession,
} from './upload-session.ts'
import { resumeSession, withJournal } from './with-journal.ts'

/** A repository of the same registry to mount from. */
export interface MountCandidate {
  /** The name within the registry. */
  readonly repository: string
  /** The blob is known to be there, so that a refusal speaks of the repository and not of the blob. */
  readonly hasBlob: boolean
}

/** How a blob is pushed. */
export interface PushBlobOptions extends PushOptions {
  /** Tried in order, before anything is sent; what `mountFrom` and `source` of a push come to. */
  readonly candidates: readonly MountCandidate[]
}

/**
 * Pushes a blob by the shortest way: mount, one POST, or POST and PUT. A mount is tried before anything else, since it
 * asks and transfers in one; what is there already is then mounted once more, which costs the same one request.
 */
export async function pushBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  content: Content,
  options: PushBlobOptions,
): Promise<PushOutcome> {
  const { existing = 'unknown', candidates } = options
  parseDigest(descriptor.digest)
  const verified = verify(content, descriptor)
  const act = async (session: UploadSession, record: UploadRecord | undefined): Promise<PushOutcome> => {
    const { digest } = descriptor
    if (existing !== 'replace' && (await mount(endpoint, session, { digest, candidates }, options)))
      return 'mounted'
    if (existing === 'unknown' && (await blobExists(endpoint, descriptor, options))) return 'existed'
    const blob = { descriptor, content: verified }
    const offset = record && (await resumeSession(endpoint, session, { ...blob, record }, options))
    const isReplacement = existing === 'replace'
    await sendBlob(endpoint, session, { ...blob, offset }, { ...options, isReplacement })
    return 'copied'
  }
  return withSession(endpoint, options, (session) =>
    withJournal(endpoint, { descriptor, session }, options, (record) => act(session, record)),
  )
}

/** True if a candidate gave the blob. A mount that fails is no failure; the last session that one opened instead is kept. */
async function mount(
  endpoint: Endpoint,
  session: UploadSession,
  { digest, candidates }: { readonly digest: Digest; readonly candidates: readonly MountCandidate[] },
  options: SignalOptions,
): Promise<boolean> {
  const { failedMounts, refusedMounts } = endpoint.state
  for (const { repository, hasBlob } of candidates) {
    if (refusedMounts.has(repository)) continue
    const response = await mountAnswer(endpoint, digest, repository, options)
    if (response?.status === 201) return created(response, digest)
    if (response?.status === 202) {
      const previous = { location: session.location }
      await adoptLocation(endpoint, session, response)
      await cancelSession(endpoint, previous, options)
    }
    const meaning = response === undefined ? 'refusal' : await meaningOf(response, hasBlob)
    const failures = meaning === 'failure' ? (failedMounts.get(repository) ?? 0) + 1 : 0
    failedMounts.set(repository, failures)
    if (meaning === 'refusal' || failures === maxFailures) refusedMounts.add(repository)
  }
  return false
}

/** Answers that can mean that this one blob is not there. */
const aboutBlob: ReadonlySet<number> = new Set([202, 404])
/** Answers of registries that know no mounting. */
const noMount: ReadonlySet<number> = new Set([400, 405, 501])
const rightsCodes: ReadonlySet<string> = new Set(['UNAUTHORIZED', 'DENIED'])

/** So many failures in a row are taken for a refusal. */
const maxFailures = 3

/**
 * What an answer other than 201 says: of this blob alone, of all in the repository, or of the moment. Too many
 * requests, a fault, and a 401 or 403 from a proxy are of the moment; that rights are missing, a registry says in its
 * own words.
 */
async function meaningOf(
  response: HttpResponse,
  hasBlob: boolean,
): Promise<'absence' | 'refusal' | 'failure'> {
  const { status } = response
  if (aboutBlob.has(status)) {
    await response.discard()
    return hasBlob ? 'refusal' : 'absence'
  }
  const { errors } = await responseError(response, 'a mount')
  const isDenied = status === 401 || status === 403
  const isRefusal = noMount.has(status) || (isDenied && errors.some(({ code }) => rightsCodes.has(code)))
  return isRefusal ? 'refusal' : 'failure'
}

/** Undefined if the token service gives no token for both repositories. */
async function mountAnswer(
  endpoint: Endpoint,
  digest: Digest,
  from: string,
  options: SignalOptions,
): Promise<HttpResponse | undefined> {
  try {
    return await askToMount(endpoint, digest, from, options)
  } catch (error) {
    if (error instanceof AuthError) return undefined
    throw error
  }
}
