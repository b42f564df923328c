import type { Digest } from '../../../content/digest.ts'
import { DigestMismatchError } from '../../../errors.ts'
import { isObject, parseDocument } from '../../document.ts'
import { isImage, mayBeImage } from '../image.ts'
import type { BlobNode, Json, JsonObject, ManifestNode, Modification, Modifier } from '../modifier.ts'
import { levelFor } from './codec.ts'
import { diffIdsOf, layersOf, readDescriptor } from './image.ts'
import { layerMediaType, layerTypeOf, type LayerCompression } from './layer-types.ts'
import { defaultMaxUncompressedBytes, recompressed } from './recompressed.ts'

/** How layers are compressed. */
export interface RecompressLayersOptions {
  readonly to: LayerCompression
  /** Of gzip 1 to 9, of zstd 1 to 19. @default 6 for gzip, 3 for zstd */
  readonly level?: number | undefined
  /** The most that one layer may unpack to, in bytes; beyond it the copy fails with SIZE_EXCEEDS_LIMIT. @default 64 GiB */
  readonly maxUncompressedBytes?: number | undefined
}

/**
 * Compresses layers in another way, in flat memory; their tars, and so the diff ids, stay what they are. A layer whose
 * media type says that it is compressed so already is kept unread, whatever its level. How others are compressed is seen
 * by how they begin, and they are made anew, also where only their media type was wrong. Blobs that are no layers, layers
 * that may not be distributed, and what artifacts name are kept. Where the config does not list the digest of a tar that
 * was read, the copy fails; only diff ids of sha256 can be compared.
 *
 * RangeError for a level that there is not, and a limit that is none. Errors: INVALID_LAYER, DIGEST_MISMATCH,
 * SIZE_EXCEEDS_LIMIT; UNSUPPORTED for a Docker layer and zstd.
 */
export function recompressLayers(options: RecompressLayersOptions): Modifier {
  const { to, maxUncompressedBytes = defaultMaxUncompressedBytes } = options
  const level = levelFor(to, options.level)
  if (!(maxUncompressedBytes > 0)) {
    throw new RangeError(`maxUncompressedBytes is ${maxUncompressedBytes}, expected a number of bytes`)
  }
  const diffIds = new Map<Digest, Digest>()
  const blob = ({ descriptor, content, isOfArtifact }: BlobNode): Modification => {
    const type = layerTypeOf(descriptor.mediaType)
    if (isOfArtifact || type === undefined || type.compression === to) return 'keep'
    const mediaType = layerMediaType(type.format, to)
    const { digest } = descriptor
    const onDiffId = (diffId: Digest): void => void diffIds.set(digest, diffId)
    return { mediaType, content: recompressed(content, { to, level, maxUncompressedBytes, onDiffId }) }
  }
  return {
    id: 'copygraph.recompressLayers',
    parameters: { to, level: level ?? null },
    apply: (node) => (node.kind === 'blob' ? blob(node) : checkImage(node, diffIds)),
  }
}

/** Once all layers are made: the config must go on to be right, and what says where files are in a layer goes. */
async function checkImage(node: ManifestNode, diffIds: ReadonlyMap<Digest, Digest>): Promise<Modification> {
  const { mediaType } = node.descriptor
  if (!mayBeImage(mediaType)) return 'keep'
  const before = parseDocument(await node.read(node.descriptor))
  if (!isImage({ mediaType, document: before })) return 'keep'
  const layers = layersOf(before)
  const made = layers.filter(({ digest }) => diffIds.has(digest))
  if (made.length > 0) {
    const expected = new Set([...(await listed(before, node)), ...(await listed(node.document, node))])
    for (const { digest } of made) expectDiffId(digest, diffIds.get(digest) ?? '', expected)
  }
  return withoutStaleAnnotations(node.document, new Set(layers.map(({ digest }) => digest)))
}

/** Modifiers before may have dropped layers, or changed them and the config with them. */
async function listed(document: JsonObject, node: ManifestNode): Promise<readonly Digest[]> {
  if (!isObject(document['config'])) return []
  return diffIdsOf(parseDocument(await node.read(readDescriptor(document['config']))))
}

function expectDiffId(layer: Digest, actual: Digest, expected: ReadonlySet<Digest>): void {
  const isComparable = expected.size > 0 && [...expected].every((diffId) => diffId.startsWith('sha256:'))
  if (!isComparable || expected.has(actual)) return
  throw new DigestMismatchError(
    `the tar in layer ${layer} has digest ${actual}, which the config does not list`,
  )
}

/** They say where files are in a layer as it was: of zstd:chunked and eStargz. */
const placeAnnotations =
  /^(?:io\.github\.containers\.zstd-chunked\.|io\.containers\.estargz\.|containerd\.io\/snapshot\/stargz\/)/

/** Clients that find such an annotation believe it rather than the layer. */
function withoutStaleAnnotations(document: JsonObject, unchanged: ReadonlySet<Digest>): Modification {
  const { layers } = document
  if (!Array.isArray(layers)) return 'keep'
  const mapped = layers.map((layer: Json) => withoutPlaces(layer, unchanged))
  return mapped.every((layer, index) => layer === layers[index])
    ? 'keep'
    : { document: { ...document, layers: mapped } }
}

function withoutPlaces(layer: Json, unchanged: ReadonlySet<Digest>): Json {
  if (!isObject(layer) || !isObject(layer['annotations'])) return layer
  const { annotations, ...rest } = layer
  if (unchanged.has(readDescriptor(layer).digest)) return layer
  const kept = Object.entries(annotations).filter(([name]) => !placeAnnotations.test(name))
  if (kept.length === Object.keys(annotations).length) return layer
  return kept.length === 0 ? rest : { ...rest, annotations: Object.fromEntries(kept) }
}
