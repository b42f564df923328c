import { mediaTypes } from '../../content/media-types.ts'
import { blobPairs, manifestPairs, withBlobTypes } from './docker-media-types.ts'
import { withField } from './fields.ts'
import type { BlobNode, Modification, Modifier } from './modifier.ts'

const manifestTypes: ReadonlyMap<string, string> = new Map(manifestPairs)

const blobTypes: ReadonlyMap<string, string> = new Map([
  ...blobPairs,
  // containerd writes it; Docker's own specification has no such type.
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', mediaTypes.ociLayerZstd],
])

/**
 * Names Docker's manifests, lists, configs and layers by OCI's media types. The bytes of configs and layers stay. Media
 * types that neither specification knows stay too: OCI allows any.
 */
export function toOci(): Modifier {
  return {
    id: 'to-oci',
    parameters: null,
    apply(node) {
      if (node.kind === 'blob') return blob(node)
      const mediaType = manifestTypes.get(node.mediaType)
      if (mediaType !== undefined) {
        // To clients these are unknown fields in Docker's manifests: they must not begin to mean something.
        const { subject: _subject, artifactType: _artifactType, ...document } = node.document
        return { document: withField(withBlobTypes(document, blobTypes), 'mediaType', mediaType), mediaType }
      }
      return node.mediaType === mediaTypes.ociManifest
        ? { document: withBlobTypes(node.document, blobTypes) }
        : 'keep'
    },
  }
}

/** At once, and not only in the manifest: a modifier that follows may make of OCI's layers what Docker has no type for. */
function blob({ descriptor, content }: BlobNode): Modification {
  const mediaType = blobTypes.get(descriptor.mediaType)
  return mediaType === undefined ? 'keep' : { content, mediaType }
}
