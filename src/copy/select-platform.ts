import { z } from 'zod'
import type { Descriptor } from '../content/descriptor.ts'
import { mediaTypes } from '../content/media-types.ts'
import { formatPlatform, matchesPlatform, type Platform } from '../content/platform.ts'
import { parseStrictJson } from '../content/strict-json.ts'
import { InvalidManifestError, NotFoundError, UnsupportedError } from '../errors.ts'
import type { Source } from '../targets/target.ts'
import { CachedSource, type CachedSourceOptions } from './cached-source.ts'

/**
 * The image for a platform: the first entry of an index that matches, or an image itself if its config matches.
 * Nested indexes are not descended into.
 * Errors: NOT_FOUND, which names the platforms that are there; UNSUPPORTED for what is neither index nor image.
 */
export async function selectPlatform(
  source: Source,
  root: Descriptor,
  wanted: Platform,
  options: CachedSourceOptions = {},
): Promise<Descriptor> {
  const cached = source instanceof CachedSource ? source : new CachedSource(source, options)
  switch (root.mediaType) {
    case mediaTypes.ociIndex:
    case mediaTypes.dockerList:
      return selectEntry(cached, root, wanted)
    default:
      return checkImage(cached, root, wanted)
  }
}

async function selectEntry(source: CachedSource, root: Descriptor, wanted: Platform): Promise<Descriptor> {
  const { contains } = source.parse(root, await source.read(root))
  const found = contains.find(({ platform }) => platform !== undefined && matchesPlatform(platform, wanted))
  if (found !== undefined) return found
  const offered = contains.flatMap(({ platform }) =>
    platform === undefined ? [] : [formatPlatform(platform)],
  )
  throw noMatch(root, wanted, offered)
}

async function checkImage(source: CachedSource, root: Descriptor, wanted: Platform): Promise<Descriptor> {
  const platform = await platformOfImage(source, root)
  if (matchesPlatform(platform, wanted)) return root
  throw noMatch(root, wanted, [formatPlatform(platform)])
}

/** What the config of an image says. Error: UNSUPPORTED for what is no image. */
export async function platformOfImage(source: CachedSource, root: Descriptor): Promise<Platform> {
  if (root.mediaType !== mediaTypes.ociManifest && root.mediaType !== mediaTypes.dockerManifest) {
    throw new UnsupportedError(`${root.digest} has no platform: it is a ${root.mediaType}`)
  }
  const { config } = source.parse(root, await source.read(root))
  if (config?.mediaType !== mediaTypes.ociConfig && config?.mediaType !== mediaTypes.dockerConfig) {
    throw new UnsupportedError(`${root.digest} has no platform: its config is a ${config?.mediaType}`)
  }
  return parseConfigPlatform(await source.read(config), config)
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties */
const configSchema: z.ZodType<Platform> = z.object({
  architecture: z.string(),
  os: z.string(),
  'os.version': z.string().exactOptional(),
  'os.features': z.array(z.string()).exactOptional(),
  variant: z.string().exactOptional(),
})

function parseConfigPlatform(bytes: Uint8Array, config: Descriptor): Platform {
  const parsed = configSchema.safeParse(parseStrictJson(bytes, { maxBytes: bytes.length }))
  if (parsed.success) return parsed.data
  throw new InvalidManifestError(`the config ${config.digest} names no platform`, { cause: parsed.error })
}

function noMatch(root: Descriptor, wanted: Platform, offered: readonly string[]): NotFoundError {
  const available = offered.length === 0 ? 'no platform' : offered.join(', ')
  return new NotFoundError(`${root.digest} is not for ${formatPlatform(wanted)}: it offers ${available}`)
}
