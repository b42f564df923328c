import { Agent, request } from 'undici'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  artifactory,
  cdn,
  distribution,
  gitlab,
  harbor,
  nexus,
  olareg,
  quay,
  redHat,
  resetRequestAfter,
  on,
  times,
  zot,
} from '../../src/testing/testing.ts'
import { cert, key } from '../server/certificate.ts'
import { blob, blobOf, errorCodes, json, pushBlob, pushManifest } from '../server/harness.ts'
import { graph } from '../support/graph.ts'
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
const absent = `sha256:${'0'.repeat(64)}`

describe('quay', () => {
  it('pages tags by tokens, fifty at a time, and knows no last', async () => {
    const stage = await play(quay())
    await seed(stage)
    await tagOften(stage, 60)
    const first = await stage.call('GET', '/v2/library/app/tags/list')
    const guessed = await stage.call('GET', '/v2/library/app/tags/list?last=t049')
    expect(tagsOf(first)).toHaveLength(50)
    expect(tagsOf(guessed)).toEqual(tagsOf(first))
    const next = /^<([^>]+)>; rel="next"$/.exec(first.headers['link'] ?? '')?.[1] ?? ''
    expect(next).toContain('next_page=')
    const second = await stage.call('GET', next)
    expect([tagsOf(second), second.headers['link']]).toEqual([expect.any(Array), undefined])
    expect(tagsOf(second)).toHaveLength(11)
  })

  it('refuses a large n', async () => {
    const stage = await play(quay())
    await seed(stage)
    expect(await stage.call('GET', '/v2/library/app/tags/list?n=1000')).toMatchObject({ status: 413 })
  })

  it('fails a mount that does not say where from', async () => {
    const { call } = await play(quay())
    expect(await call('POST', `/v2/a/blobs/uploads/?mount=${layer}`)).toMatchObject({ status: 400 })
  })

  it('gives no token for the action delete, and deletes with push', async () => {
    const stage = await play(quay())
    await seed(stage)
    const token = `/v2/auth?service=quay.io&scope=repository:library/app:pull,delete`
    expect(await stage.anonymous('GET', token, { headers: { authorization: login } })).toMatchObject({
      status: 400,
    })
    expect(await stage.call('DELETE', `/v2/library/app/manifests/${digest}`)).toMatchObject({ status: 202 })
  })

  it('takes a subject and says nothing of it', async () => {
    const stage = await play(quay())
    await seed(stage)
    const path = `/v2/library/app/manifests/${image.descriptor('signature').digest}`
    const pushed = await pushManifest(stage.call, path, image.node('signature'))
    expect([pushed.status, pushed.headers['oci-subject']]).toEqual([201, undefined])
    expect(await stage.call('GET', `/v2/library/app/referrers/${digest}`)).toMatchObject({ status: 404 })
  })
})

describe('harbor', () => {
  const users = { tester: 'password', admin: 'secret', robot$ci: 'p$ss' }

  it('answers 401 for referrers to who is logged in', async () => {
    const stage = await play(harbor(), { users })
    await seed(stage)
    const { status } = await stage.call('GET', `/v2/library/app/manifests/v1`)
    const referrers = await stage.call('GET', `/v2/library/app/referrers/${digest}`)
    expect([status, referrers.status]).toEqual([200, 401])
  })

  it('says another length for GET than for HEAD to who takes gzip', async () => {
    const stage = await play(harbor(), { users })
    await seed(stage)
    const headers = { 'accept-encoding': 'gzip' }
    const path = '/v2/library/app/manifests/v1'
    const head = await stage.call('HEAD', path, { headers })
    const got = await stage.call('GET', path, { headers })
    expect(got.headers['content-encoding']).toBe('gzip')
    expect(got.headers['content-length']).not.toBe(head.headers['content-length'])
    expect(await stage.call('GET', path)).toMatchObject({
      headers: { 'content-length': head.headers['content-length'] },
    })
  })

  it('has a code of its own for a manifest that is not there, and sets cookies', async () => {
    const stage = await play(harbor(), { users })
    await seed(stage)
    const reply = await stage.call('GET', '/v2/library/app/manifests/none')
    expect([reply.status, errorCodes(reply)]).toEqual([404, ['NOT_FOUND']])
    expect(reply.headers['set-cookie']).toMatch(/^sid=/)
  })

  it('refuses a mount from a repository that is not there with 401', async () => {
    const { call } = await play(harbor(), { users })
    expect(await call('POST', `/v2/a/blobs/uploads/?mount=${layer}&from=none`)).toMatchObject({ status: 401 })
  })

  it('lists repositories for the administrator alone', async () => {
    const { call, anonymous } = await play(harbor(), { users })
    const { headers } = await anonymous('GET', '/v2/_catalog')
    const basic = `Basic ${Buffer.from('admin:secret').toString('base64')}`
    const authorization = await authorize(headers['www-authenticate'] ?? '', basic)
    expect(await call('GET', '/v2/_catalog')).toMatchObject({ status: 401 })
    expect(await anonymous('GET', '/v2/_catalog', { headers: { authorization } })).toMatchObject({
      status: 200,
    })
  })

  it('has users with a dollar in their names', async () => {
    const { anonymous } = await play(harbor(), { users })
    const authorization = `Basic ${Buffer.from('robot$ci:p$ss').toString('base64')}`
    const path = '/service/token?scope=repository:a:push'
    expect(await anonymous('GET', path, { headers: { authorization } })).toMatchObject({ status: 200 })
  })
})

describe('gitlab', () => {
  it('has no referrers, and shows the subject itself under their tag', async () => {
    const stage = await play(gitlab())
    await seed(stage)
    expect(await stage.call('GET', `/v2/library/app/referrers/${digest}`)).toMatchObject({ status: 404 })
    const tagged = await stage.call('GET', `/v2/library/app/manifests/${digest.replace(':', '-')}`)
    expect(tagged).toMatchObject({ status: 200, headers: { 'docker-content-digest': digest } })
  })

  it('deletes the subject for who deletes that list', async () => {
    const stage = await play(gitlab())
    await seed(stage)
    const path = `/v2/library/app/manifests/${digest}`
    expect(await stage.call('DELETE', path.replace(':', '-'))).toMatchObject({ status: 202 })
    expect(await stage.behind('HEAD', path)).toMatchObject({ status: 404 })
  })

  it('shows a list under that tag when there is one', async () => {
    const stage = await play(gitlab())
    await seed(stage)
    const path = `/v2/library/app/manifests/${digest.replace(':', '-')}`
    await pushManifest(stage.behind, path, image.node('signature'))
    const tagged = await stage.call('GET', path)
    expect(tagged.headers['docker-content-digest']).toBe(image.descriptor('signature').digest)
  })

  it('refuses a config that it does not know, and fails over an empty one', async () => {
    const { call } = await play(gitlab())
    const odd = graph({
      odd: { children: ['config', 'layer'], mediaType: 'application/vnd.oci.image.manifest.v1+json' },
    })
    const document = JSON.parse(Buffer.from(odd.node('odd').bytes).toString()) as { config: object }
    const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
    const put = (config: object): ReturnType<typeof call> =>
      call('PUT', '/v2/a/manifests/v1', { headers, body: JSON.stringify({ ...document, config }) })
    const unknown = await put({ mediaType: 'application/x', digest: absent, size: 2 })
    const empty = await put({ mediaType: 'application/x', digest: absent, size: 0 })
    expect([unknown.status, errorCodes(unknown), empty.status]).toEqual([400, ['MANIFEST_INVALID'], 500])
  })

  it('has tokens elsewhere, that end soon', async () => {
    const { anonymous, registry } = await play(gitlab({ tokenSeconds: 0 }))
    const { headers } = await anonymous('GET', '/v2/a/tags/list')
    const challenge = headers['www-authenticate'] ?? ''
    expect(challenge).toContain(`realm="${registry.origins.tokens}/jwt/auth"`)
    const authorization = await authorize(challenge, login)
    const late = await anonymous('GET', '/v2/a/tags/list', { headers: { authorization } })
    expect(late.headers['www-authenticate']).toContain('error="invalid_token"')
  })
})

describe('artifactory', () => {
  it('names no scope, and its token is good for everything', async () => {
    const stage = await play(artifactory())
    await seed(stage)
    const { headers } = await stage.anonymous('GET', '/v2/library/app/tags/list')
    const challenge = headers['www-authenticate'] ?? ''
    expect(challenge).not.toContain('scope=')
    const authorization = await authorize(challenge, login)
    expect(
      await stage.anonymous('POST', '/v2/other/blobs/uploads/', { headers: { authorization } }),
    ).toMatchObject({
      status: 202,
    })
  })

  it('lets anonymous tokens read alone, and has none for a POST', async () => {
    const { anonymous, registry } = await play(artifactory())
    const { headers } = await anonymous('GET', '/v2/')
    const authorization = await authorize(headers['www-authenticate'] ?? '')
    expect(await anonymous('GET', '/v2/', { headers: { authorization } })).toMatchObject({ status: 200 })
    const push = await anonymous('POST', '/v2/a/blobs/uploads/', { headers: { authorization } })
    const path =
      /realm="([^"]+)"/.exec(headers['www-authenticate'] ?? '')?.[1]?.slice(registry.url.length) ?? ''
    expect(path).toMatch(/^\/artifactory\/.+\/token$/)
    expect([push.status, (await anonymous('POST', path)).status]).toEqual([401, 401])
  })

  it('answers 403 to HEAD of a tag that is not there', async () => {
    const stage = await play(artifactory())
    await seed(stage)
    const path = '/v2/library/app/manifests/none'
    const replies = [await stage.call('HEAD', path), await stage.call('GET', path)]
    expect(replies.map(({ status }) => status)).toEqual([403, 404])
  })

  it('lists digests among the tags, with a parameter behind the media type', async () => {
    const stage = await play(artifactory())
    await seed(stage)
    const reply = await stage.call('GET', '/v2/library/app/tags/list')
    expect(tagsOf(reply)).toEqual([absent, 'v1'])
    expect(reply.headers['content-type']).toBe('application/json;charset=ISO-8859-1')
  })
})

describe('nexus', () => {
  it('lists null among the tags', async () => {
    const stage = await play(nexus())
    await seed(stage)
    expect(tagsOf(await stage.call('GET', '/v2/library/app/tags/list'))).toEqual([null, 'v1'])
  })

  it('wants Basic', async () => {
    const { anonymous } = await play(nexus())
    const { headers } = await anonymous('GET', '/v2/')
    expect(headers['www-authenticate']).toBe('Basic realm="Sonatype Nexus Repository Manager"')
  })

  it('leads an upload by HTTPS on to HTTP', async () => {
    const { registry } = await play(nexus(), { tls: { cert, key } })
    const dispatcher = new Agent({ connect: { ca: cert } })
    onTestFinished(() => dispatcher.destroy())
    const headers = { authorization: login }
    const url = `${registry.url}/v2/a/blobs/uploads/`
    const { headers: answered, body } = await request(url, { method: 'POST', headers, dispatcher })
    await body.dump()
    expect(answered.location).toMatch(
      new RegExp(`^http://127\\.0\\.0\\.1:${registry.port}/v2/a/blobs/uploads/`),
    )
  })
})

describe('distribution', () => {
  it('builds a Location of what the client says the host is', async () => {
    const { anonymous } = await play(distribution())
    const reply = await anonymous('POST', '/v2/a/blobs/uploads/', { headers: { host: 'registry.example' } })
    expect(reply.headers['location']).toMatch(/^http:\/\/registry\.example\/v2\/a\/blobs\/uploads\//)
    const forwarded = await anonymous('POST', '/v2/a/blobs/uploads/', {
      headers: { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'proxy.example' },
    })
    expect(forwarded.headers['location']).toMatch(/^https:\/\/proxy\.example\//)
  })

  it('says the same Range for no byte as for one', async () => {
    const { call } = await play(distribution())
    const location = new URL(await begin(call)).pathname
    const before = await call('GET', location)
    const after = await call('PATCH', location, { body: 'x' })
    expect([before.headers['range'], after.headers['range']]).toEqual(['0-0', '0-0'])
  })

  it('says null for no tags', async () => {
    const stage = await play(distribution())
    await seed(stage)
    expect(json(await stage.call('GET', '/v2/library/app/tags/list?last=v1'))).toMatchObject({ tags: null })
  })

  it('deletes nothing, has no referrers, and takes manifests of 4 MiB at most', async () => {
    const stage = await play(distribution())
    await seed(stage)
    const path = `/v2/library/app/manifests/${digest}`
    const headers = { 'content-type': 'application/vnd.oci.image.index.v1+json' }
    const replies = [
      await stage.call('DELETE', path),
      await stage.call('GET', `/v2/library/app/referrers/${digest}`),
      await stage.call('PUT', '/v2/library/app/manifests/x', {
        headers,
        body: Buffer.alloc(4 * 1024 * 1024 + 1),
      }),
    ]
    expect(replies.map(({ status }) => status)).toEqual([405, 404, 413])
  })

  it('forgets an upload whose connection broke', async () => {
    const cut = on({ method: 'PATCH' }, times(1, resetRequestAfter(3)))
    const { call } = await play(distribution(), { faults: [cut] })
    const location = new URL(await begin(call)).pathname
    await expect(call('PATCH', location, { body: 'content' })).rejects.toThrow()
    expect(await call('GET', location)).toMatchObject({ status: 404 })
  })
})

describe('zot', () => {
  it('refuses the media types of Docker', async () => {
    const { call } = await play(zot())
    const docker = graph({ docker: { kind: 'docker', children: ['config', 'layer'] } })
    expect(await pushManifest(call, '/v2/a/manifests/v1', docker.node('docker'))).toMatchObject({
      status: 415,
    })
  })

  it('refuses more requests of one method than its rate, and takes those of another', async () => {
    const { call } = await play(zot({ requestsPerSecond: 2 }))
    const gets = await Promise.all(Array.from({ length: 4 }, () => call('GET', '/v2/')))
    const statuses = gets.map(({ status }) => status).toSorted((one, other) => one - other)
    expect(statuses).toEqual([200, 200, 429, 429])
    expect(await call('HEAD', '/v2/')).toMatchObject({ status: 200 })
  })

  it('refuses what is over the quota, however long one waits', async () => {
    const { call } = await play(zot({ repositories: 1 }))
    const replies = [
      await call('POST', '/v2/a/blobs/uploads/'),
      await call('POST', '/v2/b/blobs/uploads/'),
      await call('POST', '/v2/a/blobs/uploads/'),
      await call('POST', '/v2/b/blobs/uploads/'),
    ]
    expect(replies.map(({ status }) => status)).toEqual([202, 429, 202, 429])
  })

  it('has referrers', async () => {
    const stage = await play(zot())
    await seed(stage)
    expect(json(await stage.call('GET', `/v2/library/app/referrers/${digest}`))).toMatchObject({
      manifests: [{ digest: image.descriptor('signature').digest }],
    })
  })
})

describe('olareg', () => {
  it('warns in every answer', async () => {
    const { call } = await play(olareg())
    expect((await call('GET', '/v2/')).headers['warning']).toBe('299 - "this registry is for tests"')
  })

  it('has only so many uploads at a time', async () => {
    const { call } = await play(olareg({ uploads: 1 }))
    await begin(call)
    const refused = await call('POST', '/v2/a/blobs/uploads/')
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '1' } })
  })

  it('forgets a list of referrers between two of its pages', async () => {
    const many = graph({
      image: ['config', 'layer'],
      one: { children: ['a'], subject: 'image' },
      two: { children: ['b'], subject: 'image' },
    })
    const pages = async (pageSeconds: number): Promise<number> => {
      const { call, behind } = await play(olareg({ pageSize: 1, pageSeconds }))
      for (const name of many.names) {
        const { descriptor, bytes } = many.node(name)
        const isBlob = descriptor.mediaType === 'application/octet-stream'
        if (isBlob) await pushBlob(behind, 'a', { bytes: Buffer.from(bytes), digest: descriptor.digest })
        else await pushManifest(behind, `/v2/a/manifests/${descriptor.digest}`, many.node(name))
      }
      const first = await call('GET', `/v2/a/referrers/${many.descriptor('image').digest}`)
      return (await call('GET', /<([^>]+)>/.exec(first.headers['link'] ?? '')?.[1] ?? '')).status
    }
    expect([await pages(300), await pages(0)]).toEqual([200, 400])
  })

  it('deletes nothing, and takes no manifest whose blobs are not there', async () => {
    const stage = await play(olareg())
    await seed(stage)
    expect(await stage.call('DELETE', `/v2/library/app/manifests/${digest}`)).toMatchObject({ status: 405 })
    const sparse = await pushManifest(stage.call, '/v2/other/manifests/v1', image.node('image'))
    expect([sparse.status, errorCodes(sparse)[0]]).toEqual([400, 'MANIFEST_BLOB_UNKNOWN'])
  })
})

describe('red-hat', () => {
  it('has a code that is a status, and a text where others have JSON', async () => {
    const stage = await play(redHat())
    await seed(stage)
    const manifest = await stage.call('GET', '/v2/library/app/manifests/none')
    expect([manifest.status, errorCodes(manifest)]).toEqual([404, ['404']])
    const missing = await stage.call('GET', `/v2/library/app/blobs/${absent}`)
    expect([missing.status, missing.headers['content-type']]).toEqual([404, 'text/plain'])
    expect(() => json(missing)).toThrow(SyntaxError)
  })

  it('gives blobs from a CDN, and takes nothing', async () => {
    const stage = await play(redHat())
    await seed(stage)
    const { headers } = await stage.call('GET', `/v2/library/app/blobs/${layer}`)
    expect(await follow(headers['location'] ?? '', {})).toBe(200)
    expect(await follow(headers['location'] ?? '', { authorization: login })).toBe(403)
    expect(await stage.call('POST', '/v2/library/app/blobs/uploads/')).toMatchObject({ status: 405 })
  })
})

describe('cdn', () => {
  it('refuses a large body with a page, and takes it in parts', async () => {
    const { call } = await play(cdn({ maxBodyBytes: 1000 }))
    const large = blob(1500)
    const whole = await call('PUT', digestQuery(await begin(call), large), { body: large.bytes })
    expect([whole.status, whole.headers['content-type']]).toEqual([413, 'text/html; charset=utf-8'])
    const location = await begin(call)
    await call('PATCH', location, { body: large.bytes.subarray(0, 1000) })
    const ended = await call('PUT', digestQuery(location, large), { body: large.bytes.subarray(1000) })
    expect(ended.status).toBe(201)
  })

  it('has blobs in a storage where Authorization is an error', async () => {
    const stage = await play(cdn())
    await seed(stage)
    const { headers } = await stage.call('GET', `/v2/library/app/blobs/${layer}`)
    expect(await follow(headers['location'] ?? '', { authorization: login })).toBe(403)
    expect(await follow(headers['location'] ?? '', {})).toBe(200)
  })

  it('compresses what it can for who takes that', async () => {
    const stage = await play(cdn())
    await seed(stage)
    const headers = { 'accept-encoding': 'gzip, deflate' }
    const reply = await stage.call('GET', '/v2/library/app/manifests/v1', { headers })
    expect(reply.headers['content-encoding']).toBe('gzip')
    expect(blobOf(reply.body).digest).not.toBe(digest)
  })
})
