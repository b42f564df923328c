import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { createRegistryHandler } from '../../src/server/handler.ts'
import { memoryStore } from '../../src/server/store.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { graph } from '../support/graph.ts'

const layerBytes = 4 * 1024 * 1024
const drawing = graph({
  image: ['config', 'layer'],
  layer: { mediaType: mediaTypes.ociLayer, bytes: Buffer.alloc(layerBytes, 'x') },
})
const { digest } = drawing.descriptor('layer')

interface Wrapped extends AsyncDisposable {
  readonly repository: Repository
  readonly server: Server
}

/** The embedded registry; `intercept` answers a request itself if it returns true. */
async function wrapped(
  intercept: (request: IncomingMessage, response: Parameters<RequestListener>[1]) => boolean,
): Promise<Wrapped> {
  const handler = createRegistryHandler(memoryStore())
  const server = createServer((request, response) => {
    if (!intercept(request, response)) handler(request, response)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const repository = new Repository(`127.0.0.1:${port}/test/content`)
  return {
    repository,
    server,
    async [Symbol.asyncDispose]() {
      await repository.close()
      server.closeAllConnections()
      server.close()
      await handler.close()
    },
  }
}

/** Gives the beginning of the layer, more than one chunk, and then nothing; `ended` resolves when the client has gone. */
async function stalledSource(): Promise<Wrapped & { readonly ended: Promise<void> }> {
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  const source = await wrapped((request, response) => {
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
      await using destination = await wrapped((request, response) => {
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
    await using destination = await wrapped((request) => {
      if (request.method !== 'PUT') return false
      request.once('data', () => request.socket.destroy())
      return true
    })
    const attempt = copyGraph(source.repository, drawing.descriptor('image'), destination.repository)
    await expect(attempt).rejects.toMatchObject({ origin: 'destination', cause: { code: 'UNREACHABLE' } })
    await source.ended
  }, 20_000)
})
