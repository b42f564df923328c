import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { samplePath } from '../support/peers.ts'

/*
 * Layouts as files, read without the code under test.
 */

/** The digest that a tag of a layout names; a RangeError if there is none. */
export async function taggedDigest(layout: string, tag: string): Promise<string> {
  const index: unknown = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'))
  const found = descriptorsIn(index).find(({ annotations }) => annotations?.[refName] === tag)
  if (found === undefined) throw new RangeError(`${layout} has no tag ${tag}`)
  return found.digest
}

/** The digest that a tag of the sample names. */
export function sampleDigest(tag: 'multi' | 'single'): Promise<string> {
  return taggedDigest(samplePath(), tag)
}

/** The digest of the sample's SBOM that refers to a manifest. */
export async function sampleSbom(subject: string): Promise<string> {
  const index: unknown = JSON.parse(await readFile(join(samplePath(), 'index.json'), 'utf8'))
  for (const { digest } of descriptorsIn(index)) {
    const bytes = await readFile(join(samplePath(), 'blobs', digest.replace(':', '/')))
    if (bytes.includes(`"subject":`) && bytes.includes(subject)) return digest
  }
  throw new RangeError(`the sample has no SBOM of ${subject}`)
}

/** Every digest in the graph under a root, with the bytes that a layout has for it. */
async function graphFiles(layout: string, root: string): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  const pending = [root]
  for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
    if (files.has(digest)) continue
    const bytes = await readFile(join(layout, 'blobs', digest.replace(':', '/')))
    files.set(digest, bytes)
    if (isManifest(bytes))
      pending.push(...descriptorsIn(JSON.parse(bytes.toString())).map((one) => one.digest))
  }
  return files
}

/** Expects that a layout holds the sample's graph under a root, byte for byte, and no other blob. */
export async function expectSampleGraph(layout: string, root: string): Promise<void> {
  const wanted = await graphFiles(samplePath(), root)
  const found = await readdir(join(layout, 'blobs', 'sha256'))
  expect(found.map((hex) => `sha256:${hex}`).sort()).toEqual([...wanted.keys()].sort())
  for (const [digest, bytes] of wanted) {
    const copied = await readFile(join(layout, 'blobs', digest.replace(':', '/')))
    expect(copied.equals(bytes), `${digest} in ${layout}`).toBe(true)
  }
}

const refName = 'org.opencontainers.image.ref.name'

interface FoundDescriptor {
  readonly digest: string
  readonly annotations?: Readonly<Record<string, string>>
}

function isManifest(bytes: Buffer): boolean {
  return bytes.length < 64 * 1024 && bytes.includes('"schemaVersion":2')
}

/** Every descriptor in a manifest or index, whatever field it stands in. */
function descriptorsIn(document: unknown): FoundDescriptor[] {
  if (typeof document !== 'object' || document === null) return []
  const own = isDescriptor(document) ? [document] : []
  return [...own, ...Object.values(document).flatMap(descriptorsIn)]
}

function isDescriptor(value: object): value is FoundDescriptor {
  return 'digest' in value && typeof value.digest === 'string'
}
