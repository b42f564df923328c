import { describe, expect, it, onTestFinished } from 'vitest'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { graph } from '../../support/graph.ts'
import { blob, referrersOf } from '../contract/support.ts'
import { errorBody, startServer, type Answer, type Handler, type TestServer } from './server.ts'
import { index } from './tag-store.ts'

// m1 <- sbom, m1 <- signature
const nodes = graph({
  m1: ['config'],
  sbom: { children: ['config'], subject: 'm1', artifactType: 'test/sbom', annotations: { made: 'today' } },
  signature: { children: ['config'], subject: 'm1', artifactType: 'test/signature' },
})
const subject = nodes.descriptor('m1')
const sbom = { ...nodes.descriptor('sbom'), artifactType: 'test/sbom', annotations: { made: 'today' } }
const signature = { ...nodes.descriptor('signature'), artifactType: 'test/signature' }

async function start(handler: Handler, options: RepositoryOptions = {}): Promise<[Repository, TestServer]> {
  const server = await startServer(handler)
  const repository = new Repository(`${server.host}/a`, {
    retry: { attempts: 1, baseMilliseconds: 10 },
    ...options,
  })
  onTestFinished(() => repository.close())
  return [repository, server]
}

describe('referrers by the API', () => {
  it('come from all pages, each once', async () => {
    const [repository, server] = await start(({ url }) =>
      url.includes('page=2')
        ? index([signature, sbom])
        : index([sbom], { link: `<${url}?page=2>; rel="next"` }),
    )
    expect(await referrersOf(repository, subject)).toEqual([sbom, signature])
    expect(server.lines[0]).toBe(`GET /v2/a/referrers/${subject.digest}`)
    expect(server.requests).toHaveLength(2)
  })

  it('are filtered by the registry if it says so, and else by us', async () => {
    const odd = { ...signature, artifactType: 'test/other' }
    const [filtering, server] = await start(() => index([odd], { 'oci-filters-applied': 'artifactType' }))
    expect(await referrersOf(filtering, subject, 'test/sbom')).toEqual([odd])
    expect(server.lines[0]).toMatch(/\?artifactType=test%2Fsbom$/)
    const [plain] = await start(() => index([sbom, signature]))
    expect(await referrersOf(plain, subject, 'test/sbom')).toEqual([sbom])
  })

  it('are filtered by the registry also if only its list says so', async () => {
    const odd = { ...signature, artifactType: 'test/other' }
    const answer = (applied: string): Answer => {
      const annotations = { 'org.opencontainers.referrers.filtersApplied': applied }
      const document = {
        schemaVersion: 2,
        mediaType: mediaTypes.ociIndex,
        manifests: [odd, sbom],
        annotations,
      }
      return { status: 200, headers: { 'content-type': mediaTypes.ociIndex }, body: JSON.stringify(document) }
    }
    const [filtering] = await start(() => answer('other, artifactType'))
    expect(await referrersOf(filtering, subject, 'test/sbom')).toEqual([odd, sbom])
    const [other] = await start(() => answer('annotation'))
    expect(await referrersOf(other, subject, 'test/sbom')).toEqual([sbom])
  })

  it('are the predecessors', async () => {
    const [repository] = await start(() => index([sbom]))
    expect(await Array.fromAsync(repository.predecessors(subject))).toEqual([
      { descriptor: sbom, edge: 'subject' },
    ])
  })

  it('are not asked for with a blob', async () => {
    const [repository, server] = await start(() => index([]))
    expect(await referrersOf(repository, blob(Buffer.from('x')))).toEqual([])
    expect(server.requests).toEqual([])
  })

  it.each([500, 429])('are an error with %d, and the API is asked again', async (status) => {
    const answers = [{ status }, index([sbom])]
    const [repository] = await start(() => answers.shift() ?? { status: 500 })
    await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'RESPONSE' })
    expect(await referrersOf(repository, subject)).toEqual([sbom])
  })

  it('of a repository that is not known yet are none, and nothing is decided', async () => {
    const answers: Answer[] = [
      { status: 404, body: errorBody('NAME_UNKNOWN') },
      { status: 404 },
      index([sbom]),
    ]
    const [repository] = await start(() => answers.shift() ?? { status: 500 })
    expect(await referrersOf(repository, subject)).toEqual([])
    expect(await referrersOf(repository, subject)).toEqual([sbom])
  })

  it.each([
    ['no list', { status: 200, headers: { 'content-type': mediaTypes.ociIndex }, body: '{"manifests":{}}' }],
    ['malformed entries', index([{ ...sbom, digest: 'sha256:../../x' }])],
  ])('are an error with %s', async (_what, answer) => {
    const [repository] = await start(() => answer)
    await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'INVALID_MANIFEST' })
  })

  it('that link elsewhere, or without end, are an error', async () => {
    for (const link of [
      '<http://127.0.0.1:1/>; rel="next"',
      `</v2/a/referrers/${subject.digest}>; rel="next"`,
    ]) {
      const [repository] = await start(() => index([sbom], { link }))
      await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'RESPONSE' })
    }
  })

  it('are an error where they do not end, though each page is another one', async () => {
    const pageSize = 20_000
    const [repository, server] = await start(({ url }) => {
      const page = Number(/page=(\d+)/.exec(url)?.[1] ?? 0)
      const manifests = Array.from({ length: pageSize }, (_, count) => ({
        mediaType: mediaTypes.ociManifest,
        digest: `sha256:${(page * pageSize + count).toString(16).padStart(64, '0')}`,
        size: 2,
      }))
      return index(manifests, { link: `<?page=${page + 1}>; rel="next"` })
    })
    const all = Array.fromAsync(repository.referrers(subject))
    await expect(all).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(server.requests).toHaveLength(6)
  })

  it('are an error where a later page is not there', async () => {
    const [repository] = await start(({ url }) =>
      url.includes('page=2')
        ? { status: 404, body: errorBody('NAME_UNKNOWN') }
        : index([sbom], { link: `<${url}?page=2>; rel="next"` }),
    )
    await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'RESPONSE', status: 404 })
  })

  it.each([400, 404, 410])('begin anew, once, where a page is over (%i)', async (status) => {
    const answers = [
      index([sbom], { link: `</v2/a/referrers/${subject.digest}?page=2>; rel="next"` }),
      { status },
      index([sbom], { link: `</v2/a/referrers/${subject.digest}?page=3>; rel="next"` }),
      index([signature]),
    ]
    const [repository, server] = await start(() => answers.shift() ?? { status: 500 })
    expect(await referrersOf(repository, subject)).toEqual([sbom, signature])
    expect(server.lines.map((line) => line.split('page=')[1])).toEqual([undefined, '2', undefined, '3'])
  })

  it('are an error where pages are always over', async () => {
    const [repository, server] = await start(({ url }) =>
      url.includes('page=2') ? { status: 400 } : index([sbom], { link: `<${url}?page=2>; rel="next"` }),
    )
    await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'RESPONSE', status: 400 })
    expect(server.requests).toHaveLength(4)
  })

  it('are an error where the connection breaks, and the API is asked again', async () => {
    let isBroken = true
    const [repository, server] = await start((_request, response) => {
      if (!isBroken) return index([sbom])
      response.destroy()
      return undefined
    })
    await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    isBroken = false
    expect(await referrersOf(repository, subject)).toEqual([sbom])
    expect(server.lines.filter((line) => !line.includes('/referrers/'))).toEqual([])
  })

  it('are wanted in no other way, if the user says so', async () => {
    const [repository] = await start(() => ({ status: 404 }), { referrers: 'api' })
    await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})
