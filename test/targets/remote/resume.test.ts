import { randomFillSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { contentOf, type Content } from '../../../src/content/content.ts'
import { Repository } from '../../../src/targets/remote/repository.ts'
import {
  dropConnection,
  dropUpload,
  forgetBrokenUploads,
  loseAnswer,
  on,
  refuseWith,
  reframeResponse,
  resetRequestAfter,
  resetResponseAfter,
  startFaultyRegistry,
  times,
  truncateResponse,
  type Fault,
  type FaultyRegistry,
} from '../../../src/testing/testing.ts'
import { blob, read, rejection } from '../contract/support.ts'

const mebibyte = 1024 * 1024
const bytes = randomFillSync(Buffer.alloc(64 * mebibyte))
const descriptor = blob(bytes)
const retry = { baseMilliseconds: 1 }
const download = { method: 'GET', endpoint: 'blob' } as const
const upload = { method: ['PUT', 'PATCH'], endpoint: 'upload' } as const

/** A registry with these faults, which has the blob if `isFilled`; and one without any to prepare and look with. */
async function start(faults: readonly Fault[], isFilled: boolean): Promise<FaultyRegistry> {
  const registry = await startFaultyRegistry({ faults })
  if (!isFilled) return registry
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/a`)
  await repository.push(descriptor, contentOf(bytes))
  return registry
}

/** Content that says from where on it was read. */
function watched(reads: number[]): Content {
  async function* chunks(offset: number): AsyncGenerator<Uint8Array> {
    reads.push(offset)
    for (let at = offset; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
  }
  return { [Symbol.asyncIterator]: () => chunks(0), from: chunks }
}

async function stored(registry: FaultyRegistry): Promise<Buffer> {
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/a`)
  return await read(repository.fetch(descriptor))
}

const sentTo = (registry: FaultyRegistry): number =>
  registry.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)

const sentBy = (registry: FaultyRegistry): number =>
  registry.requests.reduce((sum, { sentBytes }) => sum + sentBytes, 0)

describe('a download', () => {
  it.each<[string, Fault]>([
    ['is reset', resetResponseAfter(mebibyte)],
    ['is cut short', truncateResponse(mebibyte)],
    ['ends as if it were whole', truncateResponse(mebibyte, 'close-delimited')],
  ])('that %s five times goes on where it broke', async (_what, fault) => {
    await using registry = await start([on(download, times(5, fault))], true)
    await using repository = new Repository(`${registry.host}/a`, { retry })
    expect((await read(repository.fetch(descriptor))).equals(bytes)).toBe(true)
    expect(registry.requests).toHaveLength(6)
    expect(sentBy(registry)).toBeLessThan(1.2 * bytes.length)
  })

  it('from a registry without ranges is read again, and only what is new is given away', async () => {
    const withoutRanges: Fault = (request, next) => {
      const { range: _range, ...headers } = request.headers
      return next({ ...request, headers })
    }
    await using registry = await start(
      [on(download, times(2, resetResponseAfter(mebibyte))), on(download, withoutRanges)],
      true,
    )
    await using repository = new Repository(`${registry.host}/a`, { retry })
    expect((await read(repository.fetch(descriptor))).equals(bytes)).toBe(true)
    expect(registry.requests.map(({ status }) => status)).toEqual([200, 200, 200])
  })

  it('that never gets further ends with what went wrong', async () => {
    await using registry = await start([on(download, resetResponseAfter(0))], true)
    await using repository = new Repository(`${registry.host}/a`, { retry: { ...retry, attempts: 3 } })
    expect(await rejection(read(repository.fetch(descriptor)))).toMatchObject({ code: 'UNREACHABLE' })
    expect(registry.requests).toHaveLength(3)
  })

  it('is not repeated for what does not pass', async () => {
    await using registry = await start(
      [on(download, reframeResponse('chunked')), on(download, refuseWith(403, 'DENIED', 'no'))],
      true,
    )
    await using repository = new Repository(`${registry.host}/a`, { retry })
    expect(await rejection(read(repository.fetch(descriptor)))).toMatchObject({ code: 'AUTH' })
    expect(registry.requests).toHaveLength(1)
  })
})

describe('an upload', () => {
  it('that breaks five times goes on where the registry says that it stands', async () => {
    await using registry = await start([on(upload, times(5, resetRequestAfter(mebibyte)))], false)
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const reads: number[] = []
    expect(await repository.push(descriptor, watched(reads), { existing: 'absent' })).toBe('copied')
    expect((await stored(registry)).equals(bytes)).toBe(true)
    expect(sentTo(registry)).toBeLessThan(1.2 * bytes.length)
    expect(reads).toHaveLength(6)
    expect(reads.every((offset, index) => index === 0 || offset > (reads[index - 1] ?? 0))).toBe(true)
  })

  it('to a registry that forgets what broke is sent again', async () => {
    const faults = [forgetBrokenUploads(), on(upload, times(2, resetRequestAfter(mebibyte)))]
    await using registry = await start(faults, false)
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const reads: number[] = []
    await repository.push(descriptor, watched(reads), { existing: 'absent' })
    expect((await stored(registry)).equals(bytes)).toBe(true)
    expect(reads).toEqual([0, 0, 0])
  })

  it('of content that cannot be read from an offset is sent again', async () => {
    await using registry = await start([on(upload, times(1, resetRequestAfter(mebibyte)))], false)
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const { [Symbol.asyncIterator]: iterate } = watched([])
    await repository.push(descriptor, { [Symbol.asyncIterator]: iterate }, { existing: 'absent' })
    expect((await stored(registry)).equals(bytes)).toBe(true)
  })

  it.each<[string, Buffer]>([
    ['large', bytes],
    ['small', Buffer.from('small')],
  ])('of a %s blob whose last answer was lost is done', async (_what, content) => {
    await using registry = await start(
      [on({ ...upload, method: ['PUT', 'POST'] }, times(3, loseAnswer()))],
      false,
    )
    await using repository = new Repository(`${registry.host}/a`, { retry, singlePostBytes: 0 })
    expect(await repository.push(blob(content), contentOf(content), { existing: 'absent' })).toBe('copied')
    expect(registry.requests.filter(({ method }) => method === 'PUT').length).toBeLessThanOrEqual(3)
  })

  it('whose session the registry has dropped begins a new one', async () => {
    await using registry = await start([on(upload, times(1, dropUpload()))], false)
    await using repository = new Repository(`${registry.host}/a`, { retry })
    await repository.push(descriptor, contentOf(bytes), { existing: 'absent' })
    expect((await stored(registry)).equals(bytes)).toBe(true)
  })

  it('that never arrives ends with what went wrong, and leaves no session', async () => {
    await using registry = await start([on(upload, dropConnection())], false)
    await using repository = new Repository(`${registry.host}/a`, { retry: { ...retry, attempts: 3 } })
    const failure = await rejection(repository.push(descriptor, contentOf(bytes), { existing: 'absent' }))
    expect(failure).toMatchObject({ code: 'UNREACHABLE' })
    expect(registry.requests.filter(({ method }) => method === 'PUT')).toHaveLength(3)
    expect(registry.requests.at(-1)).toMatchObject({ method: 'DELETE' })
  })

  it('is not repeated when its content fails', async () => {
    await using registry = await start([], false)
    await using repository = new Repository(`${registry.host}/a`, { retry })
    const broken = new Error('the disk is broken')
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        yield bytes.subarray(0, mebibyte)
        throw broken
      },
    }
    expect(await rejection(repository.push(descriptor, content, { existing: 'absent' }))).toBe(broken)
    expect(registry.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
  })
})
