import { open, readdir, stat, unlink } from 'node:fs/promises'
import { memfs } from 'memfs'
import { describe, expect, it } from 'vitest'
import { contentOf, type Content } from '../../src/content/content.ts'
import { digestOf } from '../../src/content/digest.ts'
import { privateFiles } from '../../src/targets/private-files.ts'
import { withSpooled, type SpoolFileSystem } from '../../src/targets/spool.ts'
import { newFolder } from '../support/folder.ts'

const bytes = Buffer.alloc(5 * 1024 * 1024 + 3, 'content that is spooled ')
const mediaType = 'application/octet-stream'

async function read(content: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(content ?? []))
}

interface Recorded {
  readonly fs: SpoolFileSystem
  readonly calls: string[]
}

/** A disk that writes down what happens to its files. With `room`, only so many bytes fit. */
function recorded(inner: SpoolFileSystem, room = Infinity): Recorded {
  const calls: string[] = []
  let left = room
  const fs: SpoolFileSystem = {
    async open(path, flags) {
      const file = await inner.open(path, flags)
      calls.push('open')
      return {
        stat: () => file.stat(),
        read: (...where) => file.read(...where),
        datasync: () => file.datasync(),
        async writev(buffers) {
          left -= buffers.reduce((sum, { length }) => sum + length, 0)
          if (left < 0)
            throw Object.assign(new Error('ENOSPC: no space left on device, writev'), { code: 'ENOSPC' })
          return file.writev(buffers)
        },
        async close() {
          calls.push('close')
          await file.close()
        },
      }
    },
    async unlink(path) {
      calls.push('unlink')
      await inner.unlink(path)
    },
  }
  return { fs, calls }
}

describe('Spooled content', () => {
  it('is described by its digest and size, and read as often as wanted, from any offset', async () => {
    await using folder = await newFolder()
    const use = async (
      ...[descriptor, content]: Parameters<Parameters<typeof withSpooled>[2]>
    ): Promise<string> => {
      expect(descriptor).toEqual({ mediaType, digest: digestOf(bytes), size: bytes.length })
      for await (const _chunk of content) break
      const [first, again] = await Promise.all([read(content), read(content)])
      expect(first.equals(bytes) && again.equals(bytes)).toBe(true)
      const end = await read(content.from?.(bytes.length - 10))
      expect(end.equals(bytes.subarray(-10))).toBe(true)
      return 'what became of it'
    }
    const made = await withSpooled(contentOf(bytes), mediaType, use, { directory: folder.path })
    expect(made).toBe('what became of it')
  })

  it('may be empty', async () => {
    const sizes: number[] = []
    await withSpooled(contentOf(Buffer.of()), mediaType, async ({ size }, content) => {
      sizes.push(size, (await read(content)).length)
    })
    expect(sizes).toEqual([0, 0])
  })

  it('is in a file that had a name only while it was empty', async () => {
    await using folder = await newFolder()
    const { fs, calls } = recorded({ open, unlink })
    const watched: Content = {
      async *[Symbol.asyncIterator]() {
        calls.push(`read with ${(await readdir(folder.path)).length} files`)
        yield bytes
      },
    }
    const use = async (): Promise<void> => void calls.push('use')
    await withSpooled(watched, mediaType, use, { directory: folder.path, fs })
    expect(calls).toEqual(['open', 'unlink', 'read with 0 files', 'use', 'close'])
  })

  it('is in a new file that only its owner may read', async () => {
    await using folder = await newFolder()
    const found: unknown[] = []
    const fs: SpoolFileSystem = {
      async open(path, flags) {
        const file = await privateFiles.open(path, flags)
        found.push((await stat(path)).mode & 0o777)
        await open(path, flags).catch((error: unknown) => found.push(error))
        return file
      },
      unlink,
    }
    await withSpooled(contentOf(bytes), mediaType, async () => {}, { directory: folder.path, fs })
    expect(found).toEqual([0o600, expect.objectContaining({ code: 'EEXIST' })])
  })

  it('may be on another file system', async () => {
    const { fs } = memfs()
    fs.mkdirSync('/spool')
    await withSpooled(
      contentOf(bytes),
      mediaType,
      async (_, content) => {
        expect((await read(content)).equals(bytes)).toBe(true)
      },
      { directory: '/spool', fs: fs.promises },
    )
    expect(fs.readdirSync('/spool')).toEqual([])
  })
})

interface Failing {
  readonly content?: Content
  readonly room?: number
  readonly refusal?: string
  readonly error: object
}

describe('A spool file is closed, and its folder empty', () => {
  const failing: Content = {
    async *[Symbol.asyncIterator]() {
      yield bytes
      throw new Error('line cut')
    },
  }

  it.each([
    ['the content fails', { content: failing, error: { message: 'line cut' } }],
    ['the disk is full', { room: 3_000_000, error: { code: 'ENOSPC' } }],
    ['it is refused', { refusal: 'no', error: { message: 'no' } }],
  ])('when %s', async (_, { content = contentOf(bytes), room, refusal, error }: Failing) => {
    await using folder = await newFolder()
    const { fs, calls } = recorded({ open, unlink }, room)
    const use = async (): Promise<void> => {
      if (refusal !== undefined) throw new Error(refusal)
    }
    const spooling = withSpooled(content, mediaType, use, { directory: folder.path, fs })
    await expect(spooling).rejects.toMatchObject(error)
    expect(calls).toEqual(['open', 'unlink', 'close'])
    expect(await readdir(folder.path)).toEqual([])
  })

  it('when it is aborted in the middle, with the reason itself', async () => {
    await using folder = await newFolder()
    const { fs, calls } = recorded({ open, unlink })
    const controller = new AbortController()
    const reason = new Error('enough')
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        yield bytes
        controller.abort(reason)
        yield bytes
      },
    }
    const use = async (): Promise<void> => void calls.push('use')
    const options = { directory: folder.path, fs, signal: controller.signal }
    await expect(withSpooled(content, mediaType, use, options)).rejects.toBe(reason)
    expect(calls).toEqual(['open', 'unlink', 'close'])
    expect(await readdir(folder.path)).toEqual([])
  })

  it('when there was an abort before: nothing is opened', async () => {
    const { fs, calls } = recorded({ open, unlink })
    const options = { fs, signal: AbortSignal.abort('never') }
    await expect(withSpooled(contentOf(bytes), mediaType, async () => {}, options)).rejects.toBe('never')
    expect(calls).toEqual([])
  })
})
