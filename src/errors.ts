import type { Descriptor } from './content/descriptor.ts'

/** The stable names of everything that can go wrong. Match on `error.code`, never on a message. */
export type ErrorCode =
  | 'NOT_FOUND'
  | 'INVALID_REFERENCE'
  | 'INVALID_DIGEST'
  | 'INVALID_MANIFEST'
  | 'INVALID_LAYER'
  | 'INVALID_LAYOUT'
  | 'SIZE_MISMATCH'
  | 'DIGEST_MISMATCH'
  | 'SIZE_EXCEEDS_LIMIT'
  | 'UNSUPPORTED'
  | 'LOCKED'
  | 'UNREACHABLE'
  | 'RESPONSE'
  | 'AUTH'
  | 'COPY'

/** The base of every error that this library throws on purpose; wrong use by the programmer is a TypeError or RangeError. */
export abstract class OciError extends Error {
  abstract readonly code: ErrorCode

  override get name(): string {
    return this.constructor.name
  }
}

/** A reference, manifest, blob or repository is not there. */
export class NotFoundError extends OciError {
  readonly code = 'NOT_FOUND'
}

/** A string is no reference, or not one that this target can have. */
export class InvalidReferenceError extends OciError {
  readonly code = 'INVALID_REFERENCE'
}

/** A string is no digest, or one of an algorithm that is not supported. */
export class InvalidDigestError extends OciError {
  readonly code = 'INVALID_DIGEST'
}

/** A document is not the manifest that its descriptor declares, or two clients would read it differently. */
export class InvalidManifestError extends OciError {
  readonly code = 'INVALID_MANIFEST'
}

/** A layer is not what its image says of it, or cannot be decompressed. */
export class InvalidLayerError extends OciError {
  readonly code = 'INVALID_LAYER'
}

/** A folder is not an OCI image layout, or its index.json cannot be read. */
export class InvalidLayoutError extends OciError {
  readonly code = 'INVALID_LAYOUT'
}

/** Content is shorter or longer than its descriptor says. */
export class SizeMismatchError extends OciError {
  readonly code = 'SIZE_MISMATCH'
}

/** Content does not have the digest that it was asked for by. */
export class DigestMismatchError extends OciError {
  readonly code = 'DIGEST_MISMATCH'
}

/** Something untrusted is larger, deeper or longer than its limit. */
export class SizeExceedsLimitError extends OciError {
  readonly code = 'SIZE_EXCEEDS_LIMIT'
}

/** A target, a registry or a media type lacks what the operation needs. */
export class UnsupportedError extends OciError {
  readonly code = 'UNSUPPORTED'
}

/** Another process holds the lock of a store for longer than was waited. */
export class LockedError extends OciError {
  readonly code = 'LOCKED'
}

/** No connection could be had, or it broke: name look-up, connect, TLS, reset, timeout. */
export class UnreachableError extends OciError {
  readonly code = 'UNREACHABLE'
}

/** One entry of a registry's error body (distribution-spec, "Error codes"). */
export interface RegistryErrorDetail {
  readonly code: string
  readonly message: string
}

/** What a `ResponseError` knows of the exchange that failed. */
export interface ResponseFacts {
  readonly method: string
  /** Without user info, and without the values of query parameters that may be secret. */
  readonly url: string
  readonly status: number
  /** The registry's own errors; empty where the body was not the spec's JSON. */
  readonly errors: readonly RegistryErrorDetail[]
  /** How long the registry asks to be left alone, in milliseconds from when it answered (Retry-After). */
  readonly retryAfterMilliseconds?: number | undefined
}

/** A registry answered with a status that the operation cannot accept. */
export class ResponseError extends OciError implements ResponseFacts {
  readonly code = 'RESPONSE'
  readonly method: string
  readonly url: string
  readonly status: number
  readonly errors: readonly RegistryErrorDetail[]
  readonly retryAfterMilliseconds: number | undefined

  constructor(message: string, facts: ResponseFacts, options?: ErrorOptions) {
    super(message, options)
    this.method = facts.method
    this.url = facts.url
    this.status = facts.status
    this.errors = facts.errors
    this.retryAfterMilliseconds = facts.retryAfterMilliseconds
  }
}

/** A registry or its token service refused the credentials, or none were at hand (401 and 403). */
export class AuthError extends OciError {
  readonly code = 'AUTH'
}

/** What a `CopyError` knows of the step that failed. */
export interface CopyFacts {
  /** Whose failure it was: one of the two targets, or a function of the caller's. */
  readonly origin: 'source' | 'destination' | 'caller'
  /** The verb of the target, or the name of the caller's function. */
  readonly operation: string
  /** The node at work, where there was one. */
  readonly descriptor?: Descriptor | undefined
  /** The tag or digest at work, where there was no node. */
  readonly reference?: string | undefined
  /** The nodes from the root down to the one at work. */
  readonly path: readonly Descriptor[]
}

/** A copy failed; `cause` is the error of the target or of the caller's function. */
export class CopyError extends OciError implements CopyFacts {
  readonly code = 'COPY'
  readonly origin: CopyFacts['origin']
  readonly operation: string
  readonly descriptor: Descriptor | undefined
  readonly reference: string | undefined
  readonly path: readonly Descriptor[]

  constructor(message: string, facts: CopyFacts, options: ErrorOptions) {
    super(message, options)
    this.origin = facts.origin
    this.operation = facts.operation
    this.descriptor = facts.descriptor
    this.reference = facts.reference
    this.path = facts.path
  }
}

/**
 * The code of what went wrong: that of the outermost error of ours which is no CopyError, since that only says where.
 * Undefined where none of the error and its causes is ours.
 */
export function errorCode(error: unknown): ErrorCode | undefined {
  const codes = causesOf(error).flatMap((at) => (at instanceof OciError ? [at.code] : []))
  return codes.find((code) => code !== 'COPY') ?? codes[0]
}

/** An error and its causes, the outermost first; each once, so that a chain which bites its tail ends. */
export function causesOf(error: unknown): readonly Error[] {
  const causes = new Set<Error>()
  for (let at = error; at instanceof Error && !causes.has(at); at = at.cause) causes.add(at)
  return [...causes]
}

const missingContentCodes: ReadonlySet<string> = new Set([
  'MANIFEST_BLOB_UNKNOWN',
  'BLOB_UNKNOWN',
  'MANIFEST_UNKNOWN',
])

/** True if a registry refused a manifest because it lacks something that the manifest names. */
export function saysContentIsMissing(error: unknown): boolean {
  return causesOf(error).some(
    (at) => at instanceof ResponseError && at.errors.some(({ code }) => missingContentCodes.has(code)),
  )
}

/** True for a code of OpenSSL, or of Node's check of names, that says: the other side's certificate is not trusted. */
export function isCertificateCode(code: string): boolean {
  return /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA|ERR_SSL_CERTIFICATE_VERIFY)/.test(
    code,
  )
}

/** True for a code of OpenSSL that says: the other side answers, but not in TLS. */
export function isNotTlsCode(code: string): boolean {
  return /^ERR_SSL_(?:WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/.test(code)
}
