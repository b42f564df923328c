import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import type { SignalOptions } from '../../events.ts'
import type { PlannedPush, PlanPushOptions } from '../target.ts'
import { blobExists } from './blobs.ts'
import { maxChunkBytes, maxWholeBytes } from './body-limits.ts'
import { nameOf, type Endpoint } from './endpoint.ts'
import { manifestExists } from './manifests.ts'
import { readManifest } from './push-manifest.ts'
import { findReferrersMode, knownMode } from './referrers.ts'
import type { MountCandidate } from './uploads.ts'

/** The pushes of one planned copy. */
export interface PushPlan {
  readonly endpoint: Endpoint
  /** The same repository, with a memory of its own: the copy itself will know no more than before. */
  readonly asked: Endpoint
  /** Subjects whose lists in tags would be written. */
  readonly lists: Set<Digest>
  /** How referrers are kept, asked once. */
  mode?: Promise<Endpoint['referrers']>
  /** A push before will have found out how referrers are kept. */
  isModeFound: boolean
}

/** Begins a plan. */
export function newPushPlan(endpoint: Endpoint): PushPlan {
  const state = { ...endpoint.state, listUpdates: new Map() }
  return { endpoint, asked: { ...endpoint, state }, lists: new Set(), isModeFound: false }
}

/** A planned push with what `mountFrom` and `source` come to. */
export interface PlanOptions extends PlanPushOptions {
  readonly candidates: readonly MountCandidate[]
}

/** What `pushBlob`, `pushManifest` or `pushManifestByTag` would do. Errors: as of theirs, before they write. */
export async function planPush(
  plan: PushPlan,
  descriptor: Descriptor,
  content: Content,
  options: PlanOptions,
): Promise<PlannedPush> {
  const { endpoint } = plan
  const isManifest = endpoint.manifestTypes.isManifest(descriptor.mediaType)
  if (!isManifest) return planBlob(endpoint, descriptor, options)
  const { existing = 'unknown', reference } = options
  const isAsked = reference === undefined && existing === 'unknown'
  const isThere = isAsked && (await manifestExists(endpoint, descriptor, options))
  const asked = Number(isAsked)
  if (isThere && isKept(plan)) return { outcome: 'existed', requests: asked }
  const { facts } = await readManifest(endpoint, descriptor, content)
  const outcome = isThere ? 'existed' : 'copied'
  const written = Number(!isThere)
  if (facts.subject === undefined || isKept(plan)) return { outcome, requests: asked + written }
  const list = await planList(plan, facts.subject, options)
  // The tag comes after the list, in a request of its own.
  const tagged = Number(reference !== undefined)
  return { outcome, ...list, requests: asked + written + list.requests + tagged }
}

/** Whether it will be known by then that the registry keeps lists of referrers itself. */
function isKept({ endpoint, isModeFound }: PushPlan): boolean {
  return isModeFound || knownMode(endpoint) === 'api'
}

async function planBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  { existing = 'unknown', candidates, ...options }: PlanOptions,
): Promise<PlannedPush> {
  const { refusedMounts } = endpoint.state
  const isMountable = candidates.some(({ repository }) => !refusedMounts.has(repository))
  if (existing !== 'replace' && isMountable) return { outcome: 'mounted', requests: 1 }
  const isAsked = existing === 'unknown'
  if (isAsked && (await blobExists(endpoint, descriptor, options))) return { outcome: 'existed', requests: 1 }
  return { outcome: 'copied', requests: Number(isAsked) + uploadRequests(endpoint, descriptor) }
}

function uploadRequests(endpoint: Endpoint, { size }: Descriptor): number {
  const isWhole = size <= maxWholeBytes(endpoint)
  if (isWhole && size <= endpoint.singlePostBytes && endpoint.traits.takesSinglePost) return 1
  const chunks = isWhole ? 0 : Math.ceil(size / maxChunkBytes(endpoint, { location: undefined }))
  return 1 + chunks + 1
}

/** What listing a referrer costs besides, while nobody knows that the registry does it. */
async function planList(
  plan: PushPlan,
  subject: Descriptor,
  options: SignalOptions,
): Promise<Pick<PlannedPush, 'requests' | 'uncertainty'>> {
  const { asked, lists } = plan
  plan.mode ??= findReferrersMode(asked, subject, options)
  const mode = await plan.mode
  if (mode === 'tag-schema') {
    const isNew = !lists.has(subject.digest)
    lists.add(subject.digest)
    const uncertainty = `${nameOf(asked)} lists referrers in tags: how often a list is written depends on who else writes`
    // Read, written, and read again.
    return { requests: isNew ? 3 : 0, uncertainty }
  }
  const requests = Number(!plan.isModeFound)
  plan.isModeFound = true
  if (mode === 'api') return { requests }
  return { requests, uncertainty: `how ${nameOf(asked)} lists referrers shows when it is there` }
}
