import { inspect } from 'node:util'
import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../../src/content/content.ts'
import type { CopyEvent } from '../../../../src/events.ts'
import { Repository, type RepositoryOptions } from '../../../../src/targets/remote/repository.ts'
import { shownRequest, shownResponse } from '../../../../src/targets/remote/transport/trace.ts'
import { blob, read, rejection } from '../../contract/support.ts'
import { bytes, startTokenRegistry } from '../auth/token-registry.ts'
import { errorBody, startServer, type TestServer } from '../server.ts'

type RequestEvent = CopyEvent & { readonly type: 'request' }

/** What the requests of a repository are told as. */
class Trace {
  readonly events: CopyEvent[] = []
  readonly onEvent = (event: CopyEvent): void => void this.events.push(event)

  get requests(): readonly RequestEvent[] {
    return this.events.filter((event) => event.type === 'request')
  }
}

function open(host: string, options: RepositoryOptions = {}): Repository {
  const repository = new Repository(`${host}/a`, { retry: { attempts: 1 }, traceHeaders: true, ...options })
  onTestFinished(() => repository.close())
  return repository
}

const small = blob(bytes)

describe('the trace of headers', () => {
  it('is not there unless it is asked for', async () => {
    const server = await startServer(() => ({ status: 404 }))
    const { events, onEvent } = new Trace()
    await open(server.host, { traceHeaders: false }).exists(small, { onEvent })
    expect(Object.keys(events[0] ?? {})).toEqual(['type', 'method', 'url', 'status', 'milliseconds'])
  })

  it('has all headers of requests, redirected ones and those for tokens, and of their answers', async () => {
    const storage = await startServer(() => ({
      status: 200,
      headers: { etag: '"x"', 'accept-ranges': 'bytes' },
      body: bytes,
    }))
    const { server } = await startTokenRegistry({
      content: () => ({
        status: 307,
        headers: { location: `${storage.url}/b?sig=canary`, 'set-cookie': 'canary' },
      }),
    })
    const trace = new Trace()
    const options = { credential: () => ({ username: 'user', password: 'canary' }) }
    await read(open(server.host, options).fetch(small, { onEvent: trace.onEvent }))
    expect(trace.requests.map(({ url, status }) => [new URL(url).pathname, status])).toEqual([
      [`/v2/a/blobs/${small.digest}`, 401],
      ['/token', 200],
      [`/v2/a/blobs/${small.digest}`, 307],
      ['/b', 200],
    ])
    const [challenged, token, redirect, last] = trace.requests
    expect(challenged?.responseHeaders?.['www-authenticate']).toBe(
      `bearer realm="${server.url}/token",service="test",scope="repository:a:pull"`,
    )
    expect(token?.requestHeaders).toEqual({
      'user-agent': 'copygraph',
      authorization: '***',
      'accept-encoding': 'identity',
    })
    expect(redirect?.requestHeaders?.['authorization']).toBe('***')
    expect(redirect?.responseHeaders).toMatchObject({
      location: `${storage.url}/b?sig=***`,
      'set-cookie': '***',
      date: expect.stringContaining('GMT'),
    })
    expect(last?.requestHeaders).toEqual({ 'user-agent': 'copygraph', 'accept-encoding': 'identity' })
    expect(last?.responseHeaders).toMatchObject({ etag: '"x"', 'accept-ranges': 'bytes' })
    expect(JSON.stringify(trace.events)).not.toContain('canary')
  })

  it('has the size of what is sent, and its type', async () => {
    const server = await startServer(({ method }) => ({ status: method === 'HEAD' ? 404 : 201 }))
    const trace = new Trace()
    await open(server.host).push(small, contentOf(bytes), { onEvent: trace.onEvent })
    expect(trace.requests.at(-1)?.requestHeaders).toMatchObject({
      'content-length': `${bytes.length}`,
      'content-type': 'application/octet-stream',
    })
  })
})

describe('the trace of a response', () => {
  const url = new URL('https://registry.example/v2/a/tags/list')
  const shown = (name: string, ...values: readonly string[]): string | undefined =>
    shownResponse({ [name]: values }, url)[name]

  it.each([
    [
      'location',
      'https://user:canary@storage.example/b?X-Amz-Signature=canary#canary',
      'https://storage.example/b?X-Amz-Signature=***',
    ],
    [
      'location',
      '/v2/a/blobs/uploads/1?_state=canary',
      'https://registry.example/v2/a/blobs/uploads/1?_state=***',
    ],
    ['location', 'canary:canary', '***'],
    ['location', 'https://[canary', '***'],
    ['referer', 'https://user:canary@x.example/?token=canary', 'https://x.example/?token=***'],
    [
      'link',
      '</v2/a/tags/list?last=b&sig=canary>; rel="next"; title="canary"',
      '<https://registry.example/v2/a/tags/list?last=b&sig=***>; rel="next"',
    ],
    ['link', '<https://u:canary@x.example>; rel=canary, <data:canary>', '<https://x.example/>, <***>'],
    ['link', 'canary', '***'],
    [
      'www-authenticate',
      'Bearer realm="https://u:canary@x.example/t?k=canary",service="s",error="invalid_token",nonce="canary"',
      'bearer realm="https://x.example/t?k=***",service="s",error="invalid_token",***',
    ],
    ['www-authenticate', 'Basic realm="canary", canary', 'basic realm="***", ***'],
    ['www-authenticate', 'canary', '***'],
    ['www-authenticate', '"canary"', '***'],
    ['content-type', 'text/html', 'text/html'],
    ['ratelimit-remaining', '99;w=21600', '99;w=21600'],
    ['x-ratelimit-limit', '5', '5'],
    ['oci-subject', small.digest, small.digest],
    ['docker-upload-uuid', 'canary', '***'],
    ['set-cookie', 'canary', '***'],
    ['authentication-info', 'canary', '***'],
    ['x-oci-subject', 'canary', '***'],
    ['constructor', 'canary', '***'],
  ])('shows %s: %s as %s', (name, value, expected) => {
    expect(shown(name, value)).toBe(expected)
  })

  it('shows a name that objects have otherwise', () => {
    const headers: Record<string, string> = JSON.parse('{"__proto__":"canary","date":"today"}')
    expect(JSON.stringify(shownResponse(headers, url))).toBe('{"__proto__":"***","date":"today"}')
  })

  it('is made in linear time', () => {
    const started = performance.now()
    for (const name of ['link', 'www-authenticate', 'location']) {
      for (const text of ['<', '<a>', '<a>;', ';rel=', 'a="', ' ', 'a=', '%', '?a=b&']) {
        shown(name, text.repeat(Math.floor(100_000 / text.length)))
      }
    }
    expect(performance.now() - started).toBeLessThan(3000)
  })
})

describe('the trace of a request', () => {
  it('shows what we send ourselves', () => {
    const headers = {
      accept: 'a',
      range: 'bytes=0-1',
      authorization: 'canary',
      'oci-x': 'canary',
      cookie: 'canary',
    }
    expect(shownRequest(headers)).toEqual({
      accept: 'a',
      range: 'bytes=0-1',
      authorization: '***',
      'oci-x': '***',
      cookie: '***',
    })
  })

  it('shows nothing of the user’s own, whatever its name is', async () => {
    const server = await startServer(() => ({ status: 404 }))
    const trace = new Trace()
    const headers = (): Record<string, string> => ({
      Accept: 'canary',
      'User-Agent': 'canary',
      'OCI-Key': 'canary',
    })
    await open(server.host, { headers }).exists(small, { onEvent: trace.onEvent })
    expect(server.requests[0]?.headers).toMatchObject({ 'user-agent': 'canary', 'oci-key': 'canary' })
    expect(trace.requests[0]?.requestHeaders).toMatchObject({ 'user-agent': '***', 'oci-key': '***' })
    expect(JSON.stringify(trace.events)).not.toContain('canary')
  })
})

/** Every secret that a flow may have, in the letters in which a server may send it. */
async function startLeaky(): Promise<{ readonly registry: TestServer; readonly storage: TestServer }> {
  const secrets = {
    'SET-cookie': ['sid=canary', 'b=canary'],
    'X-AMZ-Security-Token': 'canary',
    'WWW-authenticate': 'Basic realm="canary"',
    ReFeReR: 'https://u:canary@x.example/?sig=canary',
    LINK: '<https://u:canary@x.example/?sig=canary>; rel="canary"',
    Authorization: 'Bearer canary',
    'proxy-authenticate': 'canary',
    Refresh: '0;url=https://x.example/?canary',
    'content-location': '/?sig=canary',
  }
  const storage = await startServer(() => ({ status: 500, headers: secrets, body: errorBody('X') }))
  const registry: TestServer = await startServer(({ url, headers }) => {
    if (url.startsWith('/token')) {
      const body = JSON.stringify({ access_TOKEN: 'canary', token: 'canary', refresh_token: 'canary' })
      return { status: 200, headers: secrets, body }
    }
    if (headers.authorization !== 'Bearer canary') {
      const challenge = `BEARER realm="${registry.url}/token?sig=canary&service=x",service="s",nonce="canary"`
      return { status: 401, headers: { ...secrets, 'WWW-Authenticate': challenge } }
    }
    const location = storage.url.replace('//', '//user:canary@')
    return {
      status: 307,
      headers: { ...secrets, location: `${location}/b?X-Amz-Credential=canary&sig=canary` },
    }
  })
  return { registry, storage }
}

describe('a secret', () => {
  it.each([
    ['a password', { username: 'user', password: 'canary' }],
    ['an identity token', { identityToken: 'canary' }],
    ['an access token', { accessToken: 'canary' }],
  ])(
    'such as %s is in no event and no error, with all that there is to be told',
    async (_what, credential) => {
      const { registry, storage } = await startLeaky()
      const trace = new Trace()
      const headers = (): Record<string, string> => ({ 'X-API-KEY': 'canary', Cookie: 'canary' })
      const repository = open(registry.host, {
        credential: () => credential,
        headers,
        retry: { baseMilliseconds: 1 },
      })
      const { onEvent } = trace
      const errors = [
        await rejection(repository.resolve('v1', { onEvent })),
        await rejection(repository.fetchReference('v1', { onEvent })),
        await rejection(read(repository.fetch(small, { onEvent }))),
        await rejection(Array.fromAsync(repository.tags({ onEvent }))),
        await rejection(repository.push(small, contentOf(bytes), { onEvent })),
      ]
      expect(storage.requests.length).toBeGreaterThan(20)
      expect(trace.requests.length).toBeGreaterThan(20)
      expect(trace.events.some(({ type }) => type === 'retry')).toBe(true)
      expect(JSON.stringify(trace.events)).not.toMatch(/canary/i)
      expect(inspect(trace.events, { depth: 20, showHidden: true })).not.toMatch(/canary/i)
      for (const error of errors) {
        expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/canary/i)
        expect(JSON.stringify(error)).not.toMatch(/canary/i)
      }
      // The secrets were on their way: to the registry, and not further.
      expect(registry.requests.some(({ headers: sent }) => JSON.stringify(sent).includes('canary'))).toBe(
        true,
      )
      expect(JSON.stringify(storage.requests.map(({ headers: sent }) => sent))).not.toContain('canary')
    },
  )
})
