import { execFile } from 'node:child_process'
import { lstat, mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { tarChunks, type LayerFile } from '../../../../src/copy/modifiers/layers/tar.ts'
import { newFolder } from '../../../support/folder.ts'

const long = `${'folder/'.repeat(20)}${'n'.repeat(120)}`
const content = Buffer.from('content')

const files: readonly LayerFile[] = [
  { path: 'bin/tool', content: Buffer.from('#!/bin/sh\n'), mode: 0o4755 },
  { type: 'directory', path: 'var/empty', mode: 0o1777 },
  { type: 'symlink', path: 'bin/link', target: '/bin/tool' },
  { type: 'symlink', path: 'bin/far', target: `../${'t'.repeat(150)}` },
  { path: long, content },
  { path: 'grüße-✓', content: Buffer.alloc(512, 'x') },
  { path: 'empty', content: Buffer.alloc(0) },
  { path: 'var/.wh.gone', content: Buffer.alloc(0) },
]

const tarOf = (entries: readonly LayerFile[], mtime = 0): Buffer =>
  Buffer.concat([...tarChunks(entries, mtime)])

describe('tarChunks', () => {
  it('makes what GNU tar unpacks to the same names, contents, modes, times and links', async () => {
    await using folder = await newFolder()
    const [archive, unpacked] = [join(folder.path, 'a.tar'), join(folder.path, 'unpacked')]
    await writeFile(archive, tarOf(files, 1_700_000_000))
    await mkdir(unpacked)
    await promisify(execFile)('tar', [
      '--extract',
      '--preserve-permissions',
      '--file',
      archive,
      '-C',
      unpacked,
    ])
    for (const file of files) {
      const path = join(unpacked, file.path)
      const stat = await lstat(path)
      expect(stat.mtimeMs).toBe(1_700_000_000_000)
      if (file.type === 'symlink') expect(await readlink(path)).toBe(file.target)
      else if (file.type === 'directory') expect(await readdir(path)).toEqual([])
      else expect(await readFile(path)).toEqual(file.content)
      if (file.mode !== undefined) expect(stat.mode & 0o7777).toBe(file.mode)
    }
  })

  it('names owners, nobody else, and ends with two empty blocks', async () => {
    await using folder = await newFolder()
    const archive = join(folder.path, 'a.tar')
    const tar = tarOf([{ path: 'a', content, uid: 7, gid: 8 }], 1)
    await writeFile(archive, tar)
    const list = ['--list', '--verbose', '--numeric-owner', '--utc', '--file', archive]
    const { stdout } = await promisify(execFile)('tar', list)
    expect(stdout).toBe('-rw-r--r-- 7/8               7 1970-01-01 00:00 a\n')
    expect(tar.length).toBe(4 * 512)
    expect(tar.subarray(1024).every((byte) => byte === 0)).toBe(true)
  })

  it('is the same whatever the order of the files', () => {
    expect(tarOf(files.toReversed())).toEqual(tarOf(files))
  })

  it.each(['', '/etc/passwd', '../up', 'a/../b', 'a/./b', 'a//b', 'a/', '.', 'nul\0', 'lone \ud800'])(
    'refuses the path %j',
    (path) => {
      expect(() => tarOf([{ path, content }])).toThrow(RangeError)
    },
  )

  it('refuses a path that stands there twice, or below what is no folder', () => {
    const twice: LayerFile[] = [
      { path: 'a', content },
      { type: 'symlink', path: 'a', target: 'b' },
    ]
    expect(() => tarOf(twice)).toThrow('twice')
    const below: LayerFile[] = [
      { type: 'symlink', path: 'a', target: '/etc' },
      { path: 'a/b/c', content },
    ]
    expect(() => tarOf(below)).toThrow('no folder')
  })

  it('refuses numbers and targets that no tar can hold', () => {
    expect(() => tarOf([{ path: 'a', content, mode: -1 }])).toThrow(RangeError)
    expect(() => tarOf([{ path: 'a', content, uid: 0o10000000 }])).toThrow(RangeError)
    expect(() => tarOf([{ path: 'a', content }], 1.5)).toThrow(RangeError)
    expect(() => tarOf([{ type: 'symlink', path: 'a', target: '' }])).toThrow(RangeError)
  })
})
