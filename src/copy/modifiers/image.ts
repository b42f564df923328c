import { parseDescriptor } from '../../content/manifest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { formatDocument, isObject, parseDocument } from '../document.ts'
import type { Json, JsonObject, ManifestNode } from './modifier.ts'

/**
 * Whether a manifest is that of an image which can be run. That its config is an image's does not say so: BuildKit's
 * attestations and cosign's signatures have such a config too, but layers of other types.
 */
export function isImage({ mediaType, document }: Pick<ManifestNode, 'mediaType' | 'document'>): boolean {
  const { artifactType, config, layers } = document
  return (
    mayBeImage(mediaType) &&
    !artifactType &&
    configTypes.has(mediaTypeOf(config)) &&
    listOf(layers).every((layer) => layerTypes.some((start) => mediaTypeOf(layer).startsWith(start)))
  )
}

/** Whether manifests of a media type can be images. */
export function mayBeImage(mediaType: string): boolean {
  return mediaType === mediaTypes.ociManifest || mediaType === mediaTypes.dockerManifest
}

const configTypes: ReadonlySet<string> = new Set([mediaTypes.ociConfig, mediaTypes.dockerConfig])

/** Also of layers that other tools have made: encrypted ones, and those that are mounted without unpacking. */
const layerTypes = ['application/vnd.oci.image.layer.', 'application/vnd.docker.image.rootfs.'] as const

/** The media type of a descriptor in a document; empty for anything else. */
export function mediaTypeOf(entry: Json | undefined): string {
  return isObject(entry) && typeof entry['mediaType'] === 'string' ? entry['mediaType'] : ''
}

/** What a field of a manifest lists: nothing, where it is missing or null, as Go writes an empty list. */
export function listOf(field: Json | undefined): readonly Json[] {
  return isList(field) ? field : []
}

/** True for a JSON array. */
export function isList(field: Json | undefined): field is readonly Json[] {
  return Array.isArray(field)
}

/**
 * The document of an image with another config in its place. Unknown fields stay as they are, and bytes do where nothing changes.
 * Errors: as of reading the config; INVALID_MANIFEST for one that is no JSON object, or that two clients would read
 * differently.
 */
export async function changeConfig(
  node: ManifestNode,
  change: (config: JsonObject) => JsonObject,
): Promise<JsonObject> {
  const { config } = node.document
  if (!isObject(config)) return node.document
  const descriptor = parseDescriptor(config)
  const before = parseDocument(await node.read(descriptor))
  return withConfig(node, before, change(before))
}

/** The document of an image whose config became another one; itself, where the config says the same as before. */
export function withConfig(node: ManifestNode, before: JsonObject, after: JsonObject): JsonObject {
  const { config } = node.document
  if (!isObject(config) || JSON.stringify(after) === JSON.stringify(before)) return node.document
  const { digest, size } = node.make(formatDocument(after), parseDescriptor(config).mediaType)
  // These were of the old content.
  const { data: _data, urls: _urls, ...entry } = config
  return { ...node.document, config: { ...entry, digest, size } }
}
