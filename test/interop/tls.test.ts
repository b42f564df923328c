import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { copy } from '../../src/copy/copy.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { runCommand } from '../cli/command.ts'
import { ca, otherCa, server } from '../support/certificates.ts'
import { newFolder } from '../support/folder.ts'
import { graph } from '../support/graph.ts'
import { startDistribution, startDockerRegistry } from '../support/peer-registries.ts'
import { describePeers } from '../support/peers.ts'
import { rejection } from '../targets/contract/support.ts'

const user = { username: 'reader', password: 'canary' }
const credential = (): typeof user => user
const image = graph({ image: ['config', 'layer'] })
const root = image.descriptor('image')

async function filledMemory(): Promise<MemoryTarget> {
  const memory = new MemoryTarget()
  await image.pushTo(memory)
  await memory.tag(root, 'v1')
  return memory
}

const peers = [
  { name: 'docker-registry', startPeer: startDockerRegistry, needs: ['docker-registry', 'htpasswd'] },
  { name: 'distribution v3', startPeer: startDistribution, needs: ['registry', 'htpasswd'] },
] as const

for (const { name, startPeer, needs } of peers) {
  describePeers(needs, `${name} with the certificate of a CA of its own`, () => {
    it('is copied to and from for who names the CA', async () => {
      await using peer = await startPeer({ tls: server, user })
      await using repository = new Repository(`${peer.host}/a`, { plainHttp: false, ca, credential })
      await copy(await filledMemory(), 'v1', repository)
      const back = new MemoryTarget()
      await copy(repository, 'v1', back)
      expect((await back.resolve('v1')).digest).toBe(root.digest)
    })

    it('is refused by who names another CA, or none, before a credential is sent', async () => {
      await using peer = await startPeer({ tls: server, user })
      for (const trusted of [otherCa, undefined]) {
        let isAsked = false
        const watched = (): typeof user => {
          isAsked = true
          return user
        }
        await using repository = new Repository(`${peer.host}/a`, {
          plainHttp: false,
          ca: trusted,
          credential: watched,
        })
        const error = await rejection(repository.resolve('v1'))
        expect(error).toMatchObject({
          code: 'UNREACHABLE',
          message: expect.stringMatching(/certificate is not trusted .*name the CA that signed it/),
        })
        expect(String(error)).toContain(peer.host)
        expect(isAsked).toBe(false)
      }
    })

    it('is copied to by the command, which is told the CA in a file', async () => {
      await using peer = await startPeer({ tls: server })
      await using folder = await newFolder()
      await using repository = new Repository(`${peer.host}/a`, { plainHttp: false, ca })
      await copy(await filledMemory(), 'v1', repository)
      const [right, wrong] = [join(folder.path, 'ca.pem'), join(folder.path, 'other.pem')]
      await writeFile(right, ca)
      await writeFile(wrong, otherCa)
      const layout = `oci:${join(folder.path, 'layout')}`
      const args = ['cp', `${peer.host}/a:v1`, `${layout}:v1`]
      const refused = await runCommand([...args, '--from-ca-file', wrong])
      expect(refused).toMatchObject({
        code: 5,
        stderr: expect.stringContaining('certificate is not trusted'),
      })
      expect(await runCommand([...args, '--from-ca-file', right])).toMatchObject({ code: 0 })
    })
  })
}
