import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { extendedCopyGraph } from '../../src/copy/extended-copy.ts'
import type { Destination, Source } from '../../src/targets/target.ts'

const mebibyte = 1024 * 1024
const count = 200
const small = Buffer.from('{}')

function describeBytes(mediaType: string, bytes: Uint8Array): Descriptor {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

const config = describeBytes(mediaTypes.ociConfig, small)
const image = document(mediaTypes.ociManifest, { config, layers: [] })
const root = describeBytes(mediaTypes.ociManifest, image)

function document(mediaType: string, fields: object): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }))
}

/** A manifest with an entry of a mebibyte. */
function heavy(at: number, subject: Descriptor | undefined): Buffer {
  const annotations = { at: String(at), filler: 'x'.repeat(mebibyte) }
  const layer = { ...describeBytes(mediaTypes.octetStream, layerOf(at)), annotations }
  return document(mediaTypes.ociManifest, { config, layers: [layer], subject })
}

function layerOf(at: number): Buffer {
  return Buffer.from(`layer ${at}`)
}

/** Two hundred heavy manifests below an index, or above an image; each is made when it is read. */
function heavySource(subject: Descriptor | undefined): {
  readonly source: Source
  readonly index: Descriptor
} {
  const manifests = Array.from({ length: count }, (_, at) =>
    describeBytes(mediaTypes.ociManifest, heavy(at, subject)),
  )
  const places = new Map<string, number>(manifests.map(({ digest }, at) => [digest, at]))
  const bytes = document(mediaTypes.ociIndex, { manifests })
  const index = describeBytes(mediaTypes.ociIndex, bytes)
  const known = new Map<string, Buffer>([
    [config.digest, small],
    [root.digest, image],
    [index.digest, bytes],
    ...manifests.map((_, at) => [digestOf(layerOf(at)), layerOf(at)] as const),
  ])
  const source: Source = {
    resolve: () => Promise.resolve(root),
    exists: () => Promise.resolve(true),
    fetch: ({ digest }) => contentOf(known.get(digest) ?? heavy(places.get(digest) ?? 0, subject)),
    async *predecessors({ digest }) {
      if (subject === undefined || digest !== subject.digest) return
      for (const descriptor of manifests) yield { descriptor, edge: 'subject' }
    },
  }
  return { source, index }
}

/** What cannot be collected, in bytes. */
function memoryMeter(): () => number {
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  return () => {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
}

/** A destination that keeps nothing. */
function sink(onPush: (descriptor: Descriptor) => void): Destination {
  return {
    exists: () => Promise.resolve(false),
    async push(descriptor, content) {
      for await (const _chunk of content);
      onPush(descriptor)
      return 'copied'
    },
    tag: () => Promise.resolve(),
  }
}

describe('Annotations of any length stay in memory only as far as the cache goes', () => {
  it('of manifests that have been copied', { timeout: 60_000 }, async () => {
    const { source, index } = heavySource(undefined)
    const measure = memoryMeter()
    const before = measure()
    let after = Infinity
    const destination = sink(({ digest }) => {
      if (digest === index.digest) after = measure()
    })
    await copyGraph(source, index, destination)
    expect(after - before).toBeLessThan(150 * mebibyte)
  })

  it('of referrers that were found', { timeout: 60_000 }, async () => {
    const { source } = heavySource(root)
    const measure = memoryMeter()
    const before = measure()
    let [asked, after] = [0, Infinity]
    const watched: Source = {
      ...source,
      predecessors(...question) {
        asked += 1
        // Of the image, and of each of its referrers.
        if (asked === 1 + count) after = measure()
        return source.predecessors?.(...question) ?? nothing()
      },
    }
    await extendedCopyGraph(
      watched,
      root,
      sink(() => undefined),
    )
    expect(after - before).toBeLessThan(150 * mebibyte)
  })
})

async function* nothing(): AsyncGenerator<never> {}
