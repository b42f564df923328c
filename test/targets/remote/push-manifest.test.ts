import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { referrersTag } from '../../../src/targets/remote/referrers-tag.ts'
import { graph } from '../../support/graph.ts'
import { contentOfChunks, rejection, unreadable } from '../contract/support.ts'
import { startServer, type Answer, type Handler, type TestServer } from './server.ts'

// m1 <- sbom
const nodes = graph({ m1: ['config'], sbom: { children: ['config'], subject: 'm1' } })
const { descriptor: sbom, bytes } = nodes.node('sbom')
const subject = nodes.descriptor('m1')
const there: Answer = { status: 200, headers: { 'content-type': sbom.mediaType } }

/** A registry that has the manifest; `referrers` answers what is about its subject, the referrers API too. */
async function start(referrers: Handler): Promise<[Repository, TestServer]> {
  const server = await startServer((request, response) =>
    request.url.includes(subject.digest) ? referrers(request, response) : there,
  )
  const repository = new Repository(`${server.host}/a`, { retry: { attempts: 1, baseMilliseconds: 10 } })
  onTestFinished(() => repository.close())
  return [repository, server]
}

describe('a manifest with a subject that exists already', () => {
  it.each([400, 401, 403, 500, 503])(
    'exists also where nobody can say how referrers are kept (%d), which is told',
    async (status) => {
      const [repository, server] = await start(() => ({ status }))
      const events: CopyEvent[] = []
      const onEvent = (event: CopyEvent): void => void events.push(event)
      expect(await repository.push(sbom, contentOf(bytes), { onEvent })).toBe('existed')
      expect(events.filter(({ type }) => type === 'warning')).toEqual([
        { type: 'warning', message: expect.stringContaining(sbom.digest) },
      ])
      expect(server.lines.slice(0, 2)).toEqual([
        `HEAD /v2/a/manifests/${sbom.digest}`,
        `GET /v2/a/referrers/${subject.digest}`,
      ])
      expect(server.requests.filter(({ method }) => method === 'PUT')).toEqual([])
    },
  )

  it('exists also where what is pushed is not it, which is told', async () => {
    const [repository, server] = await start(() => ({ status: 404 }))
    const events: CopyEvent[] = []
    const onEvent = (event: CopyEvent): void => void events.push(event)
    const wrong = contentOf(Buffer.alloc(sbom.size, ' '))
    expect(await repository.push(sbom, wrong, { onEvent })).toBe('existed')
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(1)
    expect(server.lines).toEqual([`HEAD /v2/a/manifests/${sbom.digest}`])
  })

  it('fails with what its content throws', async () => {
    const [repository] = await start(() => ({ status: 404 }))
    const failure = new Error('the source broke')
    expect(await rejection(repository.push(sbom, contentOfChunks([], failure)))).toBe(failure)
    await expect(repository.push(sbom, unreadable())).rejects.toThrow('must not be read')
  })

  it('rejects with the reason of an abort while it is asked how referrers are kept', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const [repository] = await start(() => {
      controller.abort(reason)
      return undefined
    })
    const { signal } = controller
    expect(await rejection(repository.push(sbom, contentOf(bytes), { signal }))).toBe(reason)
  })

  it('fails where the list is ours to keep and cannot be written', async () => {
    const list = `/v2/a/manifests/${referrersTag(subject.digest)}`
    const server = await startServer(({ method, url }) => {
      if (url.includes('/referrers/')) return { status: 404 }
      if (url === list) return { status: method === 'PUT' ? 503 : 404 }
      return there
    })
    await using repository = new Repository(`${server.host}/a`, {
      retry: { attempts: 1, baseMilliseconds: 10 },
    })
    await expect(repository.push(sbom, contentOf(bytes))).rejects.toMatchObject({ status: 503 })
  })
})
