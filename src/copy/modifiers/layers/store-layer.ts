import type { Content } from '../../../content/content.ts'
import type { Digest } from '../../../content/digest.ts'
import { verify } from '../../../content/verify.ts'
import { descriptorJson, type ManifestNode } from '../modifier.ts'
import { levelFor } from './codec.ts'
import type { ImageLayer } from './image.ts'
import { layerMediaType, type ImageFormat, type LayerCompression } from './layer-types.ts'
import { defaultMaxUncompressedBytes, diffIdOf, recompressed } from './recompressed.ts'

/** How a layer that a modifier brings is stored. */
export interface StoreLayerOptions {
  /** What is compressed so already stays byte for byte. @default 'gzip' */
  readonly compression?: LayerCompression | undefined
  /** Of gzip 1 to 9, of zstd 1 to 19. @default 6 for gzip, 3 for zstd */
  readonly level?: number | undefined
}

/** The options with their defaults. RangeError for a level that there is not. */
export function storeParameters(options: StoreLayerOptions): {
  readonly compression: LayerCompression
  readonly level: number | null
} {
  const { compression = 'gzip', level } = options
  return { compression, level: levelFor(compression, level) ?? null }
}

/**
 * Stores a layer of the caller's for the image of a node: a tar, compressed or not. Errors: INVALID_LAYER,
 * SIZE_EXCEEDS_LIMIT beyond 64 GiB of tar; UNSUPPORTED for a Docker image and zstd.
 */
export async function storeLayer(
  node: ManifestNode,
  format: ImageFormat,
  content: Content,
  options: StoreLayerOptions,
): Promise<ImageLayer> {
  const { compression, level } = storeParameters(options)
  const diffIds: Digest[] = []
  const made = recompressed(content, {
    to: compression,
    level: level ?? undefined,
    maxUncompressedBytes: defaultMaxUncompressedBytes,
    keepsSame: true,
    onDiffId: (diffId) => diffIds.push(diffId),
  })
  const descriptor = await node.ingest(made, layerMediaType(format, compression))
  // What was kept as it is was not unpacked on the way. A second reading must give the same bytes.
  const diffId = diffIds.at(-1) ?? (await diffIdOf(verify(content, descriptor), defaultMaxUncompressedBytes))
  return { entry: descriptorJson(descriptor), descriptor, diffId }
}
