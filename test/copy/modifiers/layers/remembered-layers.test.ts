import { zstdCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { copyGraph } from '../../../../src/copy/copy-graph.ts'
import { recompressLayers } from '../../../../src/copy/modifiers/layers/recompress-layers.ts'
import { createModifierMemory } from '../../../../src/copy/modifiers/modifier-memory.ts'
import { errorCode } from '../../../../src/errors.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { pushImage, readImage, someTar } from './image.ts'

const [tar, other] = [someTar(1, 3000), someTar(2, 3000)]

describe('A layer that has become something else than its config lists', () => {
  it('is not remembered: the copy fails each time', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const layer = { tar, bytes: zstdCompressSync(other), mediaType: mediaTypes.ociLayerZstd }
    const image = await pushImage(source, [layer])
    const modifierMemory = createModifierMemory()
    for (let run = 1; run <= 3; run++) {
      const modifiers = [recompressLayers({ to: 'gzip' })]
      const copying = copyGraph(source, image, destination, { modifierMemory, modifiers })
      expect(errorCode(await copying.catch((error: unknown) => error))).toBe('DIGEST_MISMATCH')
      expect(await destination.exists(image)).toBe(false)
    }
  })
})

it('a layer is remembered once the manifest that names it is made, though the rest of the copy fails', async () => {
  const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
  const image = await pushImage(source, [{ tar }])
  const fetched: string[] = []
  const options = {
    modifierMemory: createModifierMemory(),
    modifiers: [recompressLayers({ to: 'zstd' })],
  }
  const copying = copyGraph(source, image, destination, {
    ...options,
    postCopy({ descriptor }) {
      if (descriptor.mediaType === mediaTypes.ociManifest) throw new Error('stop')
    },
  })
  await expect(copying).rejects.toThrow('stop')
  const { root } = await copyGraph(source, image, destination, {
    ...options,
    onEvent(event) {
      if (event.type === 'progress') fetched.push(event.descriptor.mediaType)
    },
  })
  expect(fetched).toEqual([])
  expect((await readImage(destination, root)).tars).toEqual([tar])
})
