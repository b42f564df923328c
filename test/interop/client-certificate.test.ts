import { expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { ca, client, otherCa, server } from '../support/certificates.ts'
import { graph } from '../support/graph.ts'
import { startDistribution, startDockerRegistry } from '../support/peer-registries.ts'
import { describePeers } from '../support/peers.ts'
import { rejection } from '../targets/contract/support.ts'

const image = graph({ image: ['config', 'layer'] })
const root = image.descriptor('image')
const retry = { attempts: 1 }

const peers = [
  { name: 'docker-registry', startPeer: startDockerRegistry, binary: 'docker-registry' },
  { name: 'distribution v3', startPeer: startDistribution, binary: 'registry' },
] as const

for (const { name, startPeer, binary } of peers) {
  describePeers([binary], `${name} that wants a certificate of its clients`, () => {
    it('is copied to and from with the certificate that is found for it', async () => {
      await using peer = await startPeer({ tls: { ...server, clientCa: ca } })
      const asked = new Set<string>()
      const tls = (registry: string): { ca: string; certificate: string; key: string } => {
        asked.add(registry)
        return { ca, certificate: client.cert, key: client.key }
      }
      const options = { plainHttp: false, tls }
      await using repository = new Repository(`${peer.host}/a`, options)
      const memory = new MemoryTarget()
      await image.pushTo(memory)
      await memory.tag(root, 'v1')
      await copy(memory, 'v1', repository)
      const back = new MemoryTarget()
      await copy(repository, 'v1', back)
      expect((await back.resolve('v1')).digest).toBe(root.digest)
      expect([...asked]).toEqual([peer.host])
    })

    it('lets nobody in without one, or with one of another CA', async () => {
      await using own = await startPeer({ tls: { ...server, clientCa: ca } })
      await using other = await startPeer({ tls: { ...server, clientCa: otherCa } })
      const withoutOne = { plainHttp: false, ca, retry }
      const tls = (): { certificate: string; key: string } => ({ certificate: client.cert, key: client.key })
      const ofAnother = { ...withoutOne, tls }
      for (const [host, options] of [
        [own.host, withoutOne],
        [other.host, ofAnother],
      ] as const) {
        await using repository = new Repository(`${host}/a`, options)
        expect(await rejection(repository.resolve('v1'))).toMatchObject({
          code: 'UNREACHABLE',
          message: expect.stringContaining(host),
        })
      }
    })
  })
}
