import type { Descriptor } from '../../../content/descriptor.ts'
import { isForeignLayer } from '../../../content/media-types.ts'
import type { Platform } from '../../../content/platform.ts'
import { UnsupportedError } from '../../../errors.ts'
import type { Source } from '../../../targets/target.ts'
import { CachedSource } from '../../cached-source.ts'
import { isObject, parseDocument } from '../../document.ts'
import { selectPlatform } from '../../select-platform.ts'
import { isImage } from '../image.ts'
import {
  descriptorJson,
  type ChangedManifest,
  type JsonObject,
  type ManifestNode,
  type Modification,
  type Modifier,
} from '../modifier.ts'
import {
  changedImage,
  imageOf,
  readDescriptor,
  readImage,
  type Image,
  type ImageLayer,
  type ImageStep,
} from './image.ts'
import { layerMediaType, layerTypeOf, type ImageFormat } from './layer-types.ts'

/** An image that others are built on, or an index of such. */
export interface BaseImage {
  /** Where it is; may be the source of the copy. */
  readonly source: Source
  /** What `source.resolve` gives for its reference. */
  readonly descriptor: Descriptor
}

/** The base that images have, and the one that they get. */
export interface RebaseOptions {
  readonly from: BaseImage
  readonly to: BaseImage
  /** What the annotation org.opencontainers.image.base.name becomes, where an image has it. @default it stays */
  readonly name?: string | undefined
}

/**
 * Puts the layers of a new base image in the place of the old one's; of an index, for each image those for its platform.
 * What the config says of running the image (environment, user, command) stays, as with `crane rebase`. Where an image
 * has the annotation org.opencontainers.image.base.digest, it follows. Whether what is above runs on the new base is not
 * checked. Errors: UNSUPPORTED for an image that is not built on the old base, or where a base is no image; NOT_FOUND
 * where a base is not there, or not for the platform of an image; INVALID_MANIFEST as for `dropLayers`.
 */
export function rebase({ from, to, name }: RebaseOptions): Modifier {
  return {
    id: 'copygraph.rebase',
    parameters: { from: from.descriptor.digest, to: to.descriptor.digest, name: name ?? null },
    apply: (node) => (node.kind === 'blob' ? 'keep' : rebaseImage(node, { from, to, name })),
  }
}

async function rebaseImage(node: ManifestNode, { from, to, name }: RebaseOptions): Promise<Modification> {
  const image = await readImage(node)
  if (image === undefined) return 'keep'
  const platform = platformOf(image.config)
  const [old, base] = await Promise.all([
    readBase(from, platform, node.signal),
    readBase(to, platform, node.signal),
  ])
  const above = stepsAbove(image, old, from)
  const steps = base.steps.map((step) => inFormat(step, image.format))
  await Promise.all(
    steps.flatMap(({ layer }) =>
      layer === undefined || isForeignLayer(layer.descriptor.mediaType)
        ? []
        : [node.bring(layer.descriptor, to.source)],
    ),
  )
  return withBase(changedImage(node, image, [...steps, ...above]), to.descriptor.digest, name)
}

async function readBase(
  { source, descriptor }: BaseImage,
  platform: Platform,
  signal: AbortSignal,
): Promise<Image> {
  const cached = new CachedSource(source, { signal })
  const manifest = await selectPlatform(cached, descriptor, platform)
  const bytes = await cached.read(manifest)
  cached.parse(manifest, bytes)
  const document = parseDocument(bytes)
  if (!isImage({ mediaType: manifest.mediaType, document }))
    throw new UnsupportedError(`the base ${manifest.digest} is no image of layers`)
  return imageOf(document, parseDocument(await cached.read(readDescriptor(document['config']))))
}

function platformOf(config: JsonObject): Platform {
  const { os, architecture, variant } = config
  if (typeof os !== 'string' || typeof architecture !== 'string') {
    throw new UnsupportedError('its config names no platform, for which a base could be chosen')
  }
  return { os, architecture, ...(typeof variant === 'string' && variant !== '' && { variant }) }
}

/** What is above the old base. That it is one is seen by the digests of the tars: how they are compressed does not matter. */
function stepsAbove(image: Image, old: Image, { descriptor }: BaseImage): readonly ImageStep[] {
  const below = layersIn(old)
  const own = layersIn(image)
  if (below.some(({ diffId }, index) => diffId !== own[index]?.diffId)) {
    throw new UnsupportedError(`it is not built on ${descriptor.digest}: its lowest layers are other ones`)
  }
  // Steps of the base that changed no file stand behind its last layer.
  const hasSameHistory = old.steps.every(
    ({ history }, index) => JSON.stringify(history) === JSON.stringify(image.steps[index]?.history),
  )
  return image.steps.slice(hasSameHistory ? old.steps.length : endOfLayers(image.steps, below.length))
}

/** Where the steps of so many layers end. */
function endOfLayers(steps: readonly ImageStep[], count: number): number {
  let end = 0
  for (let found = 0; found < count; end++) if (steps[end]?.layer !== undefined) found += 1
  return end
}

function layersIn({ steps }: Image): readonly ImageLayer[] {
  return steps.flatMap(({ layer }) => layer ?? [])
}

/** A Docker image has no OCI layers, and the other way round. */
function inFormat(step: ImageStep, format: ImageFormat): ImageStep {
  const { layer } = step
  const type = layer === undefined ? undefined : layerTypeOf(layer.descriptor.mediaType)
  if (layer === undefined || type === undefined || type.format === format) return step
  const mediaType = layerMediaType(format, type.compression)
  const descriptor = { ...layer.descriptor, mediaType }
  return {
    ...step,
    layer: { ...layer, descriptor, entry: { ...layer.entry, ...descriptorJson(descriptor) } },
  }
}

const baseDigest = 'org.opencontainers.image.base.digest'
const baseName = 'org.opencontainers.image.base.name'

function withBase({ document }: ChangedManifest, digest: string, name: string | undefined): ChangedManifest {
  const { annotations } = document
  if (!isObject(annotations)) return { document }
  const changed = {
    ...annotations,
    ...(annotations[baseDigest] !== undefined && { [baseDigest]: digest }),
    ...(annotations[baseName] !== undefined && name !== undefined && { [baseName]: name }),
  }
  return { document: { ...document, annotations: changed } }
}
