import { stdout } from 'node:process'
import { contentOf, type Content } from '../../../src/content/content.ts'
import { digestOf } from '../../../src/content/digest.ts'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { OciLayout } from '../../../src/targets/oci-layout/oci-layout.ts'
import { graph } from '../../support/graph.ts'

// A process of its own: pushes an image for each tag `NAME-0` to `NAME-24`. With `stall` it stops in the middle of
// writing a blob after some tags, says so, and waits to be killed.
const [directory = '', name = '', stall] = process.argv.slice(2)
const layout = new OciLayout(directory)

for (let at = 0; at < 25; at++) {
  if (stall === 'stall' && at === 7) await writeForEver()
  const nodes = graph({ image: [`config of ${name}`, `layer ${at} of ${name}`] })
  await nodes.pushTo(layout)
  await layout.tag(nodes.descriptor('image'), `${name}-${at}`)
}

async function writeForEver(): Promise<void> {
  const half = Buffer.alloc(2 * 1024 * 1024, 'x')
  const content: Content = {
    async *[Symbol.asyncIterator]() {
      yield half
      yield contentEnd()
      setInterval(() => {}, 60_000)
      await new Promise(() => {})
    },
  }
  const size = 2 * half.length
  await layout.push(
    { mediaType: mediaTypes.octetStream, digest: digestOf(Buffer.alloc(size)), size },
    content,
  )
}

/** A byte that is asked for only after the first batch was given to the disk. */
function contentEnd(): Uint8Array {
  stdout.write('stalled\n')
  return Buffer.from('x')
}

await layout.push(
  { mediaType: mediaTypes.octetStream, digest: digestOf(Buffer.from(name)), size: Buffer.byteLength(name) },
  contentOf(Buffer.from(name)),
)
