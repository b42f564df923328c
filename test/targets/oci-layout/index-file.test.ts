import * as fs from 'node:fs/promises'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { memfs } from 'memfs'
import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { LayoutFileSystem } from '../../../src/targets/oci-layout/file-system.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { currentOwner } from '../../../src/targets/owner.ts'
import { graph } from '../../support/graph.ts'
import { filesIn, scratchDirectory } from './scratch.ts'

const nodes = graph({ m1: ['config'] })
const m1 = nodes.descriptor('m1')

/** Counts how often a file of this name comes into being. */
function countingRenames(inner: LayoutFileSystem, name: string): { fs: LayoutFileSystem; count(): number } {
  let count = 0
  return {
    fs: {
      ...inner,
      rename: (from, to) => {
        if (to.endsWith(name)) count += 1
        return inner.rename(from, to)
      },
    },
    count: () => count,
  }
}

async function untilListening(signal: AbortSignal): Promise<void> {
  while (getEventListeners(signal, 'abort').length === 0) await new Promise(setImmediate)
}

async function lockedLayout(): Promise<string> {
  const directory = await scratchDirectory()
  await nodes.pushTo(new OciLayout(directory))
  const holder = { ...(await currentOwner()), token: 'alive' }
  await writeFile(join(directory, 'index.json.lock'), JSON.stringify(holder))
  return directory
}

describe('index.json', () => {
  it('is written a few times for a thousand tags at once', async () => {
    const counting = countingRenames(fs, 'index.json')
    const layout = new OciLayout(await scratchDirectory(), { fs: counting.fs })
    await nodes.pushTo(layout)
    const before = counting.count()
    await Promise.all(Array.from({ length: 1_000 }, (_, at) => layout.tag(m1, `v${at}`)))
    expect(counting.count() - before).toBeLessThan(20)
    expect(await Array.fromAsync(layout.tags())).toHaveLength(1_000)
  })

  it('is not written when nothing changes', async () => {
    const counting = countingRenames(memfs().fs.promises, 'index.json')
    const layout = new OciLayout('/layout', { fs: counting.fs })
    await nodes.pushTo(layout)
    await layout.tag(m1, 'v1')
    const before = counting.count()
    await layout.tag(m1, 'v1')
    await nodes.pushTo(layout)
    expect(counting.count()).toBe(before)
  })

  it('fails for the one that asked for the impossible, not for those it is written with', async () => {
    const layout = new OciLayout(await scratchDirectory())
    await nodes.pushTo(layout)
    const results = await Promise.allSettled([
      layout.tag(m1, 'a'),
      layout.untag('nothing'),
      layout.tag(m1, 'b'),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await Array.fromAsync(layout.tags())).toEqual(['a', 'b'])
  })

  it('is waited for while another process holds the lock, which is then named', async () => {
    const layout = new OciLayout(await lockedLayout(), { lockTimeoutMilliseconds: 50 })
    const results = await Promise.allSettled([layout.tag(m1, 'a'), layout.tag(m1, 'b')])
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'LOCKED', message: expect.stringContaining(String(process.pid)) },
      })
    }
  })

  it('is no longer waited for after an abort, while others go on to wait', async () => {
    const directory = await lockedLayout()
    const layout = new OciLayout(directory)
    const controller = new AbortController()
    const reason = new Error('stop')
    const aborted = layout.tag(m1, 'aborted', { signal: controller.signal })
    const kept = layout.tag(m1, 'kept')
    controller.abort(reason)
    await expect(aborted).rejects.toBe(reason)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    await rm(join(directory, 'index.json.lock'))
    await kept
    expect(await Array.fromAsync(layout.tags())).toEqual(['kept'])
  })

  it('can be written again after the only one that waited was aborted', async () => {
    const directory = await lockedLayout()
    const layout = new OciLayout(directory)
    const reason = new Error('stop')
    const controller = new AbortController()
    const aborted = layout.tag(m1, 'aborted', { signal: controller.signal })
    setImmediate(() => controller.abort(reason))
    await expect(aborted).rejects.toBe(reason)
    await rm(join(directory, 'index.json.lock'))
    await layout.tag(m1, 'v1')
    expect(await Array.fromAsync(layout.tags())).toEqual(['v1'])
  })

  it('tells those who come while it is written once more what became of them', async () => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory))
    const path = join(directory, 'index.json')
    const later: Promise<unknown>[] = []
    const reason = new Error('stop')
    const [staying, leaving] = [new AbortController(), new AbortController()]
    const losing: LayoutFileSystem = {
      ...fs,
      async rename(from: string, to: string) {
        await fs.rename(from, to)
        if (to !== path || later.length > 0) return
        await rm(`${path}.lock`)
        later.push(layout.untag('nothing', { signal: staying.signal }).catch((error: unknown) => error))
        await untilListening(staying.signal)
        later.push(layout.tag(m1, 'left', { signal: leaving.signal }).catch((error: unknown) => error))
        await untilListening(leaving.signal)
        leaving.abort(reason)
      },
    }
    const layout = new OciLayout(directory, { fs: losing })
    await layout.tag(m1, 'v1')
    expect(await Promise.all(later)).toEqual([expect.objectContaining({ code: 'NOT_FOUND' }), reason])
    expect(await Array.fromAsync(new OciLayout(directory).tags())).toEqual(['v1'])
  })

  it('is written once more for its own sake when the only one that came meanwhile has left', async () => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory))
    const path = join(directory, 'index.json')
    const old = await readFile(path)
    const reason = new Error('stop')
    const leaving = new AbortController()
    let left: Promise<unknown> | undefined
    const losing: LayoutFileSystem = {
      ...fs,
      async rename(from: string, to: string) {
        await fs.rename(from, to)
        if (to !== path || left !== undefined) return
        await rm(`${path}.lock`)
        await writeFile(path, old)
        left = layout.tag(m1, 'left', { signal: leaving.signal }).catch((error: unknown) => error)
        await untilListening(leaving.signal)
        leaving.abort(reason)
      },
    }
    const layout = new OciLayout(directory, { fs: losing })
    await layout.tag(m1, 'v1')
    expect(await left).toBe(reason)
    expect(await Array.fromAsync(new OciLayout(directory).tags())).toEqual(['v1'])
  })

  it.each([
    ['before it is replaced', 'before'],
    ['after it was replaced, and the other process writes over it', 'after'],
  ])('is written once more when the lock is lost %s', async (_what, when) => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory))
    const path = join(directory, 'index.json')
    const old = await readFile(path)
    let isLost = false
    const stealing: LayoutFileSystem = {
      ...fs,
      async rename(from: string, to: string) {
        await fs.rename(from, to)
        if (when !== 'after' || to !== path || isLost) return
        isLost = true
        await rm(`${path}.lock`)
        await writeFile(path, old)
      },
      async lstat(file: string) {
        if (when === 'before' && file.includes('ingest') && !isLost) {
          isLost = true
          await rm(`${path}.lock`)
        }
        return fs.lstat(file)
      },
    }
    const layout = new OciLayout(directory, { fs: stealing })
    await layout.tag(m1, 'v1')
    expect(isLost).toBe(true)
    expect(await Array.fromAsync(new OciLayout(directory).tags())).toEqual(['v1'])
    expect(await readdir(directory)).not.toContain('index.json.lock')
  })
})

describe('a disk that fails', () => {
  /** Fails where `isFailing` says so. */
  function failing(code: string, isFailing: (operation: string, path: string) => boolean): LayoutFileSystem {
    const error = Object.assign(new Error(`${code}: injected`), { code })
    const check = (operation: string, path: string): void => {
      if (isFailing(operation, path)) throw error
    }
    return {
      ...fs,
      async open(path: string, flags: number) {
        if (flags !== 0 && (flags & 0o101) !== 0) check('create', path)
        const file = await fs.open(path, flags)
        const writev = file.writev.bind(file)
        return Object.assign(file, {
          writev: async (buffers: Uint8Array[]) => {
            check('write', path)
            return writev(buffers)
          },
        })
      },
      async rename(from: string, to: string) {
        check('rename', to)
        await fs.rename(from, to)
      },
    }
  }

  it.each([
    ['ENOSPC', 'write', 'ingest'],
    ['EROFS', 'create', 'ingest'],
    ['EIO', 'rename', 'blobs'],
  ])(
    'with %s on %s leaves no blob and no temporary file, and tells its code',
    async (code, operation, where) => {
      const directory = await scratchDirectory()
      await new OciLayout(directory).push(nodes.descriptor('config'), {
        async *[Symbol.asyncIterator]() {
          yield nodes.node('config').bytes
        },
      })
      const before = await filesIn(directory)
      const disk = failing(code, (what, path) => what === operation && path.includes(where))
      await expect(nodes.pushTo(new OciLayout(directory, { fs: disk }), ['m1'])).rejects.toMatchObject({
        code,
      })
      expect(await filesIn(directory)).toEqual(before)
      expect(await readdir(directory)).not.toContain('ingest')
    },
  )

  it.each([
    ['ENOSPC', 'write', 'index.json.lock'],
    ['ENOSPC', 'write', 'ingest'],
    ['EROFS', 'create', 'index.json.lock'],
    ['EIO', 'rename', 'index.json'],
  ])('with %s on %s of %s leaves index.json as it was', async (code, operation, where) => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory))
    await new OciLayout(directory).tag(m1, 'v1')
    const before = await readFile(join(directory, 'index.json'), 'utf8')
    const files = await filesIn(directory)
    const disk = failing(code, (what, path) => what === operation && path.includes(where))
    const layout = new OciLayout(directory, { fs: disk })
    await expect(layout.tag(m1, 'v2')).rejects.toMatchObject({ code })
    expect(await readFile(join(directory, 'index.json'), 'utf8')).toBe(before)
    expect(await filesIn(directory)).toEqual(files)
    await new OciLayout(directory).tag(m1, 'v2')
  })

  it('of a folder that is not there yet leaves nothing in it', async () => {
    const directory = join(await scratchDirectory(), 'layout')
    const disk = failing('EROFS', (operation) => operation === 'create')
    await expect(nodes.pushTo(new OciLayout(directory, { fs: disk }))).rejects.toMatchObject({
      code: 'EROFS',
    })
    expect(await filesIn(directory)).toEqual([])
  })
})
