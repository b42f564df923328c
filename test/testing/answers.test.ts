import { describe, expect, it, onTestFinished } from 'vitest'
import {
  answerWith,
  changeHeaders,
  changeJson,
  changeRequest,
  changeStatus,
  dropUpload,
  forgetBrokenUploads,
  htmlPage,
  insteadOf,
  moveUploads,
  on,
  redirectTo,
  refuseWith,
  resetRequestAfter,
  startFaultyRegistry,
  type Fault,
  type FaultyRegistry,
} from '../../src/testing/testing.ts'
import { beginUpload, blobOf, caller, errorCodes, json, pushBlob, type Call } from '../server/harness.ts'

const blob = blobOf('content')
const path = `/v2/a/blobs/${blob.digest}`

async function start(...faults: Fault[]): Promise<{ registry: FaultyRegistry; call: Call }> {
  const registry = await startFaultyRegistry({ faults })
  onTestFinished(() => registry.close())
  await pushBlob(caller(registry.withoutFaults), 'a', blob)
  return { registry, call: caller(registry.url) }
}

describe('an answer', () => {
  it('is one of a script, with status, headers and body', async () => {
    const { call } = await start(answerWith(429, { headers: { 'retry-after': '2' }, body: 'slow' }))
    const reply = await call('GET', '/v2/')
    expect(reply).toMatchObject({ status: 429, headers: { 'retry-after': '2', 'content-length': '4' } })
    expect(reply.body.toString()).toBe('slow')
  })

  it('comes to HEAD with its headers alone', async () => {
    const { call } = await start(answerWith(429, { body: 'slow' }))
    const reply = await call('HEAD', '/v2/')
    expect(reply).toMatchObject({ status: 429, headers: { 'content-length': '4' } })
    expect(reply.body).toHaveLength(0)
  })

  it('is an error of the specification', async () => {
    const { call } = await start(refuseWith(403, 'DENIED', 'no'))
    const reply = await call('GET', '/v2/')
    expect([reply.status, errorCodes(reply)]).toEqual([403, ['DENIED']])
  })

  it('is a page of HTML', async () => {
    const { call } = await start(htmlPage())
    expect(await call('GET', path)).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/html; charset=utf-8' },
    })
  })

  it('leads elsewhere', async () => {
    const { call, registry } = await start(redirectTo(({ origins, url }) => `${origins.storage}${url}`, 302))
    expect(await call('GET', path)).toMatchObject({
      status: 302,
      headers: { location: `${registry.origins.storage}${path}` },
    })
  })

  it('has other headers, none, and such that are made of the old ones', async () => {
    const { call } = await start(
      changeHeaders({
        'docker-content-digest': `sha256:${'0'.repeat(64)}`,
        'accept-ranges': undefined,
        etag: (etag) => `W/${etag}`,
        link: '<http://169.254.169.254/>; rel="next"',
      }),
    )
    const { headers, body } = await call('GET', path)
    expect(headers).toMatchObject({
      'docker-content-digest': `sha256:${'0'.repeat(64)}`,
      etag: `W/"${blob.digest}"`,
      link: '<http://169.254.169.254/>; rel="next"',
    })
    expect(headers).not.toHaveProperty('accept-ranges')
    expect(body.toString()).toBe('content')
  })

  it('says that it is shorter than it is', async () => {
    const { call } = await start(on({ method: 'HEAD' }, changeHeaders({ 'content-length': '3' })))
    expect(await call('HEAD', path)).toMatchObject({ headers: { 'content-length': '3' } })
  })

  it('has another status', async () => {
    const { call } = await start(on({ method: 'HEAD' }, changeStatus(203)))
    expect(await call('HEAD', path)).toMatchObject({ status: 203, headers: { 'content-length': '7' } })
  })

  it('has another document, of the right length', async () => {
    const { call } = await start(
      on(
        { endpoint: 'tags' },
        changeJson(() => ({ tags: null })),
      ),
    )
    expect(json(await call('GET', '/v2/a/tags/list'))).toEqual({ tags: null })
  })

  it('takes the place of one status, and of no other', async () => {
    const { call } = await start(insteadOf(404, refuseWith(403, 'DENIED', 'no')))
    const missing = await call('GET', `/v2/a/blobs/sha256:${'1'.repeat(64)}`)
    const there = await call('GET', path)
    expect([missing.status, there.status]).toEqual([403, 200])
  })

  it('of a fault that fails is 500, and the log has the failure', async () => {
    const failure = new RangeError('a mistake in a test')
    const { call, registry } = await start(() => Promise.reject(failure))
    expect(await call('GET', '/v2/')).toMatchObject({ status: 500 })
    expect(registry.requests).toMatchObject([{ status: 500, error: failure }])
  })
})

describe('a request', () => {
  it('is handed on as another one', async () => {
    const { call } = await start((request, next) =>
      next(changeRequest(request, { url: request.url.replace('/b/', '/a/') })),
    )
    expect(await call('GET', path.replace('/a/', '/b/'))).toMatchObject({ status: 200 })
  })

  it('goes on with no upload that was dropped', async () => {
    const { call } = await start(on({ method: 'PATCH' }, dropUpload()))
    const location = await beginUpload(call, 'a')
    const reply = await call('PATCH', location, { body: 'x' })
    expect([reply.status, errorCodes(reply)]).toEqual([404, ['BLOB_UPLOAD_UNKNOWN']])
  })

  it('goes on with no upload that broke', async () => {
    const { call } = await start(forgetBrokenUploads(), on({ method: 'PATCH' }, resetRequestAfter(3)))
    const location = await beginUpload(call, 'a')
    await expect(call('PATCH', location, { body: 'content' })).rejects.toThrow()
    expect(await call('GET', location)).toMatchObject({ status: 404 })
  })
})

describe('an upload that was moved', () => {
  const place = (): string => '/elsewhere?state=a%2Fb&x='
  const finish = (location: string): string => `${location}&digest=${blob.digest}`

  it('goes on where the answer said', async () => {
    const { call } = await start(moveUploads(place))
    const location = await beginUpload(call, 'a')
    expect(location).toBe(place())
    const patched = await call('PATCH', location, { body: 'cont' })
    expect(patched).toMatchObject({ status: 202, headers: { location: place(), range: '0-3' } })
    expect(await call('PUT', finish(location), { body: 'ent' })).toMatchObject({ status: 201 })
  })

  it.each(['/elsewhere', '/elsewhere?state=a/b&x=', '/elsewhere?x=&state=a%2Fb'])(
    'is not at %s, whose query is another one',
    async (location) => {
      const { call } = await start(moveUploads(place))
      await beginUpload(call, 'a')
      expect(await call('PATCH', location, { body: 'content' })).toMatchObject({ status: 404 })
    },
  )

  it('can be gone on with once at each place', async () => {
    let count = 0
    const { call } = await start(moveUploads(() => `/elsewhere/${count++}`, { isSingleUse: true }))
    const location = await beginUpload(call, 'a')
    const patched = await call('PATCH', location, { body: 'content' })
    expect(patched).toMatchObject({ status: 202, headers: { location: '/elsewhere/1' } })
    expect(await call('PUT', `${location}?digest=${blob.digest}`)).toMatchObject({ status: 404 })
    expect(await call('PUT', `/elsewhere/1?digest=${blob.digest}`)).toMatchObject({ status: 201 })
  })
})
