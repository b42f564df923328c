import { describe, expect, it, onTestFinished } from 'vitest'
import { referrersTag } from '../../../src/targets/remote/referrers-tag.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { graph } from '../../support/graph.ts'
import { referrersOf, rejection } from '../contract/support.ts'
import { startServer, type Answer, type Handler, type TestServer } from './server.ts'
import { index } from './tag-store.ts'

const nodes = graph({
  m1: ['config'],
  sbom: { children: ['config'], subject: 'm1', artifactType: 'test/sbom' },
})
const subject = nodes.descriptor('m1')
const sbom = { ...nodes.descriptor('sbom'), artifactType: 'test/sbom' }
const tag = referrersTag(subject.digest)

async function start(handler: Handler, options: RepositoryOptions = {}): Promise<[Repository, TestServer]> {
  const server = await startServer(handler)
  const repository = new Repository(`${server.host}/a`, {
    retry: { attempts: 1, baseMilliseconds: 10 },
    ...options,
  })
  onTestFinished(() => repository.close())
  return [repository, server]
}

describe('a referrers API that denies access', () => {
  /** Answers the API with `api`, and HEAD of the subject with `head`. */
  const denying =
    (api: number, head: number): Handler =>
    ({ url }) => {
      if (url.includes('/referrers/')) return { status: api }
      if (url.endsWith(tag)) return index([sbom])
      return { status: head, headers: { 'content-type': subject.mediaType } }
    }

  it.each([401, 403])('by %i is none where the subject can be read, which is asked once', async (status) => {
    const [repository, server] = await start(denying(status, 200))
    expect(await referrersOf(repository, subject)).toEqual([sbom])
    expect(await referrersOf(repository, subject)).toEqual([sbom])
    expect(server.lines.map((line) => line.split('?')[0])).toEqual([
      `GET /v2/a/referrers/${subject.digest}`,
      `HEAD /v2/a/manifests/${subject.digest}`,
      `GET /v2/a/manifests/${tag}`,
      `GET /v2/a/manifests/${tag}`,
    ])
  })

  it('is none where the subject is not there in a repository that is known', async () => {
    const [repository] = await start(denying(401, 404))
    await repository.fetchReference(tag)
    expect(await referrersOf(repository, subject)).toEqual([sbom])
  })

  it.each([
    [401, 'AUTH'],
    [403, 'AUTH'],
    [404, 'AUTH'],
    [429, 'RESPONSE'],
    [500, 'RESPONSE'],
  ])('decides nothing where the subject is answered with %i', async (head, code) => {
    const answers = { head }
    const [repository] = await start((request, response) => denying(401, answers.head)(request, response))
    expect(await rejection(referrersOf(repository, subject))).toMatchObject({ code })
    answers.head = 200
    expect(await referrersOf(repository, subject)).toEqual([sbom])
  })

  it('is an error where it has answered before, or the user wants it', async () => {
    const api: Answer[] = [index([sbom]), { status: 401 }]
    const [repository, server] = await start(({ url }) =>
      url.includes('/referrers/') ? api.shift() : { status: 404 },
    )
    expect(await referrersOf(repository, subject)).toEqual([sbom])
    expect(await rejection(referrersOf(repository, subject))).toMatchObject({ code: 'AUTH' })
    const [wanting] = await start(denying(401, 200), { referrers: 'api' })
    expect(await rejection(referrersOf(wanting, subject))).toMatchObject({ code: 'AUTH' })
    expect(server.requests).toHaveLength(2)
  })
})
