import { randomFillSync } from 'node:crypto'
import { expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { startCuttingProxy } from '../support/cutting-proxy.ts'
import { graph } from '../support/graph.ts'
import { startDistribution, startDockerRegistry } from '../support/peer-registries.ts'
import { describePeers } from '../support/peers.ts'
import { RecordingSource } from '../support/spy.ts'
import { read } from '../targets/contract/support.ts'

const mebibyte = 1024 * 1024
const retry = { baseMilliseconds: 1 }
const random = (size: number): Buffer => randomFillSync(Buffer.alloc(size))
const others = ['one', 'two', 'three'] as const

/** image: a large layer, and three that together pass before a connection is cut */
const image = graph({
  large: { kind: 'blob', bytes: random(32 * mebibyte) },
  one: { kind: 'blob', bytes: random(3 * mebibyte) },
  two: { kind: 'blob', bytes: random(3 * mebibyte) },
  three: { kind: 'blob', bytes: random(3 * mebibyte) },
  image: ['config', 'large', ...others],
})
const size = 41 * mebibyte
const large = image.descriptor('large')

async function filledMemory(): Promise<MemoryTarget> {
  const memory = new MemoryTarget()
  await image.pushTo(memory)
  await memory.tag(image.descriptor('image'), 'v1')
  return memory
}

const peers = [
  { name: 'docker-registry', startPeer: startDockerRegistry, binary: 'docker-registry' },
  { name: 'distribution v3', startPeer: startDistribution, binary: 'registry' },
] as const

for (const { name, startPeer, binary } of peers) {
  describePeers([binary], `Over connections to ${name} that are cut twice`, () => {
    it('an image is pushed, and only the blob that broke is sent again', async () => {
      await using peer = await startPeer()
      const cuts = { direction: 'up', afterBytes: 12 * mebibyte, times: 2 } as const
      await using proxy = await startCuttingProxy(peer.host, cuts)
      await using repository = new Repository(`${proxy.host}/a`, { retry })
      const source = new RecordingSource(await filledMemory())
      await copy(source, 'v1', repository)
      expect(proxy.cuts).toBe(2)
      expect(proxy.bytes).toBeLessThan(size + cuts.times * cuts.afterBytes + mebibyte)
      for (const other of others) {
        const { digest } = image.descriptor(other)
        expect(source.fetched.filter((fetched) => fetched === digest)).toHaveLength(1)
      }
      await using direct = new Repository(`${peer.host}/a`)
      expect((await read(direct.fetch(large))).equals(image.node('large').bytes)).toBe(true)
      expect((await direct.resolve('v1')).digest).toBe(image.descriptor('image').digest)
    })

    it('an image is pulled, and only what is missing comes again', async () => {
      await using peer = await startPeer()
      await using direct = new Repository(`${peer.host}/a`)
      await copy(await filledMemory(), 'v1', direct)
      const cuts = { direction: 'down', afterBytes: 12 * mebibyte, times: 2 } as const
      await using proxy = await startCuttingProxy(peer.host, cuts)
      await using repository = new Repository(`${proxy.host}/a`, { retry })
      const memory = new MemoryTarget()
      await copy(repository, 'v1', memory)
      expect(proxy.cuts).toBe(2)
      expect(proxy.bytes).toBeLessThan(size + 4 * mebibyte)
      expect((await read(memory.fetch(large))).equals(image.node('large').bytes)).toBe(true)
    })
  })
}
