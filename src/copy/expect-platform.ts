import type { Descriptor } from '../content/descriptor.ts'
import { mediaTypes } from '../content/media-types.ts'
import type { Platform } from '../content/platform.ts'
import type { Source } from '../targets/target.ts'
import { CachedSource } from './cached-source.ts'
import { lackOf, type PlatformPattern } from './filters.ts'
import { platformOfImage } from './select-platform.ts'

/** For which platforms a root is to be. */
export interface ExpectedPlatforms {
  readonly wanted: readonly PlatformPattern[]
  /** Hears of those that match nothing, if another one does. */
  readonly warn: (message: string) => void
}

/**
 * Looks at a root before it is narrowed down by `isForPlatform`, which sees only what is below it: an image has to be for
 * one of the platforms itself, and an index has to say at all what its entries are for.
 * Errors: NOT_FOUND, which names what there is; UNSUPPORTED for what is neither index nor image.
 */
export async function expectPlatform(
  source: Source,
  root: Descriptor,
  { wanted, warn }: ExpectedPlatforms,
): Promise<void> {
  const cached = source instanceof CachedSource ? source : new CachedSource(source, {})
  const offered = isIndex(root) ? await offeredByIndex(cached, root) : [await platformOfImage(cached, root)]
  if (offered === undefined) return
  const lack = lackOf(root, offered, wanted)
  if (lack !== undefined) warn(lack)
}

/** Undefined where the filter finds out. */
async function offeredByIndex(
  source: CachedSource,
  root: Descriptor,
): Promise<readonly Platform[] | undefined> {
  const { contains } = source.parse(root, await source.read(root))
  return contains.some((entry) => entry.platform !== undefined || isIndex(entry)) ? undefined : []
}

function isIndex({ mediaType }: Descriptor): boolean {
  return mediaType === mediaTypes.ociIndex || mediaType === mediaTypes.dockerList
}
