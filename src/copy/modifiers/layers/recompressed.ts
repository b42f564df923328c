import { createHash } from 'node:crypto'
import type { Content } from '../../../content/content.ts'
import type { Digest } from '../../../content/digest.ts'
import { SizeExceedsLimitError } from '../../../errors.ts'
import { compressed, decompressed, sniff } from './codec.ts'
import { derivedContent, stage, type Chunks } from './derived-content.ts'
import type { LayerCompression } from './layer-types.ts'

/** The most that one layer may unpack to when nothing else is said, in bytes. */
export const defaultMaxUncompressedBytes: number = 64 * 1024 ** 3

/** How a layer is compressed. */
export interface Recompression {
  readonly to: LayerCompression
  /** As `levelFor` gives it. */
  readonly level: number | undefined
  readonly maxUncompressedBytes: number
  /** What is compressed so already stays byte for byte, and is not looked into. @default false */
  readonly keepsSame?: boolean | undefined
  /** Called when all of a layer that is made anew was read, with the digest of its tar. */
  readonly onDiffId?: ((diffId: Digest) => void) | undefined
}

/**
 * The tar in some content, compressed in another way. What it is compressed with is seen by how it begins. Flat memory. Errors while iterating: INVALID_LAYER, SIZE_EXCEEDS_LIMIT.
 */
export function recompressed(content: Content, recompression: Recompression): Content {
  return derivedContent(content, async function* (chunks) {
    const { compression, chunks: all } = await sniff(chunks)
    if (compression === recompression.to && recompression.keepsSame === true) {
      yield* all
      return
    }
    const tar = measured(decompressed(all, compression), recompression)
    yield* compressed(tar, recompression.to, recompression.level)
  })
}

/** The digest of the tar in some content. Errors: INVALID_LAYER, SIZE_EXCEEDS_LIMIT, those of the content. */
export async function diffIdOf(content: Content, maxUncompressedBytes: number): Promise<Digest> {
  const found: Digest[] = []
  const recompression: Recompression = {
    to: 'none',
    level: undefined,
    maxUncompressedBytes,
    onDiffId: (diffId) => found.push(diffId),
  }
  const tar = derivedContent(content, async function* (chunks) {
    const { compression, chunks: all } = await sniff(chunks)
    yield* measured(decompressed(all, compression), recompression)
  })
  for await (const _chunk of tar);
  return found.join('')
}

function measured(tar: Chunks, { maxUncompressedBytes, onDiffId }: Recompression): Chunks {
  const measure = async function* (): AsyncGenerator<Uint8Array> {
    const hasher = createHash('sha256')
    let bytes = 0
    for await (const chunk of tar) {
      bytes += chunk.length
      if (bytes > maxUncompressedBytes) {
        throw new SizeExceedsLimitError(
          `a layer unpacks to more than ${maxUncompressedBytes} bytes, which is the limit`,
        )
      }
      hasher.update(chunk)
      yield chunk
    }
    onDiffId?.(`sha256:${hasher.digest('hex')}`)
  }
  return stage(tar, measure())
}
