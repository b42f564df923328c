import { mediaTypes } from '../../../content/media-types.ts'
import { UnsupportedError } from '../../../errors.ts'

/** How the tar of a layer is compressed. */
export type LayerCompression = 'gzip' | 'zstd' | 'none'

/** Whose media types an image has. */
export type ImageFormat = 'oci' | 'docker'

interface LayerType {
  readonly format: ImageFormat
  readonly compression: LayerCompression
  readonly mediaType: string
}

/** Docker's uncompressed type stands in no spec, but docker, containerd, skopeo and crane know it. */
const layerTypes: readonly LayerType[] = [
  { format: 'oci', compression: 'none', mediaType: mediaTypes.ociLayer },
  { format: 'oci', compression: 'gzip', mediaType: mediaTypes.ociLayerGzip },
  { format: 'oci', compression: 'zstd', mediaType: mediaTypes.ociLayerZstd },
  { format: 'docker', compression: 'none', mediaType: 'application/vnd.docker.image.rootfs.diff.tar' },
  { format: 'docker', compression: 'gzip', mediaType: mediaTypes.dockerLayer },
]

/** What a media type says of a layer; undefined for what is no layer, or one that may not be distributed. */
export function layerTypeOf(mediaType: string): LayerType | undefined {
  return layerTypes.find((type) => type.mediaType === mediaType)
}

/** The media type of a layer. Error: UNSUPPORTED for Docker's with zstd, which does not exist. */
export function layerMediaType(format: ImageFormat, compression: LayerCompression): string {
  const found = layerTypes.find((type) => type.format === format && type.compression === compression)
  if (found !== undefined) return found.mediaType
  throw new UnsupportedError(
    `Docker has no media type for a layer with ${compression}: make the image an OCI image first`,
  )
}
