import { errorCode, type ErrorCode } from '../errors.ts'
import { isFileError } from '../targets/read-file.ts'
import type { Answer } from './exchange.ts'

/** The codes of distribution-spec 1.1, "Error Codes"; UNKNOWN is for failures of our own, which the spec does not name. */
export type RegistryErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNAUTHORIZED'
  | 'UNSUPPORTED'
  | 'TOOMANYREQUESTS'
  | 'UNKNOWN'

/** One entry of the spec's error body. */
export interface RegistryErrorEntry {
  readonly code: RegistryErrorCode
  readonly message: string
  readonly detail?: unknown
}

/** An answer that refuses, in the spec's JSON. */
export function refusal(
  status: number,
  code: RegistryErrorCode,
  message: string,
  headers: Answer['headers'] = {},
): Answer {
  return refusals(status, [{ code, message }], headers)
}

/** An answer that refuses for several reasons. */
export function refusals(
  status: number,
  errors: readonly RegistryErrorEntry[],
  headers: Answer['headers'] = {},
): Answer {
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify({ errors })),
  }
}

/**
 * The answer to a request that a store failed. Messages of errors are not repeated: they may name local paths.
 * A wrong size or digest is the client's fault where it writes, and the store's where it reads.
 */
export function answerError(error: unknown, access: 'read' | 'write'): Answer {
  if (isFileError(error, 'ENOSPC', 'EDQUOT')) return refusal(507, 'UNKNOWN', "the registry's disk is full")
  if (isFileError(error, 'EROFS')) return refusal(405, 'UNSUPPORTED', "the registry's disk is read-only")
  const code = errorCode(error)
  const entry = code === undefined ? undefined : (access === 'write' ? writeErrors : readErrors).get(code)
  if (entry === undefined) return refusal(500, 'UNKNOWN', 'the registry failed')
  const [status, registryCode, message] = entry
  return refusal(status, registryCode, message, status === 503 ? { 'Retry-After': '1' } : {})
}

type Mapped = readonly [status: number, code: RegistryErrorCode, message: string]

const readErrors: ReadonlyMap<ErrorCode, Mapped> = new Map<ErrorCode, Mapped>([
  ['NOT_FOUND', [404, 'BLOB_UNKNOWN', 'the content is not there']],
  ['INVALID_REFERENCE', [400, 'NAME_INVALID', 'this store cannot have that name']],
  ['UNSUPPORTED', [405, 'UNSUPPORTED', 'this store cannot do that']],
  ['LOCKED', [503, 'UNKNOWN', 'the store is in use; try again']],
  ['UNREACHABLE', [502, 'UNKNOWN', 'the store behind this registry cannot be reached']],
  ['RESPONSE', [502, 'UNKNOWN', 'the store behind this registry failed']],
  ['AUTH', [502, 'UNKNOWN', 'the store behind this registry refused its credentials']],
])

const writeErrors: ReadonlyMap<ErrorCode, Mapped> = new Map<ErrorCode, Mapped>([
  ...readErrors,
  ['INVALID_DIGEST', [400, 'DIGEST_INVALID', 'not a digest of a supported algorithm']],
  ['DIGEST_MISMATCH', [400, 'DIGEST_INVALID', 'the content does not have the digest that it was sent under']],
  ['SIZE_MISMATCH', [400, 'SIZE_INVALID', 'the content does not have the size that it was sent with']],
  ['INVALID_MANIFEST', [400, 'MANIFEST_INVALID', 'the manifest is not valid']],
  ['SIZE_EXCEEDS_LIMIT', [413, 'SIZE_INVALID', 'the content is larger than this registry takes']],
])
