// Two registries and a layout, in one process: fills the first registry with an image for two platforms and an SBOM
// that refers to it, and copies both to the layout and from there to the second registry.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import {
  buildGraph,
  contentOf,
  copy,
  digestOf,
  mediaTypes,
  renderTree,
  type CopyEvent,
  type CopyResult,
  type Descriptor,
  type Target,
} from 'copygraph'
import { OciLayout } from 'copygraph/oci-layout'
import { Repository } from 'copygraph/remote'
import { memoryStore, serve } from 'copygraph/server'

await using first = await serve(memoryStore())
await using second = await serve(memoryStore())
const directory = await mkdtemp(join(tmpdir(), 'copygraph-demo-'))
try {
  await using source = new Repository(`${first.host}:${first.port}/demo/app`)
  await using destination = new Repository(`${second.host}:${second.port}/mirror/app`)
  const layout = new OciLayout(directory)

  const image = await pushImage(source)
  const sbom = await pushSbom(source, image)
  console.log(`Pushed an image for two platforms and its SBOM to ${first.url}, copying:\n`)

  await report('registry => layout, the image', source, 'v1', layout)
  await report('registry => layout, the SBOM', source, sbom.digest, layout)
  await report('layout => registry, the image', layout, 'v1', destination)
  await report('layout => registry, the SBOM', layout, sbom.digest, destination)
  await report('layout => registry, once more', layout, 'v1', destination)

  console.log(`\nThe graph at ${second.url}:\n`)
  console.log(renderTree(await buildGraph(destination, await destination.resolve('v1'))))
} finally {
  await rm(directory, { recursive: true })
}

/** Copies, and says what moved. */
async function report(title: string, from: Target, reference: string, to: Target): Promise<void> {
  const started = performance.now()
  let requests = 0
  const onEvent = ({ type }: CopyEvent): void => {
    if (type === 'request') requests += 1
  }
  const { copied, skipped }: CopyResult = await copy(from, reference, to, { onEvent })
  const nodes = `${copied.nodes} nodes copied (${copied.bytes} bytes), ${skipped.nodes} there already`
  const milliseconds = Math.round(performance.now() - started)
  console.log(`  ${title.padEnd(30)} ${nodes}, ${requests} requests, ${milliseconds} ms`)
}

/** An index of one image for each platform. The images share their first layer. */
async function pushImage(target: Target): Promise<Descriptor> {
  const base = await push(
    target,
    mediaTypes.ociLayerGzip,
    layerWith('etc/motd', 'Both images have this layer.\n'),
  )
  const manifests: Descriptor[] = []
  for (const architecture of ['amd64', 'arm64']) {
    const layer = await push(target, mediaTypes.ociLayerGzip, layerWith('etc/machine', `${architecture}\n`))
    const config = await push(target, mediaTypes.ociConfig, JSON.stringify({ architecture, os: 'linux' }))
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [base, layer] }
    const descriptor = await push(target, mediaTypes.ociManifest, JSON.stringify(manifest))
    manifests.push({ ...descriptor, platform: { architecture, os: 'linux' } })
  }
  const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }
  const descriptor = await push(target, mediaTypes.ociIndex, JSON.stringify(index))
  await target.tag(descriptor, 'v1')
  return descriptor
}

/** An artifact whose subject is the image. */
async function pushSbom(target: Target, subject: Descriptor): Promise<Descriptor> {
  const artifactType = 'application/spdx+json'
  const config = await push(target, mediaTypes.ociEmpty, '{}')
  const layer = await push(target, artifactType, JSON.stringify({ spdxVersion: 'SPDX-2.3', packages: [] }))
  const mediaType = mediaTypes.ociManifest
  const manifest = { schemaVersion: 2, mediaType, artifactType, config, layers: [layer], subject }
  return push(target, mediaTypes.ociManifest, JSON.stringify(manifest))
}

/** A tar file with one file in it, compressed. */
function layerWith(name: string, text: string): Uint8Array {
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0'.padEnd(24, '0000000\0'), 100)
  header.write(`${Buffer.byteLength(text).toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0        0', 136)
  header.write('ustar\u000000', 257)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  const blocks = Math.ceil(text.length / 512)
  const file = Buffer.alloc(blocks * 512)
  file.write(text)
  return gzipSync(Buffer.concat([header, file, Buffer.alloc(1024)]))
}

async function push(target: Target, mediaType: string, content: string | Uint8Array): Promise<Descriptor> {
  const bytes = Buffer.from(content)
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  await target.push(descriptor, contentOf(bytes))
  return descriptor
}
