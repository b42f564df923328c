import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../src/content/digest.ts'
import { readDescriptorFile, writeDescriptorFile } from '../../src/targets/descriptor-file.ts'
import { newFolder } from '../support/folder.ts'

const made = { mediaType: 'application/a', digest: digestOf(Buffer.from('a')), size: 1 }
const other = { mediaType: 'application/b', digest: digestOf(Buffer.from('b')), size: 1 }

describe('A descriptor in a folder', () => {
  it('is found under its key, and what was written last is', async () => {
    await using folder = await newFolder()
    const path = join(folder.path, 'made', 'when needed')
    expect(await readDescriptorFile(path, 'key')).toBeUndefined()
    await writeDescriptorFile(path, 'key', { ...made, annotations: { not: 'kept' } })
    expect(await readDescriptorFile(path, 'key')).toEqual(made)
    await writeDescriptorFile(path, 'key', other)
    expect(await readDescriptorFile(path, 'key')).toEqual(other)
    expect(await readDescriptorFile(path, 'another key')).toBeUndefined()
    expect(await readdir(path)).toHaveLength(1)
  })

  it('is whole when many write it', async () => {
    await using folder = await newFolder()
    const writes = Array.from({ length: 40 }, (_, at) =>
      writeDescriptorFile(folder.path, 'key', at % 2 ? made : other),
    )
    await Promise.all(writes)
    expect([made, other]).toContainEqual(await readDescriptorFile(folder.path, 'key'))
    expect(await readdir(folder.path)).toHaveLength(1)
  })

  it('is for its owner alone, in a folder for its owner alone', async () => {
    await using folder = await newFolder()
    const path = join(folder.path, 'made')
    await writeDescriptorFile(path, 'key', made)
    const [name = ''] = await readdir(path)
    expect((await stat(path)).mode & 0o777).toBe(0o700)
    expect((await stat(join(path, name))).mode & 0o777).toBe(0o600)
  })

  it.each([
    ['a path upwards', '../escaped'],
    ['an absolute path', '/etc/passwd'],
    ['the folder above', '..'],
    ['nothing', ''],
    ['a zero byte', 'a\0b'],
    ['more than a name can have', 'long'.repeat(1000)],
  ])('stays in its folder, whatever its key: %s', async (_, key) => {
    await using folder = await newFolder()
    const path = join(folder.path, 'memory')
    await writeDescriptorFile(path, key, made)
    expect(await readDescriptorFile(path, key)).toEqual(made)
    expect(await readdir(folder.path)).toEqual(['memory'])
    expect(await readdir(path)).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)])
  })

  it.each([
    ['nothing', ''],
    ['half a file', '{"mediaType":"application/a","digest":"sha256:'],
    ['no object', '7'],
    ['no descriptor', '{}'],
    ['a digest that is none', JSON.stringify({ ...made, digest: 'sha256:../..' })],
    ['a size that is none', JSON.stringify({ ...made, size: -1 })],
    ['more than fits', JSON.stringify({ ...made, annotations: { a: 'x'.repeat(20_000) } })],
    ['deep nonsense', '['.repeat(10_000)],
  ])('that is broken counts as none, and can be written again: %s', async (_, text) => {
    await using folder = await newFolder()
    await writeDescriptorFile(folder.path, 'key', made)
    const [name = ''] = await readdir(folder.path)
    await writeFile(join(folder.path, name), text)
    expect(await readDescriptorFile(folder.path, 'key')).toBeUndefined()
    await writeDescriptorFile(folder.path, 'key', made)
    expect(await readDescriptorFile(folder.path, 'key')).toEqual(made)
  })

  it('is no link to another file, which is neither read nor written', async () => {
    await using folder = await newFolder()
    const [path, elsewhere] = [join(folder.path, 'memory'), join(folder.path, 'elsewhere')]
    await writeDescriptorFile(path, 'key', made)
    const [name = ''] = await readdir(path)
    const planted = join(folder.path, 'planted')
    await mkdir(planted)
    await writeFile(elsewhere, JSON.stringify(other))
    await symlink(elsewhere, join(planted, name))
    expect(await readDescriptorFile(planted, 'key')).toBeUndefined()
    await writeDescriptorFile(planted, 'key', made)
    expect(await readFile(elsewhere, 'utf8')).toBe(JSON.stringify(other))
    expect(await readDescriptorFile(planted, 'key')).toEqual(made)
  })

  it('fails where there is a file in place of the folder', async () => {
    await using folder = await newFolder()
    const path = join(folder.path, 'file')
    await writeFile(path, '')
    await expect(writeDescriptorFile(path, 'key', made)).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(readDescriptorFile(path, 'key')).rejects.toMatchObject({ code: 'ENOTDIR' })
    expect(await readdir(folder.path)).toEqual(['file'])
  })
})
