import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runCommand } from '../cli/command.ts'
import { newFolder } from '../support/folder.ts'
import { startDistribution, startDockerRegistry } from '../support/peer-registries.ts'
import { describePeers, samplePath } from '../support/peers.ts'
import { expectSampleGraph, sampleDigest } from './layout-files.ts'
import { peerCopy } from './peer-copy.ts'

const user = { username: 'reader', password: 'correct horse' }
const login = (side: 'from' | 'to', password = user.password): string[] => [
  `--${side}-username=${user.username}`,
  `--${side}-password=${password}`,
]

describePeers(
  ['sample', 'skopeo', 'htpasswd', 'docker-registry', 'registry'],
  'copygraph cp with passwords',
  () => {
    it('goes from a layout by one registry to the other, and back to a layout', async () => {
      await using folder = await newFolder()
      await using first = await startDockerRegistry({ user })
      await using second = await startDistribution({ user })
      const there = `${first.host}/team/image`
      const onward = `${second.host}/team/image`
      const steps = [
        [`oci:${samplePath()}:multi`, `${there}:v1,latest`, ...login('to')],
        [`docker://${there}`, `${onward}:v2`, ...login('from'), ...login('to')],
        [`${onward}:v2`, `oci:${join(folder.path, 'ours')}:v3`, ...login('from')],
      ]
      for (const step of steps) {
        const { code, stderr } = await runCommand(['cp', '--quiet', ...step])
        expect({ code, stderr: stderr.replaceAll(/^Warning: .*\n/gm, '') }).toEqual({ code: 0, stderr: '' })
      }
      const root = await sampleDigest('multi')
      await expectSampleGraph(join(folder.path, 'ours'), root)
      const theirs = join(folder.path, 'theirs')
      await peerCopy(
        'skopeo',
        { repository: there, reference: 'v1' },
        { layout: theirs, reference: 'v1' },
        { user },
      )
      await expectSampleGraph(theirs, root)
    })

    it('says in numbers that everything goes over once, and nothing the second time', async () => {
      await using registry = await startDockerRegistry({ user })
      const args = ['cp', '--quiet', '--format=json', ...login('to')]
      const copied = [`oci:${samplePath()}:single`, `${registry.host}/image:v1`]
      const first: Report = JSON.parse((await runCommand([...args, ...copied])).stdout)
      expect(first.descriptor.digest).toBe(await sampleDigest('single'))
      expect(first.totals.bytes).toBe(await sizeOfSingle())
      const second: Report = JSON.parse((await runCommand([...args, ...copied])).stdout)
      expect(second.totals).toMatchObject({ bytes: 0, nodes: { copy: 0 } })
    })

    it.each([
      ['from', startDockerRegistry],
      ['to', startDistribution],
    ] as const)(
      'exits with 4 for a wrong password at the %s end, and does not show it',
      async (side, start) => {
        await using registry = await start({ user })
        await using folder = await newFolder()
        const remote = `${registry.host}/team/image:v1`
        const ends =
          side === 'from' ? [remote, `oci:${folder.path}/copy:v1`] : [`oci:${samplePath()}:multi`, remote]
        const { code, stdout, stderr } = await runCommand(['cp', ...ends, ...login(side, 'battery staple')])
        expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
        expect(stderr).toContain(registry.host)
        expect(stderr).not.toContain('battery staple')
        expect(stderr).not.toMatch(/^\s+at /m)
      },
    )
  },
)

/** What is looked at in a report. */
interface Report {
  readonly descriptor: { readonly digest: string }
  readonly totals: { readonly bytes: number; readonly nodes: { readonly copy: number } }
}

interface Sized {
  readonly size: number
}

async function sizeOfSingle(): Promise<number> {
  const digest = await sampleDigest('single')
  const bytes = await readFile(join(samplePath(), 'blobs', digest.replace(':', '/')))
  const manifest: { readonly config: Sized; readonly layers: readonly Sized[] } = JSON.parse(bytes.toString())
  return [manifest.config, ...manifest.layers].reduce((sum, { size }) => sum + size, bytes.length)
}
