import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'

/*
 * Builds an OCI layout of real content, without the code under test:
 *
 *   multi ── index ─┬─ amd64 ── one layer for each Debian package, and one of what packages do not have
 *                   └─ arm64 ── the same; packages for all architectures are shared
 *   single ─ amd64
 *
 * and an SBOM for each of the three, which refers to it. `node sample-image.ts PACKAGES DIRECTORY`, where PACKAGES
 * holds a folder of .deb files for each architecture.
 */

const architectures = ['amd64', 'arm64'] as const

interface Entry {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

interface Package {
  readonly file: string
  readonly name: string
  readonly version: string
}

/** Writes the layout with the tags `multi` and `single` to a folder that does not exist yet. */
export async function buildSampleImage(packages: string, directory: string): Promise<void> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const images = []
  for (const architecture of architectures) {
    const contents = await packagesIn(join(packages, architecture))
    const image = await buildImage(directory, architecture, contents)
    images.push({ ...image, contents, platform: { architecture, os: 'linux' } })
  }
  const multi = await writeDocument(directory, 'application/vnd.oci.image.index.v1+json', {
    manifests: images.map(({ mediaType, digest, size, platform }) => ({ mediaType, digest, size, platform })),
    annotations: { 'org.opencontainers.image.title': 'Debian packages, one a layer' },
  })
  const sboms = [
    await writeSbom(
      directory,
      multi,
      images.flatMap(({ contents }) => contents),
    ),
  ]
  for (const { mediaType, digest, size, contents } of images) {
    sboms.push(await writeSbom(directory, { mediaType, digest, size }, contents))
  }
  const [single] = images
  const tagged = [tag(multi, 'multi'), ...(single === undefined ? [] : [tag(single, 'single')])]
  await writeFile(
    join(directory, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [...tagged, ...sboms] }),
  )
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}

function tag({ mediaType, digest, size }: Entry, name: string): object {
  return { mediaType, digest, size, annotations: { 'org.opencontainers.image.ref.name': name } }
}

async function packagesIn(folder: string): Promise<Package[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.deb')).sort()
  return Promise.all(
    names.map(async (base) => {
      const file = join(folder, base)
      const show = ['--show', '--showformat=${Package} ${Version}', file]
      const { stdout } = await promisify(execFile)('dpkg-deb', show)
      const [name = base, version = ''] = stdout.split(' ')
      return { file, name, version }
    }),
  )
}

async function buildImage(
  directory: string,
  architecture: string,
  contents: readonly Package[],
): Promise<Entry> {
  const layers = []
  for (const { file } of contents) {
    const dpkg = spawn('dpkg-deb', ['--fsys-tarfile', file], { stdio: ['ignore', 'pipe', 'inherit'] })
    layers.push(await writeLayer(directory, dpkg.stdout))
  }
  layers.push(await writeLayer(directory, Readable.from([oddTar()])))
  const created = '2026-01-01T00:00:00Z'
  const config = await writeDocument(directory, 'application/vnd.oci.image.config.v1+json', {
    created,
    architecture,
    os: 'linux',
    config: { Env: ['PATH=/usr/bin:/bin'], Cmd: ['/bin/busybox', 'sh'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: [
      ...contents.map(({ name, version }) => ({ created, created_by: `ADD ${name} ${version}` })),
      { created, created_by: 'RUN change what is there' },
    ],
  })
  return writeDocument(directory, 'application/vnd.oci.image.manifest.v1+json', {
    config,
    layers: layers.map(({ entry }) => entry),
  })
}

async function writeLayer(directory: string, content: Readable): Promise<{ entry: Entry; diffId: string }> {
  const tar = createHash('sha256')
  const zipped = createHash('sha256')
  const temporary = join(directory, 'layer')
  let size = 0
  await pipeline(
    content,
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        tar.update(chunk)
        yield chunk
      }
    },
    createGzip({ level: 6 }),
    async function* (chunks: AsyncIterable<Buffer>) {
      for await (const chunk of chunks) {
        zipped.update(chunk)
        size += chunk.length
        yield chunk
      }
    },
    createWriteStream(temporary),
  )
  const digest = zipped.digest('hex')
  await rename(temporary, join(directory, 'blobs', 'sha256', digest))
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
  return { entry: { mediaType, digest: `sha256:${digest}`, size }, diffId: `sha256:${tar.digest('hex')}` }
}

/** Files as the packages of Debian do not have them. */
function oddTar(): Buffer {
  const attribute = 'SCHILY.xattr.user.copygraph=kept\n'
  return Buffer.concat([
    tarEntry('opt/', { type: '5', mode: 0o1777 }),
    tarEntry('opt/PaxHeaders/attributed', { type: 'x', content: `${attribute.length + 3} ${attribute}` }),
    tarEntry('opt/attributed', { mode: 0o4750, content: 'with an extended attribute\n' }),
    tarEntry('opt/hard-link', { type: '1', link: 'opt/attributed' }),
    tarEntry('opt/broken-link', { type: '2', link: '../nowhere' }),
    tarEntry('opt/pipe', { type: '6' }),
    // The first file of base-files is gone, and the whole folder of its documents but for a new one.
    tarEntry('etc/.wh.debian_version'),
    tarEntry('usr/share/doc/base-files/.wh..wh..opq'),
    tarEntry('usr/share/doc/base-files/new', { content: 'new\n' }),
    Buffer.alloc(1024),
  ])
}

interface TarFields {
  /** @default '0', a file */
  readonly type?: string
  readonly link?: string
  readonly mode?: number
  readonly content?: string
}

/** An entry of a tar in ustar's format. */
function tarEntry(name: string, fields: TarFields = {}): Buffer {
  const { type = '0', link = '', mode = 0o644, content = '' } = fields
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`
  const header = Buffer.alloc(512)
  const put = (at: number, text: string): number => header.write(text, at, 'latin1')
  put(0, name)
  put(100, octal(mode, 7) + octal(0, 7) + octal(0, 7) + octal(content.length, 11) + octal(1_700_000_000, 11))
  put(148, ' '.repeat(8) + type + link)
  put(257, 'ustar\u000000')
  put(
    148,
    `${octal(
      header.reduce((sum, byte) => sum + byte),
      6,
    )} `,
  )
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512)
  body.write(content, 'latin1')
  return Buffer.concat([header, body])
}

async function writeSbom(directory: string, subject: Entry, contents: readonly Package[]): Promise<Entry> {
  const mediaType = 'application/spdx+json'
  const { digest, size } = await writeBlob(directory, {
    spdxVersion: 'SPDX-2.3',
    SPDXID: 'SPDXRef-DOCUMENT',
    name: subject.digest,
    packages: contents.map(({ name, version }) => ({
      SPDXID: `SPDXRef-${name}`,
      name,
      versionInfo: version,
    })),
  })
  const empty = { mediaType: 'application/vnd.oci.empty.v1+json', ...(await writeBlob(directory, {})) }
  return writeDocument(directory, 'application/vnd.oci.image.manifest.v1+json', {
    artifactType: mediaType,
    config: empty,
    layers: [{ mediaType, digest, size }],
    subject,
    annotations: { 'org.opencontainers.image.created': '2026-01-01T00:00:00Z' },
  })
}

async function writeDocument(directory: string, mediaType: string, fields: object): Promise<Entry> {
  const versioned = mediaType.includes('config') ? fields : { schemaVersion: 2, mediaType, ...fields }
  return { mediaType, ...(await writeBlob(directory, versioned)) }
}

async function writeBlob(directory: string, document: object): Promise<{ digest: string; size: number }> {
  const bytes = Buffer.from(JSON.stringify(document))
  const hex = createHash('sha256').update(bytes).digest('hex')
  await writeFile(join(directory, 'blobs', 'sha256', hex), bytes)
  return { digest: `sha256:${hex}`, size: bytes.length }
}

if (import.meta.main) {
  const [packages, directory] = process.argv.slice(2)
  if (packages === undefined || directory === undefined) throw new RangeError('usage: PACKAGES DIRECTORY')
  await buildSampleImage(packages, directory)
}
