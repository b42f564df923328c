import * as fs from 'node:fs/promises'
import { readdir, readFile, rename, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { acquireLock, tryLock, type Lock } from '../../src/targets/lock.ts'
import { currentOwner } from '../../src/targets/owner.ts'
import { deadProcess, scratchDirectory } from './oci-layout/scratch.ts'

async function holderFile(holder: Partial<{ pid: number; host: string; token: string }>): Promise<string> {
  const path = join(await scratchDirectory(), 'lock')
  const owner = await currentOwner()
  await writeFile(path, JSON.stringify({ ...owner, token: 'of somebody else', ...holder }))
  return path
}

describe('a lock', () => {
  it('is held by one, and is gone when it is released', async () => {
    const directory = await scratchDirectory()
    const path = join(directory, 'lock')
    const lock = await acquireLock(path, fs)
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      pid: process.pid,
      host: expect.stringContaining(hostname()),
    })
    await expect(acquireLock(path, fs, { timeoutMilliseconds: 30 })).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining(`process ${process.pid} on ${hostname()}`),
    })
    expect(await lock.isHeld()).toBe(true)
    expect(await lock.release()).toBe(true)
    expect(await readdir(directory)).toEqual([])
  })

  it.runIf(process.platform === 'linux')(
    'names the boot of its host, whose name others may have',
    async () => {
      const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
      expect((await currentOwner()).host).toContain(boot.trim())
    },
  )

  it('lets one in after the other', async () => {
    const path = join(await scratchDirectory(), 'lock')
    let inside = 0
    let most = 0
    const work = async (): Promise<void> => {
      const lock = await acquireLock(path, fs)
      inside += 1
      most = Math.max(most, inside)
      await readFile(path)
      inside -= 1
      await lock.release()
    }
    await Promise.all(Array.from({ length: 12 }, work))
    expect(most).toBe(1)
  })

  it('of a dead process on this host is taken over at once, by one of many', async () => {
    const path = await holderFile({ pid: await deadProcess() })
    const started = performance.now()
    const held: Lock[] = []
    const work = async (): Promise<void> => {
      const lock = await acquireLock(path, fs)
      held.push(lock)
      expect(await lock.isHeld()).toBe(true)
      expect(await lock.release()).toBe(true)
    }
    await Promise.all(Array.from({ length: 8 }, work))
    expect(held).toHaveLength(8)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(await readdir(join(path, '..'))).toEqual([])
  })

  it.each([
    ['a living process on this host', {}],
    ['a process on another host, whose number means nothing here', { host: 'elsewhere' }],
  ])('of %s is waited for, and taken over when it gives no sign of life', async (_who, holder) => {
    const path = await holderFile({ pid: process.pid, ...holder })
    await expect(
      acquireLock(path, fs, { staleMilliseconds: 60_000, timeoutMilliseconds: 50 }),
    ).rejects.toMatchObject({ code: 'LOCKED' })
    const lock = await acquireLock(path, fs, { staleMilliseconds: 100, timeoutMilliseconds: 10_000 })
    expect(await lock.isHeld()).toBe(true)
    await lock.release()
  })

  it('of a dead process on another host is not taken over at once', async () => {
    const path = await holderFile({ pid: await deadProcess(), host: 'elsewhere' })
    await expect(acquireLock(path, fs, { timeoutMilliseconds: 50 })).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining('elsewhere'),
    })
  })

  it('that gives signs of life is not taken over', async () => {
    const path = await holderFile({ host: 'elsewhere' })
    const beat = setInterval(() => void fs.utimes(path, new Date(), new Date()).catch(() => {}), 20)
    try {
      const waiting = acquireLock(path, fs, { staleMilliseconds: 200, timeoutMilliseconds: 600 })
      await expect(waiting).rejects.toMatchObject({ code: 'LOCKED' })
    } finally {
      clearInterval(beat)
    }
  })

  it.each(['', 'not JSON', '{"pid":"x"}'])(
    'with the content %j belongs to somebody unknown',
    async (text) => {
      const path = join(await scratchDirectory(), 'lock')
      await writeFile(path, text)
      await expect(acquireLock(path, fs, { timeoutMilliseconds: 30 })).rejects.toMatchObject({
        code: 'LOCKED',
        message: expect.stringContaining('an unknown process'),
      })
      const lock = await acquireLock(path, fs, { staleMilliseconds: 50 })
      expect(await lock.release()).toBe(true)
    },
  )

  it('that was taken away is known to be lost, and the other one is left alone', async () => {
    const path = join(await scratchDirectory(), 'lock')
    const lost = await acquireLock(path, fs)
    await rename(path, `${path}.moved`)
    const other = await acquireLock(path, fs)
    expect(await lost.isHeld()).toBe(false)
    expect(await lost.release()).toBe(false)
    expect(await other.isHeld()).toBe(true)
    expect(await other.release()).toBe(true)
  })

  it('is no longer waited for after an abort', async () => {
    const path = await holderFile({})
    const controller = new AbortController()
    const reason = new Error('stop')
    const waiting = acquireLock(path, fs, { signal: controller.signal })
    queueMicrotask(() => controller.abort(reason))
    await expect(waiting).rejects.toBe(reason)
  })

  it('leaves no file when the disk is too full for its content', async () => {
    const directory = await scratchDirectory()
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    const failing = {
      ...fs,
      open: async (path: string, flags: number) =>
        Object.assign(await fs.open(path, flags), { writev: () => Promise.reject(full) }),
    }
    await expect(acquireLock(join(directory, 'lock'), failing)).rejects.toBe(full)
    expect(await readdir(directory)).toEqual([])
  })
})

describe('a lock that nobody waits for', () => {
  const hours = (count: number): void => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + count * 60 * 60 * 1000 })
    onTestFinished(() => void vi.useRealTimers())
  }

  it('is not had while another one has it, and is had afterwards', async () => {
    const path = join(await scratchDirectory(), 'lock')
    const lock = await tryLock(path, fs)
    expect(await tryLock(path, fs)).toBeUndefined()
    await lock?.release()
    const next = await tryLock(path, fs)
    expect(await next?.release()).toBe(true)
  })

  it('is taken from another host that has not touched it for an hour, and not from one that has', async () => {
    const path = await holderFile({ host: 'elsewhere' })
    expect(await tryLock(path, fs)).toBeUndefined()
    hours(2)
    const lock = await tryLock(path, fs)
    expect(await lock?.isHeld()).toBe(true)
    await lock?.release()
  })

  it('is taken over by one of many, who keeps it', async () => {
    const path = await holderFile({ host: 'elsewhere' })
    const fresh = Date.now()
    vi.useFakeTimers({ toFake: ['Date'], now: fresh })
    onTestFinished(() => void vi.useRealTimers())
    await utimes(path, 0, 0)
    vi.setSystemTime(fresh + 2 * 60 * 60 * 1000)
    const slow = {
      ...fs,
      lstat: async (at: string) => {
        const status = await fs.lstat(at)
        // As the status of a disk whose clock is right: what is made now is new.
        const isOld = status.mtimeMs === 0
        return Object.assign(status, { ctimeMs: isOld ? fresh : Date.now() })
      },
    }
    const taken = await Promise.all(Array.from({ length: 8 }, () => tryLock(path, slow)))
    const held = taken.filter((lock) => lock !== undefined)
    expect(held).toHaveLength(1)
    expect(await held[0]?.isHeld()).toBe(true)
    await held[0]?.release()
  })
})
