import { argv, stdout } from 'node:process'
import { copy } from '../../../src/copy/copy.ts'
import { modifierMemoryIn } from '../../../src/copy/modifiers/modifier-memory.ts'
import { recompressLayers } from '../../../src/copy/modifiers/layers/recompress-layers.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { RecordingSource } from '../../support/spy.ts'

/** Recompresses the image `v1` of one layout into another one, and writes down what it read and what came of it. */
const [, , from = '', to = '', memory = ''] = argv
const source = new RecordingSource(new OciLayout(from))
const { root, copied } = await copy(source, 'v1', new OciLayout(to), {
  modifiers: [recompressLayers({ to: 'zstd' })],
  modifierMemory: modifierMemoryIn(memory),
})
stdout.write(JSON.stringify({ root: root.digest, copied: copied.nodes, fetched: source.fetched }))
