import { execFileSync } from 'node:child_process'
import { lstat, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { memfs } from 'memfs'
import { describe, expect, it } from 'vitest'
import { contentOf, type Content } from '../../../src/content/content.ts'
import type { Descriptor } from '../../../src/content/descriptor.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import type { CopyEvent } from '../../../src/events.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { graph } from '../../support/graph.ts'
import { blobFile, filesIn, scratchDirectory } from './scratch.ts'

/** image: m1 of config and layer */
const nodes = graph({ m1: ['config', 'layer'] })
const layer = nodes.descriptor('layer')

function blobOf(bytes: Uint8Array): Descriptor {
  return { mediaType: mediaTypes.octetStream, digest: digestOf(bytes), size: bytes.length }
}

describe('the blobs of a layout', () => {
  it('are not read through a link, nor from a FIFO or a folder', async () => {
    const directory = await scratchDirectory()
    await nodes.pushTo(new OciLayout(directory))
    const path = blobFile(directory, layer.digest)
    const makers = {
      link: async () => symlink(join(directory, 'outside'), path),
      fifo: async () => void execFileSync('mkfifo', [path]),
      folder: () => mkdir(path),
    }
    await writeFile(join(directory, 'outside'), nodes.node('layer').bytes)
    for (const [what, make] of Object.entries(makers)) {
      await rm(path, { recursive: true })
      await make()
      const layout = new OciLayout(directory)
      expect(await layout.exists(layer), what).toBe(false)
      await expect(Array.fromAsync(layout.fetch(layer)), what).rejects.toMatchObject({
        code: 'INVALID_LAYOUT',
        message: expect.stringContaining(path),
      })
    }
  })

  it('of the wrong size are not there, and are written over', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout)
    await writeFile(blobFile(directory, layer.digest), 'cut')
    expect(await layout.exists(layer)).toBe(false)
    await expect(Array.fromAsync(layout.fetch(layer))).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    expect(await layout.push(layer, contentOf(nodes.node('layer').bytes))).toBe('copied')
    expect(Buffer.concat(await Array.fromAsync(layout.fetch(layer))).toString()).toBe('layer')
  })

  it('that are damaged are noticed when they are read, and healed by a push that replaces', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout)
    for (const name of ['layer', 'm1']) {
      const { descriptor, bytes } = nodes.node(name)
      await writeFile(blobFile(directory, descriptor.digest), Buffer.alloc(descriptor.size, '?'))
      await expect(Array.fromAsync(layout.fetch(descriptor))).rejects.toMatchObject({
        code: 'DIGEST_MISMATCH',
      })
      expect(await layout.push(descriptor, contentOf(bytes), { existing: 'replace' })).toBe('copied')
      expect(Buffer.concat(await Array.fromAsync(layout.fetch(descriptor)))).toEqual(bytes)
    }
  })

  it('that are too long by their last chunk leave nothing', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const bytes = Buffer.from('0123456789')
    const content: Content = {
      async *[Symbol.asyncIterator]() {
        yield bytes
        yield Buffer.from('+')
      },
    }
    await expect(layout.push(blobOf(bytes), content)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' })
    expect(await filesIn(directory)).toEqual(['index.json', 'oci-layout'])
    expect(await readdir(directory)).not.toContain('ingest')
  })

  it('are not read for more than the consumer takes', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    const bytes = Buffer.alloc(5_000_000, 'x')
    await layout.push(blobOf(bytes), contentOf(bytes))
    const controller = new AbortController()
    const reason = new Error('stop')
    const reading = (async () => {
      for await (const _chunk of layout.fetch(blobOf(bytes), { signal: controller.signal })) {
        controller.abort(reason)
      }
    })()
    await expect(reading).rejects.toBe(reason)
  })

  it('of another layout on the same disk are linked, once verified', async () => {
    const directory = await scratchDirectory()
    const [source, destination] = [new OciLayout(join(directory, 'a')), new OciLayout(join(directory, 'b'))]
    await nodes.pushTo(source)
    expect(await destination.push(layer, source.fetch(layer))).toBe('copied')
    const [from, to] = await Promise.all([
      stat(blobFile(join(directory, 'a'), layer.digest)),
      stat(blobFile(join(directory, 'b'), layer.digest)),
    ])
    expect(to.ino).toBe(from.ino)
    expect(await destination.push(layer, source.fetch(layer), { existing: 'replace' })).toBe('copied')
    expect(await readdir(join(directory, 'b'))).not.toContain('ingest')
  })

  it('of another layout on the same disk tell their bytes once, as they are verified', async () => {
    const directory = await scratchDirectory()
    const [source, destination] = [new OciLayout(join(directory, 'a')), new OciLayout(join(directory, 'b'))]
    await nodes.pushTo(source)
    const events: CopyEvent[] = []
    await destination.push(layer, source.fetch(layer), { onEvent: (event) => events.push(event) })
    expect(events).toEqual([{ type: 'progress', descriptor: layer, bytes: layer.size }])
  })

  it('of another layout that are damaged are not linked', async () => {
    const directory = await scratchDirectory()
    const [source, destination] = [new OciLayout(join(directory, 'a')), new OciLayout(join(directory, 'b'))]
    await nodes.pushTo(source)
    await writeFile(blobFile(join(directory, 'a'), layer.digest), 'LAYER')
    await expect(destination.push(layer, source.fetch(layer))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    })
    expect(await destination.exists(layer)).toBe(false)
    expect(await filesIn(join(directory, 'b'))).toEqual(['index.json', 'oci-layout'])
  })

  it('are copied where the file cannot be linked: it is a link, is gone, or has another size', async () => {
    const directory = await scratchDirectory()
    const { bytes } = nodes.node('layer')
    const paths = { link: 'to-real', gone: 'gone', size: 'longer' }
    await writeFile(join(directory, 'real'), bytes)
    await symlink('real', join(directory, paths.link))
    await writeFile(join(directory, paths.size), 'longer than the layer')
    for (const [what, name] of Object.entries(paths)) {
      const layout = new OciLayout(join(directory, `layout-${what}`))
      await layout.push(layer, { ...contentOf(bytes), file: join(directory, name) })
      const status = await lstat(blobFile(join(directory, `layout-${what}`), layer.digest))
      expect([status.isFile(), status.nlink, status.size], what).toEqual([true, 1, bytes.length])
    }
  })

  it('share a spool file that is removed afterwards', async () => {
    const directory = await scratchDirectory()
    const spool = join(directory, 'spool')
    await writeFile(spool, nodes.node('layer').bytes)
    const layout = new OciLayout(join(directory, 'layout'))
    await layout.push(layer, { ...contentOf(nodes.node('layer').bytes), file: spool })
    expect((await stat(spool)).nlink).toBe(2)
    await rm(spool)
    expect(Buffer.concat(await Array.fromAsync(layout.fetch(layer))).toString()).toBe('layer')
  })

  it('are what the content gives where its file holds other bytes', async () => {
    const directory = await scratchDirectory()
    const { bytes } = nodes.node('layer')
    await writeFile(join(directory, 'other'), 'LAYER')
    const layout = new OciLayout(join(directory, 'layout'))
    await layout.push(layer, { ...contentOf(bytes), file: join(directory, 'other') })
    expect(Buffer.concat(await Array.fromAsync(layout.fetch(layer))).toString()).toBe('layer')
    expect(await readFile(join(directory, 'other'), 'utf8')).toBe('LAYER')
    expect(await readdir(join(directory, 'layout'))).not.toContain('ingest')
  })

  it('are read from the file alone where it is shared', async () => {
    const directory = await scratchDirectory()
    const { bytes } = nodes.node('layer')
    const file = join(directory, 'spool')
    await writeFile(file, bytes)
    let reads = 0
    const content: Content = {
      file,
      [Symbol.asyncIterator]: () => {
        reads += 1
        return contentOf(bytes)[Symbol.asyncIterator]()
      },
    }
    await new OciLayout(join(directory, 'layout')).push(layer, content)
    expect((await stat(file)).nlink).toBe(2)
    expect(reads).toBe(0)
  })

  it('say which file they are in', async () => {
    const directory = await scratchDirectory()
    const layout = new OciLayout(directory)
    await nodes.pushTo(layout)
    expect(layout.fetch(layer).file).toBe(blobFile(directory, layer.digest))
    expect(new OciLayout('/layout', { fs: memfs().fs.promises }).fetch(layer).file).toBeUndefined()
  })
})
