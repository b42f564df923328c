import { randomFillSync } from 'node:crypto'
import * as nodeFs from 'node:fs/promises'
import { mkdir, readdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { memfs } from 'memfs'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Content } from '../../../src/content/content.ts'
import { AuthError, ResponseError, UnreachableError } from '../../../src/errors.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { acquireLock } from '../../../src/targets/lock.ts'
import type { LayoutFileSystem } from '../../../src/targets/oci-layout/file-system.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { blob } from '../contract/support.ts'
import { blobFile, deadProcess, filesIn, scratchDirectory } from './scratch.ts'

const mebibyte = 1024 * 1024
const bytes = randomFillSync(Buffer.alloc(4 * mebibyte))
const descriptor = blob(bytes)
const name = descriptor.digest.replace(':', '-')
const whole = ['blobs', ...descriptor.digest.split(':')].join('/')
const brokenOff = new UnreachableError('the connection broke')

interface Failing {
  readonly at: number
  readonly how: unknown
}

/** Content in chunks of 64 KiB; `reads` has the offset of each reading, and how much was given. */
function source(failing?: Failing, given: Uint8Array = bytes): Content & { readonly reads: number[][] } {
  const reads: number[][] = []
  async function* chunks(offset: number): AsyncGenerator<Uint8Array> {
    const read = [offset, 0]
    reads.push(read)
    for (let at = offset; at < given.length; at += 65_536) {
      if (failing !== undefined && at >= failing.at) throw failing.how
      const chunk = given.subarray(at, at + 65_536)
      read[1] = (read[1] ?? 0) + chunk.length
      yield new Uint8Array(chunk)
    }
  }
  return { reads, [Symbol.asyncIterator]: () => chunks(0), from: chunks }
}

const response = (status: number): ResponseError =>
  new ResponseError('refused', { method: 'GET', url: 'http://localhost/', status, errors: [] })

/** A layout in which an attempt has left its first 2 MiB. */
async function interrupted(): Promise<{ directory: string; partial: string }> {
  const directory = await scratchDirectory()
  const pushing = new OciLayout(directory).push(descriptor, source({ at: 2 * mebibyte, how: brokenOff }))
  await expect(pushing).rejects.toBe(brokenOff)
  return { directory, partial: join(directory, 'partial', name) }
}

/** Of large files: a comparison by `toEqual` takes seconds. */
async function expectBytes(path: string, expected: Buffer): Promise<void> {
  expect((await readFile(path)).equals(expected)).toBe(true)
}

async function expectWhole(directory: string): Promise<void> {
  await expectBytes(blobFile(directory, descriptor.digest), bytes)
  expect(await readdir(directory)).toEqual(['blobs', 'index.json', 'oci-layout'])
}

describe('a large blob that did not come to its end', () => {
  it.each([
    ['the network broke', brokenOff],
    ['the registry failed', response(503)],
    ['the registry had enough', response(429)],
    ['the registry was too slow', response(408)],
    ['credentials had run out', new AuthError('no access', { cause: response(401) })],
    ['rights had been taken away', response(403)],
    ['another node of the copy met such a failure', new Error('copy', { cause: brokenOff })],
  ])('is gone on with where it stopped after %s', async (_why, how) => {
    const directory = await scratchDirectory()
    await expect(new OciLayout(directory).push(descriptor, source({ at: 3 * mebibyte, how }))).rejects.toBe(
      how,
    )
    await expectBytes(join(directory, 'partial', name), bytes.subarray(0, 3 * mebibyte))
    expect(await readdir(join(directory, 'partial'))).toEqual([name])

    const content = source()
    expect(await new OciLayout(directory).push(descriptor, content)).toBe('copied')
    expect(content.reads).toEqual([[3 * mebibyte, mebibyte]])
    await expectWhole(directory)
  })

  it.each([
    ['another size', source(undefined, Buffer.concat([bytes, Buffer.from('+')])), 'SIZE_MISMATCH'],
    ['another digest', source(undefined, Buffer.alloc(bytes.length)), 'DIGEST_MISMATCH'],
    ['not all of it', source({ at: 2 * mebibyte, how: response(404) }), 'RESPONSE'],
    ['no right to it', source({ at: 0, how: response(403) }), 'RESPONSE'],
    ['nothing but a failure of the network', source({ at: 0, how: brokenOff }), 'UNREACHABLE'],
  ])('leaves nothing if the source had %s', async (_what, content, code) => {
    const directory = await scratchDirectory()
    await expect(new OciLayout(directory).push(descriptor, content)).rejects.toMatchObject({ code })
    expect(content.reads).toHaveLength(1)
    expect(await readdir(directory)).toEqual(['index.json', 'oci-layout'])
  })

  it.each([
    [undefined, ['index.json', 'oci-layout']],
    [true, ['index.json', 'oci-layout', `partial/${name}`]],
  ])('and was aborted with keepPartial %s leaves %j', async (keepPartial, files) => {
    const directory = await scratchDirectory()
    const controller = new AbortController()
    const reason = new Error('enough')
    const content = source()
    const { signal } = controller
    const watched: Content = {
      ...content,
      async *[Symbol.asyncIterator]() {
        for await (const chunk of content) {
          if (content.reads[0]?.[1] === 3 * mebibyte) controller.abort(reason)
          yield chunk
        }
      },
    }
    await expect(new OciLayout(directory).push(descriptor, watched, { signal, keepPartial })).rejects.toBe(
      reason,
    )
    expect(await filesIn(directory)).toEqual(files)
  })

  it('leaves nothing on a full disk, whatever was kept before and is asked for', async () => {
    const { directory } = await interrupted()
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    const fs: LayoutFileSystem = {
      ...nodeFs,
      async open(path, flags) {
        const file = await nodeFs.open(path, flags)
        const fail = (): Promise<never> => Promise.reject(full)
        return path.endsWith(name) ? Object.assign(file, { writev: fail }) : file
      },
    }
    const pushing = new OciLayout(directory, { fs }).push(descriptor, source(), { keepPartial: true })
    await expect(pushing).rejects.toBe(full)
    expect(await readdir(directory)).toEqual(['index.json', 'oci-layout'])
  })
})

describe('what was kept of a blob', () => {
  it.each<[string, (partial: string) => Promise<unknown>]>([
    ['other bytes', (partial) => writeFile(partial, Buffer.alloc(mebibyte))],
    ['a turned bit', (partial) => writeFile(partial, turned(bytes.subarray(0, mebibyte)))],
    ['as many bytes as the blob, but others', (partial) => writeFile(partial, Buffer.alloc(bytes.length))],
  ])('is thrown away if it is %s, with a warning, and the blob read once more', async (_what, damage) => {
    const { directory, partial } = await interrupted()
    await damage(partial)
    const content = source()
    const events: CopyEvent[] = []
    const onEvent = (event: CopyEvent): number => events.push(event)
    expect(await new OciLayout(directory).push(descriptor, content, { onEvent })).toBe('copied')
    expect(content.reads.at(-1)).toEqual([0, bytes.length])
    expect(events).toMatchObject([{ type: 'warning', message: expect.stringContaining(descriptor.digest) }])
    await expectWhole(directory)
  })

  it('is thrown away if it is longer than the blob', async () => {
    const { directory, partial } = await interrupted()
    await writeFile(partial, Buffer.concat([bytes, Buffer.from('+')]))
    const content = source()
    await new OciLayout(directory).push(descriptor, content)
    expect(content.reads).toEqual([[0, bytes.length]])
    await expectWhole(directory)
  })

  it('is all that is needed if nothing is missing', async () => {
    const { directory, partial } = await interrupted()
    await writeFile(partial, bytes)
    const content = source()
    await new OciLayout(directory).push(descriptor, content)
    expect(content.reads).toEqual([])
    await expectWhole(directory)
  })

  it('does not make wrong bytes right: they are read twice and never shown', async () => {
    const { directory } = await interrupted()
    const content = source(undefined, Buffer.alloc(bytes.length))
    await expect(new OciLayout(directory).push(descriptor, content)).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
    expect(content.reads.map(([offset]) => offset)).toEqual([2 * mebibyte, 0])
    expect(await filesIn(directory)).toEqual(['index.json', 'oci-layout'])
  })

  it('grows with each attempt that breaks off', async () => {
    const { directory, partial } = await interrupted()
    const content = source({ at: 3 * mebibyte, how: brokenOff })
    await expect(new OciLayout(directory).push(descriptor, content)).rejects.toBe(brokenOff)
    expect(content.reads).toEqual([[2 * mebibyte, mebibyte]])
    await expectBytes(partial, bytes.subarray(0, 3 * mebibyte))
  })

  it('is not touched by content that cannot be read from an offset on', async () => {
    const { directory, partial } = await interrupted()
    const { from: _from, ...content } = source()
    await new OciLayout(directory).push(descriptor, content)
    await expectBytes(blobFile(directory, descriptor.digest), bytes)
    await expectBytes(partial, bytes.subarray(0, 2 * mebibyte))
  })

  it('is not written through a link', async () => {
    const { directory, partial } = await interrupted()
    const outside = join(directory, 'outside')
    await writeFile(outside, 'mine')
    await nodeFs.unlink(partial)
    await symlink(outside, partial)
    const content = source()
    await new OciLayout(directory).push(descriptor, content)
    expect(content.reads).toEqual([[0, bytes.length]])
    expect(await readFile(outside, 'utf8')).toBe('mine')
    await expectBytes(blobFile(directory, descriptor.digest), bytes)
  })

  it('is not written to if it has another name, which may be that of any file', async () => {
    const { directory, partial } = await interrupted()
    const outside = join(directory, 'outside')
    await writeFile(outside, 'mine')
    await nodeFs.unlink(partial)
    await nodeFs.link(outside, partial)
    await new OciLayout(directory).push(descriptor, source())
    expect(await readFile(outside, 'utf8')).toBe('mine')
    await expectBytes(blobFile(directory, descriptor.digest), bytes)
  })

  it('is left alone where what stands for its lock is too large to be one', async () => {
    const { directory, partial } = await interrupted()
    await writeFile(`${partial}.lock`, Buffer.alloc(5000))
    expect(await new OciLayout(directory).push(descriptor, source())).toBe('copied')
    await expectBytes(partial, bytes.subarray(0, 2 * mebibyte))
  })

  it('is gone on with on a file system in memory', async () => {
    const { fs } = memfs()
    const first = new OciLayout('/layout', { fs: fs.promises })
    await expect(first.push(descriptor, source({ at: mebibyte, how: brokenOff }))).rejects.toBe(brokenOff)
    const content = source()
    const layout = new OciLayout('/layout', { fs: fs.promises })
    expect(await layout.push(descriptor, content)).toBe('copied')
    expect(content.reads).toEqual([[mebibyte, 3 * mebibyte]])
    expect(Buffer.concat(await Array.fromAsync(layout.fetch(descriptor))).equals(bytes)).toBe(true)
    expect(fs.existsSync('/layout/partial')).toBe(false)
  })
})

describe('a large blob that two write at once', () => {
  it('is gone on with by one, and written anew by the other, who does not wait', async () => {
    const { directory, partial } = await interrupted()
    const [one, other] = [source(), source()]
    const reached = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    const slow: Content = {
      ...one,
      from: async function* (offset) {
        reached.resolve()
        await held.promise
        yield* one.from?.(offset) ?? []
      },
    }
    const writing = new OciLayout(directory).push(descriptor, slow)
    await reached.promise
    expect(await new OciLayout(directory).push(descriptor, other)).toBe('copied')
    await expectBytes(partial, bytes.subarray(0, 2 * mebibyte))
    held.resolve()
    expect(await writing).toBe('copied')
    expect([one.reads, other.reads]).toEqual([[[2 * mebibyte, 2 * mebibyte]], [[0, bytes.length]]])
    await expectWhole(directory)
  })

  it('is not placed by one whose lock was lost', async () => {
    const directory = await scratchDirectory()
    const content = source()
    const robbed: Content = {
      ...content,
      async *[Symbol.asyncIterator]() {
        yield* content
        await nodeFs.unlink(join(directory, 'partial', `${name}.lock`))
      },
    }
    await expect(new OciLayout(directory).push(descriptor, robbed)).rejects.toMatchObject({ code: 'LOCKED' })
    expect(await filesIn(directory)).toEqual(['index.json', 'oci-layout', `partial/${name}`])
  })

  it.each([
    ['on this host, which is dead', 0, [[2 * mebibyte, 2 * mebibyte]]],
    ['elsewhere, who was seen an hour ago', 2 * 60 * 60, [[2 * mebibyte, 2 * mebibyte]]],
    ['elsewhere, who was just seen', 0, [[0, bytes.length]]],
  ])('is gone on with or not when the other one is a process %s', async (where, seconds, reads) => {
    const { directory, partial } = await interrupted()
    const lock = `${partial}.lock`
    const held = await acquireLock(lock, nodeFs)
    const holder = JSON.parse(await readFile(lock, 'utf8')) as Record<string, unknown>
    await held.release()
    const foreign = where.startsWith('elsewhere') ? { host: 'elsewhere' } : { pid: await deadProcess() }
    await writeFile(lock, JSON.stringify({ ...holder, ...foreign }))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 })
    onTestFinished(() => void vi.useRealTimers())
    const content = source()
    expect(await new OciLayout(directory).push(descriptor, content)).toBe('copied')
    expect(content.reads).toEqual(reads)
  })
})

describe('the folder for partial blobs', () => {
  it('is never made for a blob that is not large', async () => {
    const directory = await scratchDirectory()
    const small = bytes.subarray(0, mebibyte)
    const content = source({ at: 65_536, how: brokenOff }, small)
    await expect(new OciLayout(directory).push(blob(small), content)).rejects.toBe(brokenOff)
    expect(await readdir(directory)).toEqual(['index.json', 'oci-layout'])
  })

  it('loses after a week what nobody went on with, and with it goes', async () => {
    const { directory, partial } = await interrupted()
    await writeFile(`${partial}.lock`, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'x' }))
    const push = (text: string): Promise<unknown> =>
      new OciLayout(directory).push(blob(Buffer.from(text)), source(undefined, Buffer.from(text)))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 6 * 24 * 60 * 60 * 1000 })
    onTestFinished(() => void vi.useRealTimers())
    await push('a')
    expect(await readdir(directory)).toContain('partial')
    vi.setSystemTime(Date.now() + 2 * 24 * 60 * 60 * 1000)
    await push('b')
    expect(await readdir(directory)).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it('loses the lock of a dead process that has left nothing else, and keeps what is not ours', async () => {
    const { directory, partial } = await interrupted()
    const other = join(directory, 'partial', `sha256-${'0'.repeat(64)}.lock`)
    await writeFile(other, JSON.stringify({ pid: 1, host: 'elsewhere', token: 'x' }))
    await utimes(partial, 0, 0)
    await writeFile(join(directory, 'partial', 'mine.txt'), '')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 60 * 60 * 1000 })
    onTestFinished(() => void vi.useRealTimers())
    const text = Buffer.from('a')
    await new OciLayout(directory).push(blob(text), source(undefined, text))
    expect((await readdir(join(directory, 'partial'))).sort()).toEqual(['mine.txt', name])
  })

  it('loses what has arrived otherwise when the layout is opened the next time', async () => {
    const { directory } = await interrupted()
    const { from: _from, ...content } = source()
    await new OciLayout(directory).push(descriptor, content)
    expect(await readdir(join(directory, 'partial'))).toEqual([name])
    const text = Buffer.from('a')
    await new OciLayout(directory).push(blob(text), source(undefined, text))
    await expectWhole(directory)
  })

  it('keeps what has arrived otherwise while somebody is at it', async () => {
    const { directory, partial } = await interrupted()
    const { from: _from, ...content } = source()
    await new OciLayout(directory).push(descriptor, content)
    const lock = await acquireLock(`${partial}.lock`, nodeFs)
    onTestFinished(async () => void (await lock.release()))
    const text = Buffer.from('a')
    await new OciLayout(directory).push(blob(text), source(undefined, text))
    expect((await readdir(join(directory, 'partial'))).sort()).toEqual([name, `${name}.lock`])
  })

  it('loses after a week what attempts at a lock have left, and not before', async () => {
    const { directory, partial } = await interrupted()
    const left = [`${partial}.lock.takeover`, `${partial}.lock.0a1b2c3d-1234-1234-1234-0123456789ab`]
    const push = (text: string): Promise<unknown> =>
      new OciLayout(directory).push(blob(Buffer.from(text)), source(undefined, Buffer.from(text)))
    for (const path of left) await writeFile(path, '')
    await push('a')
    expect(await readdir(join(directory, 'partial'))).toHaveLength(3)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8 * 24 * 60 * 60 * 1000 })
    onTestFinished(() => void vi.useRealTimers())
    await push('b')
    expect(await readdir(directory)).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it('is not needed where a file is in its way', async () => {
    const directory = await scratchDirectory()
    await writeFile(join(directory, 'partial'), 'mine')
    await mkdir(join(directory, 'blobs'))
    await new OciLayout(directory).push(descriptor, source())
    await expectBytes(blobFile(directory, descriptor.digest), bytes)
    expect(await filesIn(directory)).toEqual([whole, 'index.json', 'oci-layout', 'partial'].sort())
  })
})

function turned(some: Uint8Array): Uint8Array {
  const copy = new Uint8Array(some)
  copy[1000] = (copy[1000] ?? 0) ^ 1
  return copy
}
