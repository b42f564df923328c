import { once } from 'node:events'
import { createServer } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { networkFailure } from '../../../../src/targets/remote/transport/network-failure.ts'
import { registryUrl } from '../../../../src/targets/remote/transport/origin.ts'
import { Registry } from '../../../../src/targets/remote/registry.ts'
import { Repository } from '../../../../src/targets/remote/repository.ts'
import type { TransportOptions } from '../../../../src/targets/remote/transport/transport.ts'
import { cert, key } from '../../../server/certificate.ts'
import { rejection } from '../../contract/support.ts'
import { listen } from '../listen.ts'
import { startServer } from '../server.ts'

async function ping(host: string, options: TransportOptions = {}): Promise<void> {
  await using registry = new Registry(host, { retry: { attempts: 1 }, ...options })
  await registry.ping()
}

/** A port of loopback whose connections get this answer, at once or when something was asked. */
async function startRaw(answer: string, when: 'at once' | 'asked' = 'at once'): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    const respond = (): void => void socket.end(answer, () => socket.destroySoon())
    if (when === 'asked') socket.once('data', respond)
    else respond()
  })
  return `127.0.0.1:${await listen(server)}`
}

describe('a registry that cannot be reached', () => {
  it('because nobody listens', async () => {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await new Promise((resolve) => server.close(resolve))
    await expect(ping(`127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining(`cannot reach 127.0.0.1:${port}: connection refused`),
      cause: { code: 'ECONNREFUSED' },
    })
  })

  it('because it speaks HTTP and was asked by HTTPS', async () => {
    const server = await startServer(() => ({ status: 200 }))
    await expect(ping(server.host, { plainHttp: false })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('allow plain HTTP'),
    })
  })

  it('because it speaks something else', async () => {
    await expect(ping(await startRaw('SSH-2.0-OpenSSH\r\n'))).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining('does not answer in HTTP'),
    })
  })

  it('because it hangs up', async () => {
    await expect(ping(await startRaw(''))).rejects.toMatchObject({ code: 'UNREACHABLE' })
  })

  it('because its certificate is its own', async () => {
    const server = await startServer(() => ({ status: 200 }), { tls: { cert, key } })
    await expect(ping(server.host, { plainHttp: false })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(/certificate is not trusted .*CA.*insecure/),
    })
    expect(server.requests).toEqual([])
  })

  it.each([
    ['ENOTFOUND', 'looked up'],
    ['EAI_AGAIN', 'looked up'],
    ['UND_ERR_CONNECT_TIMEOUT', 'timed out'],
    ['ECONNRESET', 'reset'],
    ['CERT_HAS_EXPIRED', 'certificate'],
    ['ESOMETHING', 'ESOMETHING'],
  ])('because of %s, in words', (code, words) => {
    const cause = Object.assign(new Error('x'), { code })
    const failure = networkFailure(cause, new URL('https://registry.example/v2/?token=hidden'))
    expect(failure).toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringContaining(words),
      cause: { code },
    })
    expect(String(failure)).not.toContain('hidden')
  })

  it.each([
    ['in its headers', 'HTTP/1.1 307 X\r\nLocation: /x?sig=SECRET\r\nBad Header\x01: y\r\n\r\n'],
    ['in its body', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{"token":"SECRET"}\r\n'],
  ])('because it breaks HTTP %s, without a byte of its answer in the error', async (_where, answer) => {
    await using repository = new Repository(`${await startRaw(answer, 'asked')}/a`, {
      retry: { attempts: 1 },
    })
    const error = await rejection(repository.fetchReference('v1'))
    expect(error).toMatchObject({
      code: 'UNREACHABLE',
      cause: { code: 'HTTPParserError' },
    })
    const shown = inspect(error, { depth: Infinity, showHidden: true })
    expect(shown).not.toContain('SECRET')
    expect(shown).not.toContain(
      Buffer.from('SECRET')
        .toString('hex')
        .replaceAll(/(..)(?=.)/g, '$1 '),
    )
  })

  it('is not what a mistake in the program is', () => {
    const mistake = new TypeError('x is not a function')
    expect(networkFailure(mistake, new URL('https://registry.example'))).toBe(mistake)
  })
})

describe('a certificate', () => {
  it('is trusted if its CA is named, or if anything is', async () => {
    const server = await startServer(() => ({ status: 200 }), { tls: { cert, key } })
    await ping(server.host, { plainHttp: false, ca: cert })
    await ping(server.host, { plainHttp: false, insecure: true })
    expect(server.requests).toHaveLength(2)
  })
})

describe('the origin of a registry', () => {
  it.each([
    ['docker.io', 'https://registry-1.docker.io'],
    ['registry.example', 'https://registry.example'],
    ['registry.example:443', 'https://registry.example'],
    ['registry.example:80', 'https://registry.example:80'],
    ['localhost', 'http://localhost'],
    ['localhost:5000', 'http://localhost:5000'],
    ['localhost:443', 'http://localhost:443'],
    ['localhost.example', 'https://localhost.example'],
    ['127.0.0.1:5000', 'http://127.0.0.1:5000'],
    ['127.9.9.9', 'http://127.9.9.9'],
    ['127.0.0.1.example', 'https://127.0.0.1.example'],
    ['[::1]:5000', 'http://[::1]:5000'],
    ['10.0.0.1', 'https://10.0.0.1'],
  ])('%s is %s', (registry, origin) => {
    expect(registryUrl(registry, undefined).origin).toBe(origin)
  })

  it('has the scheme that was asked for', () => {
    expect(registryUrl('localhost:5000', false).origin).toBe('https://localhost:5000')
    expect(registryUrl('registry.example:80', true).origin).toBe('http://registry.example')
    expect(registryUrl('registry.example:443', true).origin).toBe('http://registry.example:443')
  })
})

it('a registry that answers as one does is pinged', async () => {
  const server = await startServer(() => ({ status: 200 }))
  await ping(server.host)
  expect(server.lines).toEqual(['GET /v2/'])
  await expect(rejection(ping(server.host))).rejects.toThrow('resolved')
})
