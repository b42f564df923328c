import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { copyGraph } from '../../../../src/copy/copy-graph.ts'
import { recompressLayers } from '../../../../src/copy/modifiers/layers/recompress-layers.ts'
import { errorCode } from '../../../../src/errors.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { pushImage, someTar } from './image.ts'

const [tar, other] = [someTar(1, 3000), someTar(2, 3000)]
const nearlyGzip = Buffer.concat([Buffer.from('1f8b', 'hex'), tar])
const nearlyZstd = Buffer.concat([Buffer.from('28b52ffd', 'hex'), tar])

describe('A layer whose media type says how it is not compressed', () => {
  it.each([
    { to: 'gzip', what: 'a tar that begins as gzip does', listed: nearlyGzip, bytes: nearlyGzip },
    { to: 'zstd', what: 'a tar that begins as zstd does', listed: nearlyZstd, bytes: nearlyZstd },
    { to: 'gzip', what: 'gzip that is cut off', listed: tar, bytes: gzipSync(tar).subarray(0, -9) },
    { to: 'gzip', what: 'another tar in gzip', listed: tar, bytes: gzipSync(other), code: 'DIGEST_MISMATCH' },
    {
      to: 'zstd',
      what: 'another tar in zstd',
      listed: tar,
      bytes: zstdCompressSync(other),
      code: 'DIGEST_MISMATCH',
    },
  ] as const)('is not taken for $to on trust: $what', async ({ to, listed, bytes, ...expected }) => {
    const { code } = { code: 'INVALID_LAYER', ...expected }
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [{ tar: listed, bytes, mediaType: mediaTypes.ociLayer }])
    const copying = copyGraph(source, image, destination, { modifiers: [recompressLayers({ to })] })
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe(code)
  })
})

it.each([Number.NaN, 0, -1])('recompressLayers refuses a limit that is none: %s', (maxUncompressedBytes) => {
  expect(() => recompressLayers({ to: 'gzip', maxUncompressedBytes })).toThrow(RangeError)
})
