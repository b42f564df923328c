import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { buildGraph } from '../../src/graph/graph.ts'
import { renderJson, type JsonGraph } from '../../src/graph/render-json.ts'
import { drawing, filled } from './drawing.ts'
import { chain, fleet, hostileGraph, hostileTexts, planned } from './hand-made.ts'

const schema = z.fromJSONSchema(
  JSON.parse(await readFile(new URL('../../docs/graph.schema.json', import.meta.url), 'utf8')),
)

/** Checked by the published schema, which allows no other fields. */
function parse(text: string): JsonGraph {
  const document: JsonGraph = JSON.parse(text)
  schema.parse(document)
  return document
}

describe('renderJson', () => {
  it('has all that is known of nodes and edges, by the published schema', async () => {
    const root = drawing.descriptor('index')
    const source = await filled(drawing.names.filter((name) => name !== 'm2'))
    const built = await buildGraph(source, root, { tags: new Map([[root.digest, ['v1']]]) })
    const { schemaVersion, nodes, edges, ...rest } = parse(renderJson(built))
    expect({ schemaVersion, ...rest }).toEqual({ schemaVersion: 1, root: 'n0' })
    const { mediaType, digest, size } = root
    expect(nodes[0]).toEqual({ id: 'n0', kind: 'index', mediaType, digest, size, tags: ['v1'] })
    expect(nodes[1]).toMatchObject({ kind: 'image', platform: { os: 'linux', architecture: 'amd64' } })
    expect(nodes[2]).toMatchObject({ digest: drawing.descriptor('m2').digest, isMissing: true })
    expect(nodes[3]).toMatchObject({ kind: 'artifact', artifactType: 'application/spdx+json' })
    expect(edges).toContainEqual({ from: 'n3', to: 'n0', edge: 'subject' })
    expect(edges[1]).toEqual({
      from: 'n0',
      to: 'n2',
      edge: 'contains',
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
    })
    const shallow = await buildGraph(source, root, { depth: 0 })
    expect(parse(renderJson(shallow)).nodes[0]).toMatchObject({ isUnread: true })
  })

  it('gives hostile text back unchanged, and is itself printable', () => {
    const text = renderJson(hostileGraph())
    expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    const { nodes } = parse(text)
    for (const [at, hostile] of hostileTexts.entries()) {
      expect(nodes[at * 4]?.artifactType).toBe(hostile)
      expect(nodes[at * 4 + 3]?.tags).toEqual([hostile])
      expect(Object.entries(nodes[at * 4 + 3]?.annotations ?? {})).toEqual([[hostile, hostile]])
    }
  })

  it('has a schema that refuses fields that it does not name', () => {
    const document = JSON.parse(renderJson(planned))
    expect(schema.safeParse({ ...document, more: 1 }).success).toBe(false)
    expect(schema.safeParse({ ...document, nodes: [{ ...document.nodes[0], more: 1 }] }).success).toBe(false)
  })

  it('has the states of a plan', () => {
    expect(parse(renderJson(planned)).nodes.map(({ state }) => state)).toEqual([
      'copy',
      'skip',
      'mount',
      'rewrite',
      'filtered',
    ])
  })

  it('takes large graphs and long chains', () => {
    expect(JSON.parse(renderJson(fleet(10_000))).nodes).toHaveLength(10_001)
    expect(JSON.parse(renderJson(chain(20_000))).edges).toHaveLength(19_999)
  })
})
