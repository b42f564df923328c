import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copy } from '../../src/copy/copy.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Target } from '../../src/targets/target.ts'
import { runCommand } from '../cli/command.ts'
import { newFolder } from '../support/folder.ts'
import type { PeerRegistry } from '../support/peer-registries.ts'
import { describePeers, run, samplePath } from '../support/peers.ts'
import { readJson } from '../support/read-json.ts'
import { copiers, peerCopy } from './peer-copy.ts'
import { registries } from './registries.ts'

const platforms = ['linux/amd64', 'linux/arm64']

/** Those that refuse an index which names what is not there. */
const strict = registries.filter(({ name }) =>
  ['docker-registry', 'distribution v3', 'the embedded registry in memory'].includes(name),
)

for (const kind of strict) {
  describePeers(
    ['sample', ...copiers, ...kind.peers],
    `Some platforms of an image with attestations in ${kind.name}`,
    () => {
      let registry: PeerRegistry | undefined
      const name = (repository: string): string => `${registry?.host}/${repository}`
      let subset: Descriptor | undefined
      beforeAll(async () => {
        registry = await kind.start()
        await using folder = await newFolder()
        await buildIndex(new OciLayout(folder.path))
        const flags = ['--quiet', '--format', 'json', '--platform', platforms.join()]
        const ends = [`oci:${folder.path}:v1`, `${name('subset')}:v1`]
        const { code, stdout, stderr } = await runCommand(['cp', ...flags, ...ends])
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        subset = JSON.parse(stdout).descriptor
      })
      afterAll(() => registry?.close())

      it('is an index of the two images, each with its attestation', async () => {
        await using repository = new Repository(name('subset'))
        const root = await repository.resolve('v1')
        expect(root.digest).toBe(subset?.digest)
        const { manifests }: { manifests: readonly Descriptor[] } = await readJson(repository, root)
        const [amd64, arm64, ...attestations] = manifests
        expect(manifests).toHaveLength(4)
        expect(attestations.map(({ annotations }) => annotations?.['vnd.docker.reference.digest'])).toEqual([
          amd64?.digest,
          arm64?.digest,
        ])
      })

      it.each(copiers)('goes on whole with %s, with its digest', async (copier) => {
        const ends = [{ repository: name('subset') }, { repository: name(`by-${copier}`) }] as const
        await peerCopy(copier, { ...ends[0], reference: 'v1' }, { ...ends[1], reference: 'v1' })
        await using repository = new Repository(ends[1].repository)
        expect((await repository.resolve('v1')).digest).toBe(subset?.digest)
      })

      it.each(platforms)('gives crane, skopeo and regctl the image for %s', async (platform) => {
        await succeed('crane', ['validate', `--platform=${platform}`, '--remote', `${name('subset')}:v1`])
        const [os = '', architecture = ''] = platform.split('/')
        await using folder = await newFolder()
        const [byCrane, bySkopeo, byRegctl] = ['crane', 'skopeo', 'regctl'].map((by) => join(folder.path, by))
        const reference = `${name('subset')}:v1`
        await succeed('crane', ['pull', `--platform=${platform}`, '--format=oci', reference, byCrane ?? ''])
        const chosen = [`--override-os=${os}`, `--override-arch=${architecture}`]
        const skopeo = ['--insecure-policy', ...chosen, 'copy', '--quiet', '--src-tls-verify=false']
        await succeed('skopeo', [...skopeo, `docker://${reference}`, `oci:${bySkopeo}:v1`])
        const host = `--host=reg=${registry?.host},tls=disabled`
        const regctl = [host, 'image', 'copy', `--platform=${platform}`]
        await succeed('regctl', [...regctl, reference, `ocidir://${byRegctl}:v1`])
        for (const directory of [byCrane, bySkopeo, byRegctl]) {
          const found = await platformIn(directory ?? '')
          expect(found, directory).toEqual({ os, architecture })
        }
      })
    },
  )
}

/** The sample, with an image more for another platform, and an attestation for each of the three. */
async function buildIndex(layout: OciLayout): Promise<void> {
  await copy(new OciLayout(samplePath()), 'multi', layout)
  const { manifests }: { manifests: readonly Descriptor[] } = await readJson(
    layout,
    await layout.resolve('multi'),
  )
  const images = [...manifests, await pushWindows(layout)]
  const entries: object[] = [...images]
  for (const image of images) entries.push(await pushAttestation(layout, image))
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: entries }
  await layout.tag(await pushJson(layout, index, mediaTypes.ociIndex), 'v1')
}

async function pushWindows(layout: Target): Promise<object & Descriptor> {
  const platform = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.17763.1' }
  const rootfs = { type: 'layers', diff_ids: [] }
  const config = await pushJson(layout, { ...platform, rootfs }, mediaTypes.ociConfig)
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [] }
  return { ...(await pushJson(layout, manifest, mediaTypes.ociManifest)), platform }
}

/** As BuildKit writes it. */
async function pushAttestation(layout: Target, { digest }: Descriptor): Promise<object> {
  const type = 'application/vnd.in-toto+json'
  const subject = [{ name: 'image', digest: { sha256: digest.slice('sha256:'.length) } }]
  const statement = await pushJson(layout, { _type: 'https://in-toto.io/Statement/v0.1', subject }, type)
  const platform = { os: 'unknown', architecture: 'unknown' }
  const rootfs = { type: 'layers', diff_ids: [statement.digest] }
  const config = await pushJson(layout, { ...platform, rootfs }, mediaTypes.ociConfig)
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [statement] }
  const annotations = {
    'vnd.docker.reference.digest': digest,
    'vnd.docker.reference.type': 'attestation-manifest',
  }
  return { ...(await pushJson(layout, manifest, mediaTypes.ociManifest)), annotations, platform }
}

async function pushJson(layout: Target, document: object, mediaType: string): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document))
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  await layout.push(descriptor, contentOf(bytes))
  return descriptor
}

/** Of the only image that a layout lists. */
async function platformIn(directory: string): Promise<object> {
  const layout = new OciLayout(directory)
  const [image] = await Array.fromAsync(layout.listed())
  if (image === undefined) throw new RangeError(`${directory} lists nothing`)
  const { config } = await readJson(layout, image)
  const { os, architecture } = await readJson(layout, config)
  return { os, architecture }
}

async function succeed(binary: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(binary, args)
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
}
