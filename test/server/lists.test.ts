import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../src/content/media-types.ts'
import { targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { graph, type NodeSpec } from '../support/graph.ts'
import {
  blob,
  errorCodes,
  json,
  pushBlob,
  pushGraph,
  startRegistry,
  type Call,
  type Reply,
} from './harness.ts'

const image = graph({ image: ['config', 'layer'] })

function nextPath(reply: Reply): string | undefined {
  return /^<([^>]+)>; rel="next"$/.exec(reply.headers.link ?? '')?.[1]
}

/** Follows the Link headers; the bodies of all pages. */
async function allPages<T>(call: Call, path: string): Promise<T[]> {
  const pages: T[] = []
  for (let next: string | undefined = path; next !== undefined;) {
    const reply: Reply = await call('GET', next)
    expect(reply.status).toBe(200)
    pages.push(JSON.parse(reply.body.toString()))
    next = nextPath(reply)
  }
  return pages
}

describe('tags/list', () => {
  async function taggedRegistry(tags: readonly string[]) {
    const target = new MemoryTarget()
    await image.pushTo(target)
    for (const tag of tags) await target.tag(image.descriptor('image'), tag)
    return startRegistry({}, targetStore(new Map([['some/image', target]])))
  }

  it('has the name and all tags in lexical order', async () => {
    const { call } = await taggedRegistry(['v2', 'V3', 'v10', 'a'])
    const reply = await call('GET', '/v2/some/image/tags/list')
    expect(reply.headers['content-type']).toBe('application/json')
    expect(reply.headers.link).toBeUndefined()
    expect(json(reply)).toEqual({ name: 'some/image', tags: ['V3', 'a', 'v10', 'v2'] })
  })

  it('comes in pages of n, each with a Link to the next', async () => {
    const { call } = await taggedRegistry(['a', 'b', 'c', 'd', 'e'])
    const first = await call('GET', '/v2/some/image/tags/list?n=2')
    expect(nextPath(first)).toBe('/v2/some/image/tags/list?n=2&last=b')
    const pages = await allPages<{ tags: string[] }>(call, '/v2/some/image/tags/list?n=2')
    expect(pages.map(({ tags }) => tags)).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  it('has no Link on the last page, full or not', async () => {
    const { call } = await taggedRegistry(['a', 'b'])
    for (const n of [2, 3]) {
      expect((await call('GET', `/v2/some/image/tags/list?n=${n}`)).headers.link).toBeUndefined()
    }
  })

  it('begins after last, which need not be a tag, with or without n', async () => {
    const { call } = await taggedRegistry(['a', 'c', 'd'])
    expect(json(await call('GET', '/v2/some/image/tags/list?last=b'))).toMatchObject({ tags: ['c', 'd'] })
    expect(json(await call('GET', '/v2/some/image/tags/list?last=c&n=5'))).toMatchObject({ tags: ['d'] })
    expect(json(await call('GET', '/v2/some/image/tags/list?last=z'))).toMatchObject({ tags: [] })
  })

  it('is empty for n=0, without a Link', async () => {
    const { call } = await taggedRegistry(['a'])
    const reply = await call('GET', '/v2/some/image/tags/list?n=0')
    expect([json(reply), reply.headers.link]).toEqual([{ name: 'some/image', tags: [] }, undefined])
  })

  it.each(['-1', 'x', '1.5', '', '99999999999999999999'])('refuses n=%s', async (n) => {
    const { call } = await taggedRegistry(['a'])
    const reply = await call('GET', `/v2/some/image/tags/list?n=${n}`)
    expect([reply.status, errorCodes(reply)]).toEqual([400, ['UNSUPPORTED']])
  })

  it('leaves out what can be a tag in a store and not in a registry', async () => {
    const { call } = await taggedRegistry(['a', 'b:c', 'host/repo:v1', 'd'])
    const pages = await allPages<{ tags: string[] }>(call, '/v2/some/image/tags/list?n=1')
    expect(pages.flatMap(({ tags }) => tags)).toEqual(['a', 'd'])
  })

  it('of an unknown repository is 404', async () => {
    const { call } = await taggedRegistry([])
    const reply = await call('GET', '/v2/other/tags/list')
    expect([reply.status, errorCodes(reply)]).toEqual([404, ['NAME_UNKNOWN']])
  })
})

describe('_catalog', () => {
  it('has all repositories in lexical order, in pages', async () => {
    const { call } = await startRegistry()
    for (const name of ['b/c', 'a', 'b', 'b-c']) await pushBlob(call, name, blob())
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: ['a', 'b', 'b-c', 'b/c'] })
    const pages = await allPages<{ repositories: string[] }>(call, '/v2/_catalog?n=3')
    expect(pages.map(({ repositories }) => repositories)).toEqual([['a', 'b', 'b-c'], ['b/c']])
    expect(json(await call('GET', '/v2/_catalog?last=b'))).toEqual({ repositories: ['b-c', 'b/c'] })
  })

  it('is empty in an empty registry', async () => {
    const { call } = await startRegistry()
    expect(json(await call('GET', '/v2/_catalog'))).toEqual({ repositories: [] })
  })
})

describe('referrers', () => {
  interface Index {
    readonly schemaVersion: number
    readonly mediaType: string
    readonly manifests: { digest: string; artifactType?: string; annotations?: Record<string, string> }[]
  }

  const manifestsOf = ({ body }: Reply): Index['manifests'] => JSON.parse(body.toString()).manifests

  const referrer = (type: string, size = 1): NodeSpec => ({
    children: ['config'],
    subject: 'subject',
    artifactType: `application/vnd.example.${type}`,
    annotations: { of: 'a'.repeat(size) },
  })

  /** sbom and signature → subject; index has subject too. */
  const referrers = graph({
    subject: ['config', 'layer'],
    sbom: referrer('sbom'),
    signature: referrer('signature'),
    index: { kind: 'index', children: ['subject'], subject: 'subject' },
  })
  const path = `/v2/x/referrers/${referrers.descriptor('subject').digest}`

  it('are an index of all that have this subject, with artifact types and annotations', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', referrers)
    const reply = await call('GET', path)
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe(mediaTypes.ociIndex)
    expect(reply.headers['oci-filters-applied']).toBeUndefined()
    const index: Index = JSON.parse(reply.body.toString())
    expect([index.schemaVersion, index.mediaType]).toEqual([2, mediaTypes.ociIndex])
    const expected = [
      {
        ...referrers.descriptor('sbom'),
        artifactType: 'application/vnd.example.sbom',
        annotations: { of: 'a' },
      },
      {
        ...referrers.descriptor('signature'),
        artifactType: 'application/vnd.example.signature',
        annotations: { of: 'a' },
      },
      referrers.descriptor('index'),
    ]
    expect(index.manifests).toHaveLength(3)
    expect(index.manifests).toEqual(expect.arrayContaining(expected))
  })

  it('are filtered by artifact type, and say so', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', referrers)
    const reply = await call('GET', `${path}?artifactType=application%2Fvnd.example.sbom`)
    expect(reply.headers['oci-filters-applied']).toBe('artifactType')
    expect(manifestsOf(reply).map(({ digest }) => digest)).toEqual([referrers.descriptor('sbom').digest])
    const none = await call('GET', `${path}?artifactType=other`)
    expect(manifestsOf(none)).toEqual([])
  })

  it.each(['x', 'nowhere'])('of an unknown digest in the repository %s are an empty index', async (name) => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', referrers)
    const reply = await call('GET', `/v2/${name}/referrers/${blob().digest}`)
    expect([reply.status, reply.headers['content-type']]).toEqual([200, mediaTypes.ociIndex])
    expect(json(reply)).toEqual({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] })
  })

  it('of what is no digest are 400', async () => {
    const { call } = await startRegistry()
    const reply = await call('GET', '/v2/x/referrers/v1')
    expect([reply.status, errorCodes(reply)]).toEqual([400, ['DIGEST_INVALID']])
  })

  it('are gone when they are deleted', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', referrers)
    await call('DELETE', `/v2/x/manifests/${referrers.descriptor('sbom').digest}`)
    expect(manifestsOf(await call('GET', path))).toHaveLength(2)
  })

  const many = graph({
    subject: ['config', 'layer'],
    ...Object.fromEntries(Array.from({ length: 7 }, (_, at) => [`r${at}`, referrer('sbom', at + 1)])),
  })

  it('come in pages that keep the filter', async () => {
    const { call } = await startRegistry({ referrersPageSize: 3 })
    await pushGraph(call, 'x', many)
    const subject = `/v2/x/referrers/${many.descriptor('subject').digest}`
    for (const query of ['', '?artifactType=application%2Fvnd.example.sbom']) {
      const pages = await allPages<Index>(call, `${subject}${query}`)
      expect(pages.map(({ manifests }) => manifests.length)).toEqual([3, 3, 1])
      const digests = pages.flatMap(({ manifests }) => manifests.map(({ digest }) => digest))
      expect(new Set(digests).size).toBe(7)
    }
  })

  it('that change between pages are not lost or repeated', async () => {
    const { call } = await startRegistry({ referrersPageSize: 3 })
    await pushGraph(call, 'x', many)
    const first = await call('GET', `/v2/x/referrers/${many.descriptor('subject').digest}`)
    const shown = manifestsOf(first).map(({ digest }) => digest)
    for (const digest of shown) await call('DELETE', `/v2/x/manifests/${digest}`)
    const pages = await allPages<Index>(call, nextPath(first) ?? '')
    const rest = pages.flatMap(({ manifests }) => manifests.map(({ digest }) => digest))
    expect(rest).toHaveLength(4)
    expect(new Set([...shown, ...rest]).size).toBe(7)
  })

  it('with long annotations come in pages that a client will read', async () => {
    const { call } = await startRegistry()
    const long = graph({
      subject: ['config', 'layer'],
      ...Object.fromEntries(
        Array.from({ length: 3 }, (_, at) => [`r${at}`, referrer('sbom', 2_000_000 + at)]),
      ),
    })
    await pushGraph(call, 'x', long)
    const pages = await allPages<Index>(call, `/v2/x/referrers/${long.descriptor('subject').digest}`)
    expect(pages.map(({ manifests }) => manifests.length)).toEqual([2, 1])
    for (const page of pages) expect(JSON.stringify(page).length).toBeLessThanOrEqual(4 * 1024 * 1024)
  })
})
