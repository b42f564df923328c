import { createCipheriv, createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

/** What an image is made of: so many layers of one size. */
export interface ImageShape {
  readonly name: string
  readonly layers: number
  readonly layerBytes: number
}

/** A descriptor as the harness needs it: it does not import the code that it measures. */
export interface BlobDescriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** An image in a layout on disk. */
export interface StoredImage {
  /** The layout's folder. */
  readonly directory: string
  readonly manifest: BlobDescriptor
  readonly manifestBytes: Buffer
  /** The config and the layers. */
  readonly blobs: readonly BlobDescriptor[]
}

/** The tag of every image in the bench, in layouts and registries alike. */
export const tag = 'v1'

const manifestMediaType = 'application/vnd.oci.image.manifest.v1+json'
const configMediaType = 'application/vnd.oci.image.config.v1+json'
const layerMediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
const blockBytes = 1024 * 1024

/**
 * Some clients compress again what does not look compressed, so every layer begins like a gzip file. What
 * follows is a cipher's key stream: the same in each run, and no client can compress it.
 */
const gzipHeader = Buffer.from('1f8b0800000000000003', 'hex')

/** Writes an image into a new layout; the same shape gives the same bytes. One block at a time is in memory. */
export async function makeImage(
  directory: string,
  { name, layers, layerBytes }: ImageShape,
  signal: AbortSignal,
): Promise<StoredImage> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const stored: BlobDescriptor[] = []
  for (let index = 0; index < layers; index += 1) {
    const content = layerContent(`${name} ${index}`, layerBytes)
    stored.push(await storeBlob(directory, layerMediaType, content, signal))
  }
  const diffIds = stored.map((layer) => layer.digest)
  const rootfs = { type: 'layers', diff_ids: diffIds }
  const configBytes = encode({ architecture: 'amd64', os: 'linux', config: {}, rootfs })
  const config = await storeBlob(directory, configMediaType, [configBytes], signal)
  const manifestBytes = encode({ schemaVersion: 2, mediaType: manifestMediaType, config, layers: stored })
  const manifest = await storeBlob(directory, manifestMediaType, [manifestBytes], signal)
  const entry = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': tag } }
  await writeFile(join(directory, 'index.json'), encode({ schemaVersion: 2, manifests: [entry] }))
  await writeFile(join(directory, 'oci-layout'), encode({ imageLayoutVersion: '1.0.0' }))
  return { directory, manifest, manifestBytes, blobs: [config, ...stored] }
}

/** Where a layout keeps a blob. */
export function blobPath(directory: string, digest: string): string {
  return join(directory, 'blobs', ...digest.split(':'))
}

function* layerContent(seed: string, size: number): Generator<Buffer> {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16)
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16))
  const zeros = Buffer.alloc(blockBytes)
  const header = gzipHeader.subarray(0, size)
  yield header
  for (let left = size - header.length; left > 0; left -= blockBytes) {
    yield cipher.update(zeros.subarray(0, Math.min(left, blockBytes)))
  }
}

async function storeBlob(
  directory: string,
  mediaType: string,
  content: Iterable<Buffer>,
  signal: AbortSignal,
): Promise<BlobDescriptor> {
  const hash = createHash('sha256')
  let size = 0
  const hashed = function* (): Generator<Buffer> {
    for (const chunk of content) {
      hash.update(chunk)
      size += chunk.length
      yield chunk
    }
  }
  const partial = join(directory, 'partial')
  await pipeline(hashed(), createWriteStream(partial), { signal })
  const digest = `sha256:${hash.digest('hex')}`
  await rename(partial, blobPath(directory, digest))
  return { mediaType, digest, size }
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}
