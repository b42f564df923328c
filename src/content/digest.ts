import { createHash, hash, type Hash } from 'node:crypto'
import { InvalidDigestError } from '../errors.ts'

/**
 * `algorithm:encoded`, the name of some bytes.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
 */
export type Digest = string

/** The algorithms that content is verified with; sha384 is registered by neither spec, but peers store it. */
export type DigestAlgorithm = 'sha256' | 'sha384' | 'sha512'

const hexLengths: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
])

/** What stands before and after the colon of a digest. */
export interface DigestParts {
  /** What the content is verified with. */
  readonly algorithm: DigestAlgorithm
  /** Lower-case hexadecimal. */
  readonly encoded: string
}

/** The parts of a digest. Error: INVALID_DIGEST, also for an algorithm that is not supported. */
export function parseDigest(text: string): DigestParts {
  const colon = text.indexOf(':')
  const algorithm = text.slice(0, colon)
  const encoded = text.slice(colon + 1)
  const length = hexLengths.get(algorithm)
  if (length === undefined || encoded.length !== length || !/^[0-9a-f]*$/.test(encoded)) {
    const expected = 'expected sha256, sha384 or sha512, a colon and lower-case hexadecimal'
    throw new InvalidDigestError(`${JSON.stringify(text.slice(0, 200))} is not a digest: ${expected}`)
  }
  return { algorithm: algorithm as DigestAlgorithm, encoded }
}

/** True for a digest of a supported algorithm. */
export function isDigest(text: string): boolean {
  const colon = text.indexOf(':')
  const length = hexLengths.get(text.slice(0, colon))
  return length === text.length - colon - 1 && /^[0-9a-f]*$/.test(text.slice(colon + 1))
}

/** The digest of bytes in hand. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${hash(algorithm, bytes, 'hex')}`
}

/** A running hash of the algorithm that a digest names. Error: INVALID_DIGEST. */
export function createHasher(digest: Digest): Hash {
  return createHash(parseDigest(digest).algorithm)
}
