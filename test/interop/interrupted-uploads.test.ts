import { randomFillSync } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Repository } from '../../src/targets/remote/repository.ts'
import { newFolder } from '../support/folder.ts'
import { startDockerRegistry } from '../support/peer-registries.ts'
import { describePeers } from '../support/peers.ts'
import { killUpload, runUpload } from '../support/upload-child.ts'
import { blob, read } from '../targets/contract/support.ts'

const mebibyte = 1024 * 1024
const bytes = randomFillSync(Buffer.alloc(32 * mebibyte))

describePeers(['docker-registry'], 'An upload to docker-registry whose process is killed', () => {
  it.each([
    ['one request', undefined],
    ['chunks', 8 * mebibyte],
  ])('in %s completes when it is run again', async (_how, chunkBytes) => {
    await using folder = await newFolder()
    await using registry = await startDockerRegistry()
    const file = join(folder.path, 'blob')
    await writeFile(file, bytes)
    const journal = join(folder.path, 'journal')
    const upload = { repository: `${registry.host}/a`, journal, file, chunkBytes }
    await killUpload(upload, 20 * mebibyte, () => expect.poll(() => readdir(journal)).toHaveLength(2))
    expect(await runUpload(upload)).toBe('copied')
    await using repository = new Repository(`${registry.host}/a`)
    expect((await read(repository.fetch(blob(bytes)))).equals(bytes)).toBe(true)
    expect(await readdir(journal)).toEqual([])
  })
})
