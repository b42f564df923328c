import { hash } from 'bcryptjs'
import { describe, expect, test } from 'vitest'
import { UnsupportedError } from '../../src/errors.ts'
import { createAuthenticator } from '../../src/server/authenticate.ts'
import { serve } from '../../src/server/serve.ts'
import { memoryStore } from '../../src/server/store.ts'
import { blob, errorCodes, startRegistry } from './harness.ts'

describe('authentication', () => {
  const basic = (text: string) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` })
  const htpasswd = async () => `# people\n\nann:${await hash('secret', 4)}\r\nbob:${await hash('other', 4)}\n`

  test('lets users with their passwords pass', async () => {
    const { call } = await startRegistry({ htpasswd: await htpasswd() })
    for (const text of ['ann:secret', 'bob:other', 'ann:secret']) {
      expect((await call('GET', '/v2/', { headers: basic(text) })).status).toBe(200)
    }
    const headers = basic('ann:secret')
    const pushed = blob()
    const path = `/v2/x/blobs/uploads/?digest=${pushed.digest}`
    expect((await call('POST', path, { headers, body: pushed.bytes })).status).toBe(201)
  })

  test.each([
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

  test('does not let guesses queue up without an end', async () => {
    const authenticate = createAuthenticator(`ann:${await hash('secret', 4)}`)
    const guesses = Array.from({ length: 100 }, (_, at) => authenticate(basic(`ann:${at}`).authorization))
    const statuses = (await Promise.all(guesses)).map((refused) => refused?.status)
    expect(new Set(statuses)).toEqual(new Set([401, 429]))
    expect(await authenticate(basic('ann:secret').authorization)).toBeUndefined()
  })

  test('hashes a password once, and a wrong one each time', async () => {
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

  test.each([
    ['ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'line 1'],
    ['ann:$apr1$salt$hash', 'line 1'],
    ['# first\nann:plain', 'line 2'],
    ['nobody', 'line 1'],
    ['', 'names no user'],
  ])('refuses the htpasswd text %j at the start', async (text, says) => {
    const failure = serve(memoryStore(), { htpasswd: text })
    await expect(failure).rejects.toThrow(UnsupportedError)
    await expect(failure).rejects.toThrow(says)
    await expect(failure).rejects.not.toThrow('plain')
  })
})
