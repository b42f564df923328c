import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { rejection } from '../../contract/support.ts'
import { startServer } from '../server.ts'

const encoded = Buffer.from('user:canary-password').toString('base64')

it('what a registry repeats of what it was sent is in no warning, no trace and no code of an error', async () => {
  const server = await startServer(({ headers: { authorization = '', 'x-key': key } }) => {
    if (authorization === '') return { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }
    const headers = {
      warning: [`299 - "not ${authorization}"`, `299 - "not ${String(key)}"`, '299 - "read only"'],
      server: String(key),
      etag: Buffer.from(encoded, 'base64').toString(),
      'oci-subject': encoded,
      location: `/${String(key)}`,
      'www-authenticate': `Bearer service="${String(key)}"`,
    }
    const errors = [{ code: String(key) }, { code: 'DENIED', message: encoded }]
    return { status: 403, headers, body: JSON.stringify({ errors }) }
  })
  const events: unknown[] = []
  await using repository = new Repository(`${server.host}/a`, {
    credential: () => ({ username: 'user', password: 'canary-password' }),
    headers: () => ({ 'x-key': 'CANARY_KEY' }),
    traceHeaders: true,
  })
  const error = await rejection(repository.resolve('v1', { onEvent: (event) => events.push(event) }))
  const shown = inspect([error, events], { depth: Infinity, showHidden: true })
  expect(shown).not.toMatch(/canary/i)
  expect(shown).not.toContain(encoded)
  expect(events).toContainEqual({ type: 'warning', message: `${server.host} says: read only` })
})

it('what a token service repeats of an identity token is in no trace and no code of an error', async () => {
  const server = await startServer(({ url, body }) => {
    if (!url.startsWith('/token')) {
      return { status: 401, headers: { 'www-authenticate': `Bearer realm="${server.url}/token"` } }
    }
    const token = new URLSearchParams(body.toString()).get('refresh_token') ?? ''
    return { status: 403, headers: { server: token }, body: JSON.stringify({ errors: [{ code: token }] }) }
  })
  const events: unknown[] = []
  await using repository = new Repository(`${server.host}/a`, {
    credential: () => ({ identityToken: 'CANARY_TOKEN' }),
    traceHeaders: true,
  })
  const error = await rejection(repository.resolve('v1', { onEvent: (event) => events.push(event) }))
  expect(server.lines.at(-1)).toBe('POST /token')
  expect(inspect([error, events], { depth: Infinity, showHidden: true })).not.toContain('CANARY_TOKEN')
})
