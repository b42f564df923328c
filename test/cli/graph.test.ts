import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { JsonGraph } from '../../src/graph/render-json.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { parseXml } from '../graph/parse-xml.ts'
import { newFolder } from '../support/folder.ts'
import { graph } from '../support/graph.ts'
import { startRegistry } from '../support/registry.ts'
import { runCommand } from './command.ts'
import { fill, sampleImage } from './registry.ts'

const schema = z.fromJSONSchema(
  JSON.parse(await readFile(new URL('../../docs/graph.schema.json', import.meta.url), 'utf8')),
)

describe('copygraph graph', () => {
  it('prints a tree with the tag that was typed', async () => {
    const image = sampleImage()
    await using registry = await startRegistry()
    await fill(registry, image, 'index')
    const { code, stdout, stderr } = await runCommand(['graph', `${registry.name}/app:v1`])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const lines = stdout.split('\n')
    expect(lines[0]).toMatch(
      /^sha256:[0-9a-f]{12} application\/vnd\.oci\.image\.index\.v1\+json \d+ B \[v1\]$/,
    )
    expect(lines).toHaveLength(image.names.length + 2)
    expect(stdout).toContain(`├── linux/amd64 ${image.descriptor('amd64').digest.slice(0, 19)} `)
  })

  it('prints JSON by its schema, DOT, Mermaid, SVG and HTML', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    const print = async (format: string): Promise<string> => {
      const { code, stdout } = await runCommand(['graph', '--format', format, `oci:${folder.path}:v1`])
      expect(code).toBe(0)
      return stdout
    }
    const document = JSON.parse(await print('json'))
    schema.parse(document)
    expect(document.nodes).toHaveLength(image.names.length)
    expect(document.nodes[0]).toMatchObject({ digest: image.descriptor('index').digest, tags: ['v1'] })
    expect(await print('dot')).toMatch(/^digraph copygraph \{\n[^]*\n\}\n$/)
    expect(await print('mermaid')).toMatch(/^flowchart LR\n/)
    expect(parseXml(await print('svg')).at(-1)).toMatchObject({ name: 'svg' })
    expect(await print('html')).toMatch(/^<!DOCTYPE html>\n[^]*<\/html>\n$/)
  })

  it('goes up from a child in a layout, to a depth, and starts at the image of a platform', async () => {
    const image = sampleImage()
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    await image.pushTo(layout)
    await layout.tag(image.descriptor('index'), 'v1')
    const digests = async (...args: readonly string[]): Promise<readonly string[]> => {
      const { stdout } = await runCommand(['graph', '--format', 'json', ...args])
      const { nodes }: JsonGraph = JSON.parse(stdout)
      return nodes.map(({ digest }) => digest)
    }
    const named = (...names: readonly string[]): readonly string[] =>
      names.map((name) => image.descriptor(name).digest)
    const base = `oci:${folder.path}@${image.descriptor('base').digest}`
    const up = await digests('--direction', 'up', base)
    expect(up.toSorted()).toEqual(named('base', 'amd64', 'arm64', 'index').toSorted())
    const near = await digests('--direction', 'up', '--depth', '1', base)
    expect(near.toSorted()).toEqual(named('base', 'amd64', 'arm64').toSorted())
    const amd64 = await digests('--platform', 'linux/amd64', '--direction', 'down', `oci:${folder.path}:v1`)
    expect(amd64).toEqual(named('amd64', 'config1', 'base', 'layer1'))
  })

  it('reads no manifest of a registry when it only goes up', async () => {
    const image = sampleImage()
    const signed = graph({
      image: ['config', 'layer'],
      signature: { children: ['empty'], subject: 'image', artifactType: 'application/vnd.example.sig' },
    })
    await using registry = await startRegistry()
    await fill(registry, image, 'index', { tag: 'other' })
    await fill(registry, signed, 'image')
    const { code, stdout } = await runCommand(['graph', '--direction', 'up', `${registry.name}/app:v1`])
    expect(code).toBe(0)
    expect(stdout).toContain('└── referrer ')
    expect(stdout).toContain('application/vnd.example.sig')
    expect(
      registry.requests.filter((request) => request.startsWith('GET') && request.includes('/manifests/')),
    ).toEqual([])
  })

  it('refuses a picture of too many nodes, and names what has no limit', async () => {
    const names = Array.from({ length: 1001 }, (_, at) => `layer${at}`)
    await using folder = await newFolder()
    const layout = new OciLayout(folder.path)
    const wide = graph({ image: ['config', ...names] })
    await wide.pushTo(layout)
    await layout.tag(wide.descriptor('image'), 'v1')
    const { code, stdout, stderr } = await runCommand(['graph', '--format', 'svg', `oci:${folder.path}:v1`])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/1003 nodes.*at most 1000 nodes.*tree.*DOT/)
  })

  it('ends with the codes of other commands: wrong usage, not found', async () => {
    await using folder = await newFolder()
    for (const args of [
      ['--format', 'png', 'oci:x:y'],
      ['--direction', 'left', 'oci:x:y'],
      ['--depth', '-1', 'oci:x:y'],
      ['localhost/no-tag'],
    ]) {
      expect(await runCommand(['graph', ...args])).toMatchObject({ code: 2, stdout: '' })
    }
    const image = sampleImage()
    await image.pushTo(new OciLayout(folder.path))
    const missing = `oci:${folder.path}:v1`
    expect(await runCommand(['graph', missing])).toMatchObject({ code: 3, stdout: '' })
  })
})
