import { createGunzip, createGzip, createZstdCompress, createZstdDecompress, constants } from 'node:zlib'
import { stage, through, type Chunks } from './derived-content.ts'
import type { LayerCompression } from './layer-types.ts'
import { splitFrames } from './zstd-frames.ts'

/** The levels that each compression knows; zstd's own command needs a permission for those beyond 19. */
const levels = {
  gzip: { least: 1, most: 9, default: 6 },
  zstd: { least: 1, most: 19, default: 3 },
} as const

/** The level that is used where none is given; undefined for `none`. RangeError for one that there is not. */
export function levelFor(to: LayerCompression, level: number | undefined): number | undefined {
  if (to === 'none') {
    if (level !== undefined) throw new RangeError('there is no level without compression')
    return undefined
  }
  const { least, most, default: usual } = levels[to]
  const chosen = level ?? usual
  if (Number.isInteger(chosen) && chosen >= least && chosen <= most) return chosen
  throw new RangeError(`${to} has the levels ${least} to ${most}, not ${chosen}`)
}

/** How chunks begin, and all of them. */
export interface Sniffed {
  readonly compression: LayerCompression
  readonly chunks: Chunks
}

const magicBytes = 4

/** What chunks are compressed with, by how they begin. What begins as neither is not compressed. */
export async function sniff(chunks: Chunks): Promise<Sniffed> {
  const iterator = chunks[Symbol.asyncIterator]()
  const head: Uint8Array[] = []
  const rest = { [Symbol.asyncIterator]: () => iterator }
  for (let length = 0; length < magicBytes;) {
    const next = await iterator.next()
    if (next.done === true) break
    head.push(next.value)
    length += next.value.length
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield* head
    yield* rest
  }
  return { compression: compressionOf(Buffer.concat(head)), chunks: stage(chunks, all()) }
}

function compressionOf(head: Buffer): LayerCompression {
  if (head.length < magicBytes) return 'none'
  if (head.readUInt16BE() === 0x1f8b) return 'gzip'
  const magic = head.readUInt32LE()
  const isZstd = magic === 0xfd2fb528 || (magic >= 0x184d2a50 && magic <= 0x184d2a5f)
  return isZstd ? 'zstd' : 'none'
}

const chunkSize = 64 * 1024

/** Error: INVALID_LAYER. */
export function decompressed(chunks: Chunks, compression: LayerCompression): Chunks {
  switch (compression) {
    case 'gzip':
      return stage(
        chunks,
        through(chunks, () => createGunzip({ chunkSize })),
      )
    case 'zstd':
      return stage(
        chunks,
        through(stage(chunks, splitFrames(chunks)), () => createZstdDecompress({ chunkSize })),
      )
    case 'none':
      return chunks
    default:
      return compression satisfies never
  }
}

/** The same bytes for the same bytes, however they are cut, by one version of Node on one kind of processor. */
export function compressed(chunks: Chunks, to: LayerCompression, level: number | undefined): Chunks {
  const blocks = stage(chunks, inBlocks(chunks))
  switch (to) {
    case 'gzip':
      return stage(chunks, withoutSystem(through(blocks, () => createGzip({ chunkSize, level }))))
    case 'zstd': {
      const params = {
        [constants.ZSTD_c_checksumFlag]: 1,
        ...(level !== undefined && { [constants.ZSTD_c_compressionLevel]: level }),
      }
      return stage(
        chunks,
        through(blocks, () => createZstdCompress({ chunkSize, params })),
      )
    }
    case 'none':
      return chunks
    default:
      return to satisfies never
  }
}

/** Compressors may cut their own blocks where their input was cut. */
async function* inBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = Buffer.allocUnsafeSlow(chunkSize)
  let used = 0
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + chunkSize - used)
      block.set(part, used)
      used += part.length
      at += part.length
      if (used < chunkSize) continue
      yield block
      block = Buffer.allocUnsafeSlow(chunkSize)
      used = 0
    }
  }
  if (used > 0) yield block.subarray(0, used)
}

/** Where a gzip header (RFC 1952) names the operating system that made it. */
const systemOffset = 9
const unknownSystem = 255

async function* withoutSystem(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let offset = 0
  for await (const chunk of chunks) {
    const at = systemOffset - offset
    if (at >= 0 && at < chunk.length) chunk[at] = unknownSystem
    offset += chunk.length
    yield chunk
  }
}
