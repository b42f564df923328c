import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { newFolder } from '../support/folder.ts'
import { startRegistry } from '../support/registry.ts'
import { runCommand } from './command.ts'
import { fill, namesIn, namesWithout, repository, signedImage } from './registry.ts'
import { runReport } from './report.ts'

const ofSignature = ['signature', 'signed']
const ofSbom = ['sbom', 'packages']
const ofSbomSignature = ['sbomSignature', 'approved']

describe('copygraph cp --recursive', () => {
  it.each([
    [[], []],
    [['--referrers', 'all'], []],
    [
      ['--referrers', 'root'],
      [...ofSbom, ...ofSbomSignature],
    ],
    [
      ['--referrers', 'none'],
      [...ofSignature, ...ofSbom, ...ofSbomSignature],
    ],
    [['--depth', '1'], ofSbomSignature],
    [
      ['--artifact-type', 'application/sbom'],
      [...ofSignature, ...ofSbomSignature],
    ],
    [['--artifact-type', 'application/sbom', '--artifact-type', 'application/signature'], []],
    [['--require-referrer', 'application/signature'], []],
    [
      ['--platform', 'linux/amd64'],
      [
        'arm64',
        'config2',
        'layer2',
        'onAmd64',
        'statement1',
        'onArm64',
        'statement2',
        'index',
        ...ofSignature,
      ],
    ],
  ])('%j copies the image with what refers to it, but for %j', async (flags, left) => {
    const image = signedImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const { report } = await runReport(['-r', ...flags, `${registry.name}/app:v1`, `oci:${folder.path}:v1`])
    const layout = new OciLayout(folder.path)
    expect(await namesIn(layout, image)).toEqual(namesWithout(image, ...left))
    expect((await layout.resolve('v1')).digest).toBe(report.descriptor.digest)
    const root = flags[0] === '--platform' ? 'amd64' : 'index'
    expect(report.descriptor.digest).toBe(image.descriptor(root).digest)
    expect(report).toMatchObject({ digestTags: [], invalidated: [] })
  })

  it('is what a plain copy is not: that asks nobody for what refers to the image', async () => {
    const image = signedImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    await runReport([`${registry.name}/app:v1`, `oci:${folder.path}:v1`])
    const left = [...ofSignature, ...ofSbom, ...ofSbomSignature]
    const copied = namesWithout(image, ...left)
    expect(await namesIn(new OciLayout(folder.path), image)).toEqual(copied)
    expect(registry.requests.filter((request) => /\/(?:referrers|tags)\//.test(request))).toEqual([])
    expect(registry.requests).toHaveLength(copied.length)
  })

  it('copies nothing without a referrer that is required', async () => {
    const image = signedImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    // An SBOM there is, but of an image below.
    const required = ['--require-referrer', 'application/signature', '--require-referrer', 'application/sbom']
    const to = `oci:${folder.path}/out:v1`
    const { code, stdout, stderr } = await runCommand([
      'cp',
      '-r',
      ...required,
      `${registry.name}/app:v1`,
      to,
    ])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toContain(
      'no referrer of the artifact type application/sbom: it has application/signature',
    )
    expect(stderr).toContain('Hint: nothing was written')
    expect(await namesIn(new OciLayout(join(folder.path, 'out')), image)).toEqual([])
    expect(registry.requests.filter((request) => request.includes('/blobs/'))).toEqual([])
  })

  it('takes along what is attached by tags, into a layout and out of it, and reports the tags', async () => {
    const image = signedImage()
    await using registry = await startRegistry()
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const tag = `${image.descriptor('arm64').digest.replace(':', '-')}.sig`
    await repository(registry, 'app').tag(image.descriptor('sbomSignature'), tag)
    const middle = `oci:${folder.path}:v1`
    const flags = ['-r', '--digest-tags', '--referrers', 'all']
    const { report } = await runReport([...flags, `${registry.name}/app:v1`, middle])
    expect(report.digestTags).toEqual([tag])
    expect((await runReport([...flags, middle, `${registry.name}/copy:v1`])).report.digestTags).toEqual([tag])
    const found = await repository(registry, 'copy').resolve(tag)
    expect(found.digest).toBe(image.descriptor('sbomSignature').digest)
  })

  it('fails before anything is copied where the registry does not say what refers to something', async () => {
    const image = signedImage()
    await using registry = await startRegistry({
      misbehave(request, response) {
        if (request.url?.includes('/referrers/') !== true) return false
        response.writeHead(500).end()
        return true
      },
    })
    await using folder = await newFolder()
    await fill(registry, image, 'index')
    const args = ['cp', '-r', '--retries', '0', `${registry.name}/app:v1`, `oci:${folder.path}/out:v1`]
    const { code, stderr } = await runCommand(args)
    expect(code).toBe(1)
    expect(stderr).toContain('cannot find the predecessors of')
    expect(await namesIn(new OciLayout(join(folder.path, 'out')), image)).toEqual([])
  })
})
