import { describe, expect, it } from 'vitest'
import { contentOf, type Content } from '../../src/content/content.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import type { Source } from '../../src/targets/target.ts'
import { graph } from '../support/graph.ts'
import { makePlace, placeKinds } from '../support/places.ts'

const layerBytes = 200_000
const drawing = graph({
  image: ['config', 'layer'],
  layer: { mediaType: mediaTypes.ociLayer, bytes: Buffer.alloc(layerBytes, 'x') },
})
const layer = drawing.descriptor('layer')

/** Gives the layer, verified, when it is asked for it the first time, and what `later` gives from then on. */
async function sourceThatChanges(later: () => Content): Promise<Source> {
  const memory = new MemoryTarget()
  await drawing.pushTo(memory)
  let fetches = 0
  return {
    resolve: (reference) => memory.resolve(reference),
    exists: (descriptor) => memory.exists(descriptor),
    fetch(descriptor) {
      if (descriptor.digest === layer.digest) fetches += 1
      return descriptor.digest === layer.digest && fetches > 1 ? later() : memory.fetch(descriptor)
    },
  }
}

describe.each(placeKinds)('a source that is another one when it is opened again, copied to %s', (kind) => {
  it('has what it gives then verified too: wrong bytes are its failure, and are not stored', async () => {
    const source = await sourceThatChanges(() => contentOf(Buffer.alloc(layerBytes, 'y')))
    await using stack = new AsyncDisposableStack()
    const { target, close } = await makePlace(kind)
    stack.defer(close)
    await expect(copyGraph(source, drawing.descriptor('image'), target)).rejects.toMatchObject({
      origin: 'source',
      operation: 'fetch',
      descriptor: layer,
      cause: { code: 'DIGEST_MISMATCH' },
    })
    expect(await target.exists(layer)).toBe(false)
    expect(await target.exists(drawing.descriptor('image'))).toBe(false)
  })

  it('fails as a source where it cannot be opened again', async () => {
    const closed = new Error('the source is closed')
    const source = await sourceThatChanges(() => {
      throw closed
    })
    await using stack = new AsyncDisposableStack()
    const { target, close } = await makePlace(kind)
    stack.defer(close)
    await expect(copyGraph(source, drawing.descriptor('image'), target)).rejects.toMatchObject({
      origin: 'source',
      operation: 'fetch',
      descriptor: layer,
      cause: closed,
    })
    expect(await target.exists(layer)).toBe(false)
  })
})
