import { contentOf } from '../../content/content.ts'
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

/** What `pushBlob`, `pushManifest` or `pushManifestByTag` would do. Errors as of the questions that they ask. */
export async function planPush(
  plan: PushPlan,
  descriptor: Descriptor,
  options: PlanOptions,
): Promise<PlannedPush> {
  return plan.endpoint.manifestTypes.isManifest(descriptor.mediaType)
    ? planManifest(plan, descriptor, options)
    : planBlob(plan.endpoint, descriptor, options)
}

async function planBlob(
  endpoint: Endpoint,
  descriptor: Descriptor,
  { existing = 'unknown', candidates, ...options }: PlanOptions,
): Promise<PlannedPush> {
  const { refusedMounts } = endpoint.state
  const isMountable = candidates.some(({ repository }) => !refusedMounts.has(repository))
  if (existing !== 'replace' && isMountable) return { outcome: 'mounted', bytes: 0, requests: 1 }
  const isAsked = existing === 'unknown'
  if (isAsked && (await blobExists(endpoint, descriptor, options))) {
    return { outcome: 'existed', bytes: 0, requests: 1 }
  }
  const requests = Number(isAsked) + uploadRequests(endpoint, descriptor)
  return { outcome: 'copied', bytes: descriptor.size, requests }
}

function uploadRequests(endpoint: Endpoint, { size }: Descriptor): number {
  const isWhole = size <= maxWholeBytes(endpoint)
  if (isWhole && size <= endpoint.singlePostBytes && endpoint.traits.takesSinglePost) return 1
  const chunks = isWhole ? 0 : Math.ceil(size / maxChunkBytes(endpoint, { location: undefined }))
  return 1 + chunks + 1
}

async function planManifest(
  plan: PushPlan,
  descriptor: Descriptor,
  options: PlanOptions,
): Promise<PlannedPush> {
  const { endpoint } = plan
  const { existing = 'unknown', bytes = new Uint8Array(), reference } = options
  const isTagged = reference !== undefined
  const isAsked = !isTagged && existing === 'unknown'
  const isThere = isAsked && (await manifestExists(endpoint, descriptor, options))
  const { subject } = (await readManifest(endpoint, descriptor, contentOf(bytes))).facts
  const isKept = knownMode(endpoint) === 'api' || plan.isModeFound
  if (subject === undefined || isKept) {
    const isRead = !isThere || !isKept
    return {
      outcome: isThere ? 'existed' : 'copied',
      bytes: isRead ? descriptor.size : 0,
      requests: isThere ? 1 : Number(isAsked) + 1,
    }
  }
  const listed = await planList(plan, subject, options)
  const written = Number(!isThere) + Number(isTagged)
  return {
    outcome: isThere ? 'existed' : 'copied',
    bytes: descriptor.size,
    requests: Number(isAsked) + written + listed.requests,
    uncertainty: listed.uncertainty,
  }
}

/** What listing a referrer costs besides, while nobody knows that the registry does it. */
async function planList(
  plan: PushPlan,
  subject: Descriptor,
  options: SignalOptions,
): Promise<Pick<PlannedPush, 'requests' | 'uncertainty'>> {
  const { asked, lists } = plan
  const mode = await findReferrersMode(asked, subject, options)
  if (mode !== 'tag-schema') {
    plan.isModeFound = true
    const uncertainty = `how ${nameOf(asked)} keeps referrers shows when it is there`
    return { requests: 1, ...(mode === undefined && { uncertainty }) }
  }
  const isNew = !lists.has(subject.digest)
  lists.add(subject.digest)
  const uncertainty = `${nameOf(asked)} keeps referrers in tags: how often a list is written depends on who else writes`
  // Read, written, and read again.
  return { requests: isNew ? 3 : 0, uncertainty }
}
