import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { currentOwner } from '../../../src/targets/owner.ts'
import { graph } from '../../support/graph.ts'
import { deadProcess, listedIn, scratchDirectory } from './scratch.ts'

const program = fileURLToPath(new URL('writer-process.ts', import.meta.url))
const names = ['a', 'b', 'c', 'd']

function start(directory: string, name: string, ...more: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [program, directory, name, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function ended(child: ChildProcess): Promise<unknown> {
  const [code] = await once(child, 'exit')
  return code
}

/** Reads index.json again and again; counts how often, and fails if it is ever broken. */
function watchIndex(directory: string): { stop(): Promise<number> } {
  const stopping = new AbortController()
  const watching = (async () => {
    let valid = 0
    while (!stopping.signal.aborted) {
      const text = await readFile(join(directory, 'index.json'), 'utf8').catch(() => undefined)
      if (text === undefined) continue
      expect(JSON.parse(text)).toMatchObject({ schemaVersion: 2 })
      valid += 1
    }
    return valid
  })()
  return {
    stop: () => {
      stopping.abort()
      return watching
    },
  }
}

const allTags = names.flatMap((name) => Array.from({ length: 25 }, (_, at) => `${name}-${at}`)).sort()

describe('a layout that several processes write to', () => {
  it('loses no tag, and its index.json is whole at every moment', async () => {
    const directory = join(await scratchDirectory(), 'layout')
    const watcher = watchIndex(directory)
    const codes = await Promise.all(names.map((name) => ended(start(directory, name))))
    expect(await watcher.stop()).toBeGreaterThan(10)
    expect(codes).toEqual([0, 0, 0, 0])
    expect(await Array.fromAsync(new OciLayout(directory).tags())).toEqual(allTags)
    expect(await listedIn(directory)).toHaveLength(100)
    expect((await readdir(directory)).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
  })

  it('loses no tag when one of them is killed in the middle of writing and run again', async () => {
    const directory = join(await scratchDirectory(), 'layout')
    const victim = start(directory, 'a', 'stall')
    const others = ['b', 'c', 'd'].map((name) => ended(start(directory, name)))
    await once(victim.stdout ?? victim, 'data')
    expect(await readdir(join(directory, 'ingest'))).not.toEqual([])
    victim.kill('SIGKILL')
    await ended(victim)
    expect(await Promise.all(others)).toEqual([0, 0, 0])
    expect(await Array.fromAsync(new OciLayout(directory).tags())).toHaveLength(75 + 7)
    expect(await ended(start(directory, 'a'))).toBe(0)
    expect(await Array.fromAsync(new OciLayout(directory).tags())).toEqual(allTags)
    expect((await readdir(directory)).sort()).toEqual(['blobs', 'index.json', 'oci-layout'])
  })
})

describe('what a dead process left in a layout', () => {
  const nodes = graph({ m1: ['config'] })

  it('is removed by the next writer, if it was on this host; what others write is left alone', async () => {
    const directory = await scratchDirectory()
    const ingest = join(directory, 'ingest')
    const [own = ''] = await temporaryNames(new OciLayout(directory), directory, ['blob'])
    const dead = own.replace(`-${process.pid}-`, `-${await deadProcess()}-`)
    const foreign = dead.replace(/^copygraph-[0-9a-f]{16}/, `copygraph-${'0'.repeat(16)}`)
    await mkdir(ingest)
    for (const name of [own, dead, foreign, 'other.tmp']) await writeFile(join(ingest, name), '')
    await nodes.pushTo(new OciLayout(directory))
    expect((await readdir(ingest)).sort()).toEqual([own, foreign, 'other.tmp'].sort())
  })

  it('is removed after a week wherever it was', async () => {
    const directory = await scratchDirectory()
    const ingest = join(directory, 'ingest')
    const foreign = `copygraph-${'0'.repeat(16)}-1-${'0'.repeat(16)}-7`
    await mkdir(ingest)
    for (const name of [foreign, 'other.tmp']) await writeFile(join(ingest, name), '')
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8 * 24 * 60 * 60 * 1000 })
    onTestFinished(() => void vi.useRealTimers())
    await nodes.pushTo(new OciLayout(directory))
    expect(await readdir(ingest)).toEqual(['other.tmp'])
  })

  it('does not stop the next one: its lock is taken over', async () => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory))
    const holder = { ...(await currentOwner()), pid: await deadProcess(), token: 'dead' }
    await writeFile(join(directory, 'index.json.lock'), JSON.stringify(holder))
    await new OciLayout(directory).tag(nodes.descriptor('m1'), 'v1')
    expect(await listedIn(directory)).toEqual([`v1 ${nodes.descriptor('m1').digest}`])
  })
})

it('the temporary names of one layout differ in a number alone, and no two layouts share them', async () => {
  const directory = await scratchDirectory()
  const [one, other] = [new OciLayout(directory), new OciLayout(directory)]
  const used = await temporaryNames(one, directory, ['a', 'b', 'c'])
  const prefixes = used.map((name) => name.replace(/-\d+$/, ''))
  expect(new Set(used).size).toBe(3)
  expect(new Set(prefixes).size).toBe(1)
  const [foreign = ''] = await temporaryNames(other, directory, ['d'])
  expect(foreign.replace(/-\d+$/, '')).not.toBe(prefixes[0])
})

/** The names under which a layout writes blobs, one after the other. */
async function temporaryNames(
  layout: OciLayout,
  directory: string,
  blobs: readonly string[],
): Promise<readonly string[]> {
  const seen: string[] = []
  for (const blob of blobs) {
    const { descriptor, bytes } = graph({ [blob]: {} }).node(blob)
    await layout.push(descriptor, {
      async *[Symbol.asyncIterator]() {
        seen.push(...(await readdir(join(directory, 'ingest'))))
        yield bytes
      },
    })
  }
  expect(seen).toHaveLength(blobs.length)
  return seen
}
