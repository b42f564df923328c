import { ResponseError } from '../../errors.ts'
import type { Endpoint } from './endpoint.ts'
import type { UploadSession } from './upload-session.ts'

const mebibyte = 1024 * 1024

/** Sizes of bodies that are tried one after the other: below the limits of proxies in front of registries, of ghcr, and of nginx. */
const steps = [64 * mebibyte, 4 * mebibyte, mebibyte] as const

/** The largest blob that goes in one request. */
export function maxWholeBytes({ chunkBytes, traits }: Endpoint): number {
  return Math.min(chunkBytes, traits.maxPutBytes)
}

/** The size of a chunk; Infinity where nothing bounds it. Never less than the registry wants. */
export function maxChunkBytes(endpoint: Endpoint, { minChunkBytes = 1 }: UploadSession): number {
  return Math.max(minChunkBytes, Math.min(maxWholeBytes(endpoint), endpoint.traits.maxPatchBytes))
}

/** True for the answer of a proxy, or a registry, that the body of a request is too large. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof ResponseError && error.status === 413
}

/** Remembers for a registry that so many bytes were too many. False if nothing smaller can be tried. */
export function lowerLimit(
  endpoint: Endpoint,
  session: UploadSession,
  limit: 'maxPutBytes' | 'maxPatchBytes',
  refusedBytes: number,
): boolean {
  const { traits } = endpoint
  const step = steps.find((size) => size < refusedBytes)
  if (step === undefined) return false
  traits[limit] = Math.min(traits[limit], step)
  return maxChunkBytes(endpoint, session) < refusedBytes
}
