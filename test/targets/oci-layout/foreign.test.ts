import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { plainDescriptor } from '../../../src/content/descriptor.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { graph, type TestGraph } from '../../support/graph.ts'
import { blobFile, readIndex, scratchDirectory, writeLayout } from './scratch.ts'

// index -> m1, list; m1 -> config, layer; list -> d1; d1 -> dconfig
const nodes = graph({
  index: ['m1'],
  m1: ['config', 'layer'],
  list: { kind: 'list', children: ['d1'] },
  d1: { kind: 'docker', children: ['dconfig'] },
  sbom: { children: ['config'], subject: 'm1', artifactType: 'application/x-sbom' },
})
const { index, m1, list, sbom } = {
  index: nodes.descriptor('index'),
  m1: nodes.descriptor('m1'),
  list: nodes.descriptor('list'),
  sbom: nodes.descriptor('sbom'),
}
const refName = 'org.opencontainers.image.ref.name'

async function foreignLayout(document: unknown, content: TestGraph = nodes): Promise<string> {
  const directory = await scratchDirectory()
  await writeLayout(directory, document)
  for (const name of content.names) {
    const { descriptor, bytes } = content.node(name)
    const path = blobFile(directory, descriptor.digest)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  return directory
}

describe('a layout that another tool has written', () => {
  it('opens: entries without a name, with platforms, without a media type of its own, with nulls', async () => {
    const directory = await foreignLayout({
      schemaVersion: 2,
      annotations: null,
      manifests: [
        { ...m1, annotations: null, platform: { architecture: 'amd64', os: 'linux' } },
        {
          ...list,
          annotations: { [refName]: 'docker.io/library/alpine:3', 'io.containerd.image.name': 'x' },
        },
        { ...sbom, artifactType: 'application/x-sbom', annotations: {} },
      ],
    })
    const layout = new OciLayout(directory)
    expect(await Array.fromAsync(layout.tags())).toEqual(['docker.io/library/alpine:3'])
    expect(await layout.resolve('docker.io/library/alpine:3')).toEqual(list)
    expect(await layout.resolve(m1.digest)).toEqual(m1)
    expect(await layout.resolve(nodes.descriptor('d1').digest)).toEqual(nodes.descriptor('d1'))
    expect((await Array.fromAsync(layout.referrers(m1))).map(plainDescriptor)).toEqual([sbom])
  })

  it('lists all nodes of index.json, with tags and without, each once', async () => {
    const directory = await foreignLayout({
      schemaVersion: 2,
      manifests: [
        m1,
        { ...list, annotations: { [refName]: 'one' } },
        { ...list, annotations: { [refName]: 'two' } },
        { mediaType: 'application/x', digest: 'other:1', size: 1 },
      ],
    })
    const listed = await Array.fromAsync(new OciLayout(directory).listed())
    expect(listed).toEqual([m1, list])
    await expect(Array.fromAsync(new OciLayout(`${directory}/none`).listed())).rejects.toMatchObject({
      code: 'INVALID_LAYOUT',
    })
  })

  it('opens with manifests: null, which is not written back', async () => {
    const directory = await foreignLayout({ schemaVersion: 2, manifests: null })
    const layout = new OciLayout(directory)
    expect(await Array.fromAsync(layout.tags())).toEqual([])
    await layout.tag(m1, 'v1')
    expect((await readIndex(directory)).manifests).toHaveLength(1)
    await layout.delete(m1)
    expect((await readIndex(directory)).manifests).toEqual([])
  })

  it('keeps its fields, its order and the entries that are not understood', async () => {
    const strange = { mediaType: 'x/y', digest: `blake3:${'0'.repeat(64)}`, size: 3, more: [1, { a: null }] }
    const nameless = { hello: 'world' }
    const named = {
      ...list,
      platform: { os: 'linux', architecture: 'arm64' },
      annotations: { [refName]: 'z', k: 'v' },
    }
    const text = JSON.stringify({
      first: { __proto__: 1 },
      schemaVersion: 2,
      manifests: [strange, named, nameless, m1],
      last: [null],
    }).replace('"first":{}', '"first":{"__proto__":{"constructor":1}},"__proto__":2')
    const directory = await foreignLayout(text)
    const layout = new OciLayout(directory)
    await layout.tag(index, 'a')
    const tagged = JSON.stringify({ ...index, annotations: { [refName]: 'a' } })
    const written = await readIndex(directory)
    expect(JSON.stringify(written)).toBe(
      text.replace(JSON.stringify(strange), `${tagged},${JSON.stringify(strange)}`),
    )
  })

  it('keeps what an entry says while its tag stays, and while it is moved away', async () => {
    const entry = {
      ...m1,
      platform: { os: 'linux', architecture: 'amd64' },
      annotations: { [refName]: 'v1', k: 'v' },
    }
    const directory = await foreignLayout({ schemaVersion: 2, manifests: [entry] })
    const layout = new OciLayout(directory)
    await layout.tag(m1, 'v1')
    expect((await readIndex(directory)).manifests).toEqual([entry])
    await layout.tag(list, 'v1')
    expect((await readIndex(directory)).manifests).toEqual([
      { ...list, annotations: { [refName]: 'v1' } },
      { ...entry, annotations: { k: 'v' } },
    ])
    await layout.tag(m1, 'v2')
    expect((await readIndex(directory)).manifests[1]).toEqual({
      ...entry,
      annotations: { k: 'v', [refName]: 'v2' },
    })
  })

  it('resolves a tag that stands twice to the last entry, and writes it once', async () => {
    const annotations = { [refName]: 'v1' }
    const directory = await foreignLayout({
      schemaVersion: 2,
      manifests: [
        { ...m1, annotations },
        { ...list, annotations },
      ],
    })
    const layout = new OciLayout(directory)
    expect(await layout.resolve('v1')).toEqual(list)
    expect(await Array.fromAsync(layout.tags())).toEqual(['v1'])
    await layout.tag(list, 'v1')
    expect((await readIndex(directory)).manifests).toEqual([{ ...list, annotations }, m1])
  })

  it('has no tag that is a digest, and says so of a tagged entry that is no descriptor', async () => {
    const directory = await foreignLayout({
      schemaVersion: 2,
      manifests: [
        { ...m1, annotations: { [refName]: m1.digest } },
        { digest: 'sha256:short', annotations: { [refName]: 'broken' } },
      ],
    })
    const layout = new OciLayout(directory)
    expect(await Array.fromAsync(layout.tags())).toEqual(['broken'])
    expect(await layout.resolve(m1.digest)).toEqual(m1)
    await expect(layout.resolve('broken')).rejects.toMatchObject({ code: 'INVALID_LAYOUT' })
    await layout.tag(m1, 'broken')
    expect(await layout.resolve('broken')).toEqual(m1)
  })

  it('has its plain entries taken out that a new index contains, and no others', async () => {
    const withPlatform = { ...m1, platform: { os: 'linux', architecture: 'amd64' } }
    const directory = await foreignLayout({ schemaVersion: 2, manifests: [list, withPlatform, m1, sbom] })
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout, ['index'])
    expect((await readIndex(directory)).manifests).toEqual(
      [list, withPlatform, index, sbom].toSorted(byPlace),
    )
    function byPlace(a: { digest: string }, b: { digest: string }): number {
      const known = [list, withPlatform, sbom].map(({ digest }) => digest)
      if (a.digest === index.digest || b.digest === index.digest) return a.digest < b.digest ? -1 : 1
      return known.indexOf(a.digest) - known.indexOf(b.digest)
    }
  })
})
