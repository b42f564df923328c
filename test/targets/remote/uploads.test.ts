import { describe, expect, it, onTestFinished } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { Registry } from '../../../src/targets/remote/registry.ts'
import type { Repository, RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { blob, contentOfChunks, rejection, unreadable } from '../contract/support.ts'
import { errorBody, startServer, type Answer, type Received, type TestServer } from './server.ts'

const small = Buffer.from('small')
const large = Buffer.alloc(200_000, 'large')
const other = digestOf(Buffer.from('other'))

type Answers = Partial<Record<string, (request: Received, count: number) => Answer>>

interface Place {
  readonly repository: Repository
  readonly registry: Registry
  readonly server: TestServer
}

/** A registry that takes uploads into numbered sessions; `answers` replaces what it says by method. */
async function start(answers: Answers = {}, options: RepositoryOptions = {}): Promise<Place> {
  let sessions = 0
  const server = await startServer((request) => {
    const own = answers[request.method]
    if (request.method === 'POST') sessions += 1
    if (own !== undefined) return own(request, sessions)
    if (request.method === 'HEAD') return { status: 404 }
    if (request.method === 'DELETE') return { status: 204 }
    if (request.method === 'PUT') return { status: 201 }
    return accepted(sessions)
  })
  const registry = new Registry(server.host, { retry: { attempts: 1 }, ...options })
  onTestFinished(() => registry.close())
  return { repository: registry.repository('a'), registry, server }
}

function accepted(session: number): Answer {
  return { status: 202, headers: { location: `/v2/a/blobs/uploads/${session}?_state=x%2By=` } }
}

const post = 'POST /v2/a/blobs/uploads/'
const absent = { existing: 'absent' } as const

/** A blob that is there. */
const found = (): Answer => ({ status: 200, headers: { 'content-length': `${large.length}` } })

describe('a blob that is pushed', () => {
  it('goes in a PUT to the session that a POST opened, with its length and unchanged query', async () => {
    const { repository, server } = await start()
    expect(await repository.push(blob(large), contentOf(large))).toBe('copied')
    expect(server.lines).toEqual([
      `HEAD /v2/a/blobs/${blob(large).digest}`,
      post,
      `PUT /v2/a/blobs/uploads/1?_state=x%2By=&digest=${blob(large).digest}`,
    ])
    expect(server.requests[1]?.headers['content-length']).toBe('0')
    expect(server.requests[2]?.headers).toMatchObject({
      'content-length': '200000',
      'content-type': 'application/octet-stream',
    })
    expect(server.requests[2]?.body.equals(large)).toBe(true)
  })

  it('and is small goes in the POST', async () => {
    const { repository, server } = await start({ POST: () => ({ status: 201 }) })
    expect(await repository.push(blob(small), contentOf(small), absent)).toBe('copied')
    expect(server.lines).toEqual([`${post}?digest=${blob(small).digest}`])
    expect(server.requests[0]?.headers['content-length']).toBe('5')
    expect(server.requests[0]?.body.equals(small)).toBe(true)
  })

  it('goes on in the session of a registry that takes no content in a POST, which is not tried again', async () => {
    const { repository, registry, server } = await start()
    await repository.push(blob(small), contentOf(small), absent)
    expect(server.lines.map((line) => line.split('?')[0])).toEqual([post, 'PUT /v2/a/blobs/uploads/1'])
    expect(server.requests[1]?.body.equals(small)).toBe(true)
    await registry.repository('b').push(blob(small), contentOf(small), absent)
    expect(server.requests[2]?.body).toHaveLength(0)
  })

  it.each([400, 405, 413, 415])('is sent in two steps where a POST with content gets %d', async (status) => {
    const { repository, server } = await start({
      POST: ({ body }, count) => (body.length > 0 ? { status } : accepted(count)),
    })
    expect(await repository.push(blob(small), contentOf(small), absent)).toBe('copied')
    expect(server.lines.map((line) => line.split(' ')[0])).toEqual(['POST', 'POST', 'PUT'])
  })

  it('and is there is not read', async () => {
    const { repository, server } = await start({ HEAD: found })
    expect(await repository.push(blob(large), unreadable())).toBe('existed')
    expect(server.requests).toHaveLength(1)
  })

  it('to replace a damaged one is sent without looking or mounting', async () => {
    const { repository, server } = await start({ HEAD: found })
    const options = { existing: 'replace', mountFrom: ['b'] } as const
    expect(await repository.push(blob(large), contentOf(large), options)).toBe('copied')
    expect(server.lines.map((line) => line.split('?')[0])).toEqual([post, 'PUT /v2/a/blobs/uploads/1'])
  })

  it.each([
    ['a wrong digest', Buffer.alloc(200_000, 'wrong'), 'DIGEST_MISMATCH'],
    ['too few bytes', large.subarray(1), 'SIZE_MISMATCH'],
    ['too many bytes', Buffer.concat([large, small]), 'SIZE_MISMATCH'],
  ])('with %s is broken off before its end, and its session cancelled', async (_what, content, code) => {
    const { repository, server } = await start()
    const chunks = contentOfChunks([content.subarray(0, 100_000), content.subarray(100_000)])
    await expect(repository.push(blob(large), chunks, absent)).rejects.toMatchObject({ code })
    expect(server.lines).toEqual([post, 'DELETE /v2/a/blobs/uploads/1?_state=x%2By='])
  })

  it.each([
    ['refuses it', { PUT: () => ({ status: 400 }) }, 'RESPONSE'],
    [
      'takes no cancelling either',
      { PUT: () => ({ status: 500 }), DELETE: () => ({ status: 405 }) },
      'RESPONSE',
    ],
    ['denies it', { PUT: () => ({ status: 403 }) }, 'AUTH'],
  ])('is cancelled when the registry %s', async (_what, answers: Answers, code) => {
    const { repository, server } = await start(answers)
    await expect(repository.push(blob(large), contentOf(large), absent)).rejects.toMatchObject({ code })
    expect(server.lines.at(-1)).toMatch(/^DELETE /)
  })

  it('is an error if the registry names another digest', async () => {
    const { repository } = await start({
      PUT: () => ({ status: 201, headers: { 'docker-content-digest': other } }),
    })
    await expect(repository.push(blob(large), contentOf(large))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
  })

  it('to a repository that is not there is NOT_FOUND', async () => {
    const { repository } = await start({ POST: () => ({ status: 404 }) })
    await expect(repository.push(blob(large), contentOf(large))).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await expect(repository.push(blob(small), contentOf(small))).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('an upload to a registry that takes none', () => {
  it.each([405, 501])('is UNSUPPORTED where it is answered with %i', async (status) => {
    const { repository, server } = await start({ POST: () => ({ status }) })
    for (const content of [small, large]) {
      const error = await rejection(repository.push(blob(content), contentOf(content), absent))
      expect(error).toMatchObject({ code: 'UNSUPPORTED', cause: { status } })
    }
    const error = await rejection(repository.ingest(contentOf(small), 'application/x'))
    expect(String(error)).toContain('takes no uploads')
    expect(server.lines.map((line) => line.split('?')[0])).toEqual([post, post, post, post])
  })
})

describe('the location of an upload', () => {
  it.each([
    ['on another host', 'http://127.0.0.2:1/x'],
    ['on another port', 'http://127.0.0.1:1/x'],
    ['by another scheme', 'https://127.0.0.1/x'],
    ['with a password', 'http://user:pass@HOST/x'],
    ['that is a file', 'file:///x'],
    ['that is no URL', 'http://['],
    ['without a scheme but with a host', '//127.0.0.2:1/x'],
    ['with a backslash', '\\\\127.0.0.2\\x'],
  ])('%s gets neither content nor credential', async (_what, location) => {
    const { repository, server } = await start({
      POST: ({ headers }) => ({
        status: 202,
        headers: { location: location.replace('HOST', headers.host ?? '') },
      }),
    })
    for (const content of [large, small]) {
      const push = repository.push(blob(content), contentOf(content), absent)
      await expect(push).rejects.toMatchObject({ code: 'RESPONSE' })
    }
    const lines = server.lines.map((line) => line.split(' ')[0])
    expect(new Set(lines)).toEqual(new Set(['POST']))
  })

  it('that is missing is an error', async () => {
    const { repository } = await start({ POST: () => ({ status: 202 }) })
    await expect(repository.push(blob(large), contentOf(large))).rejects.toMatchObject({ code: 'RESPONSE' })
  })

  it.each(['http://HOST/up/1', '//HOST/up/1', '/up/1', '../../../../up/1'])('may be %s', async (location) => {
    const { repository, server } = await start({
      POST: ({ headers }) => ({
        status: 202,
        headers: { location: location.replace('HOST', headers.host ?? '') },
      }),
    })
    await repository.push(blob(large), contentOf(large), absent)
    expect(server.lines.at(-1)).toBe(`PUT /up/1?digest=${blob(large).digest}`)
  })
})

describe('a mount', () => {
  const mounted = (from: string): string =>
    `${post}?${new URLSearchParams({ mount: blob(large).digest, from }).toString()}`

  it('from a sibling is one request', async () => {
    const { registry, repository, server } = await start({ POST: () => ({ status: 201 }) })
    const source = registry.repository('b')
    expect(repository.canMount(source)).toBe(true)
    expect(await repository.push(blob(large), unreadable(), { source })).toBe('mounted')
    expect(server.lines).toEqual([mounted('b')])
  })

  it('that opens a session instead goes on in it, after looking once', async () => {
    const { registry, repository, server } = await start()
    expect(await repository.push(blob(large), contentOf(large), { source: registry.repository('b') })).toBe(
      'copied',
    )
    expect(server.lines.map((line) => line.split('?')[0])).toEqual([
      post,
      `HEAD /v2/a/blobs/${blob(large).digest}`,
      'PUT /v2/a/blobs/uploads/1',
    ])
  })

  it('that opens a session for what is there cancels it', async () => {
    const { registry, repository, server } = await start({ HEAD: found })
    expect(await repository.push(blob(large), unreadable(), { source: registry.repository('b') })).toBe(
      'existed',
    )
    expect(server.lines.at(-1)).toMatch(/^DELETE .*\/1\?/)
  })

  it('that a sibling refuses is not tried again from there', async () => {
    const { registry, repository, server } = await start()
    const source = registry.repository('b')
    await repository.push(blob(large), contentOf(large), { source })
    expect(repository.canMount(source)).toBe(false)
    await repository.push(blob(small), contentOf(small), { source })
    expect(server.lines.filter((line) => line.includes('mount='))).toHaveLength(1)
  })

  const denied = { status: 403, body: errorBody('DENIED') }
  const unauthorized = { status: 401, body: errorBody('UNAUTHORIZED') }

  it.each<[string, Answer, number]>([
    ['knows no mounting (400)', { status: 400 }, 1],
    ['knows no mounting (405)', { status: 405 }, 1],
    ['knows no mounting (501)', { status: 501 }, 1],
    ['has no right for us (401)', unauthorized, 1],
    ['has no right for us (403)', denied, 1],
    ['does not know the blob', { status: 404 }, 2],
    ['has no time', { status: 429, body: errorBody('TOOMANYREQUESTS') }, 2],
    ['fails', { status: 500 }, 2],
    ['is being restarted', { status: 503, body: '<html>' }, 2],
    ['stands behind a proxy that says 401', { status: 401 }, 2],
    ['stands behind a proxy that says 403', { status: 403, body: '<html>' }, 2],
  ])('at a registry that %s is no failure, and of two blobs so many ask', async (_what, answer, mounts) => {
    const { repository, server } = await start({
      POST: ({ url }, count) => (url.includes('mount=') ? answer : accepted(count)),
    })
    const options = { ...absent, mountFrom: ['b'] }
    expect(await repository.push(blob(large), contentOf(large), options)).toBe('copied')
    expect(await repository.push(blob(small), contentOf(small), options)).toBe('copied')
    expect(server.lines.filter((line) => line.includes('mount='))).toHaveLength(mounts)
  })

  const fault: Answer = { status: 503 }
  const busy: Answer = { status: 429, body: errorBody('TOOMANYREQUESTS') }
  const forbidden: Answer = { status: 403, body: errorBody('FORBIDDEN') }
  const absence: Answer = { status: 404 }

  it.each<[string, readonly Answer[], number]>([
    ['forbidden for ever', [forbidden], 3],
    ['answered with a fault for ever', [fault], 3],
    ['answered badly in several ways', [forbidden, fault, busy], 3],
    ['too much once', [absence, absence, busy, ...Array.from({ length: 17 }, () => absence)], 20],
    ['failing only twice in a row', [fault, fault, absence], 20],
  ])('that is %s asks each repository so often for twenty blobs', async (_what, answers, mounts) => {
    const asked = { b: 0, c: 0 }
    const { repository } = await start({
      POST({ url }, count) {
        const from = url.includes('from=b') ? 'b' : 'c'
        if (!url.includes('mount=')) return accepted(count)
        asked[from] += 1
        return answers[(asked[from] - 1) % answers.length] ?? fault
      },
    })
    for (let count = 0; count < 20; count++) {
      const bytes = Buffer.from(`blob ${count}`)
      const options = { ...absent, mountFrom: ['b', 'c'] }
      expect(await repository.push(blob(bytes), contentOf(bytes), options)).toBe('copied')
    }
    expect(asked).toEqual({ b: mounts, c: mounts })
  })

  it.each([
    [404, false],
    [429, true],
    [500, true],
  ])('from a sibling that has the blob, answered with %d, may be tried again: %s', async (status, isLeft) => {
    const { registry, repository } = await start({
      POST: ({ url }, count) => (url.includes('mount=') ? { status } : accepted(count)),
    })
    const source = registry.repository('b')
    await repository.push(blob(large), contentOf(large), { source })
    expect(repository.canMount(source)).toBe(isLeft)
  })

  it('is tried from several repositories; only the last session is kept', async () => {
    const { repository, server } = await start()
    const options = { ...absent, mountFrom: ['b', 'c', 'a', 'b'] }
    expect(await repository.push(blob(large), contentOf(large), options)).toBe('copied')
    expect(server.lines.map((line) => line.replace(/\?_state.*/, ''))).toEqual([
      mounted('b'),
      mounted('c'),
      'DELETE /v2/a/blobs/uploads/1',
      'PUT /v2/a/blobs/uploads/2',
    ])
  })

  it('of a blob that a repository does not have is tried again for the next blob', async () => {
    const { repository, server } = await start()
    await repository.push(blob(large), contentOf(large), { ...absent, mountFrom: ['b'] })
    await repository.push(blob(large), contentOf(large), { ...absent, mountFrom: ['b'] })
    expect(server.lines.filter((line) => line.includes('mount='))).toHaveLength(2)
  })

  it('that succeeds late cancels the session of the one before', async () => {
    const { repository, server } = await start({
      POST: ({ url }, count) => (url.includes('from=c') ? { status: 201 } : accepted(count)),
    })
    expect(await repository.push(blob(large), unreadable(), { mountFrom: ['b', 'c'] })).toBe('mounted')
    expect(server.lines.at(-1)).toMatch(/^DELETE .*\/1\?/)
  })

  it('is not tried from another registry, itself, or a malformed name', async () => {
    const { repository, registry, server } = await start()
    const elsewhere = await start()
    expect(repository.canMount(elsewhere.repository)).toBe(false)
    expect(repository.canMount(registry.repository('a'))).toBe(false)
    await repository.push(blob(large), contentOf(large), { source: elsewhere.registry.repository('b') })
    expect(server.lines.filter((line) => line.includes('mount='))).toEqual([])
    const push = repository.push(blob(large), contentOf(large), { mountFrom: ['../b'] })
    expect(await rejection(push)).toMatchObject({ code: 'INVALID_REFERENCE' })
  })

  it('that names another digest is an error', async () => {
    const { repository } = await start({
      POST: () => ({ status: 201, headers: { 'docker-content-digest': other } }),
    })
    const push = repository.push(blob(large), unreadable(), { mountFrom: ['b'] })
    await expect(push).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' })
  })
})

describe('a blob that is ingested', () => {
  it('is sent in one PATCH without a length, and named at its end', async () => {
    const { repository, server } = await start({ PATCH: () => accepted(7) })
    const chunks = contentOfChunks([large, small])
    const all = Buffer.concat([large, small])
    expect(await repository.ingest(chunks, 'application/x')).toEqual({
      mediaType: 'application/x',
      digest: digestOf(all),
      size: all.length,
    })
    expect(server.lines).toEqual([
      post,
      'PATCH /v2/a/blobs/uploads/1?_state=x%2By=',
      `PUT /v2/a/blobs/uploads/7?_state=x%2By=&digest=${digestOf(all)}`,
    ])
    expect(server.requests[1]?.headers['transfer-encoding']).toBe('chunked')
    expect(server.requests[1]?.body.equals(all)).toBe(true)
  })

  it('and breaks is cancelled, with its own error', async () => {
    const { repository, server } = await start()
    const failure = new Error('the source broke')
    expect(await rejection(repository.ingest(contentOfChunks([large], failure), 'application/x'))).toBe(
      failure,
    )
    expect(server.lines.map((line) => line.split(' ')[0])).toEqual(['POST', 'DELETE'])
  })
})
