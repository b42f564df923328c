import { AuthError, causesOf, LockedError, ResponseError, UnreachableError } from '../errors.ts'
import { isFileError } from './read-file.ts'
import type { PushOptions } from './target.ts'

/**
 * True if what has come of a blob is good to go on from after this failure: the network broke, a registry had trouble,
 * credentials ran out in the middle, or the caller aborted with `keepPartial`. False for content that is wrong, and for
 * a disk that is full, where what is kept stands in the way of everybody.
 */
export function isWorthKeeping(
  error: unknown,
  options: Pick<PushOptions, 'keepPartial' | 'signal'>,
): boolean {
  const { signal, keepPartial = false } = options
  const isAborted = signal?.aborted === true
  const causes = [...causesOf(error), ...causesOf(isAborted ? signal.reason : undefined)]
  if (causes.some((cause) => isFileError(cause, 'ENOSPC', 'EDQUOT'))) return false
  return (isAborted && keepPartial) || causes.some(saysNothingOfContent)
}

/** What is locked belongs to another process, which is not to lose it through this one. */
function saysNothingOfContent(error: Error): boolean {
  if (error instanceof ResponseError) return error.status >= 500 || refusals.has(error.status)
  return error instanceof UnreachableError || error instanceof AuthError || error instanceof LockedError
}

/** Credentials that ran out, and a client that is too slow or asks too much. */
const refusals: ReadonlySet<number> = new Set([401, 403, 408, 425, 429])
