import { mediaTypes } from '../content/media-types.ts'
import type { GraphNode } from './graph.ts'

/** What a node is, as far as its media type and artifact type say. */
export type NodeKind = 'index' | 'image' | 'artifact' | 'config' | 'layer' | 'blob'

/** A manifest with an artifact type that is not the config of an image is an artifact; what is not known is a blob. */
export function kindOf({ descriptor: { mediaType }, artifactType }: GraphNode): NodeKind {
  switch (mediaType) {
    case mediaTypes.ociIndex:
    case mediaTypes.dockerList:
      return 'index'
    case mediaTypes.ociManifest:
    case mediaTypes.dockerManifest:
      return artifactType === undefined || isImageConfig(artifactType) ? 'image' : 'artifact'
    case mediaTypes.ociArtifact:
      return 'artifact'
    case mediaTypes.ociConfig:
    case mediaTypes.dockerConfig:
    case mediaTypes.ociEmpty:
      return 'config'
    default:
      return layerPattern.test(mediaType) ? 'layer' : 'blob'
  }
}

/** The artifact type of an ordinary image is that of its config, which says less than that it is an image. */
export function isImageConfig(mediaType: string): boolean {
  return mediaType === mediaTypes.ociConfig || mediaType === mediaTypes.dockerConfig
}

const layerPattern: RegExp = /^application\/vnd\.(?:oci\.image\.layer|docker\.image\.rootfs)\./
