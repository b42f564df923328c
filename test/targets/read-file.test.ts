import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  openRegularFile,
  readChunks,
  readSmallFile,
  type ReadableFile,
  type ReadFileOptions,
} from '../../src/targets/read-file.ts'

describe('reading files', () => {
  let directory: string
  let path: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'copygraph-read-'))
    path = join(directory, 'file')
  })
  afterEach(() => rm(directory, { recursive: true }))

  const open = async (): Promise<ReadableFile & { isClosed(): boolean; reads(): number }> => {
    const file = await openRegularFile(path, fs)
    if (file === undefined) throw new Error('no regular file')
    let isClosed = false
    let reads = 0
    return {
      stat: () => file.stat(),
      read: (...range) => {
        reads += 1
        return file.read(...range)
      },
      close: () => {
        isClosed = true
        return file.close()
      },
      isClosed: () => isClosed,
      reads: () => reads,
    }
  }
  const readAll = async (options: ReadFileOptions = {}): Promise<Buffer> =>
    Buffer.concat(await Array.fromAsync(readChunks(await open(), options)))

  it('gives all bytes, or those from an offset on', async () => {
    const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, at) => at % 253))
    await writeFile(path, bytes)
    expect((await readAll()).equals(bytes)).toBe(true)
    for (const offset of [1, 262_144, 2_499_999]) {
      expect((await readAll({ offset })).equals(bytes.subarray(offset)), `from ${offset}`).toBe(true)
    }
    expect(await readAll({ offset: 2_500_000 })).toHaveLength(0)
    expect(await readAll({ offset: 9_999_999 })).toHaveLength(0)
  })

  it('gives chunks of 256 KiB that are nobody else’s, and reads ahead by one', async () => {
    await writeFile(path, Buffer.alloc(800_000, 'a'))
    const file = await open()
    const chunks: Uint8Array[] = []
    for await (const chunk of readChunks(file)) {
      chunks.push(chunk)
      expect(file.reads()).toBe(Math.min(chunks.length + 1, 4))
    }
    expect(chunks.map(({ length }) => length)).toEqual([262_144, 262_144, 262_144, 13_568])
    expect(new Set(chunks.map(({ buffer }) => buffer)).size).toBe(4)
    expect(file.isClosed()).toBe(true)
  })

  it('closes the file when the consumer stops early', async () => {
    await writeFile(path, Buffer.alloc(3_000_000))
    const file = await open()
    for await (const _chunk of readChunks(file)) break
    expect(file.isClosed()).toBe(true)
  })

  it('rejects with the reason of an abort, and closes the file', async () => {
    await writeFile(path, Buffer.alloc(3_000_000))
    const file = await open()
    const controller = new AbortController()
    const reason = new Error('stop')
    const reading = (async () => {
      for await (const _chunk of readChunks(file, { signal: controller.signal })) controller.abort(reason)
    })()
    await expect(reading).rejects.toBe(reason)
    expect(file.isClosed()).toBe(true)
  })

  it('hands on an error of the disk, and closes the file', async () => {
    await writeFile(path, Buffer.alloc(3_000_000))
    const file = await open()
    const failing = {
      ...file,
      read: (buffer: Uint8Array, offset: number, length: number, position: number) =>
        position > 0 ? Promise.reject(new Error('EIO')) : file.read(buffer, offset, length, position),
    }
    await expect(Array.fromAsync(readChunks(failing))).rejects.toThrow('EIO')
    expect(file.isClosed()).toBe(true)
  })

  it('opens neither a link, a folder nor a FIFO, and does not wait for its writer', async () => {
    await writeFile(path, 'x')
    await symlink(path, join(directory, 'link'))
    await mkdir(join(directory, 'folder'))
    execFileSync('mkfifo', [join(directory, 'fifo')])
    for (const name of ['link', 'folder', 'fifo']) {
      expect(await openRegularFile(join(directory, name), fs), name).toBeUndefined()
    }
    await expect(openRegularFile(join(directory, 'nothing'), fs)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('reads a small file whole, and refuses one that is not small', async () => {
    await writeFile(path, '0123456789')
    expect(Buffer.from((await readSmallFile(path, 10, { fs })) ?? []).toString()).toBe('0123456789')
    await expect(readSmallFile(path, 9, { fs })).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
  })
})
