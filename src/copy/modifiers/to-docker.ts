import { mediaTypes } from '../../content/media-types.ts'
import { printable } from '../../content/printable.ts'
import { UnsupportedError } from '../../errors.ts'
import { isObject } from '../document.ts'
import { isAttestation } from './attestation.ts'
import { blobPairs, manifestPairs, withBlobTypes } from './docker-media-types.ts'
import { withField } from './fields.ts'
import { listOf, mediaTypeOf } from './image.ts'
import type { Json, JsonObject, ManifestNode, Modifier } from './modifier.ts'

const manifestTypes: ReadonlyMap<string, string> = new Map(
  manifestPairs.map(([docker, oci]) => [oci, docker]),
)
const blobTypes: ReadonlyMap<string, string> = new Map(blobPairs.map(([docker, oci]) => [oci, docker]))
const dockerManifests: ReadonlySet<string> = new Set(manifestTypes.values())
const dockerBlobs: ReadonlySet<string> = new Set(blobTypes.values())

/**
 * Names OCI's manifests, indexes, configs and layers by Docker's media types. The bytes of configs and layers stay, and so
 * do annotations, which clients of Docker's manifests overlook. A referrer that an extended copy brings along stays as it
 * is: an OCI manifest may have a Docker manifest as its subject.
 *
 * Error of a copy: UNSUPPORTED for what Docker's manifests cannot say: artifacts, attestations, a subject, layers that are
 * compressed with zstd or of unknown types, an entry of an index without a platform.
 */
export function toDocker(): Modifier {
  return {
    id: 'to-docker',
    parameters: null,
    apply(node) {
      if (node.kind === 'blob') return 'keep'
      if (dockerManifests.has(node.mediaType)) return { document: withBlobTypes(node.document, blobTypes) }
      const obstacle = obstacleIn(node)
      if (obstacle === undefined) return convert(node)
      const isReferrer = isObject(node.document['subject']) && node.edge !== 'contains' && !node.isRequested
      if (isReferrer) return 'keep'
      throw new UnsupportedError(`Docker's media types have nothing for ${obstacle}`)
    },
  }
}

function convert({ document, mediaType }: ManifestNode): {
  document: JsonObject
  mediaType: string | undefined
} {
  const docker = manifestTypes.get(mediaType)
  return { document: withField(withBlobTypes(document, blobTypes), 'mediaType', docker), mediaType: docker }
}

/** What cannot be said in Docker's manifests. */
function obstacleIn(node: ManifestNode): string | undefined {
  const { document, mediaType } = node
  if (isAttestation(node)) return 'an attestation: stripAttestations before it removes it'
  if (!manifestTypes.has(mediaType)) return `a manifest of the type ${printable(mediaType)}`
  if (document['artifactType'])
    return `an artifact, of the type ${printable(JSON.stringify(document['artifactType']))}`
  if (isObject(document['subject'])) return 'a subject'
  return mediaType === mediaTypes.ociIndex ? obstacleInIndex(document) : obstacleInImage(document)
}

function obstacleInIndex({ manifests }: JsonObject): string | undefined {
  const other = listOf(manifests).find((entry) => !dockerManifests.has(mediaTypeOf(entry)))
  if (other !== undefined) return `an entry that stays ${nameOf(other)}`
  const unclear = listOf(manifests).find((entry) => isObject(entry) && !isObject(entry['platform']))
  return unclear === undefined ? undefined : `an entry without a platform: ${nameOf(unclear)}`
}

function obstacleInImage({ config, layers }: JsonObject): string | undefined {
  const type = mediaTypeOf(config)
  if (type !== mediaTypes.ociConfig && type !== mediaTypes.dockerConfig) {
    return `an artifact: its config is ${nameOf(config)}`
  }
  const layer = listOf(layers).find((entry) => !isDockerable(mediaTypeOf(entry)))
  return layer === undefined ? undefined : `the layer ${nameOf(layer)}`
}

function isDockerable(mediaType: string): boolean {
  return blobTypes.has(mediaType) || dockerBlobs.has(mediaType)
}

function nameOf(entry: Json | undefined): string {
  const digest = isObject(entry) && typeof entry['digest'] === 'string' ? entry['digest'] : ''
  return `${digest} (${printable(mediaTypeOf(entry))})`
}
