import type { Descriptor } from '../../../content/descriptor.ts'
import { isDigest, type Digest } from '../../../content/digest.ts'
import { parseDescriptor } from '../../../content/manifest.ts'
import { mediaTypes } from '../../../content/media-types.ts'
import { InvalidManifestError } from '../../../errors.ts'
import { isObject, parseDocument } from '../../document.ts'
import { withField } from '../fields.ts'
import { isImage, listOf, withConfig } from '../image.ts'
import {
  descriptorJson,
  type ChangedManifest,
  type Json,
  type JsonObject,
  type ManifestNode,
} from '../modifier.ts'
import type { ImageFormat } from './layer-types.ts'

/** A layer of an image. */
export interface ImageLayer {
  /** As the manifest names it, with all fields. */
  readonly entry: JsonObject
  readonly descriptor: Descriptor
  /** The digest of its tar. */
  readonly diffId: Digest
}

/** One step of how an image came to be. */
export interface ImageStep {
  /** Undefined for a step that changed no file. */
  readonly layer?: ImageLayer | undefined
  /** As the config has it; undefined where the config has no history. */
  readonly history?: JsonObject | undefined
}

/** An image, its layers beside what the config says of them. */
export interface Image {
  readonly format: ImageFormat
  readonly config: JsonObject
  readonly steps: readonly ImageStep[]
}

/** The layers of a manifest. Error: INVALID_MANIFEST. */
export function layersOf(document: JsonObject): readonly Descriptor[] {
  return listOf(document['layers']).map(readDescriptor)
}

/** A descriptor in a document. Error: INVALID_MANIFEST. */
export function readDescriptor(value: Json | undefined): Descriptor {
  return parseDescriptor(value)
}

/** What a config lists. Error: INVALID_MANIFEST. */
export function diffIdsOf(config: JsonObject): readonly Digest[] {
  const { rootfs } = config
  const found = isObject(rootfs) ? listOf(rootfs['diff_ids']) : []
  return found.map((diffId) => {
    if (typeof diffId === 'string' && isDigest(diffId)) return diffId
    throw new InvalidManifestError('its config has a diff id that is no digest')
  })
}

/**
 * The image that a manifest is of, as its document is now; undefined for other manifests.
 * Error: INVALID_MANIFEST, also where layers, diff ids and history do not match in number.
 */
export async function readImage(node: ManifestNode): Promise<Image | undefined> {
  if (!isImage(node)) return undefined
  const config = readDescriptor(node.document['config'])
  return imageOf(node.document, parseDocument(await node.read(config)))
}

/** Error: INVALID_MANIFEST. */
export function imageOf(document: JsonObject, config: JsonObject): Image {
  const diffIds = diffIdsOf(config)
  const descriptors = layersOf(document)
  if (diffIds.length !== descriptors.length) {
    throw new InvalidManifestError(
      `it has ${descriptors.length} layers, but its config has ${diffIds.length} diff ids`,
    )
  }
  const entries = listOf(document['layers']).filter(isObject)
  const layers = descriptors.map((descriptor, index) => ({
    entry: entries[index] ?? descriptorJson(descriptor),
    descriptor,
    diffId: diffIds[index] ?? '',
  }))
  const isDocker = readDescriptor(document['config']).mediaType === mediaTypes.dockerConfig
  return { format: isDocker ? 'docker' : 'oci', config, steps: stepsOf(layers, historyOf(config)) }
}

/**
 * The manifest of an image whose steps are other ones now. Its config keeps all else. Where some steps have a history, a
 * layer without one gets an empty entry, since clients count. Error: INVALID_MANIFEST for a config that two clients would
 * read differently.
 */
export function changedImage(
  node: ManifestNode,
  { config }: Image,
  steps: readonly ImageStep[],
): ChangedManifest {
  const layers = steps.flatMap(({ layer }) => layer ?? [])
  const rootfs = isObject(config['rootfs']) ? config['rootfs'] : { type: 'layers' }
  const diffIds = layers.map(({ diffId }) => diffId)
  const listing = withField(config, 'rootfs', withField(rootfs, 'diff_ids', diffIds))
  const document = withConfig(node, config, withField(listing, 'history', changedHistory(config, steps)))
  return { document: { ...document, layers: layers.map((layer) => layer.entry) } }
}

/** For `withField`. */
function changedHistory(config: JsonObject, steps: readonly ImageStep[]): Json | undefined {
  if (steps.some(({ history }) => history !== undefined)) return steps.map(({ history }) => history ?? {})
  return historyOf(config).length === 0 ? undefined : null
}

function historyOf(config: JsonObject): readonly JsonObject[] {
  return listOf(config['history']).map((entry) => {
    if (isObject(entry)) return entry
    throw new InvalidManifestError('its config has an entry of history that is no object')
  })
}

/** https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md: each entry is a layer, but for empty ones. */
function stepsOf(layers: readonly ImageLayer[], history: readonly JsonObject[]): readonly ImageStep[] {
  if (history.length === 0) return layers.map((layer) => ({ layer }))
  const filled = history.filter((entry) => entry['empty_layer'] !== true).length
  if (filled !== layers.length) {
    throw new InvalidManifestError(`it has ${layers.length} layers, but its history tells of ${filled}`)
  }
  const next = layers.values()
  return history.map((entry) =>
    entry['empty_layer'] === true ? { history: entry } : { history: entry, layer: next.next().value },
  )
}
