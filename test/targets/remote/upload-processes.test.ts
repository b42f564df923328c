import { randomFillSync } from 'node:crypto'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Repository } from '../../../src/targets/remote/repository.ts'
import { dropUpload, on, startFaultyRegistry, type FaultyRegistry } from '../../../src/testing/testing.ts'
import { newFolder } from '../../support/folder.ts'
import { killUpload, runUpload, type ChildUpload } from '../../support/upload-child.ts'
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

const sent = (registry: FaultyRegistry): number =>
  registry.requests.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0)

/** Kills an upload when it has stalled; resolves to what had arrived when the registry has dealt with that. */
async function killed(registry: FaultyRegistry, upload: ChildUpload): Promise<number> {
  const hasCome = (): Promise<void> => expect.poll(() => sent(registry)).toBeGreaterThan(stalledAt - mebibyte)
  await killUpload(upload, stalledAt, hasCome)
  await expect.poll(() => registry.requests.every(({ isOver }) => isOver)).toBe(true)
  return sent(registry)
}

const uploadTo = (registry: FaultyRegistry, name: string): ChildUpload => ({
  repository: `${registry.host}/a`,
  journal: join(folder.path, name),
  file,
})

async function expectStored(registry: FaultyRegistry): Promise<void> {
  await using repository = new Repository(`${new URL(registry.withoutFaults).host}/a`)
  expect((await read(repository.fetch(descriptor))).equals(bytes)).toBe(true)
}

const methods = (registry: FaultyRegistry): readonly string[] => registry.requests.map(({ method }) => method)

describe('an upload whose process is killed in mid-blob', () => {
  it('goes on where the registry stands when it is run again', async () => {
    await using registry = await startFaultyRegistry()
    const upload = uploadTo(registry, 'whole')
    const { journal } = upload
    const arrived = await killed(registry, upload)
    const [record = ''] = (await readdir(journal)).filter((name) => !name.endsWith('.lock'))
    expect((await stat(join(journal, record))).mode & 0o777).toBe(0o600)
    expect((await stat(journal)).mode & 0o777).toBe(0o700)

    const count = registry.requests.length
    expect(await runUpload(upload)).toBe('copied')
    expect(sent(registry) - arrived).toBeLessThanOrEqual(size - arrived + 8 * mebibyte)
    expect(methods(registry).slice(count)).toEqual(['HEAD', 'GET', 'PATCH', 'PUT'])
    await expectStored(registry)
    expect(await readdir(journal)).toEqual([])
  }, 60_000)

  it('goes on with the chunks that arrived, also in smaller ones', async () => {
    await using registry = await startFaultyRegistry()
    const upload = uploadTo(registry, 'chunks')
    const arrived = await killed(registry, { ...upload, chunkBytes: 8 * mebibyte })
    expect(await runUpload({ ...upload, chunkBytes: 4 * mebibyte })).toBe('copied')
    expect(sent(registry) - arrived).toBeLessThanOrEqual(size - 40 * mebibyte)
    await expectStored(registry)
    expect(await readdir(upload.journal)).toEqual([])
  }, 60_000)

  it('is sent again where the registry has dropped what broke', async () => {
    await using registry = await startFaultyRegistry({
      faults: [on({ method: 'GET', endpoint: 'upload' }, dropUpload())],
    })
    const upload = uploadTo(registry, 'dropped')
    const arrived = await killed(registry, upload)
    expect(await runUpload(upload)).toBe('copied')
    expect(sent(registry) - arrived).toBe(size)
    await expectStored(registry)
    expect(await readdir(upload.journal)).toEqual([])
  }, 60_000)
})
