import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { cert, key } from '../../server/certificate.ts'
import { blob, image, read, rejection } from '../contract/support.ts'
import { startServer, type Answer, type TestServer } from './server.ts'

const bytes = Buffer.from('0123456789')
const { descriptor, bytes: manifest } = image().node('m1')
const once: RepositoryOptions = { retry: { attempts: 1 } }

/** A repository whose registry answers every request alike. */
async function answeredBy(
  answer: Answer,
  options: RepositoryOptions = once,
): Promise<{ readonly repository: Repository; readonly server: TestServer }> {
  const server = await startServer(() => answer)
  return { server, repository: new Repository(`${server.host}/a`, options) }
}

describe('an answer that says it is encoded', () => {
  it.each([1, 2000])('%d times is taken as the bytes that came', async (count) => {
    const encodings = Array.from({ length: count }, () => 'gzip').join(', ')
    const headers = { 'content-encoding': encodings }
    const { repository } = await answeredBy({ status: 200, headers, body: bytes })
    await using _closing = repository
    expect(await read(repository.fetch(blob(bytes)))).toEqual(bytes)
  })

  it('and is, is not unpacked: neither content, nor a list, nor a manifest', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))
    const headers = { 'content-encoding': 'gzip', 'content-type': mediaTypes.ociManifest }
    const { repository, server } = await answeredBy({ status: 200, headers, body: bomb })
    await using _closing = repository
    const before = process.memoryUsage().rss
    expect(await rejection(read(repository.fetch(blob(bytes))))).toMatchObject({ code: 'SIZE_MISMATCH' })
    expect(await rejection(Array.fromAsync(repository.tags()))).toMatchObject({ code: 'INVALID_MANIFEST' })
    expect((await repository.fetchReference('v1')).bytes).toEqual(bomb)
    expect(process.memoryUsage().rss - before).toBeLessThan(32 * 1024 * 1024)
    expect(server.requests.every(({ headers: sent }) => sent['accept-encoding'] === 'identity')).toBe(true)
  })
})

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`

describe('a document that is nested without an end', () => {
  const read1 = (repository: Repository): Promise<unknown> => repository.fetchReference('v1')
  it.each<[string, Answer, (repository: Repository) => Promise<unknown>, string]>([
    ['a list of tags', { status: 200, body: `{"tags":${deep(1_000_000)}}` }, listTags, 'well'],
    ['a list that is none', { status: 200, body: deep(1_000_000) }, listTags, 'INVALID_MANIFEST'],
    [
      'a manifest without a type',
      { status: 200, body: `{"mediaType":"x","layers":${deep(1_000_000)}}` },
      read1,
      'SIZE_EXCEEDS_LIMIT',
    ],
    [
      'a list of referrers',
      {
        status: 200,
        headers: { 'content-type': mediaTypes.ociIndex },
        body: `{"schemaVersion":2,"manifests":${deep(1_000_000)}}`,
      },
      (repository) => Array.fromAsync(repository.referrers(descriptor)),
      'SIZE_EXCEEDS_LIMIT',
    ],
    ['an error', { status: 418, body: `{"errors":${deep(30_000)}}` }, listTags, 'RESPONSE'],
    [
      'a member of an error',
      { status: 418, body: `{"errors":[{"code":${deep(30_000)}}]}` },
      listTags,
      'RESPONSE',
    ],
  ])('%s, does not use up the call stack', async (_what, answer, act, outcome) => {
    const { repository } = await answeredBy(answer)
    await using _closing = repository
    expect(await codeOf(act(repository))).toBe(outcome)
  })

  it('a token, does not use up the call stack', async () => {
    const server: TestServer = await startServer(({ url }) =>
      url.startsWith('/token')
        ? { status: 200, body: `{"token":${deep(60_000)}}` }
        : { status: 401, headers: { 'www-authenticate': `Bearer realm="${server.url}/token"` } },
    )
    await using repository = new Repository(`${server.host}/a`, once)
    expect(await rejection(listTags(repository))).toMatchObject({ code: 'AUTH' })
  })
})

describe('text that another client would read otherwise', () => {
  const documentOf = (text: string | Uint8Array): Answer => ({
    status: 200,
    headers: { 'content-type': mediaTypes.ociIndex },
    body: text,
  })

  it.each<[string, string | Uint8Array]>([
    ['a byte order mark', '\uFEFF{"schemaVersion":2,"manifests":[]}'],
    [
      'bytes that are no UTF-8',
      Buffer.concat([
        Buffer.from('{"schemaVersion":2,"manifests":[],"annotations":{"a":"'),
        Buffer.from([0xff]),
        Buffer.from('"}}'),
      ]),
    ],
    [
      'a size that a double rounds',
      `{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"${descriptor.digest}","size":9007199254740993}]}`,
    ],
    [
      'a size in another spelling',
      `{"schemaVersion":2,"manifests":[{"mediaType":"x","digest":"${descriptor.digest}","size":1e3}]}`,
    ],
  ])('%s, is no list of referrers', async (_what, text) => {
    const { repository } = await answeredBy(documentOf(text))
    await using _closing = repository
    const error = await rejection(Array.fromAsync(repository.referrers(descriptor)))
    expect(error).toMatchObject({ code: 'INVALID_MANIFEST' })
  })

  it('is kept byte for byte where it is a manifest', async () => {
    const text = Buffer.from('\uFEFF{"schemaVersion":2,"manifests":[]}\r\n')
    const { repository } = await answeredBy(documentOf(text))
    await using _closing = repository
    const fetched = await repository.fetchReference('v1')
    expect(Buffer.from(fetched.bytes)).toEqual(text)
    expect(fetched.descriptor).toMatchObject({ digest: digestOf(text), size: text.length })
  })

  it.each(['\uFEFF{"tags":["v1"]}', '{"tags":["v1"]}\0'])('%j is no list of tags', async (body) => {
    const { repository } = await answeredBy({ status: 200, body })
    await using _closing = repository
    expect(await rejection(listTags(repository))).toMatchObject({ code: 'INVALID_MANIFEST' })
  })

  it('that is no JSON is quoted in no error, since a secret may stand in it', async () => {
    const headers = { 'content-type': 'application/json' }
    const { repository } = await answeredBy({ status: 200, headers, body: 'token=s3cret' })
    await using _closing = repository
    const errors = [await rejection(listTags(repository)), await rejection(repository.fetchReference('v1'))]
    for (const error of errors) {
      expect(error).toMatchObject({ code: 'INVALID_MANIFEST' })
      expect(inspect(error)).not.toContain('s3c')
    }
  })
})

describe('what names something in a request', () => {
  const lines = '\r\nX-Injected: yes\r\n\r\nGET /injected HTTP/1.1\r\n\r\n'

  it.each<[string, RepositoryOptions, string]>([
    ['an access token', { credential: () => ({ accessToken: `a${lines}` }) }, 'AUTH'],
    ['a user name', { credential: () => ({ username: `a${lines}`, password: lines }) }, 'well'],
    ['an identity token', { credential: () => ({ identityToken: `a${lines}` }) }, 'well'],
  ])('%s with line breaks makes no header and no request', async (_what, options, outcome) => {
    const server: TestServer = await startServer(({ url, headers }) => {
      if (url.startsWith('/token')) return { status: 200, body: '{"token":"t"}' }
      const challenge = [`Bearer realm="${server.url}/token"`, 'Basic realm="r"']
      return headers.authorization === undefined
        ? { status: 401, headers: { 'www-authenticate': challenge } }
        : { status: 200, headers: { 'content-type': descriptor.mediaType }, body: manifest }
    })
    await using repository = new Repository(`${server.host}/a`, { ...once, ...options })
    expect(await codeOf(repository.fetchReference('v1'))).toBe(outcome)
    expect(server.requests.filter(({ headers }) => 'x-injected' in headers)).toEqual([])
    expect(server.lines.filter((line) => line.includes('/injected'))).toEqual([])
  })

  it('and came from a server stays what it is in the next request', async () => {
    const server: TestServer = await startServer(({ url }) => {
      if (url.startsWith('/token')) return { status: 200, body: `{"token":"t\\r\\nX-Injected: yes"}` }
      const parameters = 'service="a%0d%0a&scope=b",scope="repository:a:pull x&client_id=y#z"'
      return {
        status: 401,
        headers: { 'www-authenticate': `Bearer realm="${server.url}//127.0.0.1:1/../token",${parameters}` },
      }
    })
    await using repository = new Repository(`${server.host}/a`, once)
    expect(await rejection(repository.fetchReference('v1'))).toMatchObject({ code: 'AUTH' })
    const query = new URL(server.requests.at(-1)?.url ?? '', server.url).searchParams
    expect(query.get('service')).toBe('a%0d%0a&scope=b')
    expect(query.getAll('scope').join(' ')).toContain('x&client_id=y#z')
    expect(server.requests.every(({ headers }) => headers['x-injected'] === undefined)).toBe(true)
  })

  it('as an artifact type is a value in the query, whatever it is', async () => {
    const { repository, server } = await answeredBy({
      status: 200,
      headers: { 'content-type': mediaTypes.ociIndex },
      body: '{"schemaVersion":2,"manifests":[]}',
    })
    await using _closing = repository
    const artifactType = 'a/b&n=1#c d\r\nX-Injected: yes'
    expect(await Array.fromAsync(repository.referrers(descriptor, { artifactType }))).toEqual([])
    const url = new URL(server.requests[0]?.url ?? '', server.url)
    expect([...url.searchParams]).toEqual([['artifactType', artifactType]])
  })
})

describe('a token service whose certificate is not trusted', () => {
  it('sees no credential, though it is trusted by name', async () => {
    const tokens = await startServer(() => ({ status: 200, body: '{"token":"t"}' }), { tls: { cert, key } })
    const registry = await startServer(() => ({
      status: 401,
      headers: { 'www-authenticate': `Bearer realm="${tokens.url}/token"` },
    }))
    await using repository = new Repository(`${registry.host}/a`, {
      ...once,
      credential: () => ({ username: 'user', password: 'secret' }),
      trustedRealms: [tokens.host],
    })
    expect(await rejection(repository.fetchReference('v1'))).toMatchObject({ code: 'UNREACHABLE' })
    expect(tokens.requests).toEqual([])
  })
})

function listTags(repository: Repository): Promise<string[]> {
  return Array.fromAsync(repository.tags())
}

/** `'well'`, or the code of the error. */
function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'well',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  )
}
