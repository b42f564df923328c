import type { DisposableTempDir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { newFolder } from '../support/folder.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { readJson } from '../support/read-json.ts'
import { runCommand } from './command.ts'
import { namesIn, namesWithout, sampleImage, signedImage } from './registry.ts'
import { runReport } from './report.ts'

const signed = signedImage()
const referrers = ['signature', 'signed', 'sbom', 'packages', 'sbomSignature', 'approved']
const ofArm64 = ['config2', 'layer2', 'arm64', 'statement2', 'onArm64']

/** A layout with a graph in it, whose root has the tag v1. */
async function layoutOf(folder: DisposableTempDir, image: TestGraph, root: string): Promise<string> {
  const layout = new OciLayout(join(folder.path, 'in'))
  await image.pushTo(layout)
  await layout.tag(image.descriptor(root), 'v1')
  return `oci:${folder.path}/in:v1`
}

const outOf = (folder: DisposableTempDir): OciLayout => new OciLayout(join(folder.path, 'out'))

describe('copygraph cp --platform', () => {
  it.each([
    ['linux/amd64', 'windows/amd64', 'linux/s390x'],
    ['linux/amd64,windows/amd64', 'linux/s390x'],
    ['linux/amd64, windows/amd64,linux/s390x,linux/amd64'],
  ])(
    'makes an index of several, with their attestations, and says which are not there: %j',
    async (...names) => {
      await using folder = await newFolder()
      const from = await layoutOf(folder, signed, 'index')
      const flags = names.flatMap((name) => ['--platform', name])
      const { report, stderr } = await runReport([...flags, from, `oci:${folder.path}/out:v1`])
      const old = signed.descriptor('index')
      const { manifests } = await readJson(outOf(folder), report.descriptor)
      expect(manifests).toEqual([signed.descriptor('amd64'), signed.descriptor('onAmd64')])
      expect((await outOf(folder).resolve('v1')).digest).toBe(report.descriptor.digest)
      expect(await namesIn(outOf(folder), signed)).toEqual(
        namesWithout(signed, ...referrers, ...ofArm64, 'index'),
      )
      expect(stderr).toContain(
        `Warning  ${old.digest} has nothing for windows/amd64, linux/s390x: it offers linux/amd64, linux/arm64\n`,
      )
      expect(report.totals.nodes).toMatchObject({ copy: 7, rewrite: 1, filter: 2 })
      const { mediaType, digest, size } = report.descriptor
      expect(report.nodes).toContainEqual({ ...old, action: 'rewrite', result: { mediaType, digest, size } })
      expect(report.nodes).toContainEqual(
        expect.objectContaining({
          digest: signed.descriptor('arm64').digest,
          action: 'filter',
          reason: 'filter',
        }),
      )
      expect(stderr).toMatch(/: 7 copied, 1 rewritten, 2 filtered, /)
    },
  )

  it.each([
    [['--platform', 'linux/amd64'], 'amd64', ['index', ...ofArm64, 'onAmd64', 'statement1', 'empty']],
    [['--platform', 'linux/*'], 'index', []],
    [['--platform', '*/arm64', '--platform', 'linux/amd64'], 'index', []],
    [['--platform', 'linux/amd64', '--keep-index', '--sparse'], 'index', ofArm64],
    [['--platform', '*/amd64,linux/amd64', '--sparse'], 'index', ofArm64],
  ])('%j leaves %s what it is, and copies nothing of %j', async (flags, root, left) => {
    await using folder = await newFolder()
    const from = await layoutOf(folder, signed, 'index')
    const { report } = await runReport([...flags, from, `oci:${folder.path}/out:v1`])
    expect(report.descriptor.digest).toBe(signed.descriptor(root).digest)
    expect(report.totals.nodes.rewrite).toBe(0)
    expect(await namesIn(outOf(folder), signed)).toEqual(namesWithout(signed, ...referrers, ...left))
  })

  it('makes an index of one with --keep-index', async () => {
    await using folder = await newFolder()
    const from = await layoutOf(folder, signed, 'index')
    const flags = ['--platform', 'linux/amd64', '--keep-index']
    const { report } = await runReport([...flags, from, `oci:${folder.path}/out:v1`])
    const { manifests } = await readJson(outOf(folder), report.descriptor)
    expect(manifests).toEqual([signed.descriptor('amd64'), signed.descriptor('onAmd64')])
  })

  it('brings the images that a sparse index at the destination lacks', async () => {
    await using folder = await newFolder()
    const from = await layoutOf(folder, signed, 'index')
    const to = `oci:${folder.path}/out:v1`
    await runReport(['--platform', 'linux/amd64', '--keep-index', '--sparse', from, to])
    expect(await outOf(folder).exists(signed.descriptor('arm64'))).toBe(false)
    await runReport(['--platform', 'linux/amd64,linux/arm64', '--sparse', from, to])
    expect(await namesIn(outOf(folder), signed)).toEqual(namesWithout(signed, ...referrers))
  })

  it('takes along, with -r, only what refers to what is copied', async () => {
    await using folder = await newFolder()
    const from = await layoutOf(folder, signed, 'index')
    const flags = ['-r', '--platform', 'linux/arm64', '--keep-index', '--sparse']
    await runReport([...flags, from, `oci:${folder.path}/out:v1`])
    const left = ['amd64', 'config1', 'layer1', 'onAmd64', 'statement1', 'sbom', 'packages', 'sbomSignature']
    expect(await namesIn(outOf(folder), signed)).toEqual(namesWithout(signed, ...left, 'approved'))
  })

  it('copies an image that is for one of several, and says what it is not for', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const from = await layoutOf(folder, image, 'arm64')
    const to = `oci:${folder.path}/out:v1`
    const { report, stderr } = await runReport(['--platform', 'linux/arm64,linux/amd64', from, to])
    expect(report.descriptor.digest).toBe(image.descriptor('arm64').digest)
    expect(stderr).toContain('has nothing for linux/amd64: it offers linux/arm64\n')
  })

  it.each([
    ['an index', 'index', sampleImage()],
    ['an image', 'arm64', sampleImage()],
    ['an index that names no platforms', 'silent', graph({ image: ['config', 'layer'], silent: ['image'] })],
  ])('exits with 3, and tags nothing, where none is there: %s', async (_title, root, image) => {
    await using folder = await newFolder()
    const from = await layoutOf(folder, image, root)
    const args = ['cp', '--platform', 'linux/s390x,windows/*', from, `oci:${folder.path}/out:v1`]
    const { code, stdout, stderr } = await runCommand(args)
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toMatch(/^Error: sha256:\S+ has nothing for linux\/s390x, windows\/\*: it offers /m)
    expect(stderr).toContain('Hint: give --platform one that is there\n')
    expect(await namesIn(outOf(folder), image)).toEqual([])
  })

  it('has no warnings with --quiet', async () => {
    await using folder = await newFolder()
    const from = await layoutOf(folder, sampleImage(), 'arm64')
    const flags = ['--quiet', '--platform', 'linux/arm64,linux/amd64']
    const { stderr } = await runReport([...flags, from, `oci:${folder.path}/out:v1`])
    expect(stderr).toBe('')
  })
})
