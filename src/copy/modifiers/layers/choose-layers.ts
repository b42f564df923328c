import type { Content } from '../../../content/content.ts'
import type { Descriptor } from '../../../content/descriptor.ts'
import type { Digest } from '../../../content/digest.ts'
import type { Json, JsonObject, ManifestNode, Modification, Modifier } from '../modifier.ts'
import { changedImage, readImage, type Image, type ImageStep } from './image.ts'
import { storeLayer, storeParameters, type StoreLayerOptions } from './store-layer.ts'

/** What a predicate is told of a layer. */
export interface LayerState {
  /** As the manifest names it. */
  readonly descriptor: Descriptor
  /** The digest of its tar. */
  readonly diffId: Digest
  /** From 0, the lowest layer. */
  readonly index: number
  /** The config's entry on how the layer came to be. */
  readonly history: JsonObject | undefined
  /** The image, as it is in the source. */
  readonly image: Descriptor
}

/** Chooses layers. */
export type LayerPredicate = (layer: LayerState) => boolean | Promise<boolean>

/** A layer that takes the place of another one. */
export interface ReplacementLayer extends StoreLayerOptions {
  /** A tar, compressed or not. Read for each image anew. */
  readonly content: Content
  /** Entry of the config's history. @default that of the layer before */
  readonly history?: JsonObject | undefined
}

/**
 * Leaves layers out of images, with their diff ids and their entries of history; other manifests stay. `parameters`
 * stand for the predicate: what was made with equal ones counts as the same.
 * Error: INVALID_MANIFEST where layers, diff ids and history of an image do not match in number.
 */
export function dropLayers(predicate: LayerPredicate, parameters: Json): Modifier {
  return {
    id: 'copygraph.dropLayers',
    parameters,
    apply: (node) => modifyImage(node, predicate, () => []),
  }
}

/**
 * Puts another layer in the place of each that is chosen. `parameters` stand for the predicate and the content.
 * RangeError for a level that there is not. Errors: INVALID_MANIFEST as for `dropLayers`; INVALID_LAYER; UNSUPPORTED for a
 * Docker image and zstd.
 */
export function replaceLayer(
  predicate: LayerPredicate,
  replacement: ReplacementLayer,
  parameters: Json,
): Modifier {
  const { content, history } = replacement
  const stored = storeParameters(replacement)
  return {
    id: 'copygraph.replaceLayer',
    parameters: { ...stored, history: history ?? null, given: parameters },
    apply: (node) =>
      modifyImage(node, predicate, async (step, { format }, at) => {
        const layer = await storeLayer(at, format, content, replacement)
        return [{ layer, history: history ?? step.history }]
      }),
  }
}

type Change = (
  step: ImageStep,
  image: Image,
  node: ManifestNode,
) => Promise<readonly ImageStep[]> | readonly ImageStep[]

async function modifyImage(
  node: Parameters<Modifier['apply']>[0],
  predicate: LayerPredicate,
  change: Change,
): Promise<Modification> {
  const image = node.kind === 'manifest' ? await readImage(node) : undefined
  if (node.kind === 'blob' || image === undefined) return 'keep'
  const steps: ImageStep[] = []
  let index = 0
  let isChanged = false
  for (const step of image.steps) {
    const { layer, history } = step
    const isChosen =
      layer !== undefined &&
      (await predicate({
        descriptor: layer.descriptor,
        diffId: layer.diffId,
        index: index++,
        history,
        image: node.descriptor,
      }))
    if (isChosen) isChanged = true
    steps.push(...(isChosen ? await change(step, image, node) : [step]))
  }
  return isChanged ? changedImage(node, image, steps) : 'keep'
}
