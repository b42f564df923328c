import { expect, it } from 'vitest'
import { Pool } from 'undici'
import { startSlowRegistry } from '../../bench/slow-registry.ts'
import { memoryStore } from '../../src/server/store.ts'

it('a slow registry lets each request wait for a round trip, and a new connection for another one', async () => {
  await using registry = await startSlowRegistry(memoryStore(), 50)
  const client = new Pool(`http://${registry.host}`, { connections: 1 })
  const timed = async (): Promise<number> => {
    const start = performance.now()
    const { statusCode, body } = await client.request({ method: 'GET', path: '/v2/' })
    await body.dump()
    expect(statusCode).toBe(200)
    return performance.now() - start
  }
  try {
    expect(await timed()).toBeGreaterThanOrEqual(98)
    const second = await timed()
    expect(second).toBeGreaterThanOrEqual(48)
    expect(registry.requests()).toBe(2)
  } finally {
    await client.close()
  }
})
