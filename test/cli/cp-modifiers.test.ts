import type { DisposableTempDir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { pushImage, readImage, someTar } from '../copy/modifiers/layers/image.ts'
import { newFolder } from '../support/folder.ts'
import { graph } from '../support/graph.ts'
import { readJson } from '../support/read-json.ts'
import { startRegistry } from '../support/registry.ts'
import { runCommand } from './command.ts'
import { fill, namesIn, namesWithout, repository, signedImage } from './registry.ts'
import { runReport } from './report.ts'

const outOf = (folder: DisposableTempDir): OciLayout => new OciLayout(join(folder.path, 'out'))
const plain = ({ mediaType, digest, size }: Descriptor): object => ({ mediaType, digest, size })

const signed = signedImage()

/** A layout with the signed image, tagged v1. */
async function signedIn(folder: DisposableTempDir): Promise<string> {
  const layout = new OciLayout(join(folder.path, 'in'))
  await signed.pushTo(layout)
  await layout.tag(signed.descriptor('index'), 'v1')
  return `oci:${folder.path}/in:v1`
}

/** A layout with one image of two layers, tagged v1. */
async function imageIn(folder: DisposableTempDir, isDocker: boolean): Promise<Descriptor> {
  const layout = new OciLayout(join(folder.path, 'in'))
  const image = await pushImage(layout, [{ tar: someTar(1) }, { tar: someTar(2) }], { isDocker })
  await layout.tag(image, 'v1')
  return image
}

describe('copygraph cp with modifiers', () => {
  it('sets and removes annotations of the reference, in order, and reports what became of it', async () => {
    const image = graph({
      image: { children: ['config', 'layer'], annotations: { old: 'x', kept: 'y' } },
    })
    await using registry = await startRegistry()
    await fill(registry, image, 'image')
    const flags = ['a=b=c', 'empty=', '__proto__=own', 'a=d'].flatMap((text) => ['--annotation', text])
    const args = [...flags, '--annotation-remove', 'old', `${registry.name}/app:v1`, `${registry.name}/copy`]
    const { report, stderr } = await runReport(args)
    const { annotations } = await readJson(repository(registry, 'copy'), report.descriptor)
    expect(Object.entries(annotations)).toEqual([
      ['kept', 'y'],
      ['a', 'd'],
      ['empty', ''],
      ['__proto__', 'own'],
    ])
    expect((await repository(registry, 'copy').resolve('v1')).digest).toBe(report.descriptor.digest)
    expect(report.totals.nodes).toEqual({ copy: 0, skip: 0, mount: 2, rewrite: 1, filter: 0 })
    const rewritten = { ...image.descriptor('image'), result: plain(report.descriptor) }
    expect(report.nodes).toContainEqual({ ...rewritten, action: 'rewrite' })
    const from = image.descriptor('image').digest.slice(7, 19)
    const to = report.descriptor.digest.slice(7, 19)
    expect(stderr).toMatch(new RegExp(`^Copied   ${from} .* => ${to} `, 'm'))

    const again = await runReport(args)
    expect(again.report.descriptor).toEqual(report.descriptor)
    expect(again.report.nodes).toEqual([{ ...rewritten, action: 'skip', reason: 'exists' }])
  })

  it('makes zstd layers, in OCI media types, of an image of Docker’s, and Docker’s again of it', async () => {
    await using folder = await newFolder()
    const docker = await imageIn(folder, true)
    const [from, middle, to] = ['in', 'middle', 'out'].map((name) => `oci:${folder.path}/${name}:v1`)
    const args = ['--compress', 'zstd:10', '--to-oci', from ?? '', middle ?? '']
    const { report, stderr } = await runReport(args)
    const { manifest, tars } = await readImage(new OciLayout(join(folder.path, 'middle')), report.descriptor)
    expect(report.descriptor.mediaType).toBe(mediaTypes.ociManifest)
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual(Array(2).fill(mediaTypes.ociLayerZstd))
    expect(tars).toEqual([someTar(1), someTar(2)])
    expect(report.totals.nodes).toMatchObject({ copy: 1, rewrite: 3 })
    expect(stderr).toMatch(/: 1 copied, 3 rewritten, /)

    const back = await runReport(['--to-docker', '--compress', 'gzip:6', middle ?? '', to ?? ''])
    expect(back.report.descriptor.mediaType).toBe(docker.mediaType)
    expect((await readImage(outOf(folder), back.report.descriptor)).tars).toEqual([someTar(1), someTar(2)])
  })

  it('sets the time of creation, and keeps the digest of the source in an annotation', async () => {
    await using folder = await newFolder()
    const image = await imageIn(folder, false)
    const flags = ['--record-original-digest', '--created', '86400']
    const { report } = await runReport([...flags, `oci:${folder.path}/in:v1`, `oci:${folder.path}/out:v1`])
    const { manifest, config } = await readImage(outOf(folder), report.descriptor)
    expect(config.created).toBe('1970-01-02T00:00:00Z')
    expect(manifest.annotations).toEqual({ 'io.copygraph.original.digest': image.digest })
  })

  it('strips attestations, which Docker has nothing for, before it goes over to Docker, as they are typed in any order', async () => {
    const image = graph({
      layer: { mediaType: mediaTypes.ociLayerGzip },
      image: { children: ['config', 'layer'], platform: { os: 'linux', architecture: 'amd64' } },
      statement: { mediaType: 'application/vnd.in-toto+json' },
      attestation: {
        children: ['config', 'statement'],
        platform: { os: 'unknown', architecture: 'unknown' },
        entry: { annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } },
      },
      index: ['image', 'attestation'],
    })
    await using registry = await startRegistry()
    await fill(registry, image, 'index')
    const ends = [`${registry.name}/app:v1`, `${registry.name}/copy`]
    expect(await runCommand(['cp', '--to-docker', ...ends])).toMatchObject({ code: 1, stdout: '' })
    expect(await Array.fromAsync(repository(registry, 'copy').tags())).toEqual([])
    const { report } = await runReport(['--to-docker', '--strip-attestations', ...ends])
    expect(report.descriptor.mediaType).toBe(mediaTypes.dockerList)
    const { manifests } = await readJson(repository(registry, 'copy'), report.descriptor)
    expect(manifests).toEqual([expect.objectContaining({ mediaType: mediaTypes.dockerManifest })])
    expect(report.nodes).toContainEqual({
      ...plain(image.descriptor('attestation')),
      action: 'filter',
      reason: 'modifier',
    })
  })

  it('changes what a filter of platforms has left', async () => {
    await using folder = await newFolder()
    const from = await signedIn(folder)
    const flags = ['--platform', 'linux/amd64', '--keep-index', '--strip-attestations', '--annotation', 'a=b']
    const { report } = await runReport([...flags, from, `oci:${folder.path}/out:v1`])
    expect(await readJson(outOf(folder), report.descriptor)).toMatchObject({
      manifests: [signed.descriptor('amd64')],
      annotations: { a: 'b' },
    })
  })

  it.each([
    [[], 'drop', ['signature', 'signed', 'index'], 'is left out'],
    [['--on-invalidated', 'drop'], 'drop', ['signature', 'signed', 'index'], 'is left out'],
    [['--on-invalidated', 'keep'], 'keep', [], 'is kept, with its subject as it was'],
    [
      ['--on-invalidated', 'repoint'],
      'repoint',
      ['signature', 'index'],
      'refers to what its subject has become',
    ],
  ])(
    '%j: the signature of what has changed meets its end (%s), and is named',
    async (flags, disposition, left, end) => {
      await using folder = await newFolder()
      const from = await signedIn(folder)
      const args = ['-r', '--annotation', 'a=b', ...flags, from, `oci:${folder.path}/out:v1`]
      const { report, stderr } = await runReport(args)
      const [index, signature] = [signed.descriptor('index'), signed.descriptor('signature')]
      expect(await namesIn(outOf(folder), signed)).toEqual(namesWithout(signed, ...left))
      expect(report.invalidated).toEqual([
        {
          digest: signature.digest,
          artifactType: 'application/signature',
          subject: index.digest,
          disposition,
          reason: `its subject ${index.digest} has become ${report.descriptor.digest}`,
        },
      ])
      expect(stderr).toContain(
        `Warning: ${signature.digest} (application/signature) ${end}: its subject ${index.digest} has become`,
      )
      const outcomes = report.nodes
        .filter(({ digest }) => digest === index.digest)
        .map(({ action }) => action)
      expect(outcomes.toSorted()).toEqual(disposition === 'keep' ? ['copy', 'rewrite'] : ['rewrite'])
      const brought = report.nodes.filter(({ digest }) => digest === signed.descriptor('amd64').digest)
      expect(brought.map(({ action }) => action)).toEqual(['copy'])
    },
  )

  it('says nothing of signatures with --quiet but in the report', async () => {
    await using folder = await newFolder()
    const from = await signedIn(folder)
    const args = ['-r', '--quiet', '--annotation', 'a=b', from, `oci:${folder.path}/out:v1`]
    const { report, stderr } = await runReport(args)
    expect(stderr).toBe('')
    expect(report.invalidated).toHaveLength(1)
  })
})
