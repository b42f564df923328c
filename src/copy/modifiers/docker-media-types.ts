import { mediaTypes } from '../../content/media-types.ts'
import { isObject } from '../document.ts'
import { mediaTypeOf } from './image.ts'
import type { Json, JsonObject } from './modifier.ts'

/** Docker's media types of manifests with OCI's for the same bytes, but for what they say of themselves. */
export const manifestPairs: readonly (readonly [docker: string, oci: string])[] = [
  [mediaTypes.dockerManifest, mediaTypes.ociManifest],
  [mediaTypes.dockerList, mediaTypes.ociIndex],
]

/** Docker's media types of blobs with OCI's for the same bytes. */
export const blobPairs: readonly (readonly [docker: string, oci: string])[] = [
  [mediaTypes.dockerConfig, mediaTypes.ociConfig],
  [mediaTypes.dockerLayer, mediaTypes.ociLayerGzip],
  ['application/vnd.docker.image.rootfs.diff.tar', mediaTypes.ociLayer],
  [
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
  ],
  [
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ],
]

/** A manifest whose config and layers are named by other media types; what the map does not know stays. */
export function withBlobTypes(document: JsonObject, types: ReadonlyMap<string, string>): JsonObject {
  const renamed = (entry: Json): Json => {
    const mediaType = types.get(mediaTypeOf(entry))
    return isObject(entry) && mediaType !== undefined ? { ...entry, mediaType } : entry
  }
  const { config, layers } = document
  return {
    ...document,
    ...(isObject(config) && { config: renamed(config) }),
    ...(Array.isArray(layers) && { layers: layers.map(renamed) }),
  }
}
