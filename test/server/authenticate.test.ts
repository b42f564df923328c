import { hash } from 'bcryptjs'
import { describe, expect, it, vi } from 'vitest'
import { UnsupportedError } from '../../src/errors.ts'
import { createAuthenticator } from '../../src/server/authenticate.ts'
import type { RequestFact } from '../../src/server/handler.ts'
import { serve } from '../../src/server/serve.ts'
import { memoryStore } from '../../src/server/store.ts'
import { blob, errorCodes, startRegistry } from './harness.ts'

describe('authentication', () => {
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
  const htpasswd = async () => `# people\n\nann:${await hash('secret', 4)}\r\nbob:${await hash('other', 4)}\n`

  it('lets users with their passwords pass', async () => {
    const { call } = await startRegistry({ htpasswd: await htpasswd() })
    for (const text of ['ann:secret', 'bob:other', 'ann:secret']) {
      expect((await call('GET', '/v2/', { headers: basic(text) })).status).toBe(200)
    }
    const headers = basic('ann:secret')
    const pushed = blob()
    const path = `/v2/x/blobs/uploads/?digest=${pushed.digest}`
    expect((await call('POST', path, { headers, body: pushed.bytes })).status).toBe(201)
  })

  it.each([
    {},
    basic('ann:other'),
    basic('ann:'),
    basic('carol:secret'),
    basic(':secret'),
    basic('ann'),
    basic('ann:secret\0secret'),
    basic(`ann:${'secret'.repeat(20)}`),
    { authorization: 'Basic' },
    { authorization: 'Basic !!!' },
    { authorization: 'Bearer secret' },
  ])('answers 401 with the challenge to %j', async (headers) => {
    const { call } = await startRegistry({ htpasswd: await htpasswd() })
    for (const [method, path] of [
      ['GET', '/v2/'],
      ['GET', '/v2/x/tags/list'],
      ['POST', '/v2/x/blobs/uploads/'],
      ['GET', '/elsewhere'],
    ] as const) {
      const reply = await call(method, path, { headers })
      expect([reply.status, errorCodes(reply)]).toEqual([401, ['UNAUTHORIZED']])
      expect(reply.headers['www-authenticate']).toBe('Basic realm="copygraph"')
    }
  })

  it('does not let the guesses of one address queue up without an end', async () => {
    const authenticate = createAuthenticator(`ann:${await hash('secret', 4)}`)
    const guess = (at: number) => authenticate(basic(`user${at}:secret`).authorization, '192.0.2.1')
    const guesses = Array.from({ length: 100 }, (_, at) => guess(at))
    const statuses = (await Promise.all(guesses)).map((refused) => refused?.status)
    expect(statuses.filter((status) => status === 401)).toHaveLength(16)
    expect(statuses.filter((status) => status === 429)).toHaveLength(84)
    expect((await guess(100))?.status).toBe(401)
    expect(await authenticate(basic('ann:secret').authorization, '192.0.2.1')).toBeUndefined()
  })

  it('lets a user in from one address while another one floods it with guesses', async () => {
    const authenticate = createAuthenticator(`ann:${await hash('secret', 4)}`)
    let answered = 0
    const guesses = Array.from({ length: 100 }, async (_, at) => {
      const refused = await authenticate(basic(`ann:${at}`).authorization, '192.0.2.1')
      if (refused?.status === 401) answered += 1
    })
    const login = authenticate(basic('ann:secret').authorization, '192.0.2.2')
    expect(await login).toBeUndefined()
    expect(answered).toBeLessThan(5)
    await Promise.all(guesses)
  })

  it('lets a user in from an address that guesses under another name are coming from', async () => {
    const authenticate = createAuthenticator(`ann:${await hash('secret', 4)}\nbob:${await hash('other', 4)}`)
    const login = (text: string) => authenticate(basic(text).authorization, '192.0.2.1')
    for (const name of ['ann', 'nobody']) {
      const guesses = Array.from({ length: 100 }, (_, at) => login(`${name}:${at}`))
      expect(await login('bob:other')).toBeUndefined()
      const statuses = (await Promise.all(guesses)).map((refused) => refused?.status)
      expect([name, statuses.filter((status) => status === 401).length]).toEqual([name, 4])
    }
  })

  it('lets a user who has logged in before pass while nobody else can', async () => {
    const authenticate = createAuthenticator(`ann:${await hash('secret', 4)}`)
    const login = (text: string) => authenticate(basic(text).authorization, '192.0.2.1')
    expect(await login('ann:secret')).toBeUndefined()
    const guesses = Array.from({ length: 100 }, (_, at) => login(`user${at}:secret`))
    expect((await login('bob:other'))?.status).toBe(429)
    expect(await login('ann:secret')).toBeUndefined()
    await Promise.all(guesses)
  })

  it('does not check for clients that have gone, nor for a registry that closes', async () => {
    const facts: RequestFact[] = []
    const options = {
      htpasswd: `ann:${await hash('secret', 11)}`,
      onRequest: (fact: RequestFact) => facts.push(fact),
    }
    const { registry, call } = await startRegistry(options)
    const started = performance.now()
    await call('GET', '/v2/', { headers: basic('ann:wrong') })
    const oneCheck = performance.now() - started
    const pending = Array.from({ length: 40 }, (_, at) =>
      call('GET', '/v2/', { headers: basic(`user${at}:x`) }),
    )
    const ended = Promise.allSettled(pending)
    await vi.waitUntil(() => facts.filter(({ status }) => status === 429).length >= 20)
    const closing = performance.now()
    await registry.close()
    expect(performance.now() - closing).toBeLessThan(oneCheck * 5)
    expect((await ended).filter(({ status }) => status === 'rejected').length).toBeGreaterThan(8)
    expect(facts.filter(({ status }) => status === undefined).length).toBeGreaterThan(8)
  })

  it('does not keep everybody waiting while it hashes', async () => {
    const authenticate = createAuthenticator(`ann:${await hash('secret', 4)}\nbob:${await hash('other', 12)}`)
    const before = performance.eventLoopUtilization()
    expect(await authenticate(basic('bob:other').authorization, '192.0.2.1')).toBeUndefined()
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5)
  })

  it('hashes a password once, and a wrong one each time', async () => {
    const slow = `ann:${await hash('secret', 11)}`
    const { call } = await startRegistry({ htpasswd: slow })
    const milliseconds = async (text: string) => {
      const started = performance.now()
      await call('GET', '/v2/', { headers: basic(text) })
      return performance.now() - started
    }
    const wrong = await milliseconds('ann:wrong')
    await milliseconds('ann:secret')
    expect(await milliseconds('ann:secret')).toBeLessThan(wrong / 2)
    expect(await milliseconds('ann:wrong')).toBeGreaterThan(wrong / 4)
  })

  it.each([
    ['ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'line 1'],
    ['ann:$apr1$salt$hash', 'line 1'],
    ['# first\nann:plain', 'line 2'],
    ['nobody', 'line 1'],
    [`ann:$2b$99$${'a'.repeat(53)}`, 'line 1'],
    [`ann:$2b$17$${'a'.repeat(53)}`, 'line 1'],
    [`ann:$2b$03$${'a'.repeat(53)}`, 'line 1'],
    ['', 'names no user'],
  ])('refuses the htpasswd text %j at the start', async (text, says) => {
    const failure = serve(memoryStore(), { htpasswd: text })
    await expect(failure).rejects.toThrow(UnsupportedError)
    await expect(failure).rejects.toThrow(says)
    await expect(failure).rejects.not.toThrow('plain')
  })
})
