import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { request } from 'undici'
import { contentOf } from '../../src/content/content.ts'
import { copy } from '../../src/copy/copy.ts'
import { causesOf, errorCode } from '../../src/errors.ts'
import { memoryStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository, type RepositoryOptions } from '../../src/targets/remote/repository.ts'
import {
  acr,
  cdn,
  dockerHub,
  ecr,
  gitlab,
  harbor,
  immutableTags,
  olareg,
  quay,
  startFaultyRegistry,
  zot,
  type FaultyRegistry,
  type FaultyRegistryOptions,
  type Profile,
} from '../../src/testing/testing.ts'
import { graph } from '../support/graph.ts'
import { login } from './naive-client.ts'

const nodes = graph({
  image: ['config', 'layer'],
  signature: { children: ['empty'], subject: 'image', artifactType: 'application/x-signature' },
})
const image = nodes.descriptor('image')
const retry = { baseMilliseconds: 1, attempts: 3 }

interface Ground {
  readonly registry: FaultyRegistry
  readonly repository: Repository
  /** What is behind it. */
  readonly content: MemoryTarget
}

async function stand(
  profile: Profile,
  { registry: registryOptions, ...options }: RepositoryOptions & { registry?: FaultyRegistryOptions } = {},
): Promise<Ground> {
  const store = memoryStore()
  const content = await store.open('a/app', { create: true })
  if (!(content instanceof MemoryTarget)) throw new TypeError('a store in memory has targets in memory')
  const registry = await startFaultyRegistry({ profile, store, ...registryOptions })
  onTestFinished(() => registry.close())
  const repository = new Repository(`${registry.host}/a/app`, {
    credential: () => ({ username: 'tester', password: 'password' }),
    retry,
    ...options,
  })
  onTestFinished(() => repository.close())
  return { registry, repository, content }
}

async function source(tag = 'v1'): Promise<MemoryTarget> {
  const memory = new MemoryTarget()
  await nodes.pushTo(memory)
  await memory.tag(image, tag)
  return memory
}

/** The code of an error and what it and its causes say. */
async function failureOf(failing: Promise<unknown>): Promise<[string | undefined, string]> {
  const error: unknown = await failing.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return [
    errorCode(error),
    causesOf(error)
      .map(({ message }) => message)
      .join(': '),
  ]
}

describe('a repository that is not there', () => {
  it('is AUTH at docker-hub, which tells nobody who is not logged in', async () => {
    const { repository, registry } = await stand(dockerHub(), { credential: undefined })
    await using missing = new Repository(`${registry.host}/a/none`, { retry })
    const [code, words] = await failureOf(missing.resolve('v1'))
    expect([code, words]).toEqual(['AUTH', expect.stringContaining('without credentials, or with these')])
    expect(await failureOf(repository.resolve('v1'))).toEqual(['NOT_FOUND', expect.any(String)])
  })

  it('is NOT_FOUND at ecr, in its words, for who pushes', async () => {
    const { registry } = await stand(ecr())
    await using missing = new Repository(`${registry.host}/a/none`, {
      credential: () => ({ username: 'tester', password: 'password' }),
      retry,
    })
    const [code, words] = await failureOf(copy(await source(), 'v1', missing))
    expect(code).toBe('NOT_FOUND')
    expect(words).toContain('The repository does not exist in the registry')
  })
})

describe('what a registry refuses is told in its words:', () => {
  it('ecr, a tag that points elsewhere already; the same again is no change', async () => {
    const { repository, content, registry } = await stand(ecr(), { registry: { faults: [immutableTags()] } })
    const memory = await source()
    await copy(memory, 'v1', repository)
    expect(await copy(memory, 'v1', repository)).toMatchObject({ copied: { nodes: 0 } })
    const other = graph({ image: ['other config', 'layer'] })
    await other.pushTo(memory)
    await memory.tag(other.descriptor('image'), 'v1')
    const before = registry.requests.length
    const [code, words] = await failureOf(copy(memory, 'v1', repository))
    expect([code, words]).toEqual(['RESPONSE', expect.stringContaining('tags cannot be overwritten')])
    expect(registry.requests.slice(before).filter(({ status }) => status === 400)).toHaveLength(1)
    expect((await content.resolve('v1')).digest).toBe(image.digest)
  })

  it('zot, one repository too many: its 429 is not waited for without end', async () => {
    const { repository, registry } = await stand(zot({ repositories: 0 }))
    const [code, words] = await failureOf(copy(await source(), 'v1', repository, { concurrency: 1 }))
    expect([code, words]).toEqual(['RESPONSE', expect.stringContaining('repository quota exceeded')])
    expect(registry.requests.filter(({ status }) => status === 429).length).toBeLessThan(20)
  })

  it('gitlab, a config that it does not know, and an empty one', async () => {
    const { registry } = await stand({ ...gitlab(), faults: gitlabWithoutTokens })
    await using repository = new Repository(`${registry.host}/a/app`, { retry })
    const manifest = (size: number): Uint8Array =>
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: image.mediaType,
          config: { mediaType: 'application/x', digest: nodes.descriptor('config').digest, size },
          layers: [],
        }),
      )
    for (const [size, code, words] of [
      [2, 'RESPONSE', 'unknown media type: application/x'],
      [0, 'RESPONSE', '500'],
    ] as const) {
      const odd = graph({ odd: { kind: 'blob', bytes: manifest(size) } }).node('odd')
      const descriptor = { ...odd.descriptor, mediaType: image.mediaType }
      const failure = await failureOf(repository.push(descriptor, contentOf(odd.bytes)))
      expect(failure).toEqual([code, expect.stringContaining(words)])
    }
  })

  it('olareg, pages of referrers that are always over', async () => {
    const { repository, content, registry } = await stand(olareg({ pageSize: 1, pageSeconds: 0 }))
    const two = graph({
      image: ['config', 'layer'],
      one: { children: ['empty'], subject: 'image' },
      two: { children: ['other'], subject: 'image' },
    })
    await two.pushTo(content)
    const [code, words] = await failureOf(Array.fromAsync(repository.referrers(image)))
    expect([code, words]).toEqual(['RESPONSE', expect.stringContaining('this page is over')])
    expect(registry.requests).toHaveLength(4)
  })
})

describe('what a registry wants it gets:', () => {
  it('cdn, bodies of so many bytes at most', async () => {
    const { repository, content, registry } = await stand(cdn({ maxBodyBytes: 1_500_000 }))
    const large = graph({ large: { bytes: randomBytes(5_000_000) } }).node('large')
    await repository.push(large.descriptor, contentOf(large.bytes))
    expect(await content.exists(large.descriptor)).toBe(true)
    const refused = registry.requests.filter(({ status }) => status === 413)
    const chunks = registry.requests.filter(({ method, status }) => method === 'PATCH' && status === 202)
    expect([refused.length > 0, chunks.length > 2]).toEqual([true, true])
    expect(Math.max(...chunks.map(({ receivedBytes }) => receivedBytes))).toBeLessThanOrEqual(1_500_000)
  })

  it('harbor, robots with a dollar in their names, and nothing of its cookies back', async () => {
    const users = { robot$ci: 'p$ss"\\:word' }
    const { repository, content, registry } = await stand(harbor(), {
      registry: { users },
      credential: () => ({ username: 'robot$ci', password: users['robot$ci'] }),
    })
    await copy(await source(), 'v1', repository)
    expect((await content.resolve('v1')).digest).toBe(image.digest)
    expect(registry.requests.filter(({ headers }) => 'cookie' in headers)).toEqual([])
  })

  it('acr, an identity token, also where it has no POST', async () => {
    const users = { tester: 'password' }
    const store = memoryStore()
    const registry = await startFaultyRegistry({ profile: acr(), users, store })
    onTestFinished(() => registry.close())
    const url = `${registry.url}/oauth2/token?offline_token=true&service=acr.example`
    const { body } = await request(url, { headers: { authorization: login } })
    const { refresh_token: identityToken } = (await body.json()) as { refresh_token: string }
    await using repository = new Repository(`${registry.host}/a/app`, {
      credential: () => ({ identityToken }),
      retry,
    })
    await copy(await source(), 'v1', repository)
    expect((await repository.resolve('v1')).digest).toBe(image.digest)
  })

  it('quay, no more tags at once than it gives', async () => {
    const { repository, content } = await stand(quay(), { tagPageSize: 1000 })
    await nodes.pushTo(content)
    for (let index = 0; index < 60; index++) await content.tag(image, `t${index}`)
    expect(await Array.fromAsync(repository.tags())).toHaveLength(60)
  })

  it('gitlab, its subjects: a tag that resolves to one is no list of referrers, and is not deleted', async () => {
    const { content, registry } = await stand({ ...gitlab(), faults: gitlabWithoutTokens })
    await using repository = new Repository(`${registry.host}/a/app`, { retry })
    await nodes.pushTo(content, ['config', 'layer', 'empty', 'image'])
    expect(await Array.fromAsync(repository.referrers(image))).toEqual([])
    await nodes.pushTo(repository, ['signature'])
    await repository.delete(nodes.descriptor('signature'))
    expect(await Array.fromAsync(repository.referrers(image))).toEqual([])
    expect(await content.exists(image)).toBe(true)
    expect(
      registry.requests.filter(({ method, url }) => method === 'DELETE' && url.includes(image.digest)),
    ).toEqual([])
  })
})

/** All but the first, which asks for tokens. */
const gitlabWithoutTokens: Profile['faults'] = (parts) => gitlab().faults(parts).slice(1)
