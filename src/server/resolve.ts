import type { Descriptor } from '../content/descriptor.ts'
import { standardManifestTypes } from '../content/manifest-types.ts'
import { NotFoundError } from '../errors.ts'
import type { Target } from '../targets/target.ts'

/** The descriptor of a tag or digest, or undefined where there is none. */
export async function resolveIfThere(
  target: Target,
  reference: string,
  signal: AbortSignal,
): Promise<Descriptor | undefined> {
  try {
    return await target.resolve(reference, { signal })
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}

/** As `resolveIfThere`, for manifests alone: a blob is not there. */
export async function resolveManifest(
  target: Target,
  reference: string,
  signal: AbortSignal,
): Promise<Descriptor | undefined> {
  const { manifestTypes = standardManifestTypes } = target
  const descriptor = await resolveIfThere(target, reference, signal)
  return descriptor !== undefined && manifestTypes.isManifest(descriptor.mediaType) ? descriptor : undefined
}
