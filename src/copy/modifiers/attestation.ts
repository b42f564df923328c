import { isObject } from '../document.ts'
import { listOf, mediaTypeOf } from './image.ts'
import type { Json, ManifestNode } from './modifier.ts'

/**
 * Whether a manifest is an attestation as BuildKit makes them: one whose layers are in-toto statements. Its content says
 * so wherever it was met, unlike the entry of the index that names it.
 */
export function isAttestation({ document }: ManifestNode): boolean {
  const { artifactType, config } = document
  const layers = listOf(document['layers'])
  const isOfBuildKit =
    artifactType === 'application/vnd.docker.attestation.manifest.v1+json' ||
    (!artifactType && mediaTypeOf(config) === 'application/vnd.oci.image.config.v1+json')
  return (
    isOfBuildKit &&
    layers.length > 0 &&
    layers.every((layer) => mediaTypeOf(layer) === 'application/vnd.in-toto+json')
  )
}

/** Whether an entry of an index says that it is an attestation. */
export function isAttestationEntry(entry: Json): boolean {
  const annotations = isObject(entry) ? entry['annotations'] : undefined
  return isObject(annotations) && annotations['vnd.docker.reference.type'] === 'attestation-manifest'
}
