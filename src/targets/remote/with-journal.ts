import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { ResponseError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import type { PushOptions } from '../target.ts'
import { isWorthKeeping } from '../worth-keeping.ts'
import { repositoryUrl, type Endpoint } from './endpoint.ts'
import type { UploadRecord } from './upload-journal.ts'
import { cancelSession, receivedBytes, type UploadSession } from './upload-session.ts'

/** Up to this size a blob is sent again sooner than it is gone on with. */
const largeBytes = 8 * 1024 * 1024

/**
 * Runs `push` with the record of the upload, where a journal is kept, the blob is large, and no other process is at the
 * same one. When the blob is there, or after a failure that speaks against the upload, session and record are given up;
 * any other failure, and an abort with `keepPartial`, leaves both to the next attempt.
 */
export async function withJournal<T>(
  endpoint: Endpoint,
  { descriptor, session }: { readonly descriptor: Descriptor; readonly session: UploadSession },
  options: PushOptions,
  push: (record: UploadRecord | undefined) => Promise<T>,
): Promise<T> {
  const record = await openRecord(endpoint, descriptor, options)
  if (record === undefined) return push(undefined)
  try {
    const outcome = await push(record)
    await giveUp(endpoint, session, record, options)
    return outcome
  } catch (error) {
    if (!isWorthKeeping(error, options)) await giveUp(endpoint, session, record, options)
    // Without a location it is not cancelled. One that is not written down would never be found again.
    else if (isRecorded(session, record)) session.location = undefined
    throw error
  } finally {
    session.record = undefined
    await record.release()
  }
}

/**
 * Takes on the session that an earlier upload has left, if the registry has bytes of it, and has the one that is used
 * from now on written down. How many bytes the registry has; 0 to begin anew. Errors: AUTH, UNREACHABLE.
 */
export async function resumeSession(
  endpoint: Endpoint,
  session: UploadSession,
  {
    record,
    descriptor,
    content,
  }: { readonly record: UploadRecord; readonly descriptor: Descriptor; readonly content: Content },
  options: SignalOptions,
): Promise<number> {
  const left = { location: undefined, ...record.session, record }
  const received = content.from === undefined ? 0 : await standsAt(endpoint, left, options)
  const isUsable = received > 0 && received <= descriptor.size
  await cancelSession(endpoint, isUsable ? { location: session.location } : left, options)
  if (isUsable) Object.assign(session, left)
  session.record = record
  if (session.location !== undefined) await record.write({ ...session, location: session.location })
  return isUsable ? received : 0
}

async function openRecord(
  endpoint: Endpoint,
  { digest, size }: Descriptor,
  options: SignalOptions,
): Promise<UploadRecord | undefined> {
  if (size <= Math.max(largeBytes, endpoint.singlePostBytes)) return undefined
  return endpoint.uploadJournal?.open({ repositoryUrl: repositoryUrl(endpoint, ''), digest }, options)
}

/** The session that this upload used, or the one that an earlier upload has left and this one had no need of. */
async function giveUp(
  endpoint: Endpoint,
  session: UploadSession,
  record: UploadRecord,
  options: SignalOptions,
): Promise<void> {
  const unused = session.record === undefined ? { location: undefined, ...record.session } : session
  await record.remove()
  await cancelSession(endpoint, unused, options)
}

function isRecorded({ location }: UploadSession, { session }: UploadRecord): boolean {
  return location !== undefined && location.href === session?.location.href
}

/** 0 too for a registry that contradicts itself. */
async function standsAt(endpoint: Endpoint, left: UploadSession, options: SignalOptions): Promise<number> {
  try {
    return await receivedBytes(endpoint, left, options)
  } catch (error) {
    if (error instanceof ResponseError) return 0
    throw error
  }
}
