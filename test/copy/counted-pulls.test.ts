import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { memoryStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { dockerHub, startFaultyRegistry, type FaultyRegistry } from '../../src/testing/testing.ts'
import { graph } from '../support/graph.ts'

const drawing = graph({
  index: ['linux', 'windows'],
  linux: { children: ['config', 'layer'] },
  windows: { children: ['other config', 'layer'] },
})
const root = drawing.descriptor('index')

let hub: FaultyRegistry
let source: Repository

beforeEach(async () => {
  const store = memoryStore()
  const content = await store.open('library/app', { create: true })
  if (content === undefined) throw new TypeError('a store in memory has every repository')
  await drawing.pushTo(content)
  await content.tag(root, 'v1')
  hub = await startFaultyRegistry({ profile: dockerHub({ pulls: 3 }), store })
  source = new Repository(`${hub.host}/library/app`, { countsPulls: true })
})

afterEach(async () => {
  await source.close()
  await hub.close()
})

/** How manifests were asked for with success, by method. */
function asked(method: string): number {
  const isManifest = ({ url, status }: FaultyRegistry['requests'][number]): boolean =>
    url.includes('/manifests/') && status === 200
  return hub.requests.filter((request) => request.method === method && isManifest(request)).length
}

describe('a source that counts what is read', () => {
  it('reads each manifest once, and none of a tag that is as it was: nightly runs cost no pulls', async () => {
    const destination = new MemoryTarget()
    await copy(source, 'v1', destination)
    expect([asked('HEAD'), asked('GET')]).toEqual([1, 3])
    for (let night = 2; night <= 4; night++) {
      expect(await copy(source, 'v1', destination)).toMatchObject({ copied: { nodes: 0 }, tags: ['v1'] })
      expect([asked('HEAD'), asked('GET')]).toEqual([night, 3])
    }
  })

  it('is asked as others are where the root is looked into anyway', async () => {
    const destination = new MemoryTarget()
    await copy(source, 'v1', destination, { mapRoot: ({ root: found }) => found })
    expect([asked('HEAD'), asked('GET')]).toEqual([0, 3])
  })

  it('is not read for another tag of what is there', async () => {
    const destination = new MemoryTarget()
    await drawing.pushTo(destination)
    await copy(source, 'v1', destination, { destinationReference: 'v2' })
    expect((await destination.resolve('v2')).digest).toBe(root.digest)
    expect([asked('HEAD'), asked('GET')]).toEqual([1, 0])
  })

  it('that has counted enough is an error in its words', async () => {
    await copy(source, 'v1', new MemoryTarget())
    await using impatient = new Repository(`${hub.host}/library/app`, { retry: { attempts: 1 } })
    await expect(impatient.fetchReference('v1')).rejects.toMatchObject({
      code: 'RESPONSE',
      status: 429,
      message: expect.stringContaining('pull rate limit'),
    })
  })

  it('is Docker Hub under each of its names, and no other unless that is said', () => {
    const isCounting = (name: string): boolean => new Repository(name).countsPulls
    expect(['docker.io/a/b', 'index.docker.io/a/b', 'registry-1.docker.io/a/b'].map(isCounting)).toEqual([
      true,
      true,
      true,
    ])
    expect(['ghcr.io/a/b', 'docker.io.example.com/a/b'].map(isCounting)).toEqual([false, false])
    expect(new Repository('docker.io/a/b', { countsPulls: false }).countsPulls).toBe(false)
  })
})
