import { readFile, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import { copy } from '../../src/copy/copy.ts'
import { addLayer } from '../../src/copy/modifiers/layers/add-layer.ts'
import { dropLayers } from '../../src/copy/modifiers/layers/choose-layers.ts'
import { rebase } from '../../src/copy/modifiers/layers/rebase.ts'
import { recompressLayers } from '../../src/copy/modifiers/layers/recompress-layers.ts'
import type { Modifier } from '../../src/copy/modifiers/modifier.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { serve } from '../../src/server/serve.ts'
import { memoryStore } from '../../src/server/store.ts'
import { describePeers, run, samplePath } from '../support/peers.ts'
import { newFolder } from '../support/folder.ts'
import { copiers, peerCopy } from './peer-copy.ts'

const file = { path: 'etc/copygraph/added', content: Buffer.from('added\n'), mode: 0o640 }

const toldHistory = { created_by: 'test', created: '2026-01-01T00:00:00Z' }

/** Tags of images, each made from the one before, the first from the sample. */
const chain: readonly (readonly [string, readonly Modifier[]])[] = [
  ['zstd', [recompressLayers({ to: 'zstd', level: 1 })]],
  ['gzip', [recompressLayers({ to: 'gzip', level: 1 })]],
  ['none', [recompressLayers({ to: 'none' })]],
  ['added', [addLayer({ files: [file], history: toldHistory })]],
]
/** A layout with all of them, for all platforms; the image of one platform has `-one` behind its tag. */
async function makeAll(directory: string): Promise<void> {
  const layout = new OciLayout(directory)
  let from = { layout: new OciLayout(samplePath()), tags: ['multi', 'single'] }
  for (const [tag, modifiers] of chain) {
    const made = [tag, `${tag}-one`]
    for (const [index, reference] of from.tags.entries()) {
      await copy(from.layout, reference, layout, { modifiers, destinationReference: made[index] })
    }
    from = { layout, tags: made }
  }
}

/** Rejects unless the program succeeds. */
async function succeed(binary: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(binary, args)
  if (code !== 0) throw new Error(`${binary} ${args.join(' ')}: exit code ${code}: ${stderr}`)
  return stdout
}

/** Unpacks an image of a layout, and gives the folder with its files. */
async function unpack(layout: string, tag: string, folder: string): Promise<string> {
  await succeed('umoci', ['unpack', '--image', `${layout}:${tag}`, folder])
  return join(folder, 'rootfs')
}

/** Names, modes, owners, times, links, contents and extended attributes of all files below a folder. */
async function contentsOf(folder: string): Promise<string> {
  const list = [
    'tar',
    '--create',
    '--sort=name',
    '--xattrs',
    '--xattrs-include=*',
    '--numeric-owner',
    '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
  ]
  return succeed('sh', ['-c', `${list.join(' ')} --file=- --directory="$1" . | sha256sum`, 'sh', folder])
}

describePeers(['sample'], 'The sample image with other layers', () => {
  let made: Awaited<ReturnType<typeof newFolder>> | undefined
  const layout = (): string => made?.path ?? ''
  beforeAll(async () => {
    made = await newFolder()
    await makeAll(layout())
  })
  afterAll(() => made?.remove())

  describePeers(['umoci'], 'and umoci', () => {
    it('unpacks to the same files after zstd, gzip and none, and to one more where a layer was added', async () => {
      await using folder = await newFolder()
      const unpacked = (tag: string): string => join(folder.path, tag)
      const files = await unpack(samplePath(), 'single', unpacked('original'))
      const odd = join(files, 'opt/attributed')
      expect(await stat(odd)).toMatchObject({ mode: 0o104750, nlink: 2 })
      expect(await succeed('tar', ['--create', '--xattrs', '--file=-', odd])).toContain(
        'SCHILY.xattr.user.copygraph=kept',
      )
      expect(await readdir(join(files, 'usr/share/doc/base-files'))).toEqual(['new'])
      await expect(stat(join(files, 'etc/debian_version'))).rejects.toMatchObject({ code: 'ENOENT' })
      const original = await contentsOf(files)
      for (const tag of ['gzip-one', 'none-one']) {
        expect(await contentsOf(await unpack(layout(), tag, unpacked(tag))), tag).toBe(original)
      }
      const added = await unpack(layout(), 'added-one', unpacked('added'))
      expect(await contentsOf(added)).not.toBe(original)
      expect(await readFile(join(added, file.path), 'utf8')).toBe('added\n')
      expect((await stat(join(added, file.path))).mode & 0o7777).toBe(file.mode)
    })
  })

  it('is the same image each time', async () => {
    const [, modifiers = []] = chain[0] ?? []
    const again = await copy(new OciLayout(samplePath()), 'single', new MemoryTarget(), { modifiers })
    expect(again.root.digest).toBe((await new OciLayout(layout()).resolve('zstd-one')).digest)
  })

  for (const copier of copiers) {
    describePeers([copier], `and ${copier}`, () => {
      it.each(['zstd', 'added'])('is copied by it with all platforms: %s', async (tag) => {
        await using registry = await serve(memoryStore())
        const host = `${registry.host}:${registry.port}`
        await using repository = new Repository(`${host}/app`)
        const { root } = await copy(new OciLayout(layout()), tag, repository)
        const names = [`${host}/app`, `${host}/copied`].map((name) => ({ repository: name, reference: tag }))
        await peerCopy(copier, names[0] ?? { reference: tag }, names[1] ?? { reference: tag })
        await using copied = new Repository(`${host}/copied`)
        expect((await copied.resolve(tag)).digest).toBe(root.digest)
      })
    })
  }

  describePeers(['skopeo'], 'and what unpacks each layer', () => {
    it.each(['gzip-one', 'none-one', 'added-one'])(
      'has the diff ids that its config says: %s',
      async (tag) => {
        await using folder = await newFolder()
        const to = `docker-archive:${join(folder.path, 'image.tar')}`
        await succeed('skopeo', ['--insecure-policy', 'copy', '--quiet', `oci:${layout()}:${tag}`, to])
      },
    )
  })
})

describePeers(['sample', 'crane'], 'The sample image on a new base, and crane', () => {
  it('has the layers and the history that crane gives it on a new base', async () => {
    await using registry = await serve(memoryStore())
    const app = `${registry.host}:${registry.port}/app`
    await using repository = new Repository(app)
    const sample = new OciLayout(samplePath())
    const at = (name: string): string => `${app}:${name}`
    const layer = { tar: contentOf(Buffer.alloc(10240)), parameters: 'empty tar', history: toldHistory }
    const make = (name: string, modifiers: readonly Modifier[]): Promise<unknown> =>
      copy(sample, 'single', repository, { modifiers, destinationReference: name })
    await make('app', [])
    await make('old', [dropLayers(({ index }) => index >= 2, 'all but two')])
    await make('new', [dropLayers(({ index }) => index !== 0, 'all but one'), addLayer(layer)])
    const [from, to] = await Promise.all(
      ['old', 'new'].map(async (name) => ({
        source: repository,
        descriptor: await repository.resolve(name),
      })),
    )
    if (from === undefined || to === undefined) throw new RangeError('two bases')
    await make('ours', [rebase({ from, to })])
    await succeed('crane', [
      'rebase',
      at('app'),
      '--old_base',
      at('old'),
      '--new_base',
      at('new'),
      '--tag',
      at('theirs'),
    ])
    const [ours, theirs] = await Promise.all(['ours', 'theirs'].map((name) => imageOf(at(name))))
    expect(ours).toEqual(theirs)
    await succeed('crane', ['validate', '--remote', at('ours')])
  })
})

/** What clients run, by crane. */
async function imageOf(name: string): Promise<object> {
  const { rootfs, history, config } = JSON.parse(await succeed('crane', ['config', name]))
  const { layers } = JSON.parse(await succeed('crane', ['manifest', name]))
  return { rootfs, history, config, layers }
}
