import { mkdtemp, readdir, readFile, rename, rm, writeFile as put } from 'node:fs/promises'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { digestOf } from '../../src/content/digest.ts'
import { writeFile, type WritableFile, type WritableFileSystem } from '../../src/targets/write-file.ts'

describe('writeFile', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'copygraph-write-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  async function* chunksOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* chunks
  }

  /** Writes through a temporary file, as every store does. */
  const write = (
    content: AsyncIterable<Uint8Array>,
    options: { fs?: WritableFileSystem; signal?: AbortSignal } = {},
  ): Promise<void> =>
    writeFile(
      join(directory, 'temporary'),
      content,
      () => rename(join(directory, 'temporary'), join(directory, 'final')),
      {
        fs,
        ...options,
      },
    )

  it('writes chunks of any sizes in their order', async () => {
    const sizes = [0, 1, 65_536, 3_000_000, 17, 0, 1_048_576, 5]
    const chunks = sizes.map((size, at) => Buffer.alloc(size, String(at)))
    await write(chunksOf(...chunks))
    const written = await readFile(join(directory, 'final'))
    expect(digestOf(written)).toBe(digestOf(Buffer.concat(chunks)))
    expect(await readdir(directory)).toEqual(['final'])
  })

  it('writes an empty file', async () => {
    await write(chunksOf())
    expect(await readFile(join(directory, 'final'))).toHaveLength(0)
  })

  it('writes many small chunks in few writes', async () => {
    const counting = countingFs()
    const chunk = Buffer.alloc(4096, 'x')
    await write(chunksOf(...Array.from({ length: 1024 }, () => chunk)), { fs: counting.fs })
    expect(counting.writes()).toBe(4)
    expect(counting.mostAtOnce()).toBe(1)
  })

  it('reads on while it writes, and never has two writes under way', async () => {
    const counting = countingFs()
    let readWhileWriting = 0
    const content = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < 8; at++) {
        if (counting.active() > 0) readWhileWriting += 1
        yield Buffer.alloc(1_048_576, String(at))
      }
    }
    await write(content(), { fs: counting.fs })
    expect(counting.mostAtOnce()).toBe(1)
    expect(readWhileWriting).toBeGreaterThan(0)
  })

  it('makes the missing folders of the temporary file', async () => {
    const temporary = join(directory, 'a', 'b', 'temporary')
    await writeFile(
      temporary,
      chunksOf(Buffer.from('x')),
      () => rename(temporary, join(directory, 'final')),
      {
        fs,
      },
    )
    expect(await readFile(join(directory, 'final'), 'utf8')).toBe('x')
  })

  it('makes the folder again when another process removes it in between', async () => {
    const ingest = join(directory, 'ingest')
    const temporary = join(ingest, 'temporary')
    let removals = 0
    const contested: WritableFileSystem = {
      ...fs,
      async mkdir(path, options) {
        await fs.mkdir(path, options)
        removals += 1
        if (removals > 2) return
        await rm(ingest, { recursive: true })
        if (removals === 2) throw Object.assign(new Error('ENOENT: mkdir'), { code: 'ENOENT' })
      },
    }
    const place = (): Promise<void> => rename(temporary, join(directory, 'final'))
    await writeFile(temporary, chunksOf(Buffer.from('x')), place, { fs: contested })
    expect(await readFile(join(directory, 'final'), 'utf8')).toBe('x')
    // The second one fails, and is repeated: the missing folder alone, then the whole way.
    expect(removals).toBe(4)
  })

  it('gives up where the folder cannot be made to stay', async () => {
    const gone: WritableFileSystem = { ...fs, mkdir: async () => undefined }
    const place = (): Promise<void> => Promise.resolve()
    const writing = writeFile(join(directory, 'a', 'b'), chunksOf(), place, { fs: gone })
    await expect(writing).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('never writes into a file that exists', async () => {
    await put(join(directory, 'temporary'), 'of somebody else')
    await expect(write(chunksOf(Buffer.from('x')))).rejects.toMatchObject({ code: 'EEXIST' })
    expect(await readFile(join(directory, 'temporary'), 'utf8')).toBe('of somebody else')
  })

  it('leaves nothing when the content fails, and hands on its error', async () => {
    const failure = new Error('the source broke')
    const content = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2_000_000)
      throw failure
    }
    await expect(write(content())).rejects.toBe(failure)
    expect(await readdir(directory)).toEqual([])
  })

  it('leaves nothing when it cannot be placed', async () => {
    const failure = new Error('no place')
    const placing = writeFile(
      join(directory, 'temporary'),
      chunksOf(Buffer.from('x')),
      () => Promise.reject(failure),
      { fs },
    )
    await expect(placing).rejects.toBe(failure)
    expect(await readdir(directory)).toEqual([])
  })

  it('leaves nothing on a full disk, and closes the content', async () => {
    let isClosed = false
    const content = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield Buffer.alloc(1_048_576)
      } finally {
        isClosed = true
      }
    }
    await expect(write(content(), { fs: fullAfter(2_500_000) })).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(isClosed).toBe(true)
    expect(await readdir(directory)).toEqual([])
  })

  it.each([
    ['ends quietly', () => ({ done: true, value: undefined }) as const],
    [
      'fails',
      () => {
        throw new Error('the reading was ended')
      },
    ],
  ])(
    'does not wait on a full disk for content that stands still, and %s when it is ended',
    async (_what, end) => {
      const ended = Promise.withResolvers<void>()
      let chunks = 0
      const content: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          async next() {
            chunks += 1
            // One full batch, and a little of the next one.
            if (chunks <= 17) return { done: false, value: Buffer.alloc(65_536) }
            await ended.promise
            return end()
          },
          async return() {
            ended.resolve()
            return { done: true, value: undefined }
          },
        }),
      }
      await expect(write(content, { fs: fullAfter(0) })).rejects.toMatchObject({ code: 'ENOSPC' })
      expect(chunks).toBe(18)
      expect(await readdir(directory)).toEqual([])
    },
  )

  it('hands on what went wrong first when the file cannot even be closed', async () => {
    const failure = new Error('the source broke')
    const content = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('x')
      throw failure
    }
    const closing: WritableFileSystem = {
      ...fs,
      open: async (path, flags) => failingClose(await fs.open(path, flags)),
    }
    await expect(write(content(), { fs: closing })).rejects.toBe(failure)
    await expect(write(chunksOf(Buffer.from('x')), { fs: closing })).rejects.toMatchObject({ code: 'EIO' })
    expect(await readdir(directory)).toEqual([])
  })

  it('goes on after a write that was too short', async () => {
    const bytes = Buffer.from(Array.from({ length: 3000 }, (_, at) => at % 251))
    await write(chunksOf(bytes.subarray(0, 1000), bytes.subarray(1000)), { fs: shortWrites(700) })
    expect(await readFile(join(directory, 'final'))).toEqual(bytes)
  })

  it('rejects with the reason of an abort before, during and after the content, and leaves nothing', async () => {
    const reason = new Error('stop')
    await expect(write(chunksOf(Buffer.from('x')), { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    )
    for (const when of [1, 2]) {
      const controller = new AbortController()
      const content = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < 2; at++) {
          yield Buffer.from('chunk')
          if (at + 1 === when) controller.abort(reason)
        }
      }
      await expect(write(content(), { signal: controller.signal })).rejects.toBe(reason)
    }
    expect(await readdir(directory)).toEqual([])
  })
})

function failingClose(file: WritableFile): WritableFile {
  return {
    writev: (buffers) => file.writev(buffers),
    datasync: () => file.datasync(),
    async close() {
      await file.close()
      throw Object.assign(new Error('EIO: i/o error, close'), { code: 'EIO' })
    },
  }
}

function wrapped(
  writev: (file: WritableFile, buffers: Uint8Array[]) => Promise<{ bytesWritten: number }>,
): WritableFileSystem {
  return {
    mkdir: (path, options) => fs.mkdir(path, options),
    unlink: (path) => fs.unlink(path),
    async open(path, flags) {
      const file = await fs.open(path, flags)
      return {
        writev: (buffers) => writev(file, buffers),
        datasync: () => file.datasync(),
        close: () => file.close(),
      }
    },
  }
}

function countingFs(): {
  fs: WritableFileSystem
  writes(): number
  active(): number
  mostAtOnce(): number
} {
  let writes = 0
  let active = 0
  let most = 0
  const counting = wrapped(async (file, buffers) => {
    writes += 1
    active += 1
    most = Math.max(most, active)
    try {
      return await file.writev(buffers)
    } finally {
      active -= 1
    }
  })
  return { fs: counting, writes: () => writes, active: () => active, mostAtOnce: () => most }
}

/** As Linux does it: the write that fills the disk is short, the next one fails. */
function fullAfter(capacity: number): WritableFileSystem {
  let left = capacity
  return wrapped(async (file, buffers) => {
    if (left === 0)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    const bytes = Buffer.concat(buffers).subarray(0, left)
    left -= bytes.length
    return file.writev([bytes])
  })
}

function shortWrites(most: number): WritableFileSystem {
  return wrapped((file, buffers) => file.writev([Buffer.concat(buffers).subarray(0, most)]))
}
