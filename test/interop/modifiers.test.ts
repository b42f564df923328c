import { afterAll, beforeAll, expect, it } from 'vitest'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copy } from '../../src/copy/copy.ts'
import { editConfig } from '../../src/copy/modifiers/edit-config.ts'
import type { Modifier } from '../../src/copy/modifiers/modifier.ts'
import { recordOriginalDigest } from '../../src/copy/modifiers/record-original-digest.ts'
import { setAnnotations } from '../../src/copy/modifiers/set-annotations.ts'
import { setCreated } from '../../src/copy/modifiers/set-created.ts'
import { toDocker } from '../../src/copy/modifiers/to-docker.ts'
import { toOci } from '../../src/copy/modifiers/to-oci.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Source } from '../../src/targets/target.ts'
import type { PeerRegistry } from '../support/peer-registries.ts'
import { describePeers, run, samplePath } from '../support/peers.ts'
import { readJson } from '../support/read-json.ts'
import { sampleDigest } from './layout-files.ts'
import { copiers, peerCopy } from './peer-copy.ts'
import { registries } from './registries.ts'

const sample = (): OciLayout => new OciLayout(samplePath())
const edits: readonly Modifier[] = [
  editConfig({
    user: '1000',
    env: { LANG: 'C' },
    labels: { team: 'web' },
    cmd: ['/bin/ls'],
    history: 'edited',
  }),
  setCreated('2024-05-06T07:08:09Z'),
  setAnnotations({ 'org.example.team': 'web' }, { on: 'manifests' }),
  recordOriginalDigest(),
]

/** One that checks what others wrote, and ours. */
const strict = registries.filter(({ name }) =>
  ['docker-registry', 'the embedded registry in memory'].includes(name),
)

for (const kind of strict) {
  describePeers(['sample', ...copiers, ...kind.peers], `The modified sample image in ${kind.name}`, () => {
    let registry: PeerRegistry | undefined
    const repository = (name: string): string => `${registry?.host}/${name}`
    beforeAll(async () => {
      registry = await kind.start()
    })
    afterAll(() => registry?.close())

    it('is Docker’s to every peer, and what skopeo makes of it', async () => {
      const digest = await modifyInto(repository('docker'), sample(), [toDocker()])
      await expectPeersRead(repository('docker'), digest)
      const ends = [`oci:${samplePath()}:multi`, `docker://${repository('skopeo')}:v1`]
      const convert = ['copy', '--quiet', '--all', '--format=v2s2', '--dest-tls-verify=false']
      await succeed('skopeo', ['--insecure-policy', ...convert, ...ends])
      const [ours, theirs] = await Promise.all([
        imagesIn(repository('docker')),
        imagesIn(repository('skopeo')),
      ])
      expect(ours).toEqual(theirs)
      expect(ours.map(({ mediaType }) => mediaType)).toEqual([
        mediaTypes.dockerManifest,
        mediaTypes.dockerManifest,
      ])
    })

    it('is OCI’s again to every peer, with the configs and layers that it had', async () => {
      await modifyInto(repository('there'), sample(), [toDocker()])
      await using there = new Repository(repository('there'))
      const digest = await modifyInto(repository('back'), there, [toOci()])
      await expectPeersRead(repository('back'), digest)
      expect(digest).toBe(await sampleDigest('multi'))
    })

    it('has its new config to every peer', async () => {
      const digest = await modifyInto(repository('edited'), sample(), edits)
      await expectPeersRead(repository('edited'), digest)
      const reference = `${repository('edited')}:v1`
      const platform = ['--override-os=linux', '--override-arch=amd64']
      const host = `--host=reg=${registry?.host},tls=disabled`
      const configs = await Promise.all([
        succeed('crane', ['config', '--platform=linux/amd64', reference]),
        succeed('skopeo', [
          ...platform,
          'inspect',
          '--config',
          '--tls-verify=false',
          `docker://${reference}`,
        ]),
        succeed('regctl', [
          host,
          'image',
          'config',
          '--platform=linux/amd64',
          '--format={{json .}}',
          reference,
        ]),
      ])
      for (const text of configs) {
        const { config, created, history, rootfs }: ImageConfig = JSON.parse(text)
        expect(config).toMatchObject({ User: '1000', Cmd: ['/bin/ls'], Labels: { team: 'web' } })
        expect(config.Env).toEqual(['PATH=/usr/bin:/bin', 'LANG=C'])
        expect(created).toBe('2024-05-06T07:08:09Z')
        expect(history.at(-1)).toMatchObject({ created_by: 'edited', empty_layer: true })
        expect(history).toHaveLength(rootfs.diff_ids.length + 1)
      }
    })
  })
}

/** Copies the tag `multi` or `v1` with modifiers, and says what its root has become. */
async function modifyInto(name: string, source: Source, modifiers: readonly Modifier[]): Promise<string> {
  const reference = source instanceof OciLayout ? 'multi' : 'v1'
  await using destination = new Repository(name)
  const { root } = await copy(source, reference, destination, { modifiers, destinationReference: 'v1' })
  return root.digest
}

/** Every copier takes it over with its digest, and crane compares all digests, also of the unpacked layers. */
async function expectPeersRead(name: string, digest: string): Promise<void> {
  await succeed('crane', ['validate', '--remote', `${name}:v1`])
  for (const copier of copiers) {
    const copied = `${name}-${copier}`
    await peerCopy(copier, { repository: name, reference: 'v1' }, { repository: copied, reference: 'v1' })
    expect((await succeed('crane', ['digest', `${copied}:v1`])).trim(), copier).toBe(digest)
  }
}

interface ImageConfig {
  readonly config: { readonly Env: readonly string[] }
  readonly created: string
  readonly history: readonly object[]
  readonly rootfs: { readonly diff_ids: readonly string[] }
}

interface Image {
  readonly mediaType: string
  readonly config: object
  readonly layers: readonly object[]
}

/** What the images of an index say of their blobs. */
async function imagesIn(name: string): Promise<readonly Image[]> {
  await using repository = new Repository(name)
  const index = await readJson(repository, await repository.resolve('v1'))
  const images = []
  for (const entry of index.manifests) {
    const { mediaType, config, layers }: Image = await readJson(repository, entry)
    images.push({ mediaType, config, layers })
  }
  return images
}

async function succeed(binary: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(binary, args)
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}
