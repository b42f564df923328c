import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { execPath } from 'node:process'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { contentOf, type Content } from '../src/content/content.ts'
import type { Descriptor } from '../src/content/descriptor.ts'
import { digestOf } from '../src/content/digest.ts'
import { mediaTypes } from '../src/content/media-types.ts'
import { copyGraph } from '../src/copy/copy-graph.ts'
import { recompressLayers } from '../src/copy/modifiers/layers/recompress-layers.ts'
import { MemoryTarget } from '../src/targets/memory.ts'
import { OciLayout } from '../src/targets/oci-layout/oci-layout.ts'
import type { Source } from '../src/targets/target.ts'
import type { MemoryResult } from './memory.ts'

const mebibyte = 1024 * 1024

/** What recompressing a large layer may take more than a small one. */
export const recompressionGrowthBytes: number = 64 * mebibyte

const partBytes = 16 * mebibyte
/** How a layer is compressed, and how it is to be. */
const ways = ['gzip-zstd', 'gzip-none', 'none-gzip'] as const

/** What is recompressed, and where to. */
export interface RecompressionOptions {
  /** A folder of the bench's own, with room for the largest layer. */
  readonly directory: string
  readonly signal: AbortSignal
  /** Of the larger layer, whose tar has 2 GiB at 1; the one that it is compared with has 64 MiB. @default 1 */
  readonly scale?: number | undefined
}

/** Compresses a layer in another way on its way into a layout, each in a process of its own, and yields its peak memory. */
export async function* measureRecompression(options: RecompressionOptions): AsyncGenerator<MemoryResult> {
  const { directory, signal, scale = 1 } = options
  const sizes = [4 * partBytes, Math.ceil(128 * scale) * partBytes]
  for (const way of ways) {
    let least: number | undefined
    for (const blobBytes of sizes) {
      const start = performance.now()
      const peakBytes = await peakOf([way, String(blobBytes), join(directory, `${way}-${blobBytes}`)], signal)
      least ??= peakBytes
      const milliseconds = performance.now() - start
      yield { direction: way, blobBytes, milliseconds, peakBytes, growthBytes: peakBytes - least }
    }
  }
}

async function peakOf(args: readonly string[], signal: AbortSignal): Promise<number> {
  const child = spawn(execPath, [fileURLToPath(import.meta.url), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
  })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text))
  await once(child, 'close')
  const { exitCode } = child
  if (exitCode !== 0) throw new Error(`recompressing ${args.join(' ')} failed: exit code ${exitCode}`)
  return Number(printed)
}

/** An image of one layer, the same part over and over (gzip may have many members), which is never all in memory. */
async function sourceOf(isGzip: boolean, tarBytes: number): Promise<{ source: Source; root: Descriptor }> {
  const part = halfNoise(partBytes)
  const member = isGzip ? gzipSync(part, { level: 1 }) : part
  const count = tarBytes / partBytes
  const [zipped, tar] = [createHash('sha256'), createHash('sha256')]
  for (let at = 0; at < count; at++) {
    zipped.update(member)
    tar.update(part)
  }
  const layer = {
    mediaType: isGzip ? mediaTypes.ociLayerGzip : mediaTypes.ociLayer,
    digest: `sha256:${zipped.digest('hex')}`,
    size: member.length * count,
  }
  const memory = new MemoryTarget()
  const rootfs = { type: 'layers', diff_ids: [`sha256:${tar.digest('hex')}`] }
  const config = await push(memory, mediaTypes.ociConfig, { architecture: 'amd64', os: 'linux', rootfs })
  const mediaType = mediaTypes.ociManifest
  const root = await push(memory, mediaType, { schemaVersion: 2, mediaType, config, layers: [layer] })
  const content: Content = {
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < count; at++) yield* contentOf(member)
    },
  }
  const source: Source = {
    resolve: (reference) => memory.resolve(reference),
    exists: (descriptor) => memory.exists(descriptor),
    fetch: (descriptor) => (descriptor.digest === layer.digest ? content : memory.fetch(descriptor)),
  }
  return { source, root }
}

async function push(target: MemoryTarget, mediaType: string, document: object): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document))
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  await target.push(descriptor, contentOf(bytes))
  return descriptor
}

/** Half of it noise, the same each time, half of it zeros. */
function halfNoise(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0, state = 1; at < length; at++) {
    if (at % 8192 >= 4096) continue
    state = (state * 1103515245 + 12345) % 2147483648
    bytes[at] = (state >> 16) & 0xff
  }
  return bytes
}

if (import.meta.main) {
  const [way, tarBytes = '0', directory = ''] = process.argv.slice(2)
  const { source, root } = await sourceOf(way !== 'none-gzip', Number(tarBytes))
  const to = { 'gzip-zstd': 'zstd', 'gzip-none': 'none', 'none-gzip': 'gzip' } as const
  const chosen = ways.find((one) => one === way) ?? 'gzip-zstd'
  const modifiers = [recompressLayers({ to: to[chosen] })]
  await copyGraph(source, root, new OciLayout(directory), { modifiers })
  process.stdout.write(String(process.resourceUsage().maxRSS * 1024))
}
