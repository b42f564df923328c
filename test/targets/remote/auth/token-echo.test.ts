import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { rejection } from '../../contract/support.ts'
import { startServer } from '../server.ts'

it.each([400, 401, 403, 404, 500])(
  'a token service that answers %d and repeats the password gets it into no error and no event',
  async (status) => {
    const canary = { username: 'user', password: 'canary-password' }
    const encoded = Buffer.from('user:canary-password').toString('base64')
    const server = await startServer(({ headers: { authorization = '' }, url, body }) => {
      if (!url.startsWith('/token')) {
        const challenge = `Bearer realm="${server.url}/token?token=canary-query",service="s"`
        return { status: 401, headers: { 'www-authenticate': challenge }, body: '{}' }
      }
      const echoed = `${authorization} canary-password ${body.toString()}`
      const errors = [
        { code: 'DENIED', message: echoed, detail: echoed },
        { code: echoed, message: echoed },
        { code: 'canary-password', message: '' },
      ]
      return { status, headers: { 'x-echo': 'canary-password' }, body: JSON.stringify({ errors }) }
    })
    const credential = (): typeof canary => canary
    const events: unknown[] = []
    await using repository = new Repository(`${server.host}/a`, { credential, retry: { attempts: 1 } })
    const error = await rejection(repository.resolve('v1', { onEvent: (event) => events.push(event) }))
    expect(error).toMatchObject({ message: expect.stringContaining('DENIED') })
    const shown = inspect([error, events], { depth: Infinity, showHidden: true })
    expect(shown).not.toContain('canary')
    expect(shown).not.toContain(encoded)
  },
)
