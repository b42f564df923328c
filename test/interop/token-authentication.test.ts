import { setTimeout as delay } from 'node:timers/promises'
import PQueue from 'p-queue'
import { expect, it } from 'vitest'
import { contentOf, type Content } from '../../src/content/content.ts'
import { copy } from '../../src/copy/copy.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Registry } from '../../src/targets/remote/registry.ts'
import type { Repository, RepositoryOptions } from '../../src/targets/remote/repository.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { startJwtTokenService, type JwtTokenService } from '../support/jwt-token-service.ts'
import { startDistribution, type PeerRegistry } from '../support/peer-registries.ts'
import { describePeers } from '../support/peers.ts'
import { blob, read, rejection } from '../targets/contract/support.ts'

const user = { username: 'reader', password: 'correct horse: canary €' }
const credential = (): typeof user => user

interface Started extends AsyncDisposable {
  readonly tokens: JwtTokenService
  readonly peer: PeerRegistry
}

/** distribution v3, and on another port the service that it gets its tokens from. */
async function start(lifetimeSeconds?: number): Promise<Started> {
  const tokens = await startJwtTokenService({ user, lifetimeSeconds })
  const peer = await startDistribution({ tokens: tokens.authority })
  const close = async (): Promise<void> => {
    await peer.close()
    await tokens[Symbol.asyncDispose]()
  }
  return { tokens, peer, [Symbol.asyncDispose]: close }
}

function connect({ tokens, peer }: Started, options: RepositoryOptions = {}): Registry {
  return new Registry(peer.host, { ...options, credential, trustedRealms: [tokens.host] })
}

async function pushImage(repository: Repository, image: TestGraph): Promise<void> {
  await image.pushTo(repository)
  await repository.tag(image.descriptor('image'), 'v1')
}

/** The status of a plain request with a token. */
async function statusWith(token: string | undefined, url: string): Promise<number> {
  const { status } = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  return status
}

describePeers(['registry'], 'distribution v3, which takes the tokens of a service elsewhere', () => {
  it('gets the credential sent there only if the user trusts it by name', async () => {
    await using started = await start()
    const { tokens, peer } = started
    await using wary = new Registry(peer.host, { credential })
    const refused = await rejection(wary.repository('a').resolve('v1'))
    expect(refused).toMatchObject({
      code: 'AUTH',
      message: expect.stringContaining(`trustedRealms, --trust-realm ${tokens.host}`),
    })
    expect(String(refused)).not.toContain('canary')
    expect(tokens.issued).toEqual([])
    await using trusting = connect(started)
    expect(await rejection(trusting.repository('a').resolve('v1'))).toMatchObject({ code: 'NOT_FOUND' })
    expect(tokens.issued).toMatchObject([{ user: user.username, scopes: ['repository:a:pull'] }])
  })

  it('lets nobody in with a wrong password, or with none', async () => {
    await using started = await start()
    const trustedRealms = [started.tokens.host]
    const wrong = (): typeof user => ({ ...user, password: 'wrong-canary' })
    for (const find of [wrong, () => undefined]) {
      await using registry = new Registry(started.peer.host, { credential: find, trustedRealms })
      const error = await rejection(registry.repository('a').resolve('v1'))
      expect(error).toMatchObject({ code: 'AUTH' })
      expect(String(error)).not.toContain('canary')
    }
  })

  it('is pushed to, pulled from, listed, mounted in and deleted from', async () => {
    await using started = await start()
    await using registry = connect(started)
    const [a, b] = [registry.repository('team/a'), registry.repository('team/b')]
    const image = graph({ image: ['config', 'layer'] })
    const root = image.descriptor('image')
    const layer = image.node('layer')
    await pushImage(a, image)
    expect(await Array.fromAsync(a.tags())).toEqual(['v1'])
    const memory = new MemoryTarget()
    await copy(a, 'v1', memory)
    expect(await read(memory.fetch(layer.descriptor))).toEqual(Buffer.from(layer.bytes))

    const outcome = await b.push(layer.descriptor, contentOf(layer.bytes), { mountFrom: ['team/a'] })
    expect(outcome).toBe('mounted')
    const scopes = ['repository:team/b:pull,push', 'repository:team/a:pull']
    expect(started.tokens.issued.map((token) => token.scopes)).toContainEqual(scopes)
    await copy(a, 'v1', b)
    expect((await b.resolve('v1')).digest).toBe(root.digest)

    await b.delete(root)
    expect(await b.exists(root)).toBe(false)
    expect(await a.exists(root)).toBe(true)
    expect(await Array.fromAsync(registry.repositories())).toContain('team/a')
  })

  it('keeps referrers in tags', async () => {
    await using started = await start()
    await using registry = connect(started)
    const repository = registry.repository('a')
    const image = graph({
      image: ['config', 'layer'],
      signature: {
        children: ['empty', 'proof'],
        subject: 'image',
        artifactType: 'application/vnd.test.proof',
      },
    })
    await image.pushTo(repository)
    const subject = image.descriptor('image')
    const listed = await Array.fromAsync(repository.referrers(subject))
    expect(listed).toMatchObject([
      { digest: image.descriptor('signature').digest, artifactType: 'application/vnd.test.proof' },
    ])
    expect(await Array.fromAsync(repository.tags())).toEqual([subject.digest.replace(':', '-')])
  })

  it('is pushed 30 blobs over the lives of several tokens', async () => {
    await using started = await start(3)
    await using registry = connect(started, { singlePostBytes: 0 })
    const repository = registry.repository('a')
    const blobs = Array.from({ length: 30 }, (_, index) => Buffer.alloc(100_000, `blob ${index}`))
    const workers = new PQueue({ concurrency: 3 })
    const begun = performance.now()
    const pushes = blobs.map((bytes) => async () => repository.push(blob(bytes), slowly(bytes, 800)))
    expect(new Set(await workers.addAll(pushes))).toEqual(new Set(['copied']))
    for (const bytes of blobs) expect(await repository.exists(blob(bytes))).toBe(true)

    const { issued } = started.tokens
    expect(issued.length).toBeGreaterThanOrEqual(3)
    // One for looking and one for pushing, each 2.4 seconds.
    expect(issued.length).toBeLessThanOrEqual(2 * Math.ceil((performance.now() - begun) / 2400) + 2)
    const url = `${started.peer.url}/v2/a/blobs/${blob(blobs[0] ?? Buffer.alloc(0)).digest}`
    // The peer has meant it: what was used first is no good any more.
    expect(await statusWith(issued[0]?.token, url)).toBe(401)
  })

  it('is asked for two tokens at most in 1,000 requests to one repository', async () => {
    await using started = await start()
    await using registry = connect(started)
    const repository = registry.repository('a')
    const image = graph({ image: ['config', 'layer'] })
    await pushImage(repository, image)
    const before = started.tokens.issued.length
    await using other = connect(started)
    const reader = other.repository('a')
    const workers = new PQueue({ concurrency: 10 })
    let requests = 0
    const onEvent = ({ type }: { readonly type: string }): void => {
      if (type === 'request') requests += 1
    }
    const ask = async (): Promise<boolean> => reader.exists(image.descriptor('image'), { onEvent })
    const found = await workers.addAll(Array.from({ length: 1000 }, () => ask))
    expect(found.every((isThere) => isThere)).toBe(true)
    expect(requests).toBeGreaterThanOrEqual(1000)
    expect(started.tokens.issued.length - before).toBeLessThanOrEqual(2)
  })
})

/** Content that takes so long to be read. */
function slowly(bytes: Uint8Array, milliseconds: number): Content {
  async function* halves(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, bytes.length / 2)
    await delay(milliseconds)
    yield bytes.subarray(bytes.length / 2)
  }
  return { [Symbol.asyncIterator]: halves }
}
