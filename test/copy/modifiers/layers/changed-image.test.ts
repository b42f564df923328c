import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../../src/content/descriptor.ts'
import { digestOf } from '../../../../src/content/digest.ts'
import { mediaTypes } from '../../../../src/content/media-types.ts'
import { copyGraph } from '../../../../src/copy/copy-graph.ts'
import { editConfig } from '../../../../src/copy/modifiers/edit-config.ts'
import { addLayer } from '../../../../src/copy/modifiers/layers/add-layer.ts'
import { dropLayers } from '../../../../src/copy/modifiers/layers/choose-layers.ts'
import { rebase } from '../../../../src/copy/modifiers/layers/rebase.ts'
import { errorCode } from '../../../../src/errors.ts'
import { MemoryTarget } from '../../../../src/targets/memory.ts'
import { pushBytes, pushImage, readImage, someTar } from './image.ts'

const [low, high] = [someTar(1, 3000), someTar(2, 3000)]
const addFile = addLayer({ files: [{ path: 'file', content: Buffer.from('text') }] })

/** An image of one layer whose config is this text, as no program of ours would write it. */
async function pushText(target: MemoryTarget, fields: string): Promise<Descriptor> {
  const layer = await pushBytes(target, gzipSync(low), mediaTypes.ociLayerGzip)
  const rootfs = `"rootfs": {"type": "layers", "diff_ids": ["${digestOf(low)}"]}`
  const text = `{ "architecture": "amd64", "os": "linux",\n ${rootfs}, ${fields} }`
  const config = await pushBytes(target, Buffer.from(text), mediaTypes.ociConfig)
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] }
  return pushBytes(target, Buffer.from(JSON.stringify(document)), mediaTypes.ociManifest)
}

describe('An image whose layers are modified', () => {
  it.each(['"x": "\\u003c"', '"history": []', '"history": [{"created_by": "it"}]', '"history": null'])(
    'keeps all bytes where its layers become the same ones: %s',
    async (fields) => {
      const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
      const image = await pushText(source, fields)
      const base = { source, descriptor: image }
      const modifiers = [rebase({ from: base, to: base })]
      const { root } = await copyGraph(source, image, destination, { modifiers })
      expect(root).toEqual(image)
      await readImage(destination, root)
    },
  )

  it.each(['"Rootfs": {"diff_ids": []}', '"History": []', '"ROOTFS": null'])(
    'is refused where clients would read its config differently: %s',
    async (fields) => {
      const source = new MemoryTarget()
      const copying = copyGraph(source, await pushText(source, fields), new MemoryTarget(), {
        modifiers: [addFile],
      })
      expect(errorCode(await copying.catch((error: unknown) => error))).toBe('INVALID_MANIFEST')
      await expect(copying).rejects.toThrow('one field to some clients')
    },
  )

  it('has no history left where nothing is left that it tells of', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushText(source, '"history": [{"created_by": "it"}]')
    const modifiers = [dropLayers(() => true, null)]
    const { root } = await copyGraph(source, image, destination, { modifiers })
    const { config, tars } = await readImage(destination, root)
    expect([tars, 'history' in config]).toEqual([[], false])
  })

  it('has an entry for each layer in the history that editConfig begins', async () => {
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    const image = await pushImage(source, [{ tar: low }, { tar: high }], { history: [] })
    const { root } = await copyGraph(source, image, destination, {
      modifiers: [editConfig({ user: 'app', history: 'USER app' }), addFile],
    })
    const { config, tars } = await readImage(destination, root)
    expect(tars.slice(0, 2)).toEqual([low, high])
    expect(config.history).toEqual([
      {},
      {},
      { created_by: 'USER app', empty_layer: true },
      { created_by: 'copygraph addLayer' },
    ])
  })
})
