import { describe, expect, it } from 'vitest'
import type { Target } from '../../src/targets/target.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { targetStore } from '../../src/server/store.ts'
import { graph } from '../support/graph.ts'
import { blob, blobOf, errorCodes, json, pushBlob, pushGraph, startRegistry, type Reply } from './harness.ts'

const image = graph({ image: ['config', 'layer'] })
const index = graph({ index: ['image'], image: ['config', 'layer'] })

describe('GET /v2/', () => {
  it('says that this is a registry', async () => {
    const { call } = await startRegistry()
    const reply = await call('GET', '/v2/')
    expect(reply.status).toBe(200)
    expect(reply.headers['docker-distribution-api-version']).toBe('registry/2.0')
    expect((await call('GET', '/v2')).status).toBe(200)
  })
})

describe('manifests', () => {
  it.each(['GET', 'HEAD'])(
    '%s by tag and by digest answers type, length, digest and ETag',
    async (method) => {
      const { call } = await startRegistry()
      await pushGraph(call, 'some/image', image, 'v1')
      const { descriptor, bytes } = image.node('image')
      for (const reference of ['v1', descriptor.digest]) {
        const reply = await call(method, `/v2/some/image/manifests/${reference}`)
        expect(reply.status).toBe(200)
        expect(reply.headers['content-type']).toBe(descriptor.mediaType)
        expect(reply.headers['content-length']).toBe(String(bytes.length))
        expect(reply.headers['docker-content-digest']).toBe(descriptor.digest)
        expect(reply.headers.etag).toBe(`"${descriptor.digest}"`)
        expect(reply.body.equals(Buffer.from(method === 'GET' ? bytes : ''))).toBe(true)
      }
    },
  )

  it('an index is answered to a client that accepts images only', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'some/image', index, 'v1')
    const accept = image.descriptor('image').mediaType
    const reply = await call('GET', '/v2/some/image/manifests/v1', { headers: { accept } })
    expect(reply.headers['content-type']).toBe(index.descriptor('index').mediaType)
  })

  it('a digest may be percent-encoded', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image)
    const encoded = encodeURIComponent(image.descriptor('image').digest)
    expect((await call('GET', `/v2/x/manifests/${encoded}`)).status).toBe(200)
  })

  it('an unknown tag, digest or repository is 404 with the code of the spec', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image, 'v1')
    const missing = blob().digest
    for (const reference of ['v2', missing, '.not-a-tag']) {
      const reply = await call('GET', `/v2/x/manifests/${reference}`)
      expect(reply.status).toBe(404)
      expect(errorCodes(reply)).toEqual(['MANIFEST_UNKNOWN'])
    }
    const reply = await call('GET', '/v2/y/manifests/v1')
    expect(reply.status).toBe(404)
    expect(errorCodes(reply)).toEqual(['NAME_UNKNOWN'])
  })

  it('a malformed digest is 400', async () => {
    const { call } = await startRegistry()
    const reply = await call('GET', '/v2/x/manifests/sha256:baddigeststring')
    expect(reply.status).toBe(400)
    expect(errorCodes(reply)).toEqual(['DIGEST_INVALID'])
  })

  it('a blob is not a manifest, by digest or by a tag that a store has on it', async () => {
    const target = new MemoryTarget()
    await image.pushTo(target)
    await target.tag(image.descriptor('layer'), 'layer')
    const { call } = await startRegistry({}, targetStore(new Map([['x', target]])))
    for (const reference of ['layer', image.descriptor('layer').digest]) {
      expect((await call('GET', `/v2/x/manifests/${reference}`)).status).toBe(404)
    }
  })

  it('an error to HEAD has no body', async () => {
    const { call } = await startRegistry()
    const reply = await call('HEAD', '/v2/x/manifests/v1')
    expect(reply.status).toBe(404)
    expect(reply.body.length).toBe(0)
  })
})

describe('blobs', () => {
  it.each(['sha256', 'sha384', 'sha512'] as const)(
    'GET and HEAD of a blob with a digest of %s',
    async (algorithm) => {
      const { call } = await startRegistry()
      const pushed = blob(1000, algorithm)
      await pushBlob(call, 'x', pushed)
      for (const method of ['GET', 'HEAD']) {
        const reply = await call(method, `/v2/x/blobs/${pushed.digest}`)
        expect(reply.status).toBe(200)
        expect(reply.headers['content-length']).toBe('1000')
        expect(reply.headers['docker-content-digest']).toBe(pushed.digest)
        expect(reply.headers['accept-ranges']).toBe('bytes')
        expect(reply.headers['content-type']).toBe('application/octet-stream')
        expect(reply.body.equals(method === 'GET' ? pushed.bytes : Buffer.of())).toBe(true)
      }
    },
  )

  it('an empty blob', async () => {
    const { call } = await startRegistry()
    const empty = blobOf('')
    expect((await pushBlob(call, 'x', empty)).status).toBe(201)
    const reply = await call('GET', `/v2/x/blobs/${empty.digest}`)
    expect([reply.status, reply.headers['content-length'], reply.body.length]).toEqual([200, '0', 0])
  })

  it('an unknown blob is 404, a malformed digest 400', async () => {
    const { call } = await startRegistry()
    await pushBlob(call, 'x', blob())
    const unknown = await call('GET', `/v2/x/blobs/${blob().digest}`)
    expect([unknown.status, errorCodes(unknown)]).toEqual([404, ['BLOB_UNKNOWN']])
    const malformed = await call('GET', '/v2/x/blobs/sha256:0')
    expect([malformed.status, errorCodes(malformed)]).toEqual([400, ['DIGEST_INVALID']])
  })

  const bytes = Buffer.from('0123456789')
  it.each([
    ['bytes=2-5', '2345', 'bytes 2-5/10'],
    ['bytes=7-', '789', 'bytes 7-9/10'],
    ['bytes=-3', '789', 'bytes 7-9/10'],
    ['bytes=-50', '0123456789', 'bytes 0-9/10'],
    ['bytes=8-5000', '89', 'bytes 8-9/10'],
    ['bytes=0-0', '0', 'bytes 0-0/10'],
    ['bytes=6-9223372036854775807', '6789', 'bytes 6-9/10'],
    ['bytes=-99999999999999999999', '0123456789', 'bytes 0-9/10'],
  ])('Range %s is answered with that part', async (range, part, contentRange) => {
    const { call } = await startRegistry()
    const { digest } = blobOf(bytes)
    await pushBlob(call, 'x', { bytes, digest })
    const reply = await call('GET', `/v2/x/blobs/${digest}`, { headers: { range } })
    expect(reply.status).toBe(206)
    expect(reply.headers['content-range']).toBe(contentRange)
    expect(reply.headers['content-length']).toBe(String(part.length))
    expect(reply.body.toString()).toBe(part)
  })

  it.each([
    'bytes=10-',
    'bytes=5-0',
    'bytes=5000-10000',
    'bytes=-0',
    'bytes=9223372036854775807-',
    `bytes=${'9'.repeat(400)}-${'9'.repeat(400)}`,
  ])('Range %s is 416', async (range) => {
    const { call } = await startRegistry()
    const { digest } = blobOf(bytes)
    await pushBlob(call, 'x', { bytes, digest })
    const reply = await call('GET', `/v2/x/blobs/${digest}`, { headers: { range } })
    expect(reply.status).toBe(416)
    expect(reply.headers['content-range']).toBe('bytes */10')
  })

  it.each([{ range: 'bytes=0-1,4-5' }, { range: 'lines=0-1' }, { range: 'bytes=-' }, { range: 'bytes=a-b' }])(
    'the whole is answered to $range',
    async (headers) => {
      const { call } = await startRegistry()
      const { digest } = blobOf(bytes)
      await pushBlob(call, 'x', { bytes, digest })
      const reply = await call('GET', `/v2/x/blobs/${digest}`, { headers })
      expect([reply.status, reply.body.toString()]).toEqual([200, '0123456789'])
    },
  )

  it('If-Range with another ETag asks for the whole', async () => {
    const { call } = await startRegistry()
    const { digest } = blobOf(bytes)
    await pushBlob(call, 'x', { bytes, digest })
    const ask = (etag: string) =>
      call('GET', `/v2/x/blobs/${digest}`, { headers: { range: 'bytes=1-2', 'if-range': etag } })
    expect((await ask('"other"')).status).toBe(200)
    expect((await ask(`"${digest}"`)).status).toBe(206)
  })

  it('a range of a store that cannot seek is read up to its end and no further', async () => {
    let chunksRead = 0
    const content = blobOf(bytes)
    const descriptor = { mediaType: 'application/octet-stream', digest: content.digest, size: 10 }
    const unseekable: Target = {
      resolve: async () => descriptor,
      exists: async () => true,
      push: async () => 'existed',
      tag: async () => undefined,
      fetch: () => ({
        async *[Symbol.asyncIterator]() {
          for (const byte of bytes) {
            chunksRead += 1
            yield Uint8Array.of(byte)
          }
        },
      }),
    }
    const { call } = await startRegistry({}, targetStore(new Map([['x', unseekable]])))
    const reply = await call('GET', `/v2/x/blobs/${content.digest}`, { headers: { range: 'bytes=3-5' } })
    expect(reply.body.toString()).toBe('345')
    expect(chunksRead).toBe(6)
  })
})

it.each([
  '',
  '_catalog?n=0',
  'x/tags/list?n=1',
  'x/manifests/v1',
  'x/manifests/v2',
  'Bad/manifests/v1',
  `x/manifests/${image.descriptor('image').digest}`,
  `x/blobs/${image.descriptor('layer').digest}`,
  `x/blobs/${blob().digest}`,
  `x/referrers/${image.descriptor('image').digest}`,
  'x/blobs/uploads/none',
])('HEAD of /v2/%s answers as GET does, without the body', async (path) => {
  const { call } = await startRegistry()
  await pushGraph(call, 'x', image, 'v1')
  const [get, head] = [await call('GET', `/v2/${path}`), await call('HEAD', `/v2/${path}`)]
  const names = ['content-type', 'content-length', 'docker-content-digest', 'etag', 'link', 'accept-ranges']
  const headersOf = (reply: Reply) => names.map((name) => [name, reply.headers[name]])
  expect([head.status, headersOf(head)]).toEqual([get.status, headersOf(get)])
  expect(head.body).toHaveLength(0)
})

describe('paths that are none', () => {
  it.each(['/', '/v1/', '/v2/x', '/v2/x/other/y', '/v2/tags/list', '/v2/x/manifests'])(
    '%s is 404 in the JSON of the spec',
    async (path) => {
      const { call } = await startRegistry()
      const reply = await call('GET', path)
      expect(reply.status).toBe(404)
      expect(reply.headers['content-type']).toBe('application/json')
      expect(json(reply)).toEqual({ errors: [{ code: 'UNSUPPORTED', message: expect.any(String) }] })
    },
  )

  it.each(['Upper', 'a//b', 'a/../b', 'a%2F..%2Fb', '%zz', '-a', 'a'.repeat(300)])(
    'the name %s is refused with NAME_INVALID',
    async (name) => {
      const { call } = await startRegistry()
      const reply = await call('GET', `/v2/${name}/tags/list`)
      expect([reply.status, errorCodes(reply)]).toEqual([400, ['NAME_INVALID']])
    },
  )

  it('a name of a hundred thousand letters and slashes takes no time', async () => {
    const { parseRoute } = await import('../../src/server/routes.ts')
    const started = performance.now()
    parseRoute(`/v2/${'a/'.repeat(50_000)}tags/list`)
    parseRoute(`/v2/${'/blobs/uploads'.repeat(7_000)}/manifests/x`)
    expect(performance.now() - started).toBeLessThan(100)
  })

  it('a method that an endpoint does not have is 405 and says which it has', async () => {
    const { call } = await startRegistry()
    const reply = await call('POST', '/v2/x/tags/list')
    expect([reply.status, errorCodes(reply), reply.headers.allow]).toEqual([
      405,
      ['UNSUPPORTED'],
      'GET, HEAD',
    ])
  })
})
