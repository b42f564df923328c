import { isDigest, parseDigest, type Digest } from '../../content/digest.ts'
import { DigestMismatchError, InvalidDigestError, UnsupportedError } from '../../errors.ts'
import type { HttpResponse } from './transport/http.ts'
import { redactUrl } from './transport/redact.ts'

/** The header Docker-Content-Digest. Error: INVALID_DIGEST. */
export function headerDigest(response: HttpResponse): Digest | undefined {
  const digest = response.header('docker-content-digest')
  if (digest === undefined || isDigest(digest)) return digest
  const shown = JSON.stringify(digest.slice(0, 200))
  throw new InvalidDigestError(`${askedFor(response)} was answered with the malformed digest ${shown}`)
}

/**
 * Fails if a response names another digest than the expected one.
 * Errors: DIGEST_MISMATCH, INVALID_DIGEST; UNSUPPORTED for another algorithm: the registry keeps no digests of ours.
 */
export function expectDigest(response: HttpResponse, expected: Digest): void {
  const digest = headerDigest(response)
  if (digest === undefined || digest === expected) return
  if (!isComparable(digest, expected)) {
    throw new UnsupportedError(`${response.url.host} keeps ${expected} only under the digest ${digest}`)
  }
  throw new DigestMismatchError(
    `${askedFor(response)} was answered with the digest ${digest}, expected ${expected}`,
  )
}

/**
 * The same for a response to reading by digest: a registry may name what it shows by another algorithm, which
 * contradicts nothing.
 */
export function expectSameDigest(response: HttpResponse, expected: Digest): void {
  const digest = headerDigest(response)
  if (digest !== undefined && isComparable(digest, expected)) expectDigest(response, expected)
}

/** The header Content-Length, if it is a number. */
export function contentLength(response: HttpResponse): number | undefined {
  const length = response.header('content-length')
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

/** What `check` makes of the headers of a response; where it throws, the body is given up. */
export async function readHeaders<T>(response: HttpResponse, check: () => T): Promise<T> {
  try {
    return check()
  } catch (error) {
    await response.discard()
    throw error
  }
}

function isComparable(a: Digest, b: Digest): boolean {
  return parseDigest(a).algorithm === parseDigest(b).algorithm
}

function askedFor({ method, url }: HttpResponse): string {
  return `${method} ${redactUrl(url)}`
}
