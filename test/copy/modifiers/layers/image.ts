import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { contentOf } from '../../../../src/content/content.ts'
import type { Descriptor } from '../../../../src/content/descriptor.ts'
import { digestOf } from '../../../../src/content/digest.ts'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { readAll } from '../../../../src/content/verify.ts'
import type { Destination, Source } from '../../../../src/targets/target.ts'
import { readJson } from '../../../support/read-json.ts'

/** A layer of a test image: its tar, and how it stands in the image. */
export interface TestLayer {
  readonly tar: Uint8Array
  /** @default the tar in gzip */
  readonly bytes?: Uint8Array
  /** @default OCI's for gzip, or Docker's */
  readonly mediaType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

export interface TestImageOptions {
  readonly isDocker?: boolean
  /** @default an entry for each layer, and an empty one at the end */
  readonly history?: readonly object[]
  /** @default those of the tars */
  readonly diffIds?: readonly string[]
  readonly config?: object
  readonly manifest?: object
}

/** Pushes an image and gives its descriptor. */
export async function pushImage(
  target: Destination,
  layers: readonly TestLayer[],
  { isDocker = false, history, diffIds, config = {}, manifest = {} }: TestImageOptions = {},
): Promise<Descriptor> {
  const usual = isDocker ? mediaTypes.dockerLayer : mediaTypes.ociLayerGzip
  const entries = []
  for (const { tar, bytes = gzipSync(tar), mediaType = usual, annotations } of layers) {
    entries.push({ ...(await pushBytes(target, bytes, mediaType)), ...(annotations && { annotations }) })
  }
  const steps = layers.map((_, index) => ({ created_by: `step ${index}` }))
  const configEntry = await pushBytes(
    target,
    json({
      architecture: 'amd64',
      os: 'linux',
      ...config,
      rootfs: { type: 'layers', diff_ids: diffIds ?? layers.map(({ tar }) => digestOf(tar)) },
      history: history ?? [...steps, { created_by: 'CMD', empty_layer: true }],
    }),
    isDocker ? mediaTypes.dockerConfig : mediaTypes.ociConfig,
  )
  const mediaType = isDocker ? mediaTypes.dockerManifest : mediaTypes.ociManifest
  const document = { schemaVersion: 2, mediaType, config: configEntry, layers: entries, ...manifest }
  return pushBytes(target, json(document), mediaType)
}

/** An image as it is in a target. */
export interface ReadImage {
  readonly manifest: {
    readonly config: Descriptor
    readonly layers: readonly Descriptor[]
    readonly annotations?: Readonly<Record<string, string>>
  }
  // eslint-disable-next-line typescript/no-explicit-any -- each test knows what it expects
  readonly config: any
  /** Its layers, unpacked by their media types. */
  readonly tars: readonly Buffer[]
}

/** Fails where a diff id is not that of its layer. */
export async function readImage(target: Source, root: Descriptor): Promise<ReadImage> {
  const manifest: ReadImage['manifest'] = await readJson(target, root)
  const config = await readJson(target, manifest.config)
  const tars: Buffer[] = []
  for (const layer of manifest.layers) {
    const bytes = await readAll(target.fetch(layer), layer, Infinity)
    tars.push(unpack(Buffer.from(bytes), layer.mediaType))
  }
  const actual = tars.map((tar) => digestOf(tar))
  if (JSON.stringify(actual) !== JSON.stringify(config.rootfs.diff_ids)) {
    throw new Error(`diff ids ${config.rootfs.diff_ids}, expected ${actual.join()}`)
  }
  return { manifest, config, tars }
}

export async function pushBytes(
  target: Destination,
  bytes: Uint8Array,
  mediaType: string,
): Promise<Descriptor> {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  await target.push(descriptor, contentOf(bytes))
  return descriptor
}

/** Compressible bytes that are the same each time. */
export function someTar(seed: number, length = 300_000): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0, state = seed + 1; at < length; at++) {
    state = (state * 1103515245 + 12345) % 2147483648
    bytes[at] = state < 1500000000 ? 0x61 : (state >> 8) & 0xff
  }
  return bytes
}

export const pack = {
  gzip: (tar: Uint8Array): Buffer => gzipSync(tar),
  zstd: (tar: Uint8Array): Buffer => zstdCompressSync(tar),
  none: (tar: Uint8Array): Buffer => Buffer.from(tar),
} as const

function unpack(bytes: Buffer, mediaType: string): Buffer {
  if (mediaType.endsWith('gzip')) return gunzipSync(bytes)
  return mediaType.endsWith('zstd') ? zstdDecompressSync(bytes) : bytes
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}
