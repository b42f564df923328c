import { InvalidManifestError, OciError } from '../errors.ts'
import type { Descriptor } from './descriptor.ts'
import {
  parseDescriptor,
  readArtifactManifest,
  readImageIndex,
  readImageManifest,
  type ManifestFacts,
} from './manifest.ts'
import { mediaTypes } from './media-types.ts'
import type { JsonLimits } from './strict-json.ts'

/** How a manifest refers to another node: through `subject`, or through any other descriptor in it. */
export type Edge = 'subject' | 'contains'

/** A node that a manifest refers to, in its place there. */
export interface Successor {
  /** With the platform and annotations that the manifest gives it. */
  readonly descriptor: Descriptor
  /** Whether it is the manifest's subject. */
  readonly edge: Edge
}

/** A media type that is a manifest: its content refers to other nodes. */
export interface ManifestType {
  /** As in a descriptor, without parameters. */
  readonly mediaType: string
  /** Reads verified bytes. Whatever it throws means that they are not a valid manifest; so does a malformed descriptor. */
  read(bytes: Uint8Array, limits?: JsonLimits): ManifestFacts
}

/** The media types that are manifests for a target, a walk or a copy. Every other media type is a blob, and a leaf. */
export interface ManifestTypes {
  /** In the order in which they are asked for in an Accept header. */
  readonly mediaTypes: readonly string[]
  /** Whether content of this media type refers to other nodes. */
  isManifest(mediaType: string): boolean
  /**
   * Reads a manifest from verified bytes.
   * Errors: INVALID_MANIFEST, SIZE_EXCEEDS_LIMIT; TypeError for a media type that is not a manifest.
   */
  read(descriptor: Descriptor, bytes: Uint8Array, limits?: JsonLimits): ManifestFacts
}

/** The five standard manifest types, and those of the caller's own; one of the same name replaces a standard one. */
export function declareManifestTypes(...types: readonly ManifestType[]): ManifestTypes {
  const known = new Map([...standardTypes, ...types.map(checked)].map((type) => [type.mediaType, type]))
  return {
    mediaTypes: [...known.keys()],
    isManifest: (mediaType) => known.has(mediaType),
    read(descriptor, bytes, limits) {
      const type = known.get(descriptor.mediaType)
      if (type === undefined) throw new TypeError(`${descriptor.mediaType} is not a manifest type`)
      return readManifest(type, descriptor, bytes, limits)
    },
  }
}

/** All that a manifest refers to, its subject first. */
export function successorsOf({ subject, contains }: ManifestFacts): readonly Successor[] {
  const contained = contains.map((descriptor): Successor => ({ descriptor, edge: 'contains' }))
  return subject === undefined ? contained : [{ descriptor: subject, edge: 'subject' }, ...contained]
}

/** A manifest as a list of referrers shows it (distribution-spec, "Listing Referrers"). */
export function referrerDescriptor(
  { mediaType, digest, size }: Descriptor,
  facts: ManifestFacts,
): Descriptor {
  return {
    mediaType,
    digest,
    size,
    ...(facts.artifactType !== undefined && { artifactType: facts.artifactType }),
    ...(facts.annotations !== undefined && { annotations: facts.annotations }),
  }
}

function readManifest(
  type: ManifestType,
  descriptor: Descriptor,
  bytes: Uint8Array,
  limits: JsonLimits | undefined,
): ManifestFacts {
  try {
    return type.read(bytes, limits)
  } catch (cause) {
    if (cause instanceof OciError && !(cause instanceof InvalidManifestError)) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new InvalidManifestError(`${descriptor.digest} is not a valid ${type.mediaType}: ${reason}`, {
      cause,
    })
  }
}

/** What a caller's own function made of untrusted bytes is as untrusted as they are. */
function checked(type: ManifestType): ManifestType {
  return {
    mediaType: type.mediaType,
    read(bytes, limits) {
      const { subject, config, contains, ...facts } = type.read(bytes, limits)
      return {
        ...facts,
        subject: subject && parseDescriptor(subject),
        config: config && parseDescriptor(config),
        contains: contains.map(parseDescriptor),
      }
    },
  }
}

const standardTypes: readonly ManifestType[] = [
  imageManifestType(mediaTypes.ociManifest),
  imageIndexType(mediaTypes.ociIndex),
  withoutSubject(imageManifestType(mediaTypes.dockerManifest)),
  withoutSubject(imageIndexType(mediaTypes.dockerList)),
  artifactManifestType(mediaTypes.ociArtifact),
]

/** The manifest types of image-spec 1.1, of Docker's schema 2, and the withdrawn artifact manifest. */
export const standardManifestTypes: ManifestTypes = declareManifestTypes()

function imageManifestType(mediaType: string): ManifestType {
  return { mediaType, read: (bytes, limits) => readImageManifest(bytes, mediaType, limits) }
}

function imageIndexType(mediaType: string): ManifestType {
  return { mediaType, read: (bytes, limits) => readImageIndex(bytes, mediaType, limits) }
}

function artifactManifestType(mediaType: string): ManifestType {
  return { mediaType, read: (bytes, limits) => readArtifactManifest(bytes, mediaType, limits) }
}

/** Docker's manifests have no such field: to registries and other clients it is an unknown one there, and no edge. */
function withoutSubject(type: ManifestType): ManifestType {
  return {
    mediaType: type.mediaType,
    read: (bytes, limits) => ({ ...type.read(bytes, limits), subject: undefined }),
  }
}
