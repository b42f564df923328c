import { join } from 'node:path'
import type { DisposableTempDir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { copy } from '../../src/copy/copy.ts'
import { extendedCopy } from '../../src/copy/extended-copy.ts'
import type { ExtendedCopyOptions } from '../../src/copy/extended-options.ts'
import { setAnnotations } from '../../src/copy/modifiers/set-annotations.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { newFolder } from '../support/folder.ts'
import type { PeerRegistry } from '../support/peer-registries.ts'
import { describePeers, run, samplePath, type RunResult } from '../support/peers.ts'
import { readJson } from '../support/read-json.ts'
import { registries } from './registries.ts'

/** A way in which cosign attaches signatures. */
interface Style {
  readonly name: string
  readonly sign: readonly string[]
  readonly verify: readonly string[]
  readonly isTagged: boolean
}

const styles: readonly Style[] = [
  {
    name: 'tags',
    sign: ['--new-bundle-format=false'],
    verify: ['--new-bundle-format=false'],
    isTagged: true,
  },
  { name: 'bundles', sign: [], verify: [], isTagged: false },
  {
    name: 'referrers',
    sign: ['--new-bundle-format=false', '--registry-referrers-mode=oci-1-1'],
    verify: ['--new-bundle-format=false', '--experimental-oci11'],
    isTagged: false,
  },
]

/** One with the API of referrers that others wrote, one without it, and ours. */
const kinds = registries.filter(({ name }) =>
  ['distribution v3', 'go-containerregistry', 'the embedded registry in memory'].includes(name),
)

for (const kind of kinds) {
  describePeers(['sample', 'cosign', ...kind.peers], `Signatures of cosign in ${kind.name}`, () => {
    let registry: PeerRegistry
    let home: DisposableTempDir
    beforeAll(async () => {
      ;[registry, home] = await Promise.all([kind.start(), newFolder()])
      const made = await cosign('generate-key-pair', '--output-key-prefix', join(home.path, 'own'))
      expect(made).toMatchObject({ code: 0 })
    })
    afterAll(async () => {
      await registry.close()
      await home.remove()
    })

    const cosign = (...args: readonly string[]): Promise<RunResult> =>
      run('cosign', args, {
        environment: {
          HOME: home.path,
          DOCKER_CONFIG: home.path,
          COSIGN_PASSWORD: 'of a test',
          COSIGN_EXPERIMENTAL: '1',
        },
      })
    const sign = async ({ sign: flags }: Style, reference: string): Promise<void> => {
      const offline = ['--use-signing-config=false', '--tlog-upload=false', '--allow-http-registry', '--yes']
      const key = `--key=${join(home.path, 'own.key')}`
      const { code, stderr } = await cosign('sign', '--recursive', key, ...offline, ...flags, reference)
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
    }
    const isSigned = async ({ verify: flags }: Style, reference: string): Promise<boolean> => {
      const key = `--key=${join(home.path, 'own.pub')}`
      const offline = ['--insecure-ignore-tlog', '--allow-http-registry']
      return (await cosign('verify', key, ...offline, ...flags, reference)).code === 0
    }

    /** The sample, of which the index and both images are signed. */
    const signed = async (style: Style, name: string): Promise<Signed> => {
      const repository = `${registry.host}/${style.name}/${name}`
      await using source = new Repository(repository)
      const { root } = await copy(new OciLayout(samplePath()), 'multi', source, {
        destinationReference: 'v1',
      })
      await sign(style, `${repository}@${root.digest}`)
      const { manifests }: { manifests: readonly Descriptor[] } = await readJson(source, root)
      return { repository, root, images: manifests.map(({ digest }) => digest) }
    }

    it.each(styles)('verify after an extended copy, also through a layout: $name', async (style) => {
      const { repository, root, images } = await signed(style, 'whole')
      await using folder = await newFolder()
      const layout = new OciLayout(folder.path)
      await using source = new Repository(repository)
      await using plain = new Repository(`${repository}/plain`)
      await using direct = new Repository(`${repository}/direct`)
      await using through = new Repository(`${repository}/through`)
      const options: ExtendedCopyOptions = { digestTags: style.isTagged }
      await copy(source, 'v1', plain)
      await extendedCopy(source, 'v1', direct, options)
      await extendedCopy(source, 'v1', layout, options)
      await extendedCopy(layout, 'v1', through, options)
      for (const digest of [root.digest, ...images]) {
        const found = ['', '/plain', '/direct', '/through'].map((name) =>
          isSigned(style, `${repository}${name}@${digest}`),
        )
        expect(await Promise.all(found)).toEqual([true, false, true, true])
      }
    })

    it.each(styles)('are named where the copy made them invalid, and no others: $name', async (style) => {
      const { repository, root, images } = await signed(style, 'modified')
      await using source = new Repository(repository)
      const all = [root.digest, ...images]
      const signatures = await Promise.all(all.map((digest) => signatureOf(source, digest, style)))
      for (const { on, disposition, invalid, valid } of changes) {
        const name = `${repository}/${on}-${disposition}`
        await using destination = new Repository(name)
        const { root: made, invalidated } = await extendedCopy(source, 'v1', destination, {
          digestTags: style.isTagged,
          modifiers: [setAnnotations({ team: 'web' }, { on })],
          invalidated: disposition,
        })
        const named = invalidated.map(
          (one) => `${one.descriptor.digest} of ${one.subject.digest}: ${one.disposition}`,
        )
        const expected = all.map((digest, at) => `${signatures[at]} of ${digest}: ${disposition}`)
        expect(named.toSorted()).toEqual(expected.slice(0, invalid).toSorted())
        expect(await isSigned(style, `${name}@${made.digest}`)).toBe(false)
        const found = await Promise.all(all.map((digest) => isSigned(style, `${name}@${digest}`)))
        expect(found, `${on} ${disposition}`).toEqual(valid)
      }
    })
  })
}

/** What is changed of an index of two images, how many signatures that makes invalid, and what verifies as it was. */
const changes = [
  { on: 'root', disposition: 'drop', invalid: 1, valid: [false, true, true] },
  { on: 'root', disposition: 'keep', invalid: 1, valid: [true, true, true] },
  { on: 'images', disposition: 'drop', invalid: 3, valid: [false, false, false] },
  { on: 'images', disposition: 'keep', invalid: 3, valid: [true, true, true] },
] as const

interface Signed {
  readonly repository: string
  readonly root: Descriptor
  /** Digests of those in the index. */
  readonly images: readonly string[]
}

async function signatureOf(source: Repository, digest: string, { isTagged }: Style): Promise<string> {
  if (isTagged) return (await source.resolve(`${digest.replace(':', '-')}.sig`)).digest
  const [signature, ...others] = await Array.fromAsync(source.referrers(await source.resolve(digest)))
  if (signature === undefined || others.length > 0) throw new Error(`${digest} has not one signature`)
  return signature.digest
}
