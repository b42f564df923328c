import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { graph, ownTypes } from '../../support/graph.ts'
import { blob, read, rejection } from '../contract/support.ts'
import { errorBody, startServer, type Answer, type Handler, type TestServer } from './server.ts'

const { descriptor, bytes } = graph({ m1: ['config'] }).node('m1')
const other = digestOf(Buffer.from('other'))

function headers(change: Record<string, string | undefined> = {}): Record<string, string> {
  const all: Record<string, string | undefined> = {
    'content-type': descriptor.mediaType,
    'content-length': `${bytes.length}`,
    'docker-content-digest': descriptor.digest,
    ...change,
  }
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

async function start(handler: Handler, options: RepositoryOptions = {}): Promise<[Repository, TestServer]> {
  const server = await startServer(handler)
  const repository = new Repository(`${server.host}/a`, { retry: { attempts: 1 }, ...options })
  onTestFinished(() => repository.close())
  return [repository, server]
}

/** A repository whose manifest is answered with these headers and this body. */
function showing(
  change: Record<string, string | undefined> = {},
  body: Uint8Array | string = bytes,
): Handler {
  return ({ method }) =>
    method === 'HEAD'
      ? { status: 200, headers: headers(change) }
      : { status: 200, headers: headers({ 'content-length': undefined, ...change }), body }
}

describe('resolve', () => {
  it('takes one HEAD, and asks for every manifest type', async () => {
    const [repository, server] = await start(showing(), { manifestTypes: ownTypes })
    expect(await repository.resolve('v1')).toEqual(descriptor)
    expect(server.lines).toEqual(['HEAD /v2/a/manifests/v1'])
    const accept = server.requests[0]?.headers.accept?.split(', ')
    expect(accept).toEqual([...ownTypes.mediaTypes, '*/*'])
  })

  it.each([
    ['its digest', { 'docker-content-digest': undefined }],
    ['its length', { 'content-length': undefined }],
    ['its type', { 'content-type': undefined }],
    ['more than a general type', { 'content-type': 'application/json; charset=utf-8' }],
  ])('reads the manifest of a tag if the HEAD does not say %s', async (_what, change) => {
    const [repository, server] = await start(showing(change))
    expect(await repository.resolve('v1')).toEqual(descriptor)
    expect(server.lines).toEqual(['HEAD /v2/a/manifests/v1', 'GET /v2/a/manifests/v1'])
  })

  it.each([405, 501])('reads the manifest if a HEAD is answered with %d', async (status) => {
    const [repository] = await start((request, response) =>
      request.method === 'HEAD' ? { status } : showing()(request, response),
    )
    expect(await repository.resolve('v1')).toEqual(descriptor)
  })

  it('needs no digest in the answer to a digest, and refuses another one', async () => {
    const [silent, server] = await start(showing({ 'docker-content-digest': undefined }))
    expect(await silent.resolve(descriptor.digest)).toEqual(descriptor)
    expect(server.requests).toHaveLength(1)
    const [lying] = await start(showing({ 'docker-content-digest': other }))
    await expect(lying.resolve(descriptor.digest)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  })

  it.each(['sha256:abc', '', 'x', `md5:${'0'.repeat(32)}`])(
    'refuses the malformed digest %j in an answer',
    async (digest) => {
      const [repository] = await start(showing({ 'docker-content-digest': digest }))
      await expect(repository.resolve('v1')).rejects.toMatchObject({ code: 'INVALID_DIGEST' })
      await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'INVALID_DIGEST' })
    },
  )

  it('finds a blob by digest after the manifests', async () => {
    const content = Buffer.from('a blob')
    const [repository, server] = await start(({ url }) =>
      url.includes('/blobs/') ? { status: 200, headers: { 'content-length': '6' } } : { status: 404 },
    )
    expect(await repository.resolve(blob(content).digest)).toEqual({
      mediaType: mediaTypes.octetStream,
      digest: blob(content).digest,
      size: 6,
    })
    expect(server.requests).toHaveLength(2)
  })

  it('finds a blob where the registry fails to read it as a manifest, but takes no other fault for that', async () => {
    const odd = (code: string): Handler => {
      return ({ method, url }) => {
        if (url.includes('/blobs/')) return { status: 200, headers: { 'content-length': '6' } }
        return { status: 500, ...(method === 'GET' && { body: errorBody(code) }) }
      }
    }
    const [repository] = await start(odd('UNKNOWN'))
    expect(await repository.resolve(other)).toMatchObject({ mediaType: mediaTypes.octetStream, size: 6 })
    const [broken] = await start(odd('STORAGE'))
    await expect(broken.resolve(other)).rejects.toMatchObject({ code: 'RESPONSE', status: 500 })
  })

  it('takes the digest of tag@digest, and no malformed reference', async () => {
    const [repository, server] = await start(showing())
    await repository.resolve(`v1@${descriptor.digest}`)
    expect(server.lines).toEqual([`HEAD /v2/a/manifests/${descriptor.digest}`])
    for (const reference of [
      '',
      'a/b',
      '../x',
      'v1@',
      `-@${descriptor.digest}`,
      'sha256:abc',
      'a?b',
      'v1#',
      'a%2fb',
    ]) {
      await expect(repository.resolve(reference)).rejects.toMatchObject({ code: 'INVALID_REFERENCE' })
    }
    expect(server.requests).toHaveLength(1)
  })

  it.each([
    ['text/html', 'INVALID_MANIFEST', 'HTML'],
    ['application/vnd.docker.distribution.manifest.v1+prettyjws', 'UNSUPPORTED', 'v1+prettyjws'],
  ])('refuses %s with %s', async (type, code, words) => {
    const [repository] = await start(showing({ 'content-type': type }))
    const expected = { code, message: expect.stringContaining(words) }
    await expect(repository.resolve('v1')).rejects.toMatchObject(expected)
    await expect(repository.fetchReference('v1')).rejects.toMatchObject(expected)
    await expect(repository.exists(descriptor)).rejects.toMatchObject(expected)
    await expect(read(repository.fetch(descriptor))).rejects.toMatchObject(expected)
  })
})

describe('fetchReference', () => {
  it('computes the digest of what came, and believes no other', async () => {
    const [silent] = await start(showing({ 'docker-content-digest': undefined }))
    expect(await silent.fetchReference('v1')).toEqual({ descriptor, bytes: Buffer.from(bytes) })
    const [lying] = await start(showing({ 'docker-content-digest': other }))
    await expect(lying.fetchReference('v1')).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
    const [wrong] = await start(showing({ 'docker-content-digest': other }, 'other'))
    await expect(wrong.fetchReference(descriptor.digest)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  })

  it('keeps the algorithm that the registry names', async () => {
    const digest = digestOf(bytes, 'sha512')
    const [repository] = await start(showing({ 'docker-content-digest': digest }))
    expect((await repository.fetchReference('v1')).descriptor.digest).toBe(digest)
  })

  it('reads the type from the document where the header says nothing, and refuses one that has none', async () => {
    const [repository] = await start(showing({ 'content-type': 'text/plain' }))
    expect((await repository.fetchReference('v1')).descriptor).toEqual(descriptor)
    const untyped = { 'content-type': 'application/json', 'docker-content-digest': undefined }
    const [none] = await start(showing(untyped, '{}'))
    await expect(none.fetchReference('v1')).rejects.toMatchObject({ code: 'INVALID_MANIFEST' })
    const [foreign] = await start(showing(untyped, '{"mediaType":"text/x"}'))
    await expect(foreign.fetchReference('v1')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('reads no more than the limit, whether or not a length is said', async () => {
    const large = 'x'.repeat(100_000)
    const limit = { maxMetadataBytes: 10_000 }
    for (const length of ['100000', undefined]) {
      const [repository] = await start(showing({ 'content-length': length }, large), limit)
      await expect(repository.fetchReference('v1')).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    }
    const [repository, server] = await start(showing(), limit)
    const content = repository.fetch({ ...descriptor, size: 10_001 })
    await expect(read(content)).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(server.requests).toEqual([])
  })
})

describe('a manifest that is read by its descriptor', () => {
  it('is one GET that prefers its type', async () => {
    const [repository, server] = await start(showing())
    expect(await read(repository.fetch(descriptor))).toEqual(Buffer.from(bytes))
    expect(server.requests[0]?.headers.accept).toMatch(
      new RegExp(`^${descriptor.mediaType.replace('+', '\\+')}, `),
    )
  })

  it.each([
    ['another type', showing({ 'content-type': mediaTypes.ociIndex }), 'INVALID_MANIFEST'],
    ['other bytes', showing({}, Buffer.alloc(bytes.length)), 'DIGEST_MISMATCH'],
    ['too few bytes', showing({}, bytes.subarray(1)), 'SIZE_MISMATCH'],
    ['too many bytes', showing({}, Buffer.concat([bytes, bytes])), 'SIZE_MISMATCH'],
    ['nothing', showing({}, ''), 'SIZE_MISMATCH'],
  ])('is refused with %s', async (_what, handler, code) => {
    const [repository] = await start(handler)
    await expect(read(repository.fetch(descriptor))).rejects.toMatchObject({ code })
  })

  it('may come with a general type', async () => {
    const [repository] = await start(showing({ 'content-type': 'application/octet-stream' }))
    expect(await read(repository.fetch(descriptor))).toEqual(Buffer.from(bytes))
  })
})

describe('a manifest that is pushed', () => {
  it('and is there costs one HEAD, if it has no subject', async () => {
    const [repository, server] = await start(showing())
    expect(await repository.push(descriptor, contentOf(bytes))).toBe('existed')
    expect(server.lines).toEqual([`HEAD /v2/a/manifests/${descriptor.digest}`])
  })

  const put =
    (answer: Answer): Handler =>
    (request) =>
      request.method === 'HEAD' ? { status: 404 } : answer

  it('is one PUT with its type after one HEAD, or without it if it is known to be absent', async () => {
    const [repository, server] = await start(put({ status: 201 }))
    expect(await repository.push(descriptor, contentOf(bytes))).toBe('copied')
    expect(await repository.push(descriptor, contentOf(bytes), { existing: 'absent' })).toBe('copied')
    const path = `/v2/a/manifests/${descriptor.digest}`
    expect(server.lines).toEqual([`HEAD ${path}`, `PUT ${path}`, `PUT ${path}`])
    expect(server.requests[1]?.headers).toMatchObject({
      'content-type': descriptor.mediaType,
      'content-length': `${bytes.length}`,
    })
    expect(server.requests[1]?.body.equals(bytes)).toBe(true)
  })

  it('is an error if the registry names another digest, by digest and by tag', async () => {
    const [repository] = await start(put({ status: 201, headers: { 'docker-content-digest': other } }))
    await expect(repository.push(descriptor, contentOf(bytes))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
    await expect(repository.pushReference(descriptor, bytes, 'v1')).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
  })

  it.each([
    [400, 'MANIFEST_BLOB_UNKNOWN'],
    [404, 'MANIFEST_BLOB_UNKNOWN'],
    [404, 'BLOB_UNKNOWN'],
    [404, 'MANIFEST_UNKNOWN'],
  ])('that names missing content (%d, %s) is not itself missing', async (status, code) => {
    const [repository] = await start(put({ status, body: errorBody(code) }))
    await expect(repository.push(descriptor, contentOf(bytes))).rejects.toMatchObject({
      code: 'RESPONSE',
      status,
      errors: [{ code }],
    })
  })

  it('to a repository that is not there is NOT_FOUND', async () => {
    const [repository] = await start(put({ status: 404, body: errorBody('NAME_UNKNOWN') }))
    await expect(repository.push(descriptor, contentOf(bytes))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })

  it('to a registry that takes none is UNSUPPORTED, in the words of the registry', async () => {
    const [repository] = await start(() => ({ status: 405, body: errorBody('UNSUPPORTED', 'read only') }))
    const error = await rejection(repository.push(descriptor, contentOf(bytes), { existing: 'absent' }))
    expect(error).toMatchObject({ code: 'UNSUPPORTED', cause: { status: 405 } })
    expect(String(error)).toContain('UNSUPPORTED read only')
  })

  it('and is larger than the limit, or no manifest, is not sent', async () => {
    const [repository, server] = await start(put({ status: 201 }), { maxMetadataBytes: 100 })
    await expect(repository.push(descriptor, contentOf(bytes))).rejects.toMatchObject({
      code: 'SIZE_EXCEEDS_LIMIT',
    })
    const garbage = Buffer.from('{}')
    const claimed = { ...blob(garbage), mediaType: mediaTypes.ociManifest }
    await expect(repository.push(claimed, contentOf(garbage))).rejects.toMatchObject({
      code: 'INVALID_MANIFEST',
    })
    const asBlob = repository.pushReference(blob(garbage), garbage, 'v1')
    await expect(asBlob).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(server.lines.filter((line) => line.startsWith('PUT'))).toEqual([])
  })

  it('by a digest of another algorithm gets its tag with it, where the registry knows how', async () => {
    const digest = digestOf(bytes, 'sha512')
    const [able, server] = await start(put({ status: 201, headers: { 'oci-tag': 'v1' } }))
    await able.pushReference({ ...descriptor, digest }, bytes, 'v1')
    expect(server.lines).toEqual([`PUT /v2/a/manifests/${digest}?tag=v1`])
    const [unable] = await start(({ url }) => ({
      status: 201,
      headers: { 'docker-content-digest': url.endsWith('/v1') ? descriptor.digest : digest },
    }))
    const push = unable.pushReference({ ...descriptor, digest }, bytes, 'v1')
    await expect(push).rejects.toMatchObject({ code: 'UNSUPPORTED' })
  })

  it('under a malformed tag is refused before any request', async () => {
    const [repository, server] = await start(put({ status: 201 }))
    for (const tag of ['', '../x', 'a?b', descriptor.digest, `v1@${descriptor.digest}`]) {
      const push = repository.pushReference(descriptor, bytes, tag)
      await expect(push).rejects.toMatchObject({ code: 'INVALID_REFERENCE' })
    }
    expect(await rejection(repository.tag(blob(bytes), 'v1'))).toMatchObject({ code: 'UNSUPPORTED' })
    expect(server.requests).toEqual([])
  })
})

describe('exists', () => {
  it('is told from other answers', async () => {
    const statuses = [200, 404, 401, 403, 403, 500]
    const [repository] = await start(() => ({ status: statuses.shift() ?? 0, headers: headers() }))
    expect(await repository.exists(descriptor)).toBe(true)
    expect(await repository.exists(descriptor)).toBe(false)
    await expect(repository.exists(descriptor)).rejects.toMatchObject({ code: 'AUTH' })
    await expect(repository.exists(descriptor)).rejects.toMatchObject({ code: 'AUTH' })
    await expect(repository.exists(descriptor)).rejects.toMatchObject({ code: 'RESPONSE' })
  })

  it('does not believe that a manifest is there which has another digest', async () => {
    const [repository] = await start(showing({ 'docker-content-digest': other }))
    await expect(repository.exists(descriptor)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  })
})

describe('a HEAD that is denied, or not known,', () => {
  /** A registry whose HEAD of a manifest says nothing. */
  const withoutHead = (head: number, answer: Answer, blobs: Answer = { status: 404 }): Handler => {
    return ({ method, url }) => {
      if (url.includes('/blobs/')) return blobs
      return method === 'HEAD' ? { status: head } : answer
    }
  }
  const shown = { status: 200, headers: headers({ 'content-length': undefined }), body: bytes }

  it.each([403, 405, 501])('by %i is followed by a GET', async (head) => {
    const [repository, server] = await start(withoutHead(head, shown))
    expect(await repository.resolve('v1')).toEqual(descriptor)
    expect(await repository.exists(descriptor)).toBe(true)
    expect(server.lines.map((line) => line.split(' ')[0])).toEqual(['HEAD', 'GET', 'HEAD', 'GET'])
  })

  it('says nothing about absence, which the GET does', async () => {
    const [repository] = await start(withoutHead(403, { status: 404 }))
    expect(await rejection(repository.resolve('v1'))).toMatchObject({ code: 'NOT_FOUND' })
    expect(await rejection(repository.resolve(descriptor.digest))).toMatchObject({ code: 'NOT_FOUND' })
    expect(await repository.exists(descriptor)).toBe(false)
  })

  it('hides no blob that is asked for by its digest', async () => {
    const blobs = { status: 200, headers: { 'content-length': '7' } }
    const [repository] = await start(withoutHead(403, { status: 404 }, blobs))
    expect(await repository.resolve(other)).toMatchObject({ digest: other, size: 7 })
  })

  it.each([401, 403])('is AUTH where the GET is answered with %i', async (status) => {
    const [repository] = await start(withoutHead(403, { status }))
    expect(await rejection(repository.resolve('v1'))).toMatchObject({ code: 'AUTH' })
    expect(await rejection(repository.exists(descriptor))).toMatchObject({ code: 'AUTH' })
  })

  it('makes no manifest of another one', async () => {
    const answer = { ...shown, headers: headers({ 'docker-content-digest': other }) }
    const [repository] = await start(withoutHead(403, answer))
    expect(await rejection(repository.exists(descriptor))).toMatchObject({ code: 'DIGEST_MISMATCH' })
  })
})

describe('what is removed', () => {
  it.each([200, 202, 204])('is gone with %d', async (status) => {
    const [repository, server] = await start(() => ({ status }))
    await repository.untag('v1')
    await repository.delete(blob(bytes))
    expect(server.lines).toEqual(['DELETE /v2/a/manifests/v1', `DELETE /v2/a/blobs/${blob(bytes).digest}`])
  })

  it.each([
    [404, errorBody('MANIFEST_UNKNOWN'), 'NOT_FOUND'],
    [405, errorBody('UNSUPPORTED'), 'UNSUPPORTED'],
    [400, errorBody('DIGEST_INVALID'), 'UNSUPPORTED'],
    [405, '', 'UNSUPPORTED'],
    [403, '', 'AUTH'],
    [500, '', 'RESPONSE'],
  ])('is an error with %d %s: %s', async (status, body, code) => {
    const [repository] = await start(() => ({ status, body }))
    await expect(repository.untag('v1')).rejects.toMatchObject({ code })
    await expect(repository.delete(blob(bytes))).rejects.toMatchObject({ code })
  })

  it('must be a tag, or a digest', async () => {
    const [repository, server] = await start(() => ({ status: 202 }))
    await expect(repository.untag(descriptor.digest)).rejects.toMatchObject({ code: 'INVALID_REFERENCE' })
    const malformed = { ...descriptor, digest: 'sha256:../../x' }
    await expect(repository.delete(malformed)).rejects.toMatchObject({ code: 'INVALID_DIGEST' })
    expect(server.requests).toEqual([])
  })
})
