import { randomFillSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { startFaultyRegistry } from '../../../src/testing/testing.ts'
import { startCuttingProxy } from '../../support/cutting-proxy.ts'
import { blob, read } from '../contract/support.ts'

const mebibyte = 1024 * 1024
const bytes = randomFillSync(Buffer.alloc(64 * mebibyte))
const descriptor = blob(bytes)
const retry = { baseMilliseconds: 1 }
const fiveTimes = { afterBytes: 10 * mebibyte, times: 5 }
const most = 1.2 * bytes.length

describe('a blob of 64 MiB over connections that are cut five times', () => {
  it('is downloaded, with less than a fifth more than its bytes', async () => {
    await using registry = await startFaultyRegistry()
    await using direct = new Repository(`${registry.host}/a`)
    await direct.push(descriptor, contentOf(bytes))
    await using proxy = await startCuttingProxy(registry.host, { direction: 'down', ...fiveTimes })
    await using repository = new Repository(`${proxy.host}/a`, { retry })
    expect((await read(repository.fetch(descriptor))).equals(bytes)).toBe(true)
    expect(proxy.cuts).toBe(5)
    expect(proxy.bytes).toBeLessThan(most)
  })

  it('is uploaded, with less than a fifth more than its bytes', async () => {
    await using registry = await startFaultyRegistry()
    await using proxy = await startCuttingProxy(registry.host, { direction: 'up', ...fiveTimes })
    await using repository = new Repository(`${proxy.host}/a`, { retry })
    expect(await repository.push(descriptor, contentOf(bytes), { existing: 'absent' })).toBe('copied')
    const received = registry.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)
    expect(proxy.cuts).toBe(5)
    expect(proxy.bytes).toBeLessThan(most)
    expect(received).toBeLessThan(most)
    await using direct = new Repository(`${registry.host}/a`)
    expect((await read(direct.fetch(descriptor))).equals(bytes)).toBe(true)
  })
})
