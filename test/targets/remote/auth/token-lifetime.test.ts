import { setTimeout as delay } from 'node:timers/promises'
import PQueue from 'p-queue'
import { expect, it } from 'vitest'
import type { Content } from '../../../../src/content/content.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { requireToken, startFaultyRegistry, startTokenService } from '../../../../src/testing/testing.ts'
import { blob } from '../../contract/support.ts'

const users = { tester: 'password' }
const credential = (): { username: string; password: string } => ({
  username: 'tester',
  password: 'password',
})
const workerCount = 3

/** Content that takes a while to be read. */
function slowly(bytes: Uint8Array): Content {
  async function* halves(): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(0, bytes.length / 2)
    await delay(800)
    yield bytes.subarray(bytes.length / 2)
  }
  return { [Symbol.asyncIterator]: halves }
}

it('30 blobs are pushed over the lives of several tokens of 3 seconds, each renewed in time', async () => {
  await using tokens = await startTokenService({ users, lifetimeSeconds: 3 })
  const realm = `${tokens.url}/token`
  await using registry = await startFaultyRegistry({ faults: [requireToken(tokens, { realm })] })
  await using repository = new Repository(`${registry.host}/a`, {
    credential,
    trustedRealms: [new URL(tokens.url).host],
    singlePostBytes: 0,
  })
  const blobs = Array.from({ length: 30 }, (_, index) => Buffer.alloc(1000, `blob ${index}`))
  const workers = new PQueue({ concurrency: workerCount })
  const started = performance.now()
  const pushes = blobs.map((bytes) => async () => repository.push(blob(bytes), slowly(bytes)))
  expect(new Set(await workers.addAll(pushes))).toEqual(new Set(['copied']))
  for (const bytes of blobs) expect(await repository.exists(blob(bytes))).toBe(true)
  expect(tokens.requests.length).toBeGreaterThanOrEqual(3)
  // One for looking and one for pushing, each 2.4 seconds.
  expect(tokens.requests.length).toBeLessThanOrEqual(2 * Math.ceil((performance.now() - started) / 2400) + 2)
  // Only the first requests, which knew of no token, were sent in vain.
  const refused = registry.requests.filter(({ status }) => status === 401)
  expect(refused.length).toBeLessThanOrEqual(workerCount)
  expect(refused.every(({ headers }) => headers.authorization === undefined)).toBe(true)
})
