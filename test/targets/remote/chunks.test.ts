import { randomFillSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { contentOf, type Content } from '../../../src/content/content.ts'
import { Repository, type RepositoryOptions } from '../../../src/targets/remote/repository.ts'
import { cdn } from '../../../src/testing/profiles/cdn.ts'
import {
  answerWith,
  changeHeaders,
  on,
  refuseWith,
  resetRequestAfter,
  startFaultyRegistry,
  times,
  type Fault,
  type FaultyRegistry,
  type FaultyRegistryOptions,
} from '../../../src/testing/testing.ts'
import { blob, read, rejection } from '../contract/support.ts'

const mebibyte = 1024 * 1024
const bytes = randomFillSync(Buffer.alloc(5 * mebibyte + 1))
const descriptor = blob(bytes)
const larger = Buffer.concat([bytes, bytes])
const absent = { existing: 'absent' } as const
const mediaType = 'application/octet-stream'
const patch = { method: 'PATCH', endpoint: 'upload' } as const

/** With a source that cannot be read from an offset: it comes in odd pieces. */
const plain: Content = {
  async *[Symbol.asyncIterator]() {
    for (let at = 0; at < bytes.length; at += 300_001) yield bytes.subarray(at, at + 300_001)
  },
}

type Act = (repository: Repository, registry: FaultyRegistry) => Promise<void>

async function withRegistry(
  registryOptions: FaultyRegistryOptions,
  options: RepositoryOptions,
  act: Act,
): Promise<void> {
  await using registry = await startFaultyRegistry(registryOptions)
  await using repository = new Repository(`${registry.host}/a`, {
    retry: { baseMilliseconds: 1 },
    ...options,
  })
  await act(repository, registry)
}

async function expectStored(registry: FaultyRegistry): Promise<void> {
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/a`)
  expect((await read(repository.fetch(descriptor))).equals(bytes)).toBe(true)
}

/** What was sent into sessions: the method, and the place or the size. */
const uploads = (registry: FaultyRegistry): readonly string[] =>
  registry.requests
    .filter(({ method }) => method === 'PATCH' || method === 'PUT')
    .map(({ method, headers }) => `${method} ${headers['content-range'] ?? headers['content-length']}`)

const ends = (...offsets: readonly number[]): readonly string[] =>
  offsets.slice(1).map((end, index) => `PATCH ${offsets[index]}-${end - 1}`)

describe('a blob that goes in chunks', () => {
  it.each([
    ['seekable', contentOf(bytes)],
    ['plain', plain],
  ])('because the user wants that is put together (%s)', async (_what, content) => {
    await withRegistry({}, { chunkBytes: 2 * mebibyte }, async (repository, registry) => {
      await repository.push(descriptor, content, absent)
      await expectStored(registry)
      const places = ends(0, 2 * mebibyte, 4 * mebibyte, bytes.length)
      expect(uploads(registry)).toEqual([...places, 'PUT 0'])
    })
  })

  it('is larger than a chunk: others go whole', async () => {
    await withRegistry({}, { chunkBytes: bytes.length }, async (repository, registry) => {
      await repository.push(descriptor, contentOf(bytes), absent)
      expect(uploads(registry)).toEqual([`PUT ${bytes.length}`])
    })
  })

  it.each([0, -1, 1.5, Number.NaN])('has no chunks of %d bytes', (chunkBytes) => {
    expect(() => new Repository('example.com/a', { chunkBytes })).toThrow(RangeError)
  })

  it('has chunks of the size that the registry wants at least', async () => {
    const opening = on(
      { method: 'POST', endpoint: 'uploads' },
      changeHeaders({ 'oci-chunk-min-length': `${3 * mebibyte}` }),
    )
    await withRegistry({ faults: [opening] }, { chunkBytes: mebibyte }, async (repository, registry) => {
      await repository.push(descriptor, contentOf(bytes), absent)
      await repository.ingest(plain, mediaType)
      const once = [...ends(0, 3 * mebibyte, bytes.length), 'PUT 0']
      expect(uploads(registry)).toEqual([...once, ...once])
      await expectStored(registry)
    })
  })

  it('because it is too large for a proxy does so from the first request on the next time', async () => {
    await withRegistry({ profile: cdn({ maxBodyBytes: 1_500_000 }) }, {}, async (repository, registry) => {
      await repository.push(descriptor, plain, absent)
      await expectStored(registry)
      const chunks = ends(0, mebibyte, 2 * mebibyte, 3 * mebibyte, 4 * mebibyte, 5 * mebibyte, bytes.length)
      const first = [`PUT ${bytes.length}`, `PATCH 0-${4 * mebibyte - 1}`, ...chunks, 'PUT 0']
      expect(uploads(registry)).toEqual(first)
      await repository.push(descriptor, contentOf(bytes), absent)
      expect(uploads(registry).slice(first.length)).toEqual([...chunks, 'PUT 0'])
    })
  })

  it('and is too large however small it is ends with what the registry says', async () => {
    const never = on({ method: ['PUT', 'PATCH'], endpoint: 'upload' }, answerWith(413))
    await withRegistry({ faults: [never] }, {}, async (repository, registry) => {
      const error = await rejection(repository.push(descriptor, contentOf(bytes), absent))
      expect(error).toMatchObject({ code: 'RESPONSE', status: 413 })
      expect(uploads(registry)).toHaveLength(3)
      expect(registry.requests.at(-1)).toMatchObject({ method: 'DELETE', status: 204 })
    })
  })

  it('goes on where the registry stands after a chunk that was too large', async () => {
    const middle = on(
      { ...patch, when: ({ headers }) => headers['content-range'] === `${4 * mebibyte}-${8 * mebibyte - 1}` },
      refuseWith(416, 'BLOB_UPLOAD_INVALID', 'body too large'),
    )
    await withRegistry({ faults: [middle] }, { chunkBytes: 4 * mebibyte }, async (repository, registry) => {
      await repository.push(blob(larger), contentOf(larger), absent)
      expect(uploads(registry).slice(0, 3)).toEqual([
        ...ends(0, 4 * mebibyte, 8 * mebibyte),
        `PATCH ${4 * mebibyte}-${5 * mebibyte - 1}`,
      ])
      expect(await repository.exists(blob(larger))).toBe(true)
    })
  })

  it('goes on in the chunk that broke', async () => {
    const faults = [on(patch, times(1, resetRequestAfter(mebibyte)))]
    await withRegistry({ faults }, { chunkBytes: 2 * mebibyte }, async (repository, registry) => {
      await repository.push(descriptor, contentOf(bytes), absent)
      await expectStored(registry)
      expect(registry.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)).toBeLessThan(
        1.2 * bytes.length,
      )
    })
  })

  it.each(['0-0', '0-1048574', '0-1048576'])(
    'is an error where the registry then says that it has %s of the first MiB',
    async (range) => {
      const faults = [on(patch, changeHeaders({ range }))]
      await withRegistry({ faults }, { chunkBytes: mebibyte }, async (repository, registry) => {
        const error = await rejection(repository.push(descriptor, contentOf(bytes), absent))
        expect(error).toMatchObject({ code: 'RESPONSE', status: 202 })
        expect(uploads(registry)).toHaveLength(1)
      })
    },
  )

  it('stops reading when its content fails', async () => {
    const broken = new Error('the disk is broken')
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        yield bytes.subarray(0, 3 * mebibyte)
        throw broken
      },
    }
    await withRegistry({}, { chunkBytes: mebibyte }, async (repository, registry) => {
      expect(await rejection(repository.push(descriptor, content, absent))).toBe(broken)
      expect(registry.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
      expect(await rejection(repository.ingest(content, mediaType))).toBe(broken)
    })
  })

  it('ends with the reason of an abort, and reads no more', async () => {
    const stop = new Error('stop')
    const aborting = new AbortController()
    let isClosed = false
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        try {
          yield bytes.subarray(0, 3 * mebibyte)
          aborting.abort(stop)
          yield bytes.subarray(3 * mebibyte)
        } finally {
          isClosed = true
        }
      },
    }
    await withRegistry({}, { chunkBytes: mebibyte }, async (repository) => {
      const pushing = repository.push(descriptor, content, { ...absent, signal: aborting.signal })
      expect(await rejection(pushing)).toBe(stop)
      expect(isClosed).toBe(true)
    })
  })
})

describe('content of unknown digest', () => {
  const tooLong: Fault = async (request, next) =>
    Number(request.headers['content-length'] ?? Infinity) > 4 * mebibyte
      ? refuseWith(416, 'BLOB_UPLOAD_INVALID', 'body too large')(request, next)
      : next(request)

  it('goes in chunks where one request is too large, and does so from then on', async () => {
    await withRegistry({ faults: [on(patch, tooLong)] }, {}, async (repository, registry) => {
      const known = { digest: descriptor.digest, size: bytes.length }
      const whole: Content = { [Symbol.asyncIterator]: () => contentOf(bytes)[Symbol.asyncIterator]() }
      expect(await repository.ingest(whole, mediaType)).toMatchObject(known)
      expect(await repository.ingest(plain, mediaType)).toMatchObject(known)
      await expectStored(registry)
      const chunks = [...ends(0, 4 * mebibyte, bytes.length), 'PUT 0']
      expect(uploads(registry)).toEqual(['PATCH undefined', ...chunks, ...chunks])
    })
  })

  const middle = on(
    { ...patch, when: ({ headers }) => headers['content-range'] === `${4 * mebibyte}-${8 * mebibyte - 1}` },
    answerWith(413),
  )

  it('goes on in smaller chunks where the registry stands', async () => {
    await withRegistry({ profile: cdn({ maxBodyBytes: 1_500_000 }) }, {}, async (repository, registry) => {
      await repository.ingest(plain, mediaType)
      await expectStored(registry)
    })
    await withRegistry({ faults: [middle] }, { chunkBytes: 4 * mebibyte }, async (repository, registry) => {
      const { digest } = await repository.ingest(contentOf(larger), mediaType)
      expect(digest).toBe(blob(larger).digest)
      expect(registry.requests.filter(({ method }) => method === 'POST')).toHaveLength(1)
    })
  })

  it('is not put together with a gap where the registry has lost what it took', async () => {
    const lost = on({ method: 'GET', endpoint: 'upload' }, answerWith(404))
    await withRegistry(
      { faults: [middle, lost] },
      { chunkBytes: 4 * mebibyte },
      async (repository, registry) => {
        const error = await rejection(repository.ingest(contentOf(larger), mediaType))
        expect(error).toMatchObject({ code: 'UNSUPPORTED' })
        expect(registry.requests.at(-1)).toMatchObject({ method: 'DELETE' })
      },
    )
  })

  it('is not kept in memory for chunks as large as a registry likes', async () => {
    const faults = [
      on({ method: 'POST', endpoint: 'uploads' }, changeHeaders({ 'oci-chunk-min-length': '999999999999' })),
    ]
    await withRegistry({ faults }, { chunkBytes: mebibyte }, async (repository, registry) => {
      expect(await rejection(repository.ingest(plain, mediaType))).toMatchObject({ code: 'UNSUPPORTED' })
      expect(uploads(registry)).toEqual([])
    })
  })

  it('is UNSUPPORTED where blobs come only whole', async () => {
    const faults = [on(patch, refuseWith(405, 'UNSUPPORTED', 'no'))]
    await withRegistry({ faults }, {}, async (repository) => {
      const error = await rejection(repository.ingest(plain, mediaType))
      expect(error).toMatchObject({ code: 'UNSUPPORTED' })
      expect(String(error)).toContain('only whole and with their digest')
    })
  })
})
