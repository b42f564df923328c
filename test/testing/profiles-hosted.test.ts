import { describe, expect, it } from 'vitest'
import { acr, dockerHub, ecr, ecrPublic, gar, gcr, ghcr, immutableTags } from '../../src/testing/testing.ts'
import { memoryStore, type RegistryStore } from '../../src/server/store.ts'
import {
  blob,
  blobOf,
  chunksOf,
  errorCodes,
  json,
  pushBlob,
  pushManifest,
  type Reply,
} from '../server/harness.ts'
import {
  authorize,
  begin,
  digestQuery,
  follow,
  image,
  login,
  play,
  seed,
  tagOften,
  tagsOf,
} from './naive-client.ts'

const { digest } = image.descriptor('image')
const layer = image.descriptor('layer').digest

async function storeWith(...names: string[]): Promise<RegistryStore> {
  const store = memoryStore()
  for (const name of names) await store.open(name, { create: true })
  return store
}

describe('docker-hub', () => {
  it('answers 401 for a repository that is not there, to who looks for a 404', async () => {
    const { anonymous } = await play(dockerHub())
    const first = await anonymous('GET', '/v2/library/none/manifests/v1')
    const authorization = await authorize(first.headers['www-authenticate'] ?? '')
    const second = await anonymous('GET', '/v2/library/none/manifests/v1', { headers: { authorization } })
    expect(second.status).toBe(401)
    expect(second.headers['www-authenticate']).toContain('error="insufficient_scope"')
  })

  it('counts a GET of a manifest, not a HEAD, and refuses in two ways', async () => {
    const stage = await play(dockerHub({ pulls: 2 }))
    await seed(stage)
    const path = '/v2/library/app/manifests/v1'
    const heads = [await stage.call('HEAD', path), await stage.call('HEAD', path)]
    expect(heads.map(({ headers }) => headers['ratelimit-remaining'])).toEqual(['2;w=21600', '2;w=21600'])
    const gets: Reply[] = []
    for (let count = 0; count < 4; count++) gets.push(await stage.call('GET', path))
    expect(gets.map(({ status }) => status)).toEqual([200, 200, 429, 429])
    expect(gets[2]?.headers).toMatchObject({
      'content-type': 'application/json',
      'ratelimit-limit': '2;w=21600',
    })
    expect(() => json(gets[3] ?? { status: 0, headers: {}, body: Buffer.from('{}') })).toThrow(SyntaxError)
  })

  it('fails a mount from a repository that is not there, which needs no more than an upload', async () => {
    const { call } = await play(dockerHub())
    const path = '/v2/library/app/blobs/uploads/'
    const mounted = await call('POST', `${path}?mount=${layer}&from=library/none`)
    const begun = await call('POST', path)
    expect([mounted.status, begun.status]).toEqual([401, 202])
  })

  it('says OCI-Subject, and has no referrers', async () => {
    const stage = await play(dockerHub())
    await seed(stage)
    const path = `/v2/library/app/manifests/${image.descriptor('signature').digest}`
    const pushed = await pushManifest(stage.call, path, image.node('signature'))
    expect([pushed.status, pushed.headers['oci-subject']]).toEqual([201, digest])
    expect(await stage.call('GET', `/v2/library/app/referrers/${digest}`)).toMatchObject({ status: 404 })
    expect(await stage.call('DELETE', path)).toMatchObject({ status: 405 })
    expect(await stage.call('GET', '/v2/_catalog')).toMatchObject({ status: 404 })
  })

  it('has its tokens on another origin', async () => {
    const { anonymous, registry } = await play(dockerHub())
    const { headers } = await anonymous('GET', '/v2/')
    expect(headers['www-authenticate']).toContain(`realm="${registry.origins.tokens}/token"`)
  })
})

describe('ghcr', () => {
  it('wants a token for reading what is public', async () => {
    const stage = await play(ghcr())
    await seed(stage)
    expect(await stage.anonymous('GET', '/v2/library/app/manifests/v1')).toMatchObject({ status: 401 })
    expect(await stage.call('GET', '/v2/library/app/manifests/v1')).toMatchObject({ status: 200 })
  })

  it.each([
    ['with a length', (bytes: Buffer) => bytes],
    ['without one', (bytes: Buffer) => ({ [Symbol.asyncIterator]: () => chunksOf(bytes, 100_000) })],
  ])('refuses a chunk of more than 4 MiB %s, and takes the whole blob', async (_, body) => {
    const { call } = await play(ghcr())
    const large = blob(4 * 1024 * 1024 + 1)
    const refused = await call('PATCH', await begin(call), { body: body(large.bytes) })
    expect([refused.status, errorCodes(refused)]).toEqual([416, ['BLOB_UPLOAD_INVALID']])
    expect(refused.headers['range']).toMatch(/^0-\d+$/)
    const whole = await begin(call)
    expect(await call('PUT', digestQuery(whole, large), { body: large.bytes })).toMatchObject({ status: 201 })
  })

  it('gives a hundred tags of more, though all were asked for', async () => {
    const stage = await play(ghcr())
    await seed(stage)
    await tagOften(stage, 100)
    const reply = await stage.call('GET', '/v2/library/app/tags/list?n=1000')
    expect(tagsOf(reply)).toHaveLength(100)
    expect(reply.headers['link']).toContain('rel="next"')
  })

  it('has no referrers and deletes nothing', async () => {
    const stage = await play(ghcr())
    await seed(stage)
    expect(await stage.call('GET', `/v2/library/app/referrers/${digest}`)).toMatchObject({ status: 404 })
    expect(await stage.call('DELETE', `/v2/library/app/manifests/${digest}`)).toMatchObject({ status: 405 })
  })
})

describe('ecr', () => {
  it('wants Basic, and a repository that somebody has made', async () => {
    const { anonymous, call } = await play(ecr())
    const refused = await anonymous('POST', '/v2/library/app/blobs/uploads/')
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([
      401,
      'Basic realm="https://ecr.example"',
    ])
    const unknown = await call('POST', '/v2/library/app/blobs/uploads/')
    expect([unknown.status, errorCodes(unknown)]).toEqual([404, ['NAME_UNKNOWN']])
  })

  it('answers 201 to every chunk and keeps the first, so that the blob is not what was sent', async () => {
    const { call } = await play(ecr(), { store: await storeWith('library/app') })
    const content = blobOf('firstsecond')
    const location = await begin(call)
    const first = await call('PATCH', location, { body: 'first' })
    const second = await call('PATCH', location, { body: 'second' })
    expect([first.status, first.headers['range']]).toEqual([201, '0-4'])
    expect([second.status, second.headers['range']]).toEqual([201, '0-4'])
    const ended = await call('PUT', digestQuery(location, content))
    expect([ended.status, errorCodes(ended)]).toEqual([400, ['DIGEST_INVALID']])
  })

  it('keeps all chunks where that is asked for, and Range does not say so', async () => {
    const { call } = await play(ecr({ laterChunks: 'kept' }), { store: await storeWith('library/app') })
    const location = await begin(call)
    await call('PATCH', location, { body: 'first' })
    const second = await call('PATCH', location, { body: 'second' })
    expect(second.headers['range']).toBe('0-4')
    expect(await call('PUT', digestQuery(location, blobOf('firstsecond')))).toMatchObject({ status: 201 })
  })

  it('refuses a manifest without a mediaType, and takes one with it', async () => {
    const stage = await play(ecr())
    await seed(stage)
    const { mediaType, ...rest } = JSON.parse(Buffer.from(image.node('image').bytes).toString()) as {
      mediaType: string
    }
    const headers = { 'content-type': mediaType }
    const path = '/v2/library/app/manifests/v2'
    const refused = await stage.call('PUT', path, { headers, body: JSON.stringify(rest) })
    expect(refused.status).toBe(405)
    expect(refused.body.toString()).toContain('Invalid JSON syntax')
    expect(await pushManifest(stage.call, path, image.node('image'))).toMatchObject({ status: 201 })
  })

  it('lists a thousand tags at a time and no more', async () => {
    const stage = await play(ecr())
    await seed(stage)
    const replies = [
      await stage.call('GET', '/v2/library/app/tags/list?n=1000'),
      await stage.call('GET', '/v2/library/app/tags/list?n=1001'),
    ]
    expect(replies.map(({ status }) => status)).toEqual([200, 400])
  })

  it('lets a tag stay where it is, with that setting', async () => {
    const stage = await play(ecr(), { faults: [immutableTags()] })
    await seed(stage)
    const other = image.node('signature')
    const moved = await pushManifest(stage.call, '/v2/library/app/manifests/v1', other)
    const fresh = await pushManifest(stage.call, '/v2/library/app/manifests/v2', other)
    expect([moved.status, errorCodes(moved), fresh.status]).toEqual([400, ['TAG_INVALID'], 201])
  })
})

describe('ecr-public', () => {
  it('has no list of tags', async () => {
    const stage = await play(ecrPublic())
    await seed(stage)
    const reply = await stage.call('GET', '/v2/library/app/tags/list')
    expect([reply.status, errorCodes(reply)]).toEqual([404, ['NOT_FOUND']])
  })
})

describe('acr', () => {
  it('sends readers of blobs to a storage that takes no Authorization', async () => {
    const stage = await play(acr())
    await seed(stage)
    const { status, headers } = await stage.call('GET', `/v2/library/app/blobs/${layer}`)
    const location = headers['location'] ?? ''
    expect([status, new URL(location).origin]).toEqual([307, stage.registry.origins.storage])
    expect(await follow(location, { authorization: login })).toBe(400)
    expect(await follow(location, {})).toBe(200)
    expect(await follow(decodeURIComponent(location), {})).toBe(403)
  })

  it('has no token for a POST', async () => {
    const { anonymous, call } = await play(acr())
    expect(await anonymous('POST', '/oauth2/token', { body: 'grant_type=password' })).toMatchObject({
      status: 400,
    })
    expect(await call('GET', '/v2/')).toMatchObject({ status: 200 })
  })

  it('answers 401 in the middle of an upload, once, to a token that was good a moment ago', async () => {
    const { anonymous, registry } = await play(acr())
    const large = blob(1_000_000)
    const start = await anonymous('POST', '/v2/library/app/blobs/uploads/')
    const authorization = await authorize(start.headers['www-authenticate'] ?? '', login)
    const headers = { authorization }
    const { headers: begun } = await anonymous('POST', '/v2/library/app/blobs/uploads/', { headers })
    const url = digestQuery(begun['location'] ?? '', large)
    const refused = await anonymous('PUT', url, { headers, body: large.bytes })
    expect(refused.status).toBe(401)
    expect(registry.requests.at(-1)?.receivedBytes).toBeGreaterThan(0)
    const renewed = await authorize(refused.headers['www-authenticate'] ?? '', login)
    const again = await anonymous('PUT', url, { headers: { authorization: renewed }, body: large.bytes })
    expect(again.status).toBe(201)
  })
})

describe('gar', () => {
  it('takes no chunks', async () => {
    const { call } = await play(gar())
    expect(await call('PATCH', await begin(call), { body: 'x' })).toMatchObject({ status: 405 })
  })

  it('takes no empty blob', async () => {
    const { call } = await play(gar())
    expect(await pushBlob(call, 'library/app', blobOf(''))).toMatchObject({ status: 400 })
    const inTwo = await call('PUT', digestQuery(await begin(call), blobOf('')))
    expect(inTwo.status).toBe(400)
  })

  it('has uploads at a long path elsewhere, and none where the specification shows them', async () => {
    const { call } = await play(gar())
    const location = await begin(call)
    expect(location).toMatch(/^\/artifacts-uploads\//)
    expect(location.length).toBeGreaterThan(1024)
    expect(await call('PUT', digestQuery(location.slice(0, 1024), blobOf('x')), { body: 'x' })).toMatchObject(
      {
        status: 404,
      },
    )
    expect(await call('PUT', digestQuery(location, blobOf('x')), { body: 'x' })).toMatchObject({
      status: 201,
    })
  })
})

describe('gcr', () => {
  it('names a new place after each chunk, and forgets the old one', async () => {
    const { call } = await play(gcr())
    const location = await begin(call)
    const patched = await call('PATCH', location, { body: 'x' })
    expect(patched.status).toBe(204)
    expect(patched.headers['location']).not.toBe(location)
    const url = digestQuery(patched.headers['location'] ?? '', blobOf('x'))
    expect(await call('PUT', digestQuery(location, blobOf('x')))).toMatchObject({ status: 404 })
    expect(await call('PUT', url)).toMatchObject({ status: 201 })
  })

  it('lists tags with more in the list, and refuses other paths', async () => {
    const stage = await play(gcr())
    await seed(stage)
    const list = json(await stage.call('GET', '/v2/library/app/tags/list'))
    expect(list).toMatchObject({ tags: ['v1'], child: ['nested'], manifest: expect.any(Object) })
    expect(await stage.call('GET', '/v1/_ping')).toMatchObject({ status: 403 })
  })
})
