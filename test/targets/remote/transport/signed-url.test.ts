import { once } from 'node:events'
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { CopyEvent } from '../../../../src/events.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startRawServer } from '../raw-server.ts'
import { startServer } from '../server.ts'

describe('a failure of the network behind a signed URL', () => {
  const query = '/b?X-Amz-Signature=canary&sig=canary#canary'

  /** Where nobody listens. */
  async function freeHost(): Promise<string> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    await new Promise((resolve) => server.close(resolve))
    return `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  }

  const answering = async (answer: string): Promise<string> =>
    (await startRawServer((socket) => void socket.end(answer))).host

  it.each<[string, () => Promise<string>, string?]>([
    ['that nobody listens at', freeHost],
    ['that hangs up', () => answering('')],
    ['that is cut', () => answering('HTTP/1.1 200 OK\r\nContent-Length: 9\r\nX-Key: canary\r\n\r\ncanary')],
    ['that breaks HTTP', () => answering('HTTP/1.1 200 OK\r\nX-Key: canary\r\nBad\x01: canary\r\n\r\n')],
    [
      'with too many headers',
      () => answering(`HTTP/1.1 200 OK\r\nX-Key: ${'canary'.repeat(20_000)}\r\n\r\n`),
      'SIZE_EXCEEDS_LIMIT',
    ],
    ['that never answers', async () => (await startRawServer(() => undefined)).host],
    [
      'that stops in the middle',
      async () =>
        (
          await startRawServer(
            (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncanary'),
          )
        ).host,
    ],
    ['that nobody can look up', () => Promise.resolve('canary-is-no-secret-here.invalid')],
  ])('%s shows nothing of it', async (_what, target, expected = 'UNREACHABLE') => {
    const host = await target()
    const registry = await startServer(() => ({
      status: 307,
      headers: { location: `http://user:canary@${host}${query}`, 'set-cookie': 'canary' },
    }))
    const events: CopyEvent[] = []
    const onEvent = (event: CopyEvent): void => void events.push(event)
    await using repository = new Repository(`${registry.host}/a`, {
      traceHeaders: true,
      headersTimeout: 300,
      bodyTimeout: 300,
      retry: { attempts: 2, baseMilliseconds: 1 },
    })
    const errors = [
      await rejection(read(repository.fetch(blob(Buffer.alloc(9)), { onEvent }))),
      await rejection(repository.fetchReference('v1', { onEvent })),
    ]
    for (const error of errors) {
      const shown = inspect(error, { depth: 20, showHidden: true }) + JSON.stringify(error) + String(error)
      expect(shown.replaceAll(host, '')).not.toMatch(/canary/i)
      expect(error).toMatchObject({ code: expected })
    }
    expect(JSON.stringify(events).replaceAll(host, '')).not.toMatch(/canary/i)
  })
})
