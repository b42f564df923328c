import { afterEach, describe, expect, it, vi } from 'vitest'
import { CredentialCache } from '../../../../src/targets/remote/auth/credential-cache.ts'
import type { Credential } from '../../../../src/targets/remote/auth/credential.ts'
import { rejection } from '../../contract/support.ts'

afterEach(() => {
  vi.useRealTimers()
})

/** Finds another password each time. */
function counting(): { readonly find: () => Credential; calls: number } {
  const counter = {
    calls: 0,
    find: (): Credential => ({ username: 'user', password: `p${++counter.calls}` }),
  }
  return counter
}

describe('a remembered credential', () => {
  it('is used for five minutes, and by key', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const cache = new CredentialCache()
    const counter = counting()
    const first = await cache.obtain('a', counter.find, {})
    vi.advanceTimersByTime(299_000)
    expect(await cache.obtain('a', counter.find, {})).toBe(first)
    expect(await cache.obtain('b', counter.find, {})).not.toEqual(first)
    vi.advanceTimersByTime(2_000)
    expect(await cache.obtain('a', counter.find, {})).toEqual({ username: 'user', password: 'p3' })
  })

  it('may be that there is none', async () => {
    const cache = new CredentialCache()
    expect(await cache.obtain('a', () => undefined, {})).toBeUndefined()
    expect(await cache.obtain('a', counting().find, {})).toBeUndefined()
  })

  it('that was refused is looked up once by all who were refused', async () => {
    const cache = new CredentialCache()
    const counter = counting()
    const refused = await cache.obtain('a', counter.find, {})
    const again = await Promise.all([1, 2, 3].map(() => cache.obtain('a', counter.find, { refused })))
    expect(again).toEqual(Array.from({ length: 3 }, () => ({ username: 'user', password: 'p2' })))
    expect(counter.calls).toBe(2)
  })

  it('is not made of a failure', async () => {
    const cache = new CredentialCache()
    const failure = new Error('no')
    expect(await rejection(cache.obtain('a', () => Promise.reject(failure), {}))).toBe(failure)
    expect(await cache.obtain('a', counting().find, {})).toEqual({ username: 'user', password: 'p1' })
  })
})
