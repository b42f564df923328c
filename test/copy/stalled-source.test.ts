import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Source } from '../../src/targets/target.ts'
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
  const repository = new Repository(`${registry.name}/app`, { retry: { attempts: 2, baseMilliseconds: 1 } })
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

/** The same without a registry: its content is plain, and ends with its signal alone. */
async function plainStalledSource(): Promise<Source & { readonly active: () => number }> {
  const memory = new MemoryTarget()
  await drawing.pushTo(memory)
  let active = 0
  return {
    active: () => active,
    resolve: (reference) => memory.resolve(reference),
    exists: (descriptor) => memory.exists(descriptor),
    fetch(descriptor, { signal } = {}) {
      if (descriptor.digest !== digest) return memory.fetch(descriptor)
      return {
        async *[Symbol.asyncIterator]() {
          active += 1
          try {
            for (let count = 0; count < 2; count++) yield Buffer.alloc(128 * 1024, 'x')
            await delay(60_000, undefined, { signal })
          } finally {
            active -= 1
          }
        },
      }
    },
  }
}

/** Answers the upload of the layer as soon as some of it has come. */
function answerEarly(status: number): Misbehaviour {
  return (request, response) => {
    if (request.method !== 'PUT' || request.url?.includes(digest.slice('sha256:'.length)) !== true) {
      return false
    }
    request.once('data', () => response.writeHead(status, { 'content-length': 0 }).end())
    return true
  }
}

describe('a source that stands still', () => {
  it.each([
    ['refuses', 500, { origin: 'destination', operation: 'push', cause: { status: 500 } }],
    ['says too early that all is well', 201, { origin: 'destination', operation: 'push' }],
  ])(
    'does not keep the copy waiting when the destination %s',
    async (_, status, expected) => {
      await using source = await stalledSource()
      await using destination = await openRepository(answerEarly(status))
      const attempt = copyGraph(source.repository, drawing.descriptor('image'), destination.repository)
      await expect(attempt).rejects.toMatchObject(expected)
      await source.ended
    },
    20_000,
  )

  it('does not keep the copy waiting either where its content is plain and hears of its signal alone', async () => {
    const source = await plainStalledSource()
    await using destination = await openRepository(answerEarly(500))
    const attempt = copyGraph(source, drawing.descriptor('image'), destination.repository)
    await expect(attempt).rejects.toMatchObject({ origin: 'destination', cause: { status: 500 } })
    expect(source.active()).toBe(0)
  }, 20_000)

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
