import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { newFolder } from '../support/folder.ts'
import { describePeers, run, samplePath, type RunResult } from '../support/peers.ts'
import { expectSampleGraph, sampleDigest, taggedDigest } from './layout-files.ts'

/*
 * The command on disks that are full or read-only. Each script runs in a mount namespace of its own, in which $disk is
 * the disk, and leaves what it wants to be looked at in $kept, which is an ordinary folder.
 */

const mainFile = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

describePeers(['sample', 'unshare'], 'copygraph cp on a full disk', () => {
  it('fails with one sentence, leaves nothing half-written and no tag, and completes when there is room', async () => {
    await using kept = await newFolder()
    const { code, stdout, stderr } = await onDisk(
      kept.path,
      `mount -t tmpfs -o size=8m tmpfs "$disk"
       if cp_sample multi "oci:$disk/layout:v1"; then exit 99; else code=$?; fi
       cp -a "$disk/layout" "$kept/first"
       mount -o remount,size=256m "$disk"
       cp_sample multi "oci:$disk/layout:v1" 2>/dev/null
       cp -a "$disk/layout" "$kept/second"
       exit $code`,
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expectOneSentence(stderr, /no space left/i)
    await expectNothingHalfWritten(join(kept.path, 'first'))
    await expect(tagsIn(join(kept.path, 'first'))).resolves.toEqual([])
    expect(await taggedDigest(join(kept.path, 'second'), 'v1')).toBe(await sampleDigest('multi'))
    await expectSampleGraph(join(kept.path, 'second'), await sampleDigest('multi'))
  })

  it('keeps what was in the layout before', async () => {
    await using kept = await newFolder()
    const { code, stderr } = await onDisk(
      kept.path,
      `mount -t tmpfs -o size=40m tmpfs "$disk"
       cp_sample single "oci:$disk/layout:v1"
       if cp_sample multi "oci:$disk/layout:v1,v2"; then exit 99; else code=$?; fi
       cp -a "$disk/layout" "$kept/layout"
       exit $code`,
    )
    expect(code).toBe(1)
    expectOneSentence(stderr, /no space left/i)
    await expectNothingHalfWritten(join(kept.path, 'layout'))
    expect(await tagsIn(join(kept.path, 'layout'))).toEqual(['v1'])
    expect(await taggedDigest(join(kept.path, 'layout'), 'v1')).toBe(await sampleDigest('single'))
  })
})

describePeers(['sample', 'unshare'], 'copygraph cp on a read-only disk', () => {
  it('refuses to write there with one sentence', async () => {
    await using kept = await newFolder()
    const { code, stdout, stderr } = await onDisk(
      kept.path,
      `mount --bind "$disk" "$disk"
       mount -o remount,bind,ro "$disk"
       cp_sample multi "oci:$disk/layout:v1"`,
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expectOneSentence(stderr, /read-only/i)
    expect(await readdir(join(kept.path, 'disk'))).toEqual([])
  })

  it('refuses to add to a layout there, and reads one', async () => {
    await using kept = await newFolder()
    const { code, stderr } = await onDisk(
      kept.path,
      `cp_sample single "oci:$disk/layout:v1"
       mount --bind "$disk" "$disk"
       mount -o remount,bind,ro "$disk"
       "$node" "$main" cp --quiet "oci:$disk/layout:v1" "oci:$kept/copy:v1" >/dev/null
       cp_sample multi "oci:$disk/layout:v2"`,
    )
    expect(code).toBe(1)
    expectOneSentence(stderr, /read-only/i)
    await expectSampleGraph(join(kept.path, 'copy'), await sampleDigest('single'))
    expect(await tagsIn(join(kept.path, 'disk', 'layout'))).toEqual(['v1'])
  })
})

/** Runs a bash script; `cp_sample TAG DESTINATION` copies from the sample. */
function onDisk(kept: string, script: string): Promise<RunResult> {
  const prelude = `set -eu
    mkdir "$disk"
    cp_sample() { "$node" "$main" cp --quiet "oci:$sample:$1" "$2" >"$kept/stdout"; }`
  return run('unshare', ['--mount', 'bash', '-c', `${prelude}\n${script}`], {
    environment: {
      disk: join(kept, 'disk'),
      kept,
      node: process.execPath,
      main: mainFile,
      sample: samplePath(),
    },
  })
}

function expectOneSentence(stderr: string, about: RegExp): void {
  const lines = stderr.trimEnd().split('\n')
  expect(lines).toHaveLength(2)
  expect(lines[0]).toMatch(/^Error: /)
  expect(lines[0]).toMatch(about)
  expect(lines[1]).toMatch(/^Hint: /)
}

/** Every blob is what its name says, and there is no other file but those of the format. */
async function expectNothingHalfWritten(layout: string): Promise<void> {
  const entries = await readdir(layout, { recursive: true, withFileTypes: true })
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name)
    if (entry.parentPath === layout) expect(['oci-layout', 'index.json']).toContain(entry.name)
    else
      expect(
        createHash('sha256')
          .update(await readFile(path))
          .digest('hex'),
        path,
      ).toBe(entry.name)
  }
}

interface Tagged {
  readonly annotations?: Readonly<Record<string, string>>
}

async function tagsIn(layout: string): Promise<string[]> {
  const index = await readFile(join(layout, 'index.json'), 'utf8').catch(() => '{"manifests":[]}')
  const { manifests }: { readonly manifests: readonly Tagged[] } = JSON.parse(index)
  const names = manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'])
  return names.filter((name) => name !== undefined).sort()
}
