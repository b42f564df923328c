import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import PQueue from 'p-queue'
import { request } from 'undici'
import { blobPath, tag, type BlobDescriptor, type StoredImage } from './image.ts'
import { harnessAgent } from './registry.ts'

/** The repository of every image in the bench. */
export const repository = 'bench/image'

const width = 8
const headers = { 'user-agent': harnessAgent }

/** Fills a registry with an image, by the plainest requests there are: no contestant prepares the ground. */
export async function seedRegistry(host: string, image: StoredImage, signal: AbortSignal): Promise<void> {
  await allAtOnce(image.blobs.map((blob) => () => seedBlob(host, image.directory, blob, signal)))
  const response = await request(manifestUrl(host), {
    method: 'PUT',
    headers: { ...headers, 'content-type': image.manifest.mediaType },
    body: image.manifestBytes,
    signal,
  })
  await response.body.dump()
  expectEqual(response.statusCode, 201, `status of the seed's manifest`)
}

/** Throws if a registry does not have the image under its tag, with all blobs in their full size. */
export async function checkRegistry(host: string, image: StoredImage, signal: AbortSignal): Promise<void> {
  const accept = { ...headers, accept: image.manifest.mediaType }
  const manifest = await request(manifestUrl(host), { headers: accept, signal })
  const bytes = Buffer.from(await manifest.body.arrayBuffer())
  expectEqual(digestOf(bytes), image.manifest.digest, 'digest of the manifest at the destination')
  const checks = image.blobs.map(({ digest, size }) => async (): Promise<void> => {
    const url = `http://${host}/v2/${repository}/blobs/${digest}`
    const response = await request(url, { method: 'HEAD', headers, signal })
    await response.body.dump()
    expectEqual(response.headers['content-length'], String(size), `size of ${digest} at the destination`)
  })
  await allAtOnce(checks)
}

/** Throws if a layout does not list the image's manifest, or lacks a blob in its full size. */
export async function checkLayout(directory: string, image: StoredImage): Promise<void> {
  const index = await readFile(join(directory, 'index.json'), 'utf8')
  expectEqual(index.includes(image.manifest.digest), true, 'the index.json naming the manifest')
  const manifest = await readFile(blobPath(directory, image.manifest.digest))
  expectEqual(digestOf(manifest), image.manifest.digest, 'digest of the manifest in the layout')
  for (const { digest, size } of image.blobs) {
    const { size: found } = await stat(blobPath(directory, digest))
    expectEqual(found, size, `size of ${digest} in the layout`)
  }
}

async function seedBlob(
  host: string,
  directory: string,
  { digest, size }: BlobDescriptor,
  signal: AbortSignal,
): Promise<void> {
  const start = `http://${host}/v2/${repository}/blobs/uploads/`
  const session = await request(start, { method: 'POST', headers, signal })
  await session.body.dump()
  const location = new URL(String(session.headers['location']), start)
  location.searchParams.set('digest', digest)
  const response = await request(location, {
    method: 'PUT',
    headers: { ...headers, 'content-length': String(size), 'content-type': 'application/octet-stream' },
    body: createReadStream(blobPath(directory, digest), { highWaterMark: 1024 * 1024 }),
    signal,
  })
  await response.body.dump()
  expectEqual(response.statusCode, 201, `status of the seed's blob ${digest}`)
}

/** Runs tasks, a few at a time; after a failure no further ones begin, and it settles when none runs. */
async function allAtOnce(tasks: readonly (() => Promise<void>)[]): Promise<void> {
  const queue = new PQueue({ concurrency: width })
  try {
    await queue.addAll(tasks)
  } finally {
    queue.clear()
    await queue.onIdle()
  }
}

function manifestUrl(host: string): string {
  return `http://${host}/v2/${repository}/manifests/${tag}`
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function expectEqual(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) throw new Error(`${what}: expected ${String(expected)}, found ${String(found)}`)
}
