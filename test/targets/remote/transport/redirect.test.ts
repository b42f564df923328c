import { describe, expect, it } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { cert, key } from '../../../server/certificate.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { startServer, type Answer, type Handler, type TestServer } from '../server.ts'

const bytes = Buffer.from('0123456789')
const digest = blob(bytes).digest
const credential = (): { username: string; password: string } => ({ username: 'user', password: 'secret' })

function redirectTo(location: string, status = 307): Answer {
  return { status, headers: { location } }
}

/** A registry that wants a password, before it lets `handler` answer. */
function startGuarded(handler: Handler): Promise<TestServer> {
  return startServer((request, response) =>
    request.headers.authorization === undefined
      ? { status: 401, headers: { 'www-authenticate': 'Basic realm="r"' } }
      : handler(request, response),
  )
}

async function readFrom(server: TestServer, options: RepositoryOptions = {}): Promise<string> {
  await using repository = new Repository(`${server.host}/a`, {
    retry: { attempts: 1 },
    credential,
    ...options,
  })
  return (await read(repository.fetch(blob(bytes)))).toString()
}

describe('a redirect', () => {
  it.each([301, 302, 303, 307, 308])(
    'with %d leads to another host, without the credential',
    async (status) => {
      const storage = await startServer(() => ({ status: 200, body: bytes }))
      const registry = await startGuarded(() => redirectTo(`${storage.url}/blob?signature=x`, status))
      expect(await readFrom(registry)).toBe('0123456789')
      expect(storage.lines).toEqual(['GET /blob?signature=x'])
      expect(storage.requests[0]?.headers.authorization).toBeUndefined()
      expect(storage.requests[0]?.headers['accept-encoding']).toBe('identity')
    },
  )

  it('within the registry keeps the credential', async () => {
    const registry = await startGuarded(({ url }) =>
      url === '/elsewhere' ? { status: 200, body: bytes } : redirectTo('/elsewhere'),
    )
    expect(await readFrom(registry)).toBe('0123456789')
    expect(registry.requests.at(-1)?.headers.authorization).toMatch(/^Basic /)
  })

  it('that comes back from another host stays without the credential, and its 401 is not answered', async () => {
    const away: TestServer = await startServer(() => redirectTo(`${registry.url}/back`))
    const registry = await startGuarded(() => redirectTo(away.url))
    expect(await rejection(readFrom(registry))).toMatchObject({ code: 'AUTH', cause: { status: 401 } })
    const back = registry.requests.filter(({ url }) => url === '/back')
    expect(back.map(({ headers }) => headers.authorization)).toEqual([undefined])
  })

  it('to a host that asks for a password does not give it one', async () => {
    const away = await startServer(() => ({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="r"' },
    }))
    const registry = await startGuarded(() => redirectTo(away.url))
    const error = await rejection(readFrom(registry))
    expect(error).toMatchObject({ code: 'AUTH', message: expect.stringContaining(away.host) })
    expect(away.requests).toHaveLength(1)
  })

  it('keeps the range', async () => {
    const storage = await startServer(({ headers }) => ({
      status: 206,
      headers: { 'content-range': 'bytes 4-9/10' },
      body: headers.range === 'bytes=4-9' ? '456789' : '',
    }))
    const registry = await startGuarded(() => redirectTo(storage.url))
    await using repository = new Repository(`${registry.host}/a`, { credential })
    expect((await read(repository.fetch(blob(bytes)).from?.(4) ?? [])).toString()).toBe('456789')
  })

  it('is followed ten times, and no more', async () => {
    const chain = (length: number): Promise<TestServer> => {
      let count = 0
      return startGuarded(() => ((count += 1) > length ? { status: 200, body: bytes } : redirectTo('/on')))
    }
    expect(await readFrom(await chain(10))).toBe('0123456789')
    await expect(readFrom(await chain(11))).rejects.toMatchObject({
      code: 'RESPONSE',
      message: expect.stringContaining('10 redirects'),
    })
  })

  it('from HTTPS to HTTP is refused', async () => {
    const plain = await startServer(() => ({ status: 200, body: bytes }))
    const registry = await startServer(() => redirectTo(plain.url), { tls: { cert, key } })
    await expect(readFrom(registry, { plainHttp: false, insecure: true })).rejects.toMatchObject({
      code: 'RESPONSE',
      message: expect.stringContaining('from https: to http:'),
    })
    expect(plain.requests).toEqual([])
  })

  it.each(['file:///etc/passwd', 'ftp://127.0.0.1/', 'http://[', 'data:,0123456789', 'javascript:1'])(
    'to %s is refused',
    async (location) => {
      const registry = await startGuarded(() => redirectTo(location))
      await expect(readFrom(registry)).rejects.toMatchObject({ code: 'RESPONSE' })
    },
  )

  it('without a location is a status that nobody expects', async () => {
    const registry = await startGuarded(() => ({ status: 307 }))
    await expect(readFrom(registry)).rejects.toMatchObject({ code: 'RESPONSE', status: 307 })
  })

  it('does not take a password from its URL', async () => {
    const storage = await startServer(() => ({ status: 200, body: bytes }))
    const registry = await startGuarded(() => redirectTo(`http://user:pass@${storage.host}/`))
    expect(await readFrom(registry)).toBe('0123456789')
    expect(storage.requests[0]?.headers.authorization).toBeUndefined()
  })

  it.each(['POST', 'PUT'])('of a %s is not followed', async (method) => {
    const trap = await startServer(() => ({ status: 201 }))
    const registry = await startGuarded((request) => {
      if (request.method === 'HEAD') return { status: 404 }
      if (request.method === method) return redirectTo(trap.url)
      return { status: 202, headers: { location: '/v2/a/blobs/uploads/1' } }
    })
    await using repository = new Repository(`${registry.host}/a`, { credential, singlePostBytes: 0 })
    await expect(repository.push(blob(bytes), contentOf(bytes))).rejects.toMatchObject({
      code: 'RESPONSE',
      status: 307,
    })
    expect(trap.requests).toEqual([])
  })

  it('does not show the signature of its target in errors', async () => {
    const storage = await startServer(() => ({ status: 500 }))
    const registry = await startGuarded(() => redirectTo(`${storage.url}/${digest}?X-Amz-Signature=hidden`))
    const error = await rejection(readFrom(registry))
    expect(error).toMatchObject({ url: `${storage.url}/${digest}?X-Amz-Signature=***` })
    expect(String(error)).not.toContain('hidden')
  })
})
