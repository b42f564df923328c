import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { graph } from '../support/graph.ts'
import { startRegistry, type Misbehaviour } from '../support/registry.ts'

const layerBytes = 4 * 1024 * 1024
const drawing = graph({
  image: ['config', 'layer'],
  layer: { mediaType: mediaTypes.ociLayer, bytes: Buffer.alloc(layerBytes, 'x') },
})
const { digest } = drawing.descriptor('layer')

/** A repository of a registry that misbehaves, for as long as the test uses it. */
async function openRepository(misbehave: Misbehaviour): Promise<OpenRepository> {
  const registry = await startRegistry({ misbehave })
  const repository = new Repository(`${registry.name}/app`)
  return {
    repository,
    async [Symbol.asyncDispose]() {
      await repository.close()
      await registry[Symbol.asyncDispose]()
    },
  }
}

interface OpenRepository extends AsyncDisposable {
  readonly repository: Repository
}

/** Gives the beginning of the layer, more than one chunk, and then nothing; `ended` resolves when the client has gone. */
async function stalledSource(): Promise<OpenRepository & { readonly ended: Promise<void> }> {
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const source = await openRepository((request, response) => {
    if (request.method !== 'GET' || request.url?.endsWith(digest) !== true) return false
    response.writeHead(200, { 'content-length': layerBytes, 'docker-content-digest': digest })
    response.write(drawing.node('layer').bytes.subarray(0, 128 * 1024))
    response.on('close', () => resolve())
    return true
  })
  await drawing.pushTo(source.repository)
  return Object.assign(source, { ended })
}

describe('a source that stands still', () => {
  it.each([
    ['refuses', 500, { origin: 'destination', operation: 'push', cause: { status: 500 } }],
    ['says too early that all is well', 201, { origin: 'destination', operation: 'push' }],
  ])(
    'does not keep the copy waiting when the destination %s',
    async (_, status, expected) => {
      await using source = await stalledSource()
      await using destination = await openRepository((request, response) => {
        if (request.method !== 'PUT' || request.url?.includes(digest.slice('sha256:'.length)) !== true) {
          return false
        }
        request.once('data', () => response.writeHead(status, { 'content-length': 0 }).end())
        return true
      })
      const attempt = copyGraph(source.repository, drawing.descriptor('image'), destination.repository)
      await expect(attempt).rejects.toMatchObject(expected)
      await source.ended
    },
    20_000,
  )

  it('does not keep the copy waiting when the destination cuts the connection', async () => {
    await using source = await stalledSource()
    await using destination = await openRepository((request) => {
      if (request.method !== 'PUT') return false
      request.once('data', () => request.socket.destroy())
      return true
    })
    const attempt = copyGraph(source.repository, drawing.descriptor('image'), destination.repository)
    await expect(attempt).rejects.toMatchObject({ origin: 'destination', cause: { code: 'UNREACHABLE' } })
    await source.ended
  }, 20_000)
})
