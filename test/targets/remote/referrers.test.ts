import { getEventListeners } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import type { Descriptor } from '../../../src/content/descriptor.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { Registry } from '../../../src/targets/remote/registry.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { referrersTag } from '../../../src/targets/remote/referrers-tag.ts'
import { graph } from '../../support/graph.ts'
import { referrersOf, rejection, unreadable } from '../contract/support.ts'
import { startServer, type Answer, type Handler, type TestServer } from './server.ts'
import { index, tagStore } from './tag-store.ts'

// m1 <- sbom, m1 <- signature
const nodes = graph({
  m1: ['config'],
  sbom: { children: ['config'], subject: 'm1', artifactType: 'test/sbom', annotations: { made: 'today' } },
  signature: { children: ['config'], subject: 'm1', artifactType: 'test/signature' },
})
const subject = nodes.descriptor('m1')
const sbom = { ...nodes.descriptor('sbom'), artifactType: 'test/sbom', annotations: { made: 'today' } }
const signature = { ...nodes.descriptor('signature'), artifactType: 'test/signature' }
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

async function push(
  repository: Repository,
  name: string,
  onEvent?: (event: CopyEvent) => void,
): Promise<void> {
  await repository.push(nodes.descriptor(name), contentOf(nodes.node(name).bytes), { onEvent })
}

describe('referrers in a tag', () => {
  it.each([404, 405, 501])('are looked for where the API answers %d, which is remembered', async (status) => {
    const [repository, server] = await start(({ url }) =>
      url.includes('/referrers/') ? { status } : index([sbom, signature]),
    )
    expect(await referrersOf(repository, subject, 'test/sbom')).toEqual([sbom])
    expect(await referrersOf(repository, subject)).toEqual([sbom, signature])
    expect(server.lines.map((line) => line.split('?')[0])).toEqual([
      `GET /v2/a/referrers/${subject.digest}`,
      `GET /v2/a/manifests/${tag}`,
      `GET /v2/a/manifests/${tag}`,
    ])
  })

  it('are looked for where every path has an answer, which is not remembered', async () => {
    const page: Answer = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }
    const [repository, server] = await start(() => page)
    expect(await referrersOf(repository, subject)).toEqual([])
    await referrersOf(repository, subject)
    expect(server.lines.filter((line) => line.includes('/referrers/'))).toHaveLength(2)
  })

  it('are none if the tag is the subject itself, or no index', async () => {
    const { bytes, descriptor } = nodes.node('m1')
    const own: Answer = { status: 200, headers: { 'content-type': descriptor.mediaType }, body: bytes }
    const [image] = await start(() => own, { referrers: 'tag-schema' })
    expect(await referrersOf(image, subject)).toEqual([])
    const nested = graph({ list: ['m1'], m1: ['config'] }).node('list')
    const self: Answer = { status: 200, headers: { 'content-type': mediaTypes.ociIndex }, body: nested.bytes }
    const [list] = await start(() => self, { referrers: 'tag-schema' })
    expect(await referrersOf(list, nested.descriptor)).toEqual([])
  })

  it('are not taken for none when the registry fails', async () => {
    const [repository] = await start(() => ({ status: 500 }), { referrers: 'tag-schema' })
    await expect(referrersOf(repository, subject)).rejects.toMatchObject({ code: 'RESPONSE' })
    await expect(push(repository, 'sbom')).rejects.toMatchObject({ code: 'RESPONSE' })
  })

  it('have a tag of at most 64 digits', () => {
    expect(referrersTag(`sha256:${'a'.repeat(64)}`)).toBe(`sha256-${'a'.repeat(64)}`)
    expect(referrersTag(`sha512:${'a'.repeat(128)}`)).toBe(`sha512-${'a'.repeat(64)}`)
  })
})

describe('a manifest with a subject', () => {
  it('is listed by a registry that says so, and not by us', async () => {
    const [repository, server] = await start(({ method, url }) =>
      url.includes('/referrers/')
        ? index([])
        : { status: method === 'PUT' ? 201 : 404, headers: { 'oci-subject': subject.digest } },
    )
    for (const name of ['sbom', 'signature']) await push(repository, name)
    expect(server.lines).toEqual([
      `HEAD /v2/a/manifests/${sbom.digest}`,
      `PUT /v2/a/manifests/${sbom.digest}`,
      `GET /v2/a/referrers/${subject.digest}`,
      `HEAD /v2/a/manifests/${signature.digest}`,
      `PUT /v2/a/manifests/${signature.digest}`,
    ])
  })

  it.each([true, false])(
    'is listed in a tag where there is no API, whatever the answer to it says (known before: %s)',
    async (isKnown) => {
      const store = tagStore(tag)
      const [repository, server] = await start(async (request, response) => {
        const answer = await store.handler(request, response)
        return answer && { ...answer, headers: { ...answer.headers, 'oci-subject': subject.digest } }
      })
      if (isKnown) await referrersOf(repository, subject)
      for (const name of ['sbom', 'signature']) await push(repository, name)
      expect(store.tagged()).toEqual([sbom, signature])
      expect(server.lines.filter((line) => line.includes('/referrers/'))).toHaveLength(1)
    },
  )

  it.each(['auto', 'tag-schema'] as const)(
    'whose push ended before it was listed is listed by the next one (%s)',
    async (referrers) => {
      const store = tagStore(tag)
      let isBroken = true
      const [repository] = await start(
        ({ method, url, ...rest }, response) =>
          isBroken && method === 'PUT' && url.endsWith(tag)
            ? { status: 503 }
            : store.handler({ method, url, ...rest }, response),
        { referrers },
      )
      await expect(push(repository, 'sbom')).rejects.toMatchObject({ code: 'RESPONSE', status: 503 })
      isBroken = false
      expect(await repository.push(sbom, contentOf(nodes.node('sbom').bytes))).toBe('existed')
      expect(store.tagged()).toEqual([sbom])
    },
  )

  it('whose push ended before it was listed is listed when another process pushes it', async () => {
    const store = tagStore(tag)
    const server = await startServer(store.handler)
    const { bytes } = nodes.node('sbom')
    store.manifests.set(sbom.digest, { type: sbom.mediaType, body: Buffer.from(bytes) })
    await using repository = new Repository(`${server.host}/a`, { retry: { baseMilliseconds: 10 } })
    expect(await repository.push(sbom, contentOf(bytes))).toBe('existed')
    expect(store.tagged()).toEqual([sbom])
    await repository.push(sbom, contentOf(bytes))
    expect(server.lines).toEqual([
      `HEAD /v2/a/manifests/${sbom.digest}`,
      `GET /v2/a/referrers/${subject.digest}`,
      `GET /v2/a/manifests/${tag}`,
      `PUT /v2/a/manifests/${tag}`,
      `GET /v2/a/manifests/${tag}`,
      `HEAD /v2/a/manifests/${sbom.digest}`,
      `GET /v2/a/manifests/${tag}`,
    ])
  })

  it('that exists where the registry keeps the list costs one question, and is then not read', async () => {
    const [repository, server] = await start(({ url }) =>
      url.includes('/referrers/')
        ? index([sbom])
        : { status: 200, headers: { 'content-type': sbom.mediaType } },
    )
    expect(await repository.push(sbom, contentOf(nodes.node('sbom').bytes))).toBe('existed')
    expect(await repository.push(sbom, unreadable())).toBe('existed')
    expect(server.lines).toEqual([
      `HEAD /v2/a/manifests/${sbom.digest}`,
      `GET /v2/a/referrers/${subject.digest}`,
      `HEAD /v2/a/manifests/${sbom.digest}`,
    ])
  })

  const html: Answer = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }
  const unknown: Answer = { status: 200, headers: { 'content-type': 'application/x-new' }, body: '{}' }

  it.each<[string, Answer]>([
    ['an HTML page', html],
    ['of an unknown type', unknown],
    ['an index with a malformed entry', index([{ ...sbom, digest: 'md5:abc' }])],
    ['no index inside', { ...index([]), body: '{' }],
  ])('never overwrites a list that cannot be read: %s', async (_what, answer) => {
    const store = tagStore(tag)
    let isBroken = false
    const [repository] = await start((request, response) =>
      isBroken && request.method === 'GET' && request.url.endsWith(tag)
        ? answer
        : store.handler(request, response),
    )
    await push(repository, 'sbom')
    isBroken = true
    await expect(push(repository, 'signature')).rejects.toMatchObject({
      code: expect.stringMatching(/^(INVALID_MANIFEST|UNSUPPORTED)$/),
    })
    expect(store.tagged()).toEqual([sbom])
  })

  it('is not lost when two objects of one registry push at the same time', async () => {
    const store = tagStore(tag)
    const server = await startServer(store.handler)
    await using registry = new Registry(server.host, { retry: { baseMilliseconds: 10 } })
    await Promise.all([push(registry.repository('a'), 'sbom'), push(registry.repository('a'), 'signature')])
    expect(new Set(store.tagged())).toEqual(new Set([sbom, signature]))
  })

  it('waits for the list of another only until an abort', async () => {
    const isRead = Promise.withResolvers<void>()
    const isPut = Promise.withResolvers<void>()
    const [repository] = await start(({ method, url }) => {
      if (url.endsWith(tag) && method === 'GET') {
        isRead.resolve()
        return undefined
      }
      if (url.endsWith(signature.digest) && method === 'PUT') isPut.resolve()
      return { status: method === 'PUT' ? 201 : 404 }
    })
    const first = rejection(push(repository, 'sbom'))
    await isRead.promise
    const controller = new AbortController()
    const { signal } = controller
    const second = rejection(repository.push(signature, contentOf(nodes.node('signature').bytes), { signal }))
    await isPut.promise
    const reason = new Error('enough')
    // The answer to the manifest must have come before, so that the abort meets the waiting.
    await referrersOf(repository, nodes.descriptor('sbom'), undefined).catch(() => undefined)
    controller.abort(reason)
    expect(await second).toBe(reason)
    expect(getEventListeners(signal, 'abort')).toEqual([])
    await repository.close()
    await first
  })

  it('is added to the list that was there, and the old list is deleted', async () => {
    const store = tagStore(tag)
    const [repository, server] = await start(store.handler)
    await push(repository, 'sbom')
    expect(store.tagged()).toEqual([sbom])
    await repository.pushReference(nodes.descriptor('signature'), nodes.node('signature').bytes, 'v1')
    expect(store.tagged()).toEqual([sbom, signature])
    expect(server.lines.filter((line) => line.startsWith('DELETE'))).toHaveLength(1)
    expect([...store.manifests.values()].filter(({ type }) => type === mediaTypes.ociIndex)).toHaveLength(2)
    expect(await referrersOf(repository, subject)).toEqual([sbom, signature])
  })

  it('that is listed already changes nothing', async () => {
    const store = tagStore(tag)
    const [repository, server] = await start(store.handler)
    await push(repository, 'sbom')
    const before = server.requests.length
    await repository.push(sbom, contentOf(nodes.node('sbom').bytes), { existing: 'replace' })
    expect(server.lines.slice(before)).toEqual([
      `PUT /v2/a/manifests/${sbom.digest}`,
      `GET /v2/a/manifests/${tag}`,
    ])
  })

  it('is not lost among others that are pushed at the same time', async () => {
    const many = graph(
      Object.fromEntries([
        ['m1', ['config']],
        ...Array.from({ length: 10 }, (_, count) => [
          `r${count}`,
          { children: ['config'], subject: 'm1', artifactType: `test/${count}` },
        ]),
      ]),
    )
    const store = tagStore(tag)
    const [repository, server] = await start(store.handler)
    const names = many.names.filter((name) => name.startsWith('r'))
    await Promise.all(
      names.map((name) => repository.push(many.descriptor(name), contentOf(many.node(name).bytes))),
    )
    const writes = server.lines.filter((line) => line === `PUT /v2/a/manifests/${tag}`)
    expect(writes.length, 'what waits goes together').toBeLessThan(names.length)
    expect(
      store
        .tagged()
        ?.map(({ digest }) => digest)
        .sort(),
    ).toEqual(names.map((name) => many.descriptor(name).digest).sort())
  })

  it.each([405, 403])(
    'is pushed also where deleting old lists is answered with %d: one warning, and no second attempt',
    async (status) => {
      const store = tagStore(tag, status)
      const [repository, server] = await start(store.handler)
      const events: CopyEvent[] = []
      for (const name of ['sbom', 'signature']) await push(repository, name, (event) => events.push(event))
      expect(store.tagged()).toEqual([sbom, signature])
      expect(events.filter(({ type }) => type === 'warning')).toHaveLength(1)
      const third = graph({ m1: ['config'], third: { children: ['config'], subject: 'm1' } }).node('third')
      await repository.push(third.descriptor, contentOf(third.bytes))
      expect(server.lines.filter((line) => line.startsWith('DELETE'))).toHaveLength(1)
    },
  )

  it('never costs the subject, where the tag of the list resolves to it', async () => {
    const { bytes, descriptor } = nodes.node('m1')
    const store = tagStore(tag)
    const [repository, server] = await start((request, response) =>
      request.method === 'GET' && request.url.endsWith(tag) && store.tagged() === undefined
        ? { status: 200, headers: { 'content-type': descriptor.mediaType }, body: bytes }
        : store.handler(request, response),
    )
    await push(repository, 'sbom')
    expect(server.lines.filter((line) => line.startsWith('DELETE'))).toEqual([])
    expect(store.tagged()).toEqual([sbom])
  })

  it('that is deleted leaves the list, and the last one leaves an empty list', async () => {
    const store = tagStore(tag)
    const [repository] = await start(store.handler)
    for (const name of ['sbom', 'signature']) await push(repository, name)
    await repository.delete(nodes.descriptor('sbom'))
    expect(store.tagged()).toEqual([signature])
    await repository.delete(nodes.descriptor('signature'))
    expect(store.tagged()).toEqual([])
    expect(store.manifests.size).toBe(2)
    expect(await referrersOf(repository, subject)).toEqual([])
  })

  it('never costs another tag that points at an empty index', async () => {
    const store = tagStore(tag)
    const [repository] = await start(store.handler)
    await push(repository, 'sbom')
    await repository.delete(sbom)
    const { bytes, descriptor } = await repository.fetchReference(tag)
    await repository.pushReference(descriptor, bytes, 'v1')
    await push(repository, 'signature')
    expect(store.tagged()).toEqual([signature])
    await repository.delete(signature)
    expect(await repository.resolve('v1')).toEqual(descriptor)
  })

  it.each(['{"damaged":1}', ' '.repeat(sbom.size), 'x'.repeat(sbom.size + 1)])(
    'that is damaged can be deleted (%#)',
    async (body) => {
      const [repository, server] = await start(({ method }) =>
        method === 'DELETE'
          ? { status: 202 }
          : { status: 200, headers: { 'content-type': sbom.mediaType }, body },
      )
      await repository.delete(sbom)
      expect(server.lines.at(-1)).toBe(`DELETE /v2/a/manifests/${sbom.digest}`)
    },
  )

  it('stays in the list if it cannot be deleted', async () => {
    const store = tagStore(tag, 405)
    const [repository] = await start(store.handler)
    await push(repository, 'sbom')
    await expect(repository.delete(sbom)).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(store.tagged()).toEqual([sbom])
  })

  it('is listed in a tag too, if the user says so', async () => {
    const store = tagStore(tag)
    const [repository, server] = await start(
      async (request, response) => {
        if (request.url.includes('/referrers/')) return index([])
        const answer = await store.handler(request, response)
        return answer && { ...answer, headers: { ...answer.headers, 'oci-subject': subject.digest } }
      },
      { referrers: 'tag-schema' },
    )
    await push(repository, 'sbom')
    expect(store.tagged()).toEqual([sbom])
    expect(await referrersOf(repository, subject)).toEqual([sbom])
    expect(server.lines.filter((line) => line.includes('/referrers/'))).toEqual([])
  })

  it('is listed in no tag, if the user says that the registry has the API', async () => {
    const store = tagStore(tag)
    const [repository, server] = await start(store.handler, { referrers: 'api' })
    await push(repository, 'sbom')
    expect(server.lines).toEqual([
      `HEAD /v2/a/manifests/${sbom.digest}`,
      `PUT /v2/a/manifests/${sbom.digest}`,
    ])
  })

  it('has the media type of its config in the list, where it has no artifact type', async () => {
    const image = graph({ m1: ['config'], attached: { children: ['config', 'layer'], subject: 'm1' } })
    const store = tagStore(tag)
    const [repository] = await start(store.handler)
    const { descriptor, bytes } = image.node('attached')
    await repository.push(descriptor, contentOf(bytes))
    const { config } = JSON.parse(Buffer.from(bytes).toString()) as { config: Descriptor }
    expect(store.tagged()).toEqual([{ ...descriptor, artifactType: config.mediaType }])
    expect(await referrersOf(repository, subject, config.mediaType)).toHaveLength(1)
  })
})
