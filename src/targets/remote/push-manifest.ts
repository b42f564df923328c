import { contentOf, type Content } from '../../content/content.ts'
import { sameNode, type Descriptor } from '../../content/descriptor.ts'
import { referrerDescriptor } from '../../content/manifest-types.ts'
import type { ManifestFacts } from '../../content/manifest.ts'
import { readAll } from '../../content/verify.ts'
import { DigestMismatchError, InvalidManifestError, OciError, SizeMismatchError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { FetchedManifest, PushOptions, PushOutcome } from '../target.ts'
import { nameOf, parseTag, type Endpoint } from './endpoint.ts'
import { fetchManifest, manifestExists, manifestName, putManifest, type PutAnswer } from './manifests.ts'
import { findReferrersMode, knownMode } from './referrers.ts'
import { removeAt } from './removal.ts'
import { putTag, requireManifest } from './tags.ts'
import { updateTaggedReferrers } from './update-tagged-referrers.ts'

/** Pushes a manifest under its digest, and lists it as a referrer where the registry does not. */
export async function pushManifest(
  endpoint: Endpoint,
  descriptor: Descriptor,
  content: Content,
  options: PushOptions,
): Promise<PushOutcome> {
  const { existing = 'unknown' } = options
  if (existing === 'unknown' && (await manifestExists(endpoint, descriptor, options))) {
    await mendList(endpoint, descriptor, content, options)
    return 'existed'
  }
  const { bytes, facts } = await readManifest(endpoint, descriptor, content)
  const answer = await putManifest(endpoint, descriptor.digest, { descriptor, bytes }, options)
  await listAsReferrer(endpoint, { descriptor, facts }, answer, options)
  return 'copied'
}

/**
 * The same under a tag. Where lists of referrers are not known to be kept by the registry, the tag comes after the list:
 * what has its tag is taken to be complete.
 */
export async function pushManifestByTag(
  endpoint: Endpoint,
  { descriptor, bytes }: FetchedManifest,
  reference: string,
  options: SignalOptions,
): Promise<void> {
  const tag = parseTag(reference)
  requireManifest(endpoint, descriptor, tag)
  const { facts } = await readManifest(endpoint, descriptor, contentOf(bytes))
  if (facts.subject !== undefined && knownMode(endpoint) !== 'api') {
    const answer = await putManifest(endpoint, descriptor.digest, { descriptor, bytes }, options)
    await listAsReferrer(endpoint, { descriptor, facts }, answer, options)
  }
  await putTag(endpoint, tag, { descriptor, bytes }, options)
}

/** Removes a manifest, and its entry in a list of referrers that the registry does not keep itself. */
export async function removeManifest(
  endpoint: Endpoint,
  descriptor: Descriptor,
  options: SignalOptions,
): Promise<void> {
  const subject = await subjectInTag(endpoint, descriptor, options)
  const { digest } = descriptor
  await removeAt(endpoint, `manifests/${digest}`, manifestName(endpoint, digest), options)
  if (subject === undefined) return
  const without = (list: readonly Descriptor[]): readonly Descriptor[] =>
    list.filter((entry) => entry.digest !== digest)
  await updateTaggedReferrers(endpoint, subject, without, options)
}

/** A manifest that was read, without its bytes. */
interface ReadManifest {
  readonly descriptor: Descriptor
  readonly facts: ManifestFacts
}

/** The bytes of a manifest within the limit, verified, and readable as what they say they are: nothing else is shown to others. */
export async function readManifest(
  { manifestTypes, maxMetadataBytes }: Endpoint,
  descriptor: Descriptor,
  content: Content,
): Promise<{ bytes: Uint8Array; facts: ManifestFacts }> {
  const bytes = await readAll(content, descriptor, maxMetadataBytes)
  return { bytes, facts: manifestTypes.read(descriptor, bytes, { maxBytes: maxMetadataBytes }) }
}

async function listAsReferrer(
  endpoint: Endpoint,
  { descriptor, facts }: ReadManifest,
  answer: Pick<PutAnswer, 'keepsReferrers'>,
  options: SignalOptions,
): Promise<void> {
  const { subject } = facts
  if (subject === undefined || !(await isListOursOnce(endpoint, subject, answer, options))) return
  await addToList(endpoint, subject, referrerDescriptor(descriptor, facts), options)
}

/**
 * A push that ended between the manifest and the list is made complete by the next one, also of another process, which
 * asks how referrers are kept when it meets the first that exists. Where the registry keeps them, nothing is read. The
 * manifest itself is there: that nobody can say whether its list needs it is told, and fails nothing.
 */
async function mendList(
  endpoint: Endpoint,
  descriptor: Descriptor,
  content: Content,
  options: SignalOptions,
): Promise<void> {
  const unlisted = await findUnlisted(endpoint, descriptor, content, options)
  if (unlisted !== undefined) await addToList(endpoint, unlisted.subject, unlisted.referrer, options)
}

async function findUnlisted(
  endpoint: Endpoint,
  descriptor: Descriptor,
  content: Content,
  options: SignalOptions,
): Promise<{ readonly subject: Descriptor; readonly referrer: Descriptor } | undefined> {
  if (knownMode(endpoint) === 'api') return undefined
  try {
    const { facts } = await readManifest(endpoint, descriptor, content)
    const { subject } = facts
    const answer = { keepsReferrers: !endpoint.state.ignoresSubjects }
    if (subject === undefined || !(await isListOurs(endpoint, subject, answer, options))) return undefined
    return { subject, referrer: referrerDescriptor(descriptor, facts) }
  } catch (error) {
    options.signal?.throwIfAborted()
    if (!(error instanceof OciError)) throw error
    const message = `whether ${descriptor.digest} is listed as a referrer in ${nameOf(endpoint)} is not known: ${error.message}`
    options.onEvent?.({ type: 'warning', message })
    return undefined
  }
}

/** Of many that are pushed at once, the first asks for all. */
async function isListOursOnce(
  endpoint: Endpoint,
  subject: Descriptor,
  answer: Pick<PutAnswer, 'keepsReferrers'>,
  options: SignalOptions,
): Promise<boolean> {
  let isOurs = false
  const ask = async (): Promise<void> => {
    isOurs = await isListOurs(endpoint, subject, answer, options)
  }
  if (knownMode(endpoint) !== undefined) await ask()
  else await endpoint.transport.updates.take(`referrers of ${nameOf(endpoint)}`, ask, options.signal)
  return isOurs
}

/** Some registries send the header and have no API, so that it is believed only together with the API. */
async function isListOurs(
  endpoint: Endpoint,
  subject: Descriptor,
  { keepsReferrers }: Pick<PutAnswer, 'keepsReferrers'>,
  options: SignalOptions,
): Promise<boolean> {
  if (!keepsReferrers) endpoint.state.ignoresSubjects = true
  const mode = keepsReferrers ? await findReferrersMode(endpoint, subject, options) : knownMode(endpoint)
  return mode !== 'api'
}

async function addToList(
  endpoint: Endpoint,
  subject: Descriptor,
  referrer: Descriptor,
  options: SignalOptions,
): Promise<void> {
  const including = (list: readonly Descriptor[]): readonly Descriptor[] =>
    list.some((entry) => sameNode(entry, referrer)) ? list : [...list, referrer]
  await updateTaggedReferrers(endpoint, subject, including, options)
}

/** The subject of a manifest, if its referrers are listed in a tag. */
async function subjectInTag(
  endpoint: Endpoint,
  descriptor: Descriptor,
  options: SignalOptions,
): Promise<Descriptor | undefined> {
  if (knownMode(endpoint) === 'api') return undefined
  const subject = await readSubject(endpoint, descriptor, options)
  if (subject === undefined) return undefined
  const mode = await findReferrersMode(endpoint, subject, options)
  return mode === 'api' ? undefined : subject
}

/** A manifest that cannot be read, or is damaged, has no subject, and can be removed. */
async function readSubject(
  endpoint: Endpoint,
  descriptor: Descriptor,
  options: SignalOptions,
): Promise<Descriptor | undefined> {
  try {
    const content = fetchManifest(endpoint, descriptor, options)
    return (await readManifest(endpoint, descriptor, content)).facts.subject
  } catch (error) {
    const isDamaged =
      error instanceof InvalidManifestError ||
      error instanceof SizeMismatchError ||
      error instanceof DigestMismatchError
    if (isDamaged) return undefined
    throw error
  }
}
