import type { Annotations } from '../../src/content/annotations.ts'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf, type DigestAlgorithm } from '../../src/content/digest.ts'
import { declareManifestTypes, type ManifestTypes } from '../../src/content/manifest-types.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import type { Platform } from '../../src/content/platform.ts'
import { parseStrictJson } from '../../src/content/strict-json.ts'
import type { Destination } from '../../src/targets/target.ts'

/** A manifest type of a user's own: its successors stand in `parts`. */
export const bundleMediaType = 'application/vnd.modelops.bundle.manifest+json'

export const ownTypes: ManifestTypes = declareManifestTypes({
  mediaType: bundleMediaType,
  read: (bytes) => ({ contains: (parseStrictJson(bytes) as { parts: Descriptor[] }).parts }),
})

export interface NodeSpec {
  /** @default 'index' if its first child is a manifest, else 'image' */
  readonly kind?: 'image' | 'index' | 'artifact' | 'docker' | 'list' | 'bundle' | 'blob'
  /** For an image the first is the config. */
  readonly children?: readonly string[]
  readonly subject?: string
  readonly artifactType?: string
  readonly annotations?: Annotations
  /** Stands in the entry of the parent. */
  readonly platform?: Platform
  /** Fields that the entry in the parent has besides. */
  readonly entry?: Pick<Descriptor, 'annotations' | 'artifactType'>
  readonly mediaType?: string
  /** Of a blob. @default its name */
  readonly bytes?: Uint8Array
}

export interface TestNode {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
}

export interface TestGraph {
  node(name: string): TestNode
  descriptor(name: string): Descriptor
  /** Every name, successors first. */
  readonly names: readonly string[]
  /** Pushes all nodes (or those named), successors first. */
  pushTo(target: Destination, names?: readonly string[]): Promise<void>
}

/**
 * Builds a graph of real manifests from its drawing: `graph({ index: ['m1', 'm2'], m1: ['config', 'layer'] })`.
 * A name that has no entry of its own is a blob with its name as content.
 */
export function graph(
  spec: Readonly<Record<string, NodeSpec | readonly string[]>>,
  algorithm: DigestAlgorithm = 'sha256',
): TestGraph {
  const nodes = new Map<string, TestNode>()
  const build = (name: string): TestNode => {
    const known = nodes.get(name)
    if (known !== undefined) return known
    const own = spec[name]
    const entry: NodeSpec = isList(own) ? { children: own } : (own ?? {})
    const children = (entry.children ?? []).map(build)
    const subject = entry.subject === undefined ? undefined : build(entry.subject).descriptor
    const kind = entry.kind ?? defaultKind(entry, children)
    const bytes =
      kind === 'blob' ? (entry.bytes ?? Buffer.from(name)) : document(kind, entry, children, subject)
    const node = { descriptor: describe(kind, entry, bytes, algorithm), bytes }
    nodes.set(name, node)
    return node
  }
  for (const name of Object.keys(spec)) build(name)
  const node = (name: string): TestNode => {
    const found = nodes.get(name)
    if (found === undefined) throw new RangeError(`no node ${name} in this graph`)
    return found
  }
  return {
    node,
    descriptor: (name) => node(name).descriptor,
    names: [...nodes.keys()],
    async pushTo(target, names = [...nodes.keys()]) {
      for (const name of names) await target.push(node(name).descriptor, contentOf(node(name).bytes))
    },
  }
}

function isList(entry: NodeSpec | readonly string[] | undefined): entry is readonly string[] {
  return Array.isArray(entry)
}

function defaultKind(entry: NodeSpec, children: readonly TestNode[]): NonNullable<NodeSpec['kind']> {
  if (entry.children === undefined) return 'blob'
  return children.some(({ descriptor }) => ownTypes.isManifest(descriptor.mediaType)) ? 'index' : 'image'
}

const documentTypes = {
  image: mediaTypes.ociManifest,
  index: mediaTypes.ociIndex,
  artifact: mediaTypes.ociArtifact,
  docker: mediaTypes.dockerManifest,
  list: mediaTypes.dockerList,
  bundle: bundleMediaType,
  blob: mediaTypes.octetStream,
} as const

function describe(
  kind: NonNullable<NodeSpec['kind']>,
  { mediaType = documentTypes[kind], platform, entry }: NodeSpec,
  bytes: Uint8Array,
  algorithm: DigestAlgorithm,
): Descriptor {
  return {
    mediaType,
    digest: digestOf(bytes, algorithm),
    size: bytes.length,
    ...(platform && { platform }),
    ...entry,
  }
}

function document(
  kind: Exclude<NodeSpec['kind'], 'blob' | undefined>,
  { artifactType, annotations }: NodeSpec,
  children: readonly TestNode[],
  subject: Descriptor | undefined,
): Uint8Array {
  const [config, ...layers] = children.map(({ descriptor }) => descriptor)
  const common = {
    mediaType: documentTypes[kind],
    ...(artifactType !== undefined && { artifactType }),
    ...(subject !== undefined && { subject }),
    ...(annotations !== undefined && { annotations }),
  }
  const lists = {
    image: { schemaVersion: 2, config: { ...config, mediaType: mediaTypes.ociConfig }, layers },
    docker: { schemaVersion: 2, config: { ...config, mediaType: mediaTypes.dockerConfig }, layers },
    index: { schemaVersion: 2, manifests: children.map(({ descriptor }) => descriptor) },
    list: { schemaVersion: 2, manifests: children.map(({ descriptor }) => descriptor) },
    artifact: { blobs: children.map(({ descriptor }) => descriptor) },
    bundle: { parts: children.map(({ descriptor }) => descriptor) },
  }
  return Buffer.from(JSON.stringify({ ...common, ...lists[kind] }))
}
