import { getEventListeners } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { referrersTag } from '../../../src/targets/remote/referrers-tag.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { graph } from '../../support/graph.ts'
import { rejection } from '../contract/support.ts'
import { startServer, type Handler, type TestServer } from './server.ts'
import { index, tagStore } from './tag-store.ts'

// m1 <- sbom, m1 <- signature
const nodes = graph({
  m1: ['config'],
  sbom: { children: ['config'], subject: 'm1', artifactType: 'test/sbom' },
  signature: { children: ['config'], subject: 'm1', artifactType: 'test/signature' },
})
const subject = nodes.descriptor('m1')
const sbom = { ...nodes.descriptor('sbom'), artifactType: 'test/sbom' }
const signature = { ...nodes.descriptor('signature'), artifactType: 'test/signature' }
const tag = referrersTag(subject.digest)
const others = Buffer.from(index([signature]).body ?? '')

async function start(
  handler: Handler,
  retry: RepositoryOptions['retry'] = {},
): Promise<[Repository, TestServer]> {
  const server = await startServer(handler)
  const repository = new Repository(`${server.host}/a`, {
    referrers: 'tag-schema',
    retry: { attempts: 1, baseMilliseconds: 10, ...retry },
  })
  onTestFinished(() => repository.close())
  return [repository, server]
}

async function push(repository: Repository, onEvent?: (event: CopyEvent) => void): Promise<void> {
  await repository.push(sbom, contentOf(nodes.node('sbom').bytes), { onEvent })
}

describe('a referrer that is listed in a tag', () => {
  it('is written by nobody who has read it before a write that failed: it is read again first', async () => {
    const store = tagStore(tag)
    let fails = true
    const [repository, server] = await start(
      (request, response) => {
        if (!fails || request.method !== 'PUT' || !request.url.endsWith(tag))
          return store.handler(request, response)
        fails = false
        store.manifests.set(tag, { type: mediaTypes.ociIndex, body: others })
        return { status: 503 }
      },
      { attempts: 2 },
    )
    await push(repository)
    expect(store.tagged()).toEqual([signature, sbom])
    const methods = server.requests.slice(2).map(({ method }) => method)
    expect(methods.filter((method) => method !== 'DELETE')).toEqual(['GET', 'PUT', 'GET', 'PUT', 'GET'])
  })

  it('is written again where another process has replaced the list, whose entries stay, and nothing that is tagged is deleted', async () => {
    const store = tagStore(tag)
    const theirs = { type: mediaTypes.ociIndex, body: others }
    store.manifests.set(tag, theirs)
    let writes = 0
    const [repository, server] = await start(async (request, response) => {
      const answer = await store.handler(request, response)
      if (request.method === 'PUT' && request.url.endsWith(tag) && ++writes === 1) {
        store.manifests.set(tag, theirs)
      }
      return answer
    })
    const events: CopyEvent[] = []
    await push(repository, (event) => events.push(event))
    expect(store.tagged()).toEqual([signature, sbom])
    // Both writes made the same list; the one of the others was never stored by its digest, which harms nobody.
    expect(server.lines.filter((line) => line.startsWith('DELETE'))).toEqual([
      `DELETE /v2/a/manifests/${digestOf(others)}`,
    ])
    expect(events.filter(({ type }) => type === 'warning')).toEqual([])
  })

  it('that never gets into its list is LOCKED, after a bounded number of writes', async () => {
    const store = tagStore(tag)
    const [repository, server] = await start(
      (request, response) =>
        request.method === 'GET' && request.url.endsWith(tag)
          ? index([signature])
          : store.handler(request, response),
      { baseMilliseconds: 1 },
    )
    await expect(push(repository)).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(subject.digest),
    })
    expect(server.lines.filter((line) => line === `PUT /v2/a/manifests/${tag}`)).toHaveLength(10)
  })

  it('is not waited for after an abort', async () => {
    const store = tagStore(tag)
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('enough')
    const [repository, server] = await start(store.handler, { baseMilliseconds: 60_000 })
    const onEvent = (event: CopyEvent): void => {
      if (event.type === 'request' && event.method === 'PUT' && event.url.endsWith(tag))
        controller.abort(reason)
    }
    const pushed = repository.push(sbom, contentOf(nodes.node('sbom').bytes), { signal, onEvent })
    expect(await rejection(pushed)).toBe(reason)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    expect(server.lines.at(-1)).toBe(`PUT /v2/a/manifests/${tag}`)
  })

  it('is written at once when its list was read, also to a host that has meanwhile asked for fewer requests', async () => {
    const store = tagStore(tag)
    const isRead = Promise.withResolvers<void>()
    const mayGoOn = Promise.withResolvers<void>()
    const isBusy = Promise.withResolvers<void>()
    const [repository, server] = await start(
      async (request, response) => {
        if (request.url.endsWith('/busy')) return { status: 429, headers: { 'retry-after': '60' } }
        if (request.method === 'GET') {
          isRead.resolve()
          await mayGoOn.promise
        }
        return store.handler(request, response)
      },
      { attempts: 2 },
    )
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('enough')
    const pushing = repository.push(sbom, contentOf(nodes.node('sbom').bytes), {
      existing: 'absent',
      signal,
      onEvent(event) {
        if (event.type === 'request' && event.method === 'PUT' && event.url.endsWith(tag)) {
          controller.abort(reason)
        }
      },
    })
    await isRead.promise
    const asking = repository.resolve('busy', {
      signal,
      onEvent: (event) => void (event.type === 'request' && isBusy.resolve()),
    })
    const both = Promise.allSettled([pushing, asking])
    await isBusy.promise
    mayGoOn.resolve()
    expect(await both).toEqual([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ])
    expect(server.lines.at(-1)).toBe(`PUT /v2/a/manifests/${tag}`)
  })

  it('and removed while it is being listed is not in the list in the end', async () => {
    const store = tagStore(tag)
    const controller = new AbortController()
    const [repository] = await start(store.handler, { baseMilliseconds: 100 })
    const isListed = Promise.withResolvers<void>()
    const pushing = push(repository, (event) => {
      if (event.type === 'request' && event.method === 'PUT' && event.url.endsWith(tag)) isListed.resolve()
    })
    await isListed.promise
    await Promise.all([pushing, repository.delete(sbom, { signal: controller.signal })])
    expect(store.tagged()).toEqual([])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })
})
