import { createHash } from 'node:crypto'
import { contentOf, type Content } from '../../../content/content.ts'
import type { Json, JsonObject, ManifestNode, Modification, Modifier } from '../modifier.ts'
import { changedImage, readImage } from './image.ts'
import { storeLayer, storeParameters, type StoreLayerOptions } from './store-layer.ts'
import { tarChunks, type LayerFile } from './tar.ts'

/** How a layer of files is added. */
export interface AddFilesOptions extends StoreLayerOptions {
  readonly files: readonly LayerFile[]
  /** Of every file, in seconds since 1970. @default 0 */
  readonly mtime?: number | undefined
  /** The config's entry on how the layer came to be. @default `created_by` this modifier */
  readonly history?: JsonObject | undefined
}

/** How a layer that is a tar already is added. */
export interface AddTarOptions extends StoreLayerOptions {
  /** Compressed or not. Read for each image anew. */
  readonly tar: Content
  /** Stand for the tar: what was made with equal ones counts as the same. */
  readonly parameters: Json
  /** The config's entry on how the layer came to be. @default `created_by` this modifier */
  readonly history?: JsonObject | undefined
}

/**
 * Adds a layer on top of each image; other manifests stay. A layer of files is the same for the same files, whatever
 * their order. RangeError for files that no layer can have (see `LayerFile`) and for a level that there is not.
 * Errors: INVALID_MANIFEST where layers, diff ids and history of an image do not match in number; INVALID_LAYER;
 * UNSUPPORTED for a Docker image and zstd.
 */
export function addLayer(options: AddFilesOptions | AddTarOptions): Modifier {
  const { history = { created_by: 'copygraph addLayer' } } = options
  const { content, parameters } = 'tar' in options ? givenTar(options) : madeTar(options)
  return {
    id: 'copygraph.addLayer',
    parameters: { ...storeParameters(options), history, ...parameters },
    apply: (node) => (node.kind === 'blob' ? 'keep' : addTo(node, content, { ...options, history })),
  }
}

interface Given {
  readonly content: Content
  readonly parameters: JsonObject
}

function givenTar({ tar, parameters }: AddTarOptions): Given {
  return { content: tar, parameters: { given: parameters } }
}

/** Made at once to know its digest, and to refuse files that no layer can have; made again each time it is read. */
function madeTar({ files, mtime = 0 }: AddFilesOptions): Given {
  const hasher = createHash('sha256')
  for (const chunk of tarChunks(files, mtime)) hasher.update(chunk)
  const content: Content = {
    async *[Symbol.asyncIterator]() {
      for (const chunk of tarChunks(files, mtime)) yield* contentOf(chunk)
    },
  }
  return { content, parameters: { diffId: `sha256:${hasher.digest('hex')}` } }
}

async function addTo(
  node: ManifestNode,
  content: Content,
  { history, ...options }: StoreLayerOptions & { readonly history: JsonObject },
): Promise<Modification> {
  const image = await readImage(node)
  if (image === undefined) return 'keep'
  const layer = await storeLayer(node, image.format, content, options)
  return changedImage(node, image, [...image.steps, { layer, history }])
}
