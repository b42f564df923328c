import { spawn, type ChildProcess } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { dropUpload, on, startFaultyRegistry, type FaultyRegistry } from '../../../src/testing/testing.ts'
import { newFolder } from '../../support/folder.ts'
import { blob, read } from '../contract/support.ts'

const mebibyte = 1024 * 1024
const size = 64 * mebibyte
const stalledAt = 41 * mebibyte
const bytes = randomFillSync(Buffer.alloc(size))
const descriptor = blob(bytes)
const folder = await newFolder()
afterAll(() => folder.remove())
const file = join(folder.path, 'blob')
await writeFile(file, bytes)

const script = fileURLToPath(new URL('upload-process.ts', import.meta.url))

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Runs the process to its end, and returns what it printed. */
async function run(args: readonly string[]): Promise<string> {
  const { stdout } = start(args)
  return stdout === null ? '' : text(stdout)
}

const sent = (registry: FaultyRegistry): number =>
  registry.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)

/** Kills an upload of the file when it has stalled; resolves to what had arrived when the registry has dealt with that. */
async function killedUpload(
  registry: FaultyRegistry,
  args: readonly string[],
  chunkBytes = 'Infinity',
): Promise<number> {
  const child = start([...args, chunkBytes, `${stalledAt}`])
  const ended = once(child, 'exit')
  onTestFinished(() => void child.kill('SIGKILL'))
  await expect.poll(() => sent(registry), { timeout: 20_000 }).toBeGreaterThan(stalledAt - mebibyte)
  child.kill('SIGKILL')
  await ended
  await expect.poll(() => registry.requests.every(({ isOver }) => isOver)).toBe(true)
  return sent(registry)
}

async function expectStored(registry: FaultyRegistry): Promise<void> {
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/a`)
  expect((await read(repository.fetch(descriptor))).equals(bytes)).toBe(true)
}

const methods = (registry: FaultyRegistry): readonly string[] => registry.requests.map(({ method }) => method)

describe('an upload whose process is killed in mid-blob', () => {
  it('goes on where the registry stands when it is run again', async () => {
    await using registry = await startFaultyRegistry()
    const journal = join(folder.path, 'whole')
    const args = [`${registry.host}/a`, journal, file]
    const arrived = await killedUpload(registry, args)
    const [record = ''] = (await readdir(journal)).filter((name) => !name.endsWith('.lock'))
    expect((await stat(join(journal, record))).mode & 0o777).toBe(0o600)
    expect((await stat(journal)).mode & 0o777).toBe(0o700)

    const count = registry.requests.length
    expect(await run(args)).toBe('copied')
    expect(sent(registry) - arrived).toBeLessThanOrEqual(size - arrived + 8 * mebibyte)
    expect(methods(registry).slice(count)).toEqual(['HEAD', 'GET', 'PATCH', 'PUT'])
    await expectStored(registry)
    expect(await readdir(journal)).toEqual([])
  }, 60_000)

  it('goes on with the chunks that arrived, also in smaller ones', async () => {
    await using registry = await startFaultyRegistry()
    const journal = join(folder.path, 'chunks')
    const args = [`${registry.host}/a`, journal, file]
    const arrived = await killedUpload(registry, args, `${8 * mebibyte}`)
    expect(await run([...args, `${4 * mebibyte}`])).toBe('copied')
    expect(sent(registry) - arrived).toBeLessThanOrEqual(size - 40 * mebibyte)
    await expectStored(registry)
    expect(await readdir(journal)).toEqual([])
  }, 60_000)

  it('is sent again where the registry has dropped what broke', async () => {
    await using registry = await startFaultyRegistry({
      faults: [on({ method: 'GET', endpoint: 'upload' }, dropUpload())],
    })
    const journal = join(folder.path, 'dropped')
    const args = [`${registry.host}/a`, journal, file]
    const arrived = await killedUpload(registry, args)
    expect(await run(args)).toBe('copied')
    expect(sent(registry) - arrived).toBe(size)
    await expectStored(registry)
    expect(await readdir(journal)).toEqual([])
  }, 60_000)
})
