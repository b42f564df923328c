import { describe, expect, it } from 'vitest'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { parseTemplate } from '../../src/cli/template.ts'
import { newFolder } from '../support/folder.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { startRegistry } from '../support/registry.ts'
import { runCommand } from './command.ts'
import { fill } from './registry.ts'

//  sbomSignature ─► sbom ─► image ◄─ signature
function signedImage(): TestGraph {
  return graph({
    image: ['config', 'layer'],
    sbom: {
      children: ['empty'],
      subject: 'image',
      artifactType: 'application/spdx+json',
      annotations: { 'org.example.by': 'me\u001b[31m\nforged' },
    },
    signature: { children: ['empty', 'sig'], subject: 'image', artifactType: 'application/vnd.example.sig' },
    sbomSignature: {
      children: ['empty', 'sig'],
      subject: 'sbom',
      artifactType: 'application/vnd.example.sig',
    },
  })
}

describe('copygraph discover', () => {
  it('prints referrers by artifact type, and theirs below them', async () => {
    const image = signedImage()
    await using registry = await startRegistry()
    await fill(registry, image, 'image')
    const digest = (name: string): string => image.descriptor(name).digest
    const { code, stdout, stderr } = await runCommand(['discover', `${registry.name}/app:v1`])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.split('\n')).toEqual([
      `${registry.name}/app@${digest('image')}`,
      '├── application/vnd.example.sig',
      `│   └── ${digest('signature')}`,
      '└── application/spdx+json',
      `    └── ${digest('sbom')}`,
      '        └── application/vnd.example.sig',
      `            └── ${digest('sbomSignature')}`,
      '',
    ])
    expect(registry.requests.filter((request) => request.includes('/manifests/'))).toHaveLength(1)
  })

  it('prints nested JSON as oras does, to a depth, of a layout too', async () => {
    const image = signedImage()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('image'), 'v1')
    const name = `oci:${folder.path}`
    const { stdout } = await runCommand(['discover', '--format', 'json', '--depth', '1', `${name}:v1`])
    const report = JSON.parse(stdout)
    const { mediaType, digest, size } = image.descriptor('image')
    expect(report).toMatchObject({ reference: `${name}@${digest}`, mediaType, digest, size })
    const sbom = image.descriptor('sbom')
    expect(report.referrers).toHaveLength(2)
    expect(report.referrers).toContainEqual({
      reference: `${name}@${sbom.digest}`,
      mediaType: sbom.mediaType,
      digest: sbom.digest,
      size: sbom.size,
      artifactType: 'application/spdx+json',
      annotations: { 'org.example.by': 'me\u001b[31m\nforged' },
      referrers: [],
    })
    expect(stdout).not.toContain('\u001b')
  })

  it('prints a line for each referrer by a template, and only one artifact type on request', async () => {
    const image = signedImage()
    await using registry = await startRegistry()
    await fill(registry, image, 'image')
    const reference = `${registry.name}/app:v1`
    const template = '{{digest}} {{annotations.org.example.by}}'
    const lines = await runCommand(['discover', '--template', template, reference])
    const digest = (name: string): string => image.descriptor(name).digest
    expect(lines).toMatchObject({
      code: 0,
      stdout: [
        `${digest('signature')} `,
        `${digest('sbom')} me\\u{1b}[31m\\u{a}forged`,
        `${digest('sbomSignature')} `,
        '',
      ].join('\n'),
    })
    const signatures = ['--artifact-type', 'application/vnd.example.sig', '--template', '{{.digest}}']
    expect(await runCommand(['discover', ...signatures, reference])).toMatchObject({
      code: 0,
      stdout: `${digest('signature')}\n`,
    })
  })

  it('finds what is in tags of the referrers tag schema, where it is told to look there', async () => {
    const image = signedImage()
    await using registry = await startRegistry()
    await fill(registry, image, 'image')
    const reference = `${registry.name}/app:v1`
    const { code, stdout } = await runCommand([
      'discover',
      '--distribution-spec',
      'v1.1-referrers-tag',
      reference,
    ])
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `${registry.name}/app@${image.descriptor('image').digest}\n`,
    })
    expect(registry.requests.filter((request) => request.includes('/referrers/'))).toEqual([])
  })

  it('ends with the codes of other commands: wrong usage, not found', async () => {
    await using registry = await startRegistry()
    for (const args of [
      ['--format', 'table', 'oci:x:y'],
      ['--depth', '0', 'oci:x:y'],
      ['--template', '{{nothing}}', 'oci:x:y'],
      ['--template', '{{digest}}', '--format', 'json', 'oci:x:y'],
    ]) {
      expect(await runCommand(['discover', ...args])).toMatchObject({ code: 2, stdout: '' })
    }
    expect(await runCommand(['discover', `${registry.name}/app:none`])).toMatchObject({ code: 3, stdout: '' })
  })
})

describe('a template', () => {
  it('is read in time in proportion to its length, also one that does not end', () => {
    const fields = { reference: 'r', descriptor: { mediaType: 'm', digest: 'sha256:0', size: 1 } }
    for (const text of [`{{${' '.repeat(3000)}`, `{{${' '.repeat(3000)}digest`]) {
      expect(parseTemplate(text)(fields)).toBe(text)
    }
    expect(parseTemplate(`{{${' '.repeat(3000)}.digest\n}}`)(fields)).toBe('sha256:0')
  }, 2000)

  it('knows own fields and annotations alone', () => {
    const descriptor = signedImage().descriptor('image')
    const filled = (text: string): string => parseTemplate(text)({ descriptor, reference: 'here' })
    expect(filled('{{ reference }}|{{.size}}|{{artifactType}}|}}{{mediaType}}{')).toBe(
      `here|${descriptor.size}||}}${descriptor.mediaType}{`,
    )
    expect(filled('<{{annotations.__proto__}}{{annotations.constructor}}>')).toBe('<>')
    for (const text of ['{{}}', '{{constructor}}', '{{annotations.}}', '{{digest}}{{Digest}}']) {
      expect(() => parseTemplate(text)).toThrow(/Expected names such as/)
    }
  })
})
