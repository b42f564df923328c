import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import type { Edge } from '../../content/manifest-types.ts'
import type { Source } from '../../targets/target.ts'

/** What JSON can hold. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined }

/** A JSON object, such as a manifest or the config of an image. */
export type JsonObject = Readonly<Record<string, Json | undefined>>

/** A descriptor as it stands in a document. */
export function descriptorJson({ mediaType, digest, size, annotations }: Descriptor): JsonObject {
  return { mediaType, digest, size, ...(annotations !== undefined && { annotations }) }
}

interface ModifiedNode {
  /** As the source has it, and as its parent names it. */
  readonly descriptor: Descriptor
  /** How its parent refers to it. */
  readonly edge: Edge | 'root'
  /** From the root down to the node, as in the source. */
  readonly path: readonly Descriptor[]
}

/** A manifest whose successors have been modified already. */
export interface ManifestNode extends ModifiedNode {
  readonly kind: 'manifest'
  /** Whether the copy was asked for this node: of an extended copy that need not be a root. */
  readonly isRequested: boolean
  /** Its media type now: a modifier before may have changed it. */
  readonly mediaType: string
  /** The document, which names the successors as they are at the destination. A copy: it may be changed. */
  readonly document: JsonObject
  /** Whether it is another manifest by now than in the source, through what is below it or a modifier before. */
  readonly isChanged: boolean
  /** All of a blob or manifest that the document names, verified. Errors: as `fetch`; SIZE_EXCEEDS_LIMIT beyond 4 MiB. */
  read(descriptor: Descriptor): Promise<Uint8Array>
  /** The content of a blob that the document names. */
  fetch(descriptor: Descriptor): Content
  /** Makes a small document, which is stored when a manifest that names it is. */
  make(bytes: Uint8Array, mediaType: string): Descriptor
  /** Stores content of any size at once. */
  ingest(content: Content, mediaType: string): Promise<Descriptor>
  /** Brings a blob of another source to the destination, under this very descriptor; one that is there is not sent. */
  bring(descriptor: Descriptor, source: Source): Promise<void>
  /** Aborts when the copy does: for what a modifier reads elsewhere. */
  readonly signal: AbortSignal
}

/** A blob. */
export interface BlobNode extends ModifiedNode {
  readonly kind: 'blob'
  /** Whether what names it is no image: an artifact may name any file by the media type of a layer. False for a root. */
  readonly isOfArtifact: boolean
  /** As it is now; opened when it is iterated. */
  readonly content: Content
}

/** What becomes of a node: as it is, byte for byte; gone; or another one. */
export type Modification = 'keep' | 'remove' | ChangedManifest | ChangedBlob

/** A manifest that is another one now. */
export interface ChangedManifest {
  readonly document: JsonObject
  /** @default as before */
  readonly mediaType?: string | undefined
}

/** A blob that is another one now. */
export interface ChangedBlob {
  readonly content: Content
  readonly mediaType: string
}

/**
 * A function from nodes to nodes, asked for each node once, successors first. `id` and `parameters` say all that its
 * result depends on besides the node, so that what became of a digest can be remembered.
 */
export interface Modifier {
  readonly id: string
  readonly parameters: Json
  apply(node: ManifestNode | BlobNode): Promise<Modification> | Modification
}
