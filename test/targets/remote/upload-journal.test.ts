import { randomFillSync } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { contentOf } from '../../../src/content/content.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { acquireLock } from '../../../src/targets/lock.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import type { PushOptions } from '../../../src/targets/target.ts'
import {
  answerWith,
  changeHeaders,
  dropConnection,
  moveUploads,
  on,
  refuseWith,
  resetRequestAfter,
  startFaultyRegistry,
  times,
  type Fault,
  type FaultyRegistry,
  type FaultyRequest,
} from '../../../src/testing/testing.ts'
import { newFolder } from '../../support/folder.ts'
import { blob, read, rejection } from '../contract/support.ts'
import { startServer } from './server.ts'

const mebibyte = 1024 * 1024
const bytes = randomFillSync(Buffer.alloc(12 * mebibyte))
const descriptor = blob(bytes)
const absent = { existing: 'absent' } as const
const put = { method: 'PUT', endpoint: 'upload' } as const
const patch = { method: 'PATCH', endpoint: 'upload' } as const
const folder = await newFolder()
afterAll(() => folder.remove())
let folders = 0

interface Place {
  readonly registry: FaultyRegistry
  readonly journal: string
}

async function start(...faults: readonly Fault[]): Promise<Place> {
  const registry = await startFaultyRegistry({ faults })
  onTestFinished(() => registry.close())
  return { registry, journal: join(folder.path, `${folders++}`, 'journal') }
}

/** Pushes the blob as a process of its own would. */
async function push(
  { registry, journal }: Place,
  options: PushOptions = absent,
  repositoryOptions: RepositoryOptions = {},
): Promise<unknown> {
  const retry = { attempts: 1 }
  const settings = { uploadJournal: journal, retry, ...repositoryOptions }
  await using repository = new Repository(`${registry.host}/a`, settings)
  return await repository.push(descriptor, contentOf(bytes), options)
}

/** A push that has broken off in its middle and left a record; the path of the record. */
async function brokenOff(...faults: readonly Fault[]): Promise<Place & { readonly record: string }> {
  const place = await start(on(put, times(1, resetRequestAfter(9 * mebibyte))), ...faults)
  expect(await rejection(push(place))).toMatchObject({ code: 'UNREACHABLE' })
  const [name = '', ...more] = await readdir(place.journal)
  expect(more).toEqual([])
  return { ...place, record: join(place.journal, name) }
}

const parsed = async (record: string): Promise<Record<string, unknown>> =>
  JSON.parse(await readFile(record, 'utf8')) as Record<string, unknown>

/** The requests since so many, as `METHOD bytes`. */
const seen = ({ registry }: Place, since = 0): readonly string[] =>
  registry.requests.slice(since).map(({ method, receivedBytes }) => `${method} ${receivedBytes}`)

const anew = ['POST 0', `PUT ${bytes.length}`]

async function expectDone({ registry, journal }: Place): Promise<void> {
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/a`)
  expect((await read(repository.fetch(descriptor))).equals(bytes)).toBe(true)
  expect(await readdir(journal)).toEqual([])
}

const later = (hours: number): void => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + hours * 60 * 60 * 1000 })
  onTestFinished(() => void vi.useRealTimers())
}

describe('an upload with a journal that did not come to its end', () => {
  it.each<[string, Fault]>([
    ['the network broke', dropConnection()],
    ['the registry failed', refuseWith(503, 'UNAVAILABLE', 'no')],
    ['credentials ran out', refuseWith(403, 'DENIED', 'no')],
  ])('goes on where the registry stands after %s', async (_why, fault) => {
    const place = await start(on(put, times(1, resetRequestAfter(9 * mebibyte))), on(patch, times(1, fault)))
    await rejection(push(place))
    await rejection(push(place))
    expect(seen(place)).not.toContain('DELETE 0')
    const count = place.registry.requests.length
    expect(await push(place)).toBe('copied')
    expect(seen(place, count)).toEqual(['GET 0', `PATCH ${3 * mebibyte}`, 'PUT 0'])
    await expectDone(place)
  })

  it('leaves neither session nor record after a failure that does not pass', async () => {
    const place = await start(on(put, refuseWith(422, 'UNKNOWN', 'no')))
    expect(await rejection(push(place))).toMatchObject({ status: 422 })
    expect(seen(place).at(-1)).toBe('DELETE 0')
    expect(await readdir(place.journal)).toEqual([])
  })

  it.each([
    [true, ['POST', 'PUT'], 1],
    [false, ['POST', 'PUT', 'DELETE'], 0],
  ])('and was aborted with keepPartial %s ends with %j', async (keepPartial, methods, records) => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const abort: Fault = (request, next) => {
      controller.abort(reason)
      return next(request)
    }
    const place = await start(on(put, abort))
    const { signal } = controller
    expect(await rejection(push(place, { ...absent, signal, keepPartial }))).toBe(reason)
    expect(place.registry.requests.map(({ method }) => method)).toEqual(methods)
    expect(await readdir(place.journal)).toHaveLength(records)
  })

  it('goes on where the registry wants chunks of no least size', async () => {
    const least = on({ method: 'POST' }, changeHeaders({ 'oci-chunk-min-length': '0' }))
    const place = await start(on(put, times(1, resetRequestAfter(9 * mebibyte))), least)
    await rejection(push(place))
    const count = place.registry.requests.length
    expect(await push(place)).toBe('copied')
    expect(seen(place, count)[0]).toBe('GET 0')
    await expectDone(place)
  })

  it('goes on at the place that the registry named last', async () => {
    let places = 0
    const moved = moveUploads((path) => `${path}/${places++}?_state=a%2Bb=`, { isSingleUse: true })
    const isThird = ({ headers }: FaultyRequest): boolean =>
      headers['content-range']?.startsWith(`${8 * mebibyte}-`) === true
    // Before its place is used, which then stays good.
    const place = await start(on({ method: 'PATCH', when: isThird }, times(1, dropConnection())), moved)
    const chunks = { chunkBytes: 4 * mebibyte }
    expect(await rejection(push(place, absent, chunks))).toMatchObject({ code: 'UNREACHABLE' })
    const count = place.registry.requests.length
    expect(await push(place, absent, chunks)).toBe('copied')
    expect(seen(place, count)).toEqual(['GET 0', `PATCH ${4 * mebibyte}`, 'PUT 0'])
    await expectDone(place)
  })

  it('is cancelled, and not written down, where its place is not below the repository', async () => {
    const moved = moveUploads(() => '/uploads/1?_state=x')
    const place = await start(on({ method: 'PUT' }, resetRequestAfter(9 * mebibyte)), moved)
    expect(await rejection(push(place))).toMatchObject({ code: 'UNREACHABLE' })
    expect(place.registry.requests.map(({ method }) => method)).toEqual(['POST', 'PUT', 'DELETE'])
    expect(await readdir(place.journal)).toEqual([])
  })

  it('is not written down if it is small, or no journal is wanted', async () => {
    const place = await start()
    const small = bytes.subarray(0, 8 * mebibyte)
    await using repository = new Repository(`${place.registry.host}/a`, { uploadJournal: place.journal })
    await repository.push(blob(small), contentOf(small), absent)
    await expect(readdir(place.journal)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(() => new Repository('localhost/a', { uploadJournal: '' })).toThrow(RangeError)
  })

  it('is forgotten when the blob is there', async () => {
    const place = await brokenOff()
    await using repository = new Repository(`${new URL(place.registry.withoutFaults).host}/a`)
    await repository.push(descriptor, contentOf(bytes))
    const count = place.registry.requests.length
    expect(await push(place, {})).toBe('existed')
    expect(seen(place, count)).toEqual(['HEAD 0', 'DELETE 0'])
    await expectDone(place)
  })

  it('begins anew with content that cannot be read from an offset on', async () => {
    const place = await brokenOff()
    const count = place.registry.requests.length
    await using repository = new Repository(`${place.registry.host}/a`, { uploadJournal: place.journal })
    const { from: _from, ...content } = contentOf(bytes)
    await repository.push(descriptor, content, absent)
    expect(seen(place, count)).toEqual(['DELETE 0', ...anew])
    await expectDone(place)
  })

  it('is not gone on with in another repository', async () => {
    const place = await brokenOff()
    await using repository = new Repository(`${place.registry.host}/b`, { uploadJournal: place.journal })
    const count = place.registry.requests.length
    await repository.push(descriptor, contentOf(bytes), absent)
    expect(seen(place, count)).toEqual(anew)
    expect(await readdir(place.journal)).toHaveLength(1)
  })

  it('is left to the one that is at it: another one has a session of its own, and no record', async () => {
    const place = await brokenOff()
    const lock = await acquireLock(`${place.record}.lock`, fs)
    const count = place.registry.requests.length
    const before = await readFile(place.record, 'utf8')
    expect(await push(place)).toBe('copied')
    expect(seen(place, count)).toEqual(anew)
    expect(await readFile(place.record, 'utf8')).toBe(before)
    await lock.release()
  })
})

describe('a session that an earlier upload has left', () => {
  it.each<[string, Fault]>([
    ['is gone', answerWith(404)],
    ['has more than the blob', changeHeaders({ range: `0-${bytes.length}` })],
    ['is elsewhere', changeHeaders({ location: 'http://127.0.0.2:1/v2/a/blobs/uploads/1' })],
    ['is not told of', answerWith(500)],
  ])('and %s is given up, and the blob sent anew', async (_what, fault) => {
    const place = await brokenOff(on({ method: 'GET', endpoint: 'upload' }, fault))
    const count = place.registry.requests.length
    expect(await push(place)).toBe('copied')
    expect(seen(place, count)).toEqual(['GET 0', 'DELETE 0', ...anew])
    await expectDone(place)
  })

  it('and has other bytes is refused by its digest, and the blob sent anew, once', async () => {
    const place = await brokenOff()
    const { location } = await parsed(place.record)
    const post = await fetch(`${place.registry.withoutFaults}/v2/a/blobs/uploads/`, { method: 'POST' })
    const other = new URL(post.headers.get('location') ?? '', String(location))
    await fetch(new URL(other.pathname, place.registry.withoutFaults), {
      method: 'PATCH',
      body: Buffer.alloc(9 * mebibyte),
    })
    await writeFile(place.record, JSON.stringify({ ...(await parsed(place.record)), location: other.href }))
    const count = place.registry.requests.length
    expect(await push(place, absent, { retry: { baseMilliseconds: 1 } })).toBe('copied')
    const rest = seen(place, count).filter((line) => /^(?:PATCH|PUT)/.test(line))
    expect(rest).toEqual([`PATCH ${3 * mebibyte}`, 'PUT 0', `PUT ${bytes.length}`])
    await expectDone(place)
  })

  it('and has all of the blob needs nothing but its end', async () => {
    const place = await brokenOff()
    const { location } = await parsed(place.record)
    const { pathname } = new URL(String(location))
    await fetch(new URL(pathname, place.registry.withoutFaults), {
      method: 'PATCH',
      body: bytes.subarray(9 * mebibyte),
    })
    const count = place.registry.requests.length
    expect(await push(place)).toBe('copied')
    expect(seen(place, count)).toEqual(['GET 0', 'PUT 0'])
    await expectDone(place)
  })

  it('a day ago is not asked for', async () => {
    const place = await brokenOff()
    const count = place.registry.requests.length
    later(25)
    expect(await push(place)).toBe('copied')
    expect(seen(place, count)).toEqual(anew)
    await expectDone(place)
  })
})

describe('a record of an upload', () => {
  it.each<[string, (location: URL, sink: string) => string]>([
    ['on another host', (_location, sink) => `${sink}/v2/a/blobs/uploads/1`],
    ['by another scheme', ({ host }) => `https://${host}/v2/a/blobs/uploads/1`],
    ['with a password', ({ host }) => `http://user:secret@${host}/v2/a/blobs/uploads/1`],
    ['in another repository', ({ origin }) => `${origin}/v2/b/blobs/uploads/1`],
    ['out of the repository', ({ origin }) => `${origin}/v2/a/../b/blobs/uploads/1`],
    ['that of a tag', ({ origin }) => `${origin}/v2/a/manifests/latest`],
    ['that of a blob', ({ origin }) => `${origin}/v2/a/blobs/${descriptor.digest}`],
    ['in a repository below', ({ origin }) => `${origin}/v2/a/b/manifests/latest`],
    ['out of it by an encoded slash', ({ origin }) => `${origin}/v2/a/..%2fb/blobs/uploads/1`],
    ['that is no URL', () => 'http://['],
  ])('whose place is %s is removed, and nobody is asked', async (_what, place) => {
    const sink = await startServer(() => ({ status: 204, headers: { range: '0-9437183' } }))
    const broken = await brokenOff()
    const content = await parsed(broken.record)
    const location = place(new URL(String(content['location'])), sink.url)
    await writeFile(broken.record, JSON.stringify({ ...content, location }))
    const count = broken.registry.requests.length
    expect(await push(broken)).toBe('copied')
    expect(seen(broken, count)).toEqual(anew)
    expect(sink.requests).toEqual([])
    await expectDone(broken)
  })

  it.each<[string, (record: string) => Promise<void>]>([
    ['is empty', (record) => writeFile(record, '')],
    ['is no JSON', (record) => writeFile(record, '{"location":')],
    ['lacks a field', (record) => writeFile(record, '{"opened":1}')],
    [
      'is too large',
      async (record) => writeFile(record, (await readFile(record, 'utf8')) + ' '.repeat(20_000)),
    ],
    [
      'is a link to a good one',
      async (record) => {
        await fs.rename(record, join(record, '..', '..', 'moved'))
        await symlink(join('..', 'moved'), record)
      },
    ],
  ])('that %s is removed, and the blob sent anew', async (_what, damage) => {
    const place = await brokenOff()
    await damage(place.record)
    const count = place.registry.requests.length
    expect(await push(place)).toBe('copied')
    expect(seen(place, count)).toEqual(anew)
    await expectDone(place)
  })

  it('is swept after a week, with what else dead processes have left, but nothing that is not ours', async () => {
    const place = await brokenOff()
    const left = [`${place.record}.lock.takeover`, `${place.record}.0a1b2c3d-1234-1234-1234-0123456789ab.tmp`]
    for (const path of [...left, join(place.journal, 'mine.txt')]) await writeFile(path, '')
    await utimes(place.record, 0, 0)
    await using repository = new Repository(`${place.registry.host}/b`, { uploadJournal: place.journal })
    later(6 * 24)
    await repository.push(descriptor, contentOf(bytes), absent)
    expect(await readdir(place.journal)).toHaveLength(4)
    vi.setSystemTime(Date.now() + 2 * 24 * 60 * 60 * 1000)
    await using next = new Repository(`${place.registry.host}/c`, { uploadJournal: place.journal })
    await next.push(descriptor, contentOf(bytes), absent)
    expect(await readdir(place.journal)).toEqual(['mine.txt'])
  })

  it('that cannot be kept is told of, and is no failure', async () => {
    const place = await start()
    await mkdir(join(place.journal, '..'), { recursive: true })
    await writeFile(place.journal, 'a file')
    const events: CopyEvent[] = []
    expect(await push(place, { ...absent, onEvent: (event) => events.push(event) })).toBe('copied')
    expect(events.filter(({ type }) => type === 'warning')).toMatchObject([
      { type: 'warning', message: expect.stringContaining(place.journal) },
    ])
    expect(seen(place)).toEqual(anew)
  })
})
