import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { copy } from '../../src/copy/copy.ts'
import { causesOf, errorCode, type ErrorCode } from '../../src/errors.ts'
import { memoryStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Target } from '../../src/targets/target.ts'
import {
  cdn,
  olareg,
  profiles,
  startFaultyRegistry,
  type FaultyRegistry,
  type Profile,
  type ProfileName,
} from '../../src/testing/testing.ts'
import { cert, key } from '../server/certificate.ts'
import { graph } from '../support/graph.ts'

/*
 *   image ─┬─ config             signature ─┬─ empty
 *          ├─ layer                         ├─ payload
 *          └─ large (5 MB)                  └─ (subject) image
 */
const large = randomBytes(5_000_000)
const nodes = graph({
  image: ['config', 'layer', 'large'],
  large: { bytes: large },
  signature: { children: ['empty', 'payload'], subject: 'image', artifactType: 'application/x-signature' },
})
const image = nodes.descriptor('image')
const signature = nodes.descriptor('signature')

const nothing: Descriptor = {
  mediaType: 'application/octet-stream',
  digest: digestOf(Buffer.alloc(0)),
  size: 0,
}
const attached = ['one', 'two', 'three', 'four']
const many = graph({
  image: ['config', 'layer', 'large'],
  large: { bytes: large },
  ...Object.fromEntries(
    attached.map((name) => [name, { children: ['empty'], subject: 'image', artifactType: `test/${name}` }]),
  ),
})

interface Ground {
  readonly repository: Repository
  readonly sibling: Repository
  /** What is behind them. */
  readonly content: Target
  readonly siblingContent: Target
}

async function fill(target: Target): Promise<void> {
  await nodes.pushTo(target)
  await target.tag(image, 'v1')
}

async function expectImage(target: Target): Promise<void> {
  expect((await target.resolve('v1')).digest).toBe(image.digest)
  for (const name of ['config', 'layer', 'large'])
    expect(await target.exists(nodes.descriptor(name))).toBe(true)
}

const operations = {
  async push({ repository, content }: Ground): Promise<void> {
    await nodes.pushTo(repository, ['config', 'layer', 'large', 'image'])
    await repository.tag(image, 'v1')
    await expectImage(content)
  },
  async pull({ repository, content }: Ground): Promise<void> {
    await fill(content)
    const target = new MemoryTarget()
    await copy(repository, 'v1', target)
    await expectImage(target)
  },
  async 'copy there'({ repository, content }: Ground): Promise<void> {
    const source = new MemoryTarget()
    await fill(source)
    await copy(source, 'v1', repository)
    await expectImage(content)
  },
  async 'copy there again'({ repository, content }: Ground): Promise<void> {
    await fill(content)
    const source = new MemoryTarget()
    await fill(source)
    expect((await copy(source, 'v1', repository)).copied).toEqual({ nodes: 0, bytes: 0 })
  },
  async 'copy within'({ repository, sibling, content, siblingContent }: Ground): Promise<void> {
    await fill(siblingContent)
    await copy(sibling, 'v1', repository)
    await expectImage(content)
  },
  async tags({ repository, content }: Ground): Promise<void> {
    await fill(content)
    const names = Array.from({ length: 130 }, (_, index) => `t${index}`)
    for (const name of names) await content.tag(image, name)
    expect(await Array.fromAsync(repository.tags())).toEqual([...names, 'v1'].toSorted())
  },
  async 'some tags'({ repository, content }: Ground): Promise<void> {
    await fill(content)
    for (let index = 0; index < 130; index++) await content.tag(image, `t${1000 + index}`)
    const found = await Array.fromAsync(repository.tags({ last: 't1000', limit: 120 }))
    expect([found.length, found[0], found.at(-1)]).toEqual([120, 't1001', 't1120'])
  },
  async 'no tags'({ repository, content }: Ground): Promise<void> {
    await nodes.pushTo(content)
    await repository.resolve(image.digest)
    expect(await Array.fromAsync(repository.tags())).toEqual([])
  },
  async referrers({ repository, content }: Ground): Promise<void> {
    await fill(content)
    await content.delete?.(signature)
    await nodes.pushTo(repository, ['signature'])
    const found = await Array.fromAsync(repository.referrers(image))
    expect(found).toMatchObject([{ digest: signature.digest, artifactType: 'application/x-signature' }])
  },
  async 'no referrers'({ repository, content }: Ground): Promise<void> {
    await fill(content)
    expect(await Array.fromAsync(repository.referrers(signature))).toEqual([])
    expect(await content.exists(signature)).toBe(true)
  },
  async 'what is missing'({ repository, content }: Ground): Promise<void> {
    await fill(content)
    const digest = `sha256:${'0'.repeat(64)}`
    expect(await repository.exists({ ...image, digest })).toBe(false)
    expect(await repository.exists({ ...nodes.descriptor('layer'), digest })).toBe(false)
  },
  async 'a missing tag'({ repository, content }: Ground): Promise<void> {
    await fill(content)
    await expect(repository.resolve('none')).rejects.toMatchObject({ code: 'NOT_FOUND' })
  },
  async ingest({ repository, content }: Ground): Promise<void> {
    const { digest } = await repository.ingest(contentOf(large), 'application/octet-stream')
    expect(digest).toBe(nodes.descriptor('large').digest)
    expect(await content.exists(nodes.descriptor('large'))).toBe(true)
  },
  async 'an empty blob'({ repository, content }: Ground): Promise<void> {
    await fill(content)
    expect(await repository.push(nothing, contentOf(Buffer.alloc(0)))).toBe('copied')
    expect(await content.exists(nothing)).toBe(true)
  },
  async 'many referrers'({ repository, content }: Ground): Promise<void> {
    await many.pushTo(content, ['image', 'config', 'layer', 'large'])
    await many.pushTo(repository)
    const found = await Array.fromAsync(repository.referrers(image))
    expect(found.map(({ digest }) => digest).toSorted()).toEqual(
      attached.map((name) => many.descriptor(name).digest).toSorted(),
    )
  },
  async 'a referrer that goes'({ repository, content }: Ground): Promise<void> {
    await fill(content)
    await content.delete?.(signature)
    await nodes.pushTo(repository, ['signature'])
    await repository.delete(signature)
    expect(await Array.fromAsync(repository.referrers(image))).toEqual([])
    expect(await content.exists(image)).toBe(true)
  },
  async delete({ repository, content }: Ground): Promise<void> {
    await fill(content)
    await repository.delete(signature)
    expect(await content.exists(signature)).toBe(false)
  },
}

type Operation = keyof typeof operations

const everything = Object.keys(operations) as Operation[]
const reading: readonly Operation[] = [
  'pull',
  'tags',
  'some tags',
  'no tags',
  'no referrers',
  'what is missing',
]
const all = (...without: Operation[]): readonly Operation[] =>
  everything.filter((one) => !without.includes(one))

const deleting = ['delete', 'a referrer that goes'] as const

/** What the client does with each registry. */
const passes: Readonly<Record<ProfileName, readonly Operation[]>> = {
  'docker-hub': all(...deleting),
  ghcr: all(...deleting),
  ecr: all(),
  'ecr-public': all('tags', 'some tags', 'no tags'),
  acr: all(),
  gar: all('ingest', 'an empty blob'),
  gcr: all(),
  quay: all(),
  harbor: all(),
  gitlab: all(),
  artifactory: all(),
  nexus: all(),
  distribution: all(...deleting),
  zot: all(),
  olareg: all(...deleting),
  'red-hat': [...reading, 'copy there again', 'a missing tag'],
  cdn: all(),
}

/** What a registry lacks ends in the error that says so, with what a person must know of it. */
const lacks: readonly (readonly [ProfileName, Operation, ErrorCode, RegExp])[] = [
  ['docker-hub', 'delete', 'UNSUPPORTED', /does not remove manifest sha256:/],
  ['docker-hub', 'a referrer that goes', 'UNSUPPORTED', /does not remove manifest sha256:/],
  ['ghcr', 'delete', 'UNSUPPORTED', /does not remove manifest sha256:/],
  ['ecr-public', 'no tags', 'UNSUPPORTED', /does not list the tags of a repository/],
  ['gar', 'ingest', 'UNSUPPORTED', /chunked uploads are not supported|in chunks/],
  ['gar', 'an empty blob', 'RESPONSE', /400 Bad Request.*an empty blob/],
  ['distribution', 'delete', 'UNSUPPORTED', /does not remove manifest sha256:/],
  ['olareg', 'delete', 'UNSUPPORTED', /does not remove manifest sha256:/],
  ['red-hat', 'push', 'UNSUPPORTED', /405 Method Not Allowed/],
  ['red-hat', 'copy there', 'UNSUPPORTED', /405 Method Not Allowed/],
  ['red-hat', 'ingest', 'UNSUPPORTED', /405 Method Not Allowed/],
  ['red-hat', 'delete', 'UNSUPPORTED', /does not remove manifest sha256:/],
]

/** Their token services are on another host, which gets a password by HTTPS alone. */
const speakTls: ReadonlySet<ProfileName> = new Set(['docker-hub', 'gitlab'])

/** Bounds that are met by what is pushed here. */
const bounded: Readonly<Partial<Record<ProfileName, () => Profile>>> = {
  cdn: () => cdn({ maxBodyBytes: 2_000_000 }),
  olareg: () => olareg({ pageSize: 2 }),
}

async function runOn(
  name: ProfileName,
  operation: Operation,
  isSecure: boolean = speakTls.has(name),
): Promise<FaultyRegistry['requests']> {
  const store = memoryStore()
  const open = async (repository: string): Promise<Target> => {
    const target = await store.open(repository, { create: true })
    if (target === undefined) throw new TypeError('a store in memory has every repository')
    return target
  }
  await using registry = await startFaultyRegistry({
    profile: (bounded[name] ?? profiles[name])(),
    store,
    ...(isSecure && { tls: { cert, key }, names: { registry: 'localhost', tokens: 'localhost' } }),
  })
  const options = {
    credential: () => ({ username: 'tester', password: 'password' }),
    ca: cert,
    plainHttp: !isSecure,
    retry: { baseMilliseconds: 20 },
  }
  await using repository = new Repository(`${registry.host}/test/app`, options)
  await using sibling = new Repository(`${registry.host}/test/other`, options)
  const ground = {
    repository,
    sibling,
    content: await open('test/app'),
    siblingContent: await open('test/other'),
  }
  await operations[operation](ground)
  return registry.requests
}

describe.each(Object.entries(passes) as [ProfileName, readonly Operation[]][])(
  'against %s',
  (name, passing) => {
    it.each(passing)('%s', async (operation) => {
      const requests = await runOn(name, operation)
      expect(requests.filter(({ error }) => error !== undefined)).toEqual([])
      expect(requests.filter(({ at, headers }) => at === 'storage' && 'authorization' in headers)).toEqual([])
      expect(requests.length).toBeLessThan(40)
    })
  },
)

describe('what a registry lacks', () => {
  it.each(lacks)('%s: %s is %s', async (name, operation, code, words) => {
    const error: unknown = await runOn(name, operation).catch((reason: unknown) => reason)
    expect(errorCode(error)).toBe(code)
    expect(
      causesOf(error)
        .map(({ message }) => message)
        .join(': '),
    ).toMatch(words)
  })

  it('nexus, by HTTPS: a Location of the other scheme is not followed', async () => {
    await expect(runOn('nexus', 'push', true)).rejects.toMatchObject({ code: 'RESPONSE' })
    expect(await runOn('nexus', 'pull', true)).not.toEqual([])
  })

  it.each(['docker-hub', 'gitlab'] as const)('%s, by HTTP: no password for another host', async (name) => {
    await expect(runOn(name, 'pull', false)).rejects.toSatisfy((error) => errorCode(error) === 'AUTH')
  })
})
