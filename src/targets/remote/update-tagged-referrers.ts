import { nodeKey, type Descriptor } from '../../content/descriptor.ts'
import { digestOf, type Digest } from '../../content/digest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { AuthError, LockedError, NotFoundError, OciError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { pause } from '../pause.ts'
import type { FetchedManifest } from '../target.ts'
import { nameOf, repositoryUrl, type Endpoint } from './endpoint.ts'
import { putManifest } from './manifests.ts'
import { readTaggedList, referrersTag, type TaggedList } from './referrers-tag.ts'
import { removeAt } from './removal.ts'
import { Attempts, waitSignal } from './transport/attempts.ts'

/** What is to become of a list of referrers; one that comes back in the same length is as it should be. */
export type ListChange = (referrers: readonly Descriptor[]) => readonly Descriptor[]

/** A list of referrers that is being changed. */
export interface ListUpdate {
  readonly subject: Digest
  /** The changes that are under way, and how often each was written: every write makes all of them. */
  readonly changes: Map<ListChange, number>
  /** Lists that have been replaced, and are rubbish. */
  readonly replaced: Set<Digest>
  /** The list that was written last. */
  written: Digest | undefined
  /** When all who had read the list before its last write have written too, as `performance.now()` counts. */
  quietAt: number
}

/** So often a change is written before others are believed to undo it for ever. */
const maxWrites = 10

/**
 * Changes the list that the tag of a subject points at. Nothing in a registry keeps others from replacing a list that
 * they have read before. So when they must have done that, the list is read again, and written again if a change is
 * not in it. Those that share an endpoint change the list together, those that share a transport one after the other.
 * Error: LOCKED if the list is never what was written.
 */
export async function updateTaggedReferrers(
  endpoint: Endpoint,
  { digest }: Descriptor,
  change: ListChange,
  options: SignalOptions,
): Promise<void> {
  const { updates, retryPolicy } = endpoint.transport
  const { listUpdates } = endpoint.state
  const url = repositoryUrl(endpoint, `manifests/${referrersTag(digest)}`)
  const attempts = new Attempts(retryPolicy, { method: 'PUT', url, ...options })
  const update = listUpdates.get(digest) ?? newUpdate(digest)
  listUpdates.set(digest, update)
  update.changes.set(change, 0)
  try {
    while (update.changes.has(change)) {
      await updates.take(
        url.href,
        () => advance(endpoint, update, { ...options, change, attempts }),
        options.signal,
      )
      if (!update.changes.has(change)) return
      const milliseconds = Math.max(0, update.quietAt - performance.now())
      await pause(milliseconds, waitSignal(retryPolicy, options.signal))
    }
  } finally {
    update.changes.delete(change)
    if (update.changes.size === 0 && listUpdates.get(digest) === update) listUpdates.delete(digest)
  }
}

function newUpdate(subject: Digest): ListUpdate {
  return { subject, changes: new Map(), replaced: new Set(), written: undefined, quietAt: -Infinity }
}

interface Turn extends SignalOptions {
  /** The change of who has the turn. */
  readonly change: ListChange
  readonly attempts: Attempts
}

/** Writes the list with all changes; or finds that they are in it to stay, which ends them. */
async function advance(endpoint: Endpoint, update: ListUpdate, turn: Turn): Promise<void> {
  const { changes, subject } = update
  const { change, attempts, ...options } = turn
  const started = performance.now()
  const writes = changes.get(change)
  if (writes === undefined || (writes > 0 && started < update.quietAt)) return
  const old = await readTaggedList(endpoint, subject, options)
  const { referrers, missing } = changed(old.referrers, changes.keys())
  if (missing.length > 0) {
    if (missing.includes(change) && writes === maxWrites) throw neverKept(endpoint, subject)
    await replaceList(endpoint, update, { old, referrers, attempts }, options)
    for (const made of missing) if (changes.has(made)) changes.set(made, (changes.get(made) ?? 0) + 1)
    const now = performance.now()
    // Nobody is expected to be much slower than this one; who meets others comes back later and later.
    const shortest = Math.max(endpoint.transport.retryPolicy.baseMilliseconds, now - started)
    update.quietAt = now + shortest * (1 + Math.random()) * (1 + writes)
  } else if (started >= update.quietAt) {
    changes.clear()
    await deleteReplaced(endpoint, update, old.digest, options)
  }
}

/** The list with all changes, and those that were missing; none where they undo each other: the last one then holds. */
function changed(
  list: readonly Descriptor[],
  changes: Iterable<ListChange>,
): { readonly referrers: readonly Descriptor[]; readonly missing: readonly ListChange[] } {
  let referrers = list
  const missing: ListChange[] = []
  for (const change of changes) {
    const next = change(referrers)
    if (next.length !== referrers.length) missing.push(change)
    referrers = next
  }
  return isSameSet(list, referrers) ? { referrers: list, missing: [] } : { referrers, missing }
}

function isSameSet(one: readonly Descriptor[], other: readonly Descriptor[]): boolean {
  const keys = new Set(one.map(nodeKey))
  const otherKeys = new Set(other.map(nodeKey))
  return keys.size === otherKeys.size && [...keys].every((key) => otherKeys.has(key))
}

interface Replacement {
  readonly old: TaggedList
  readonly referrers: readonly Descriptor[]
  readonly attempts: Attempts
}

/**
 * A write that failed is not repeated as it is, since the list may be another one by then: it is read again first. For
 * the same reason it does not wait for a host that has asked for fewer requests, as its reading did.
 */
async function replaceList(
  endpoint: Endpoint,
  update: ListUpdate,
  { old, referrers, attempts }: Replacement,
  options: SignalOptions,
): Promise<void> {
  const tag = referrersTag(update.subject)
  const list = listOf(referrers, old.annotations)
  if (update.written !== undefined) update.replaced.add(update.written)
  if (old.digest !== undefined && old.referrers.length > 0) update.replaced.add(old.digest)
  try {
    await putManifest(endpoint, tag, list, { ...options, repeat: 'never', isUrgent: true })
  } catch (error) {
    await attempts.recover(error)
  }
  update.written = referrers.length > 0 ? list.descriptor.digest : undefined
}

function listOf(referrers: readonly Descriptor[], annotations: TaggedList['annotations']): FetchedManifest {
  const mediaType = mediaTypes.ociIndex
  const bytes = Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, manifests: referrers, annotations }),
  )
  return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
}

/**
 * Deletes the lists that were replaced, when the next one is up and has been read, so that there is one at any time,
 * also for who has looked the tag up a moment ago. Empty ones stay: their bytes are those of every empty index, and
 * deleting them removes all tags that point there, other people's too.
 */
async function deleteReplaced(
  endpoint: Endpoint,
  { replaced }: ListUpdate,
  current: Digest | undefined,
  options: SignalOptions,
): Promise<void> {
  const rubbish = [...replaced].filter((digest) => digest !== current)
  replaced.clear()
  for (const digest of rubbish) {
    if (endpoint.state.takesDelete) await deleteList(endpoint, digest, options)
  }
}

/** What stays is rubbish and no more, so that a registry which refuses is only reported, and not asked again. */
async function deleteList(endpoint: Endpoint, digest: Digest, options: SignalOptions): Promise<void> {
  try {
    await removeAt(endpoint, `manifests/${digest}`, `the old list of referrers ${digest}`, options)
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    // Another process has replaced the same list.
    if (error instanceof NotFoundError) return
    if (error instanceof UnsupportedError || error instanceof AuthError) endpoint.state.takesDelete = false
    const message = `an old list of referrers stays behind: ${error.message}`
    options.onEvent?.({ type: 'warning', message })
  }
}

function neverKept(endpoint: Endpoint, subject: Digest): LockedError {
  return new LockedError(
    `the list of the referrers of ${subject} in ${nameOf(endpoint)} was written ${maxWrites} times, and is not what ` +
      'was written: others replace it all the time, or the registry does not show it',
  )
}
