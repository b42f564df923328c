import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { serve, type RunningRegistry } from '../../src/server/serve.ts'
import { memoryStore } from '../../src/server/store.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { newFolder } from '../support/folder.ts'
import { graph } from '../support/graph.ts'

const layers = Array.from({ length: 12 }, (_, index) => `layer${index}`)
const drawing = graph({
  image: ['config', ...layers],
  // Above what goes into a POST, and above what is small enough to be sent unasked.
  ...Object.fromEntries(layers.map((name) => [name, { bytes: Buffer.alloc(100_000, name) }])),
})
/** The config counted. */
const blobs = 1 + layers.length

interface Counted {
  readonly registry: RunningRegistry
  readonly requests: string[]
}

async function counted(): Promise<Counted> {
  const requests: string[] = []
  const registry = await serve(memoryStore(), {
    onRequest: ({ method, url }) => void requests.push(`${method} ${url}`),
  })
  return { registry, requests }
}

function repository({ registry }: Counted, name = 'app'): Repository {
  return new Repository(`${registry.host}:${registry.port}/${name}`)
}

let source: Counted
let destination: Counted
let from: Repository
let to: Repository

beforeEach(async () => {
  source = await counted()
  destination = await counted()
  from = repository(source)
  to = repository(destination)
  await drawing.pushTo(from)
  await from.tag(drawing.descriptor('image'), 'v1')
  source.requests.length = 0
})

afterEach(async () => {
  await Promise.all([from.close(), to.close()])
  await Promise.all([source.registry.close(), destination.registry.close()])
})

describe('the requests of a copy', () => {
  it('registry to registry, cold: N + 1 and at most 3 N + 2', async () => {
    await copy(from, 'v1', to)
    expect(source.requests).toHaveLength(blobs + 1)
    expect(destination.requests.length).toBeLessThanOrEqual(3 * blobs + 2)
    expect(destination.requests.at(-1)).toMatch(/^PUT .*\/manifests\/v1$/)
  })

  it('2 in all where the destination tag is right already', async () => {
    await copy(from, 'v1', to)
    source.requests.length = 0
    destination.requests.length = 0
    await copy(from, 'v1', to)
    expect(source.requests).toEqual(['GET /v2/app/manifests/v1'])
    expect(destination.requests).toEqual(['HEAD /v2/app/manifests/v1'])
  })

  it('another tag of what is there: no blob is asked for', async () => {
    await copy(from, 'v1', to)
    source.requests.length = 0
    destination.requests.length = 0
    await copy(from, 'v1', to, { destinationReference: 'v2' })
    expect(source.requests).toHaveLength(1)
    expect(destination.requests.map((request) => request.split('/', 1)[0])).toEqual([
      'HEAD ',
      'HEAD ',
      'PUT ',
    ])
  })

  it('registry to layout: N + 1', async () => {
    await using folder = await newFolder()
    await copy(from, 'v1', new OciLayout(folder.path))
    expect(source.requests).toHaveLength(blobs + 1)
  })

  it('within one registry each blob is mounted by one request, without being asked for', async () => {
    const sibling = repository(source, 'mirror')
    const result = await copy(from, 'v1', sibling)
    await sibling.close()
    expect(result).toMatchObject({ mounted: { nodes: blobs }, copied: { nodes: 1 } })
    expect(source.requests.filter((request) => request.startsWith('POST '))).toHaveLength(blobs)
    // GET the manifest; HEAD the tag, HEAD the digest; PUT the manifest.
    expect(source.requests).toHaveLength(blobs + 4)
  })

  it('many small blobs are sent in one request each, once the first ones turned out to be absent', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `small${index}`)
    const many = graph({ image: ['config', ...names] })
    await many.pushTo(from)
    await copy(from, many.descriptor('image').digest, to, { destinationReference: 'v1' })
    const posts = destination.requests.filter((request) => request.startsWith('POST '))
    const heads = destination.requests.filter((request) => request.startsWith('HEAD '))
    expect(posts).toHaveLength(101)
    // The tag, the root, and a sample of eight blobs.
    expect(heads).toHaveLength(10)
    expect(destination.requests.filter((request) => request.startsWith('PUT '))).toHaveLength(1)
  })
})
