import { describe, expect, it } from 'vitest'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { rejection } from '../../contract/support.ts'
import { errorBody, startServer, type Answer } from '../server.ts'

async function failure(answer: Answer): Promise<unknown> {
  const server = await startServer(() => answer)
  await using repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 } })
  return await rejection(repository.fetchReference('v1'))
}

describe('an answer with an unexpected status', () => {
  it('is an error with its status, codes, method and URL', async () => {
    const error = await failure({ status: 429, body: errorBody('TOOMANYREQUESTS', 'slow down') })
    expect(error).toMatchObject({
      code: 'RESPONSE',
      status: 429,
      method: 'GET',
      url: expect.stringMatching(/\/v2\/a\/manifests\/v1$/),
      errors: [{ code: 'TOOMANYREQUESTS', message: 'slow down' }],
      message: expect.stringMatching(/429 Too Many Requests: TOOMANYREQUESTS slow down$/),
    })
  })

  it.each([
    [401, 'AUTH'],
    [403, 'AUTH'],
    [404, 'NOT_FOUND'],
    [418, 'RESPONSE'],
    [500, 'RESPONSE'],
    [204, 'RESPONSE'],
    [599, 'RESPONSE'],
  ])('of %d is %s, with the answer as its cause', async (status, code) => {
    const error = await failure({ status, body: status === 204 ? '' : errorBody('X') })
    expect(error).toMatchObject({ code })
    const cause = error instanceof Error && code !== 'RESPONSE' ? error.cause : error
    expect(cause).toMatchObject({ code: 'RESPONSE', status })
  })

  it.each([
    ['nothing', ''],
    ['HTML', '<html><h1>502</h1></html>'],
    ['text', '404 page not found\n'],
    ['cut JSON', '{"errors":[{"code":"X'],
    ['JSON of another form', '{"message":"no"}'],
    ['null', 'null'],
    ['errors that are no list', '{"errors":{"code":"X"}}'],
    ['errors that are none', '{"errors":[null,1,"x",{},{"code":null}]}'],
    ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x00])],
  ])('may have %s as its body', async (_what, body) => {
    expect(await failure({ status: 500, body })).toMatchObject({ code: 'RESPONSE', status: 500, errors: [] })
  })

  it('is understood with codes that are numbers and entries without a message', async () => {
    const error = await failure({ status: 400, body: '{"errors":[{"code":404},{"code":"A"},7]}' })
    expect(error).toMatchObject({
      errors: [
        { code: '404', message: '' },
        { code: 'A', message: '' },
      ],
    })
  })

  it('is not read beyond 64 KiB', async () => {
    const written: number[] = []
    const server = await startServer((_request, response) => {
      response.writeHead(500)
      const write = (): void => {
        written.push(1)
        if (!response.destroyed) response.write('x'.repeat(65_536), write)
      }
      write()
      return undefined
    })
    await using repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 } })
    expect(await rejection(repository.fetchReference('v1'))).toMatchObject({ status: 500, errors: [] })
    expect(written.length).toBeLessThan(1000)
  })

  it('whose body is cut is still that answer', async () => {
    const server = await startServer((_request, response) => {
      response.writeHead(503, { 'content-length': 1000 })
      response.write('{', () => response.destroy())
      return undefined
    })
    await using repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 } })
    expect(await rejection(repository.fetchReference('v1'))).toMatchObject({ code: 'RESPONSE', status: 503 })
  })

  it('shows no control characters in its message, and not all of a long one', async () => {
    const error = await failure({ status: 400, body: errorBody('X', `\u001b[31m${'y'.repeat(10_000)}`) })
    expect(String(error)).not.toContain('\u001b')
    expect(String(error).length).toBeLessThan(1000)
  })
})
