import type { Annotations } from './annotations.ts'
import type { Digest } from './digest.ts'
import type { Platform } from './platform.ts'

/**
 * What is known of a piece of content before its bytes are there.
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md
 */
export interface Descriptor {
  /** What kind of content it is; decides whether it is a manifest. */
  readonly mediaType: string
  /** Of the content's bytes. */
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
  /** Where else the content may be had. Not followed. */
  readonly urls?: readonly string[]
  /** Of this entry; in a list of referrers those of the manifest itself. */
  readonly annotations?: Annotations
  /** The content itself in base64. Untrusted until its size and digest are verified. */
  readonly data?: string
  /** Of the manifest that this describes. */
  readonly artifactType?: string
  /** What the image in an index runs on. */
  readonly platform?: Platform
}

/** The descriptor without what its parent says about it: media type, digest and size, which identify a node. */
export function plainDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

/** A key for maps and sets: equal for two descriptors of one node. */
export function nodeKey({ mediaType, digest, size }: Descriptor): string {
  return `${digest} ${size} ${mediaType}`
}

/** True for two descriptors of one node: the same media type, digest and size. */
export function sameNode(a: Descriptor, b: Descriptor): boolean {
  return a.digest === b.digest && a.mediaType === b.mediaType && a.size === b.size
}
