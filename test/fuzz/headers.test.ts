import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { OciError, type ErrorCode } from '../../src/errors.ts'
import { Repository, type RepositoryOptions } from '../../src/targets/remote/repository.ts'
import { blob, image, read } from '../targets/contract/support.ts'
import { startServer, type Answer, type Received } from '../targets/remote/server.ts'
import { forHeaders } from './hostile-text.ts'

const bytes = Buffer.from('0123456789')
const { descriptor, bytes: manifestBytes } = image().node('m1')
const wrongDigest = blob(Buffer.from('other')).digest

/** A header that a hostile registry sends, where, and what is asked of it then. */
interface HostileHeader {
  readonly pieces: readonly string[]
  readonly answer: (request: Received, value: string) => Answer
  readonly act: (repository: Repository) => Promise<unknown>
  readonly options?: RepositoryOptions
  /** How it ends with some values, so that the test is known to come to where they are read. */
  readonly outcomes: Readonly<Record<string, 'well' | ErrorCode>>
}

const readBlob = (repository: Repository): Promise<unknown> => read(repository.fetch(blob(bytes)))
const pushBlob = (repository: Repository): Promise<unknown> => repository.push(blob(bytes), contentOf(bytes))
const listTags = (repository: Repository): Promise<unknown> => Array.fromAsync(repository.tags())

/** `⌂` is the registry itself, `☠` another server. */
const urlPieces = [
  ...`⌂ ☠ / // /v2/a/blobs/uploads/1 ? ?a=b # user:password@ http: https: HTTP:\\ \\ .. %2e%2e %0d%0a javascript: [::1 :99999`.split(
    ' ',
  ),
  ' ',
  '\t',
]
const rangePieces = `bytes 0-4 4-9 /10 /* = - , 0 5 9 10 99999999999999999999 bytes=0- */10`.split(' ')

function uploadStatus(method: string): number {
  if (method === 'HEAD') return 404
  return method === 'PUT' ? 201 : 202
}

const hostile: Readonly<Record<string, HostileHeader>> = {
  'Location of a redirect': {
    pieces: urlPieces,
    answer: ({ url }, location) =>
      url.includes('/blobs/sha256') ? { status: 307, headers: { location } } : { status: 200, body: bytes },
    act: readBlob,
    outcomes: { '/x': 'well', '☠/x': 'well', 'javascript:': 'RESPONSE' },
  },
  'Location of an upload': {
    pieces: urlPieces,
    answer: ({ method }, location) => ({ status: uploadStatus(method), headers: { location } }),
    act: pushBlob,
    options: { singlePostBytes: 0 },
    outcomes: {
      '⌂/x': 'well',
      '/x?a': 'well',
      '☠/x': 'RESPONSE',
      '//': 'RESPONSE',
      '/\t/127.0.0.2:1/x': 'RESPONSE',
    },
  },
  'Link of a list': {
    pieces: ['<', '>', ';', ' ', ',', 'rel=next', 'rel="next"', '"', '?n=1', ...urlPieces],
    answer: ({ url }, link) => ({
      status: 200,
      headers: url.endsWith('/tags/list') ? { link } : {},
      body: '{"tags":["v1"]}',
    }),
    act: listTags,
    outcomes: { '': 'well', '<?n=1>; rel=next': 'well', '<☠>;rel=next': 'RESPONSE' },
  },
  'Content-Range of a part': {
    pieces: rangePieces,
    answer: (_request, range) => ({
      status: 206,
      headers: { 'content-range': range },
      body: bytes.subarray(4),
    }),
    act: async (repository) => {
      const from = repository.fetch(blob(bytes)).from?.(4)
      return from && Array.fromAsync(from)
    },
    outcomes: { 'bytes 4-9/10': 'well', 'bytes 0-4/10': 'RESPONSE' },
  },
  'Range of an upload': {
    pieces: rangePieces,
    answer: ({ method }, range) => ({
      status: uploadStatus(method),
      headers: { range, location: '/v2/a/blobs/uploads/1' },
    }),
    act: pushBlob,
    options: { singlePostBytes: 0, chunkBytes: 4 },
    outcomes: { '0-9': 'RESPONSE', 'bytes=0-5': 'RESPONSE', '': 'well' },
  },
  'OCI-Chunk-Min-Length': {
    pieces: ['0', '1', '5', '-', '.', 'e9', '99999999999999999', ' '],
    answer: ({ method }, minimum) => ({
      status: uploadStatus(method),
      headers: { 'oci-chunk-min-length': minimum, location: '/v2/a/blobs/uploads/1' },
    }),
    act: pushBlob,
    options: { singlePostBytes: 0, chunkBytes: 4 },
    outcomes: { '5': 'well', '99999999999999999': 'well' },
  },
  'Docker-Content-Digest': {
    pieces: [descriptor.digest, wrongDigest, 'sha256:', 'sha512:', 'md5:', '../', 'a'.repeat(64), ' ', ','],
    answer: (_request, digest) => ({
      status: 200,
      headers: { 'docker-content-digest': digest, 'content-type': descriptor.mediaType },
      body: manifestBytes,
    }),
    act: (repository) => repository.fetchReference('v1'),
    outcomes: { [descriptor.digest]: 'well', [wrongDigest]: 'DIGEST_MISMATCH', '../': 'INVALID_DIGEST' },
  },
  'Content-Type': {
    pieces: [
      descriptor.mediaType,
      mediaTypes.ociIndex,
      'text/html',
      ';',
      ',',
      ' charset=utf-8',
      '/',
      '"',
      'A',
    ],
    answer: (_request, type) => ({ status: 200, headers: { 'content-type': type }, body: manifestBytes }),
    act: (repository) => repository.fetchReference('v1'),
    outcomes: { [descriptor.mediaType]: 'well', 'text/html': 'INVALID_MANIFEST' },
  },
  'WWW-Authenticate': {
    pieces: ['Bearer ', 'Basic ', 'realm=', '"', ',', 'scope=', '\\', '=', ...urlPieces],
    answer: ({ url }, challenge) =>
      url.startsWith('/v2/')
        ? { status: 401, headers: { 'www-authenticate': challenge } }
        : { status: 200, body: '{"token":"t"}' },
    act: readBlob,
    outcomes: { 'Bearer realm="⌂/t"': 'AUTH', 'Bearer realm="☠/t"': 'AUTH', 'Bearer realm="//"': 'AUTH' },
  },
  'Retry-After': {
    pieces: ['0', 'Fri, 31 Dec 1999 23:59:59 GMT', '-1', ' ', ',', '0.0', 'GMT'],
    answer: ({ url }, after) => ({
      status: url.endsWith('/list') ? 503 : 200,
      headers: { 'retry-after': after },
      body: '{}',
    }),
    act: listTags,
    outcomes: { '0': 'RESPONSE', '-1': 'RESPONSE' },
  },
}

describe('whatever a registry sends as', () => {
  it.each(Object.entries(hostile))(
    '%s, it ends in an error of ours or well, and nothing goes elsewhere',
    async (_name, { pieces, answer, act, options, outcomes }) => {
      let value = ''
      const server = await startServer((request) => answer(request, value))
      const elsewhere = await startServer(() => ({ status: 200, body: bytes }))
      const outcomeWith = async (text: string): Promise<string> => {
        value = text.replaceAll('⌂', server.url).replaceAll('☠', elsewhere.url)
        await using repository = new Repository(`${server.host}/a`, {
          retry: { attempts: 1 },
          credential: () => ({ username: 'user', password: 'secret' }),
          ...options,
        })
        return await outcomeOf(act(repository))
      }
      for (const [text, outcome] of Object.entries(outcomes)) {
        expect(await outcomeWith(text), text).toBe(outcome)
      }
      await forHeaders(pieces, async (text) => {
        await outcomeWith(text)
      })
      expect(elsewhere.requests.filter(({ method }) => method !== 'GET')).toEqual([])
      expect(elsewhere.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    },
  )
})

/** How an operation ended; what is no error of ours fails the test. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'well'
  } catch (error) {
    if (error instanceof OciError) return error.code
    throw error
  }
}
