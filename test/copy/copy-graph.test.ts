import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import type { CopyGraphOptions, NodeState } from '../../src/copy/options.ts'
import { contentOf } from '../../src/content/content.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { CopyError, errorCode, ResponseError } from '../../src/errors.ts'
import type { CopyEvent } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { bundleMediaType, graph, ownTypes, type TestGraph } from '../support/graph.ts'
import { RecordingDestination, RecordingSource } from '../support/spy.ts'

//   index ──► m1 ──► c1, shared
//     └─────► m2 ──► c2, shared
const twoImages = graph({ index: ['m1', 'm2'], m1: ['c1', 'shared'], m2: ['c2', 'shared'] })

async function filled(drawing: TestGraph, names?: readonly string[]): Promise<MemoryTarget> {
  const target = new MemoryTarget({ manifestTypes: ownTypes })
  await drawing.pushTo(target, names)
  return target
}

function recording(): RecordingDestination {
  return new RecordingDestination(new MemoryTarget({ manifestTypes: ownTypes }))
}

async function copyError(promise: Promise<unknown>): Promise<CopyError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(CopyError)
  return error as CopyError
}

describe('copyGraph', () => {
  it.each([1, 2, 8])(
    'writes each node once and after all its successors, at concurrency %i',
    async (concurrency) => {
      const source = new RecordingSource(await filled(twoImages))
      const destination = recording()
      const result = await copyGraph(source, twoImages.descriptor('index'), destination, { concurrency })
      const pushes = destination.pushes()
      expect([...pushes].sort()).toEqual(
        twoImages.names.map((name) => twoImages.descriptor(name).digest).sort(),
      )
      const at = (name: string): number => pushes.indexOf(twoImages.descriptor(name).digest)
      expect(at('index')).toBe(pushes.length - 1)
      expect(at('m1')).toBeGreaterThan(Math.max(at('c1'), at('shared')))
      expect(at('m2')).toBeGreaterThan(Math.max(at('c2'), at('shared')))
      expect([...source.fetched].sort()).toEqual([...pushes].sort())
      expect(result.copied.nodes).toBe(6)
      expect(result.copied.bytes).toBe(
        twoImages.names.reduce((sum, name) => sum + twoImages.descriptor(name).size, 0),
      )
    },
  )

  it('reads nothing of what is under a manifest that the destination has', async () => {
    const source = new RecordingSource(await filled(twoImages))
    const destination = new RecordingDestination(await filled(twoImages, ['c1', 'shared', 'm1']))
    const skipped: string[] = []
    const result = await copyGraph(source, twoImages.descriptor('index'), destination, {
      onCopySkipped: ({ descriptor }) => void skipped.push(descriptor.digest),
    })
    expect(skipped.sort()).toEqual(
      [twoImages.descriptor('m1').digest, twoImages.descriptor('shared').digest].sort(),
    )
    expect(source.fetched).not.toContain(twoImages.descriptor('m1').digest)
    expect(source.fetched).not.toContain(twoImages.descriptor('shared').digest)
    expect(result).toMatchObject({ copied: { nodes: 3 }, skipped: { nodes: 2 } })
  })

  it('moves a blob once that two media types name', async () => {
    const drawing = graph({
      image: ['config', 'tar', 'zip'],
      tar: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('same') },
      zip: { mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.from('same') },
    })
    const source = new RecordingSource(await filled(drawing))
    const destination = recording()
    const result = await copyGraph(source, drawing.descriptor('image'), destination)
    expect(source.fetched.filter((digest) => digest === drawing.descriptor('tar').digest)).toHaveLength(1)
    expect(result).toMatchObject({ copied: { nodes: 3 }, skipped: { nodes: 1 } })
  })

  it('takes embedded data that verifies, and fetches what does not', async () => {
    const good = graph({ image: ['config', 'layer'] }).descriptor('layer')
    const drawing = graph({ image: ['config', 'layer', 'lie'] })
    const document = JSON.parse(Buffer.from(drawing.node('image').bytes).toString()) as {
      layers: Record<string, unknown>[]
    }
    document.layers[0] = { ...document.layers[0], data: Buffer.from('layer').toString('base64') }
    document.layers[1] = { ...document.layers[1], data: Buffer.from('eil').toString('base64') }
    const image = graph({
      image: {
        kind: 'blob',
        mediaType: mediaTypes.ociManifest,
        bytes: Buffer.from(JSON.stringify(document)),
      },
    })
    const memory = await filled(drawing, ['config', 'layer', 'lie'])
    await image.pushTo(memory)
    const source = new RecordingSource(memory)
    const destination = new MemoryTarget()
    await copyGraph(source, image.descriptor('image'), destination)
    expect(source.fetched).not.toContain(good.digest)
    expect(source.fetched).toContain(drawing.descriptor('lie').digest)
    expect(await destination.exists(good)).toBe(true)
  })

  it('follows manifest types of the user’s own', async () => {
    const drawing = graph({ bundle: { kind: 'bundle', children: ['m1', 'blob'] }, m1: ['config', 'layer'] })
    const destination = recording()
    await copyGraph(await filled(drawing), drawing.descriptor('bundle'), destination)
    expect(destination.pushes()).toHaveLength(drawing.names.length)
    expect(drawing.descriptor('bundle').mediaType).toBe(bundleMediaType)
  })

  it('refuses a destination that takes an own manifest type for a blob', async () => {
    const drawing = graph({ bundle: { kind: 'bundle', children: ['m1'] }, m1: ['config', 'layer'] })
    const destination = new RecordingDestination(new MemoryTarget())
    const error = await copyError(copyGraph(await filled(drawing), drawing.descriptor('bundle'), destination))
    expect(errorCode(error)).toBe('UNSUPPORTED')
    expect(destination.calls).toEqual([])
  })
})

describe('verify', () => {
  const broken = ['c1', 'm1', 'm2', 'c2', 'shared', 'index'].filter((name) => name !== 'c2')

  it('root trusts a manifest that is there; manifests finds the blob that is missing', async () => {
    const holed = new MemoryTarget({ manifestTypes: ownTypes })
    await twoImages.pushTo(holed, broken)
    const source = await filled(twoImages)
    await copyGraph(source, twoImages.descriptor('index'), holed)
    expect(await holed.exists(twoImages.descriptor('c2'))).toBe(false)
    const result = await copyGraph(source, twoImages.descriptor('index'), holed, { verify: 'manifests' })
    expect(await holed.exists(twoImages.descriptor('c2'))).toBe(true)
    expect(result).toMatchObject({ copied: { nodes: 1 }, skipped: { nodes: 5 } })
  })

  it('full replaces a blob whose bytes are not what its digest says', async () => {
    const memory = await filled(twoImages)
    const damaged = new Set([twoImages.descriptor('shared').digest])
    const destination = Object.assign(new RecordingDestination(memory), {
      fetch: (descriptor: ReturnType<TestGraph['descriptor']>) =>
        damaged.has(descriptor.digest) ? new MemoryTarget().fetch(descriptor) : memory.fetch(descriptor),
    })
    const result = await copyGraph(await filled(twoImages), twoImages.descriptor('index'), destination, {
      verify: 'full',
    })
    expect(destination.pushes()).toEqual([...damaged])
    expect(result).toMatchObject({ copied: { nodes: 1 }, skipped: { nodes: 5 } })
  })

  it('full is refused before any I/O where nothing can be read back', async () => {
    const destination = recording()
    const attempt = copyGraph(await filled(twoImages), twoImages.descriptor('index'), destination, {
      verify: 'full',
    })
    await expect(attempt).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    expect(destination.calls).toEqual([])
  })
})

describe('a subject that the source does not have', () => {
  const drawing = graph({ referrer: { children: ['config', 'sbom'], subject: 'image' }, image: ['c', 'l'] })
  const present = ['config', 'sbom', 'referrer']

  it('fails the copy with its path', async () => {
    const error = await copyError(
      copyGraph(await filled(drawing, present), drawing.descriptor('referrer'), recording()),
    )
    expect(error).toMatchObject({ origin: 'source', operation: 'fetch' })
    expect(errorCode(error)).toBe('NOT_FOUND')
    expect(error.path.map(({ digest }) => digest)).toEqual([
      drawing.descriptor('referrer').digest,
      drawing.descriptor('image').digest,
    ])
  })

  it('is left out where that is allowed, and told', async () => {
    const events: CopyEvent[] = []
    const result = await copyGraph(
      await filled(drawing, present),
      drawing.descriptor('referrer'),
      recording(),
      {
        onMissingSubject: 'skip',
        onEvent: (event) => void events.push(event),
      },
    )
    expect(result).toMatchObject({ copied: { nodes: 3 }, skipped: { nodes: 1 } })
    expect(events).toContainEqual(expect.objectContaining({ type: 'skipped', reason: 'missing-subject' }))
  })

  it('is still an error where an index contains it', async () => {
    const both = graph({
      index: ['referrer', 'image'],
      referrer: { children: ['config', 'sbom'], subject: 'image' },
      image: ['c', 'l'],
    })
    const source = await filled(both, ['config', 'sbom', 'referrer', 'index'])
    const error = await copyError(
      copyGraph(source, both.descriptor('index'), recording(), { onMissingSubject: 'skip' }),
    )
    expect(errorCode(error)).toBe('NOT_FOUND')
  })
})

describe('foreign layers', () => {
  const drawing = graph({
    image: ['config', 'layer', 'foreign'],
    foreign: { mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' },
  })

  it('are left out and reported', async () => {
    const destination = recording()
    const result = await copyGraph(await filled(drawing), drawing.descriptor('image'), destination)
    expect(destination.pushes()).not.toContain(drawing.descriptor('foreign').digest)
    expect(result.filtered).toEqual({ nodes: 1, bytes: drawing.descriptor('foreign').size })
  })

  it('are copied on request', async () => {
    const destination = recording()
    await copyGraph(await filled(drawing), drawing.descriptor('image'), destination, {
      foreignLayers: 'copy',
    })
    expect(destination.pushes()).toContain(drawing.descriptor('foreign').digest)
  })

  it('are refused on request, before anything is pushed above them', async () => {
    const destination = recording()
    const attempt = copyGraph(await filled(drawing), drawing.descriptor('image'), destination, {
      foreignLayers: 'error',
    })
    expect(errorCode(await copyError(attempt))).toBe('UNSUPPORTED')
    expect(destination.pushes()).not.toContain(drawing.descriptor('image').digest)
  })
})

describe('functions of the caller', () => {
  it('hear of each node once, in their place', async () => {
    const heard: string[] = []
    const note =
      (what: string) =>
      ({ descriptor, parent }: NodeState) => {
        heard.push(
          `${what} ${nameOf(descriptor.digest)} under ${parent === undefined ? '-' : nameOf(parent.digest)}`,
        )
      }
    const nameOf = (digest: string): string =>
      twoImages.names.find((name) => twoImages.descriptor(name).digest === digest) ?? '?'
    const destination = await filled(twoImages, ['c1', 'shared', 'm1'])
    await copyGraph(await filled(twoImages), twoImages.descriptor('index'), destination, {
      preCopy: note('pre'),
      postCopy: note('post'),
      onCopySkipped: note('skipped'),
    })
    expect(heard.toSorted()).toEqual([
      'post c2 under m2',
      'post index under -',
      'post m2 under index',
      'pre c2 under m2',
      'pre index under -',
      'pre m2 under index',
      'skipped m1 under index',
      'skipped shared under m2',
    ])
    expect(heard.at(-1)).toBe('post index under -')
  })

  it('preCopy leaves a node out', async () => {
    const destination = recording()
    const layer = twoImages.descriptor('shared').digest
    const result = await copyGraph(await filled(twoImages), twoImages.descriptor('index'), destination, {
      preCopy: ({ descriptor }) => (descriptor.digest === layer ? 'skip' : undefined),
    })
    expect(destination.pushes()).not.toContain(layer)
    expect(result.skipped.nodes).toBe(1)
  })

  const failing: [keyof CopyGraphOptions, CopyGraphOptions][] = [
    ['preCopy', { preCopy: fail }],
    ['postCopy', { postCopy: fail }],
    ['findSuccessors', { findSuccessors: fail }],
    ['mountFrom', { mountFrom: fail }],
  ]
  it.each(failing)('what %s throws is the cause of the error', async (operation, options) => {
    const error = await copyError(
      copyGraph(await filled(twoImages), twoImages.descriptor('index'), recording(), options),
    )
    expect(error).toMatchObject({ origin: 'caller', operation, cause: callersError })
    expect(error.message).toContain('of the caller’s')
    expect(error.message).toContain(twoImages.descriptor('index').digest)
  })

  it('findSuccessors chooses what is followed', async () => {
    const destination = recording()
    await copyGraph(await filled(twoImages), twoImages.descriptor('index'), destination, {
      findSuccessors: ({ successors, parent }) =>
        parent === undefined ? successors.slice(0, 1) : successors,
    })
    expect(destination.pushes()).not.toContain(twoImages.descriptor('m2').digest)
    expect(destination.pushes()).toContain(twoImages.descriptor('m1').digest)
  })

  it.each([1, 8])('a cycle that findSuccessors makes is an error, at concurrency %i', async (concurrency) => {
    const m1 = { descriptor: twoImages.descriptor('m1'), edge: 'contains' } as const
    const m2 = { descriptor: twoImages.descriptor('m2'), edge: 'contains' } as const
    const attempt = copyGraph(await filled(twoImages), twoImages.descriptor('index'), recording(), {
      concurrency,
      findSuccessors({ descriptor, successors }) {
        if (descriptor.digest === m1.descriptor.digest) return [m2]
        if (descriptor.digest === m2.descriptor.digest) return [m1]
        return successors
      },
    })
    expect(errorCode(await copyError(attempt))).toBe('INVALID_MANIFEST')
  })
})

const callersError = new Error('an error of the caller’s')

function fail(): never {
  throw callersError
}

describe('failure and abort', () => {
  it('leaves nothing running, and no manifest above the failure', async () => {
    const broken = twoImages.descriptor('c2').digest
    const source = new RecordingSource(await filled(twoImages), async ({ digest }) => {
      if (digest === broken) throw new Error('disk on fire')
    })
    const destination = recording()
    const error = await copyError(
      copyGraph(source, twoImages.descriptor('index'), destination, { concurrency: 8 }),
    )
    expect(error).toMatchObject({ origin: 'source', operation: 'fetch', descriptor: { digest: broken } })
    expect(error.message).toContain('disk on fire')
    expect(source.active).toBe(0)
    expect(destination.pushes()).not.toContain(twoImages.descriptor('m2').digest)
    expect(destination.pushes()).not.toContain(twoImages.descriptor('index').digest)
    const calls = destination.calls.length
    await new Promise((resolve) => setImmediate(resolve))
    expect(destination.calls).toHaveLength(calls)
  })

  it('rejects with the reason of the abort itself, and leaves no listener', async () => {
    const controller = new AbortController()
    const reason = new Error('enough')
    const source = new RecordingSource(await filled(twoImages), async ({ digest }, signal) => {
      if (digest !== twoImages.descriptor('shared').digest) return
      controller.abort(reason)
      signal?.throwIfAborted()
    })
    const attempt = copyGraph(source, twoImages.descriptor('index'), recording(), {
      signal: controller.signal,
    })
    await expect(attempt).rejects.toBe(reason)
    expect(source.active).toBe(0)
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
  })

  it('does nothing when it was aborted before', async () => {
    const reason = new Error('before')
    const destination = recording()
    const attempt = copyGraph(await filled(twoImages), twoImages.descriptor('index'), destination, {
      signal: AbortSignal.abort(reason),
    })
    await expect(attempt).rejects.toBe(reason)
    expect(destination.calls).toEqual([])
  })

  it('heals a destination that claims to have what it misses', async () => {
    const destination = recording()
    const m1 = twoImages.descriptor('m1').digest
    let isLying = true
    const lying = Object.assign(destination, {
      exists: async (descriptor: { digest: string }) => isLying && descriptor.digest === m1,
    })
    destination.beforePush = ({ digest }) => {
      if (digest === m1) isLying = false
      if (digest !== twoImages.descriptor('index').digest || !isLying) return
      const facts = {
        method: 'PUT',
        url: '',
        status: 400,
        errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', message: '' }],
      }
      throw new ResponseError('blob unknown to registry', facts)
    }
    await copyGraph(await filled(twoImages), twoImages.descriptor('index'), lying)
    expect(destination.pushes()).toContain(m1)
    expect(destination.pushes()).toContain(twoImages.descriptor('c1').digest)
    expect(destination.pushes().at(-1)).toBe(twoImages.descriptor('index').digest)
  })

  it('refuses a graph that is deeper or larger than its limits', async () => {
    const source = await filled(twoImages)
    const root = twoImages.descriptor('index')
    expect(errorCode(await copyError(copyGraph(source, root, recording(), { maxDepth: 1 })))).toBe(
      'SIZE_EXCEEDS_LIMIT',
    )
    expect(errorCode(await copyError(copyGraph(source, root, recording(), { maxNodes: 3 })))).toBe(
      'SIZE_EXCEEDS_LIMIT',
    )
    expect(errorCode(await copyError(copyGraph(source, root, recording(), { maxMetadataBytes: 100 })))).toBe(
      'SIZE_EXCEEDS_LIMIT',
    )
  })

  it('does not use the call stack for depth', async () => {
    const depth = 20_000
    const source = new MemoryTarget()
    const end = graph({ image: ['config', 'layer'] })
    await end.pushTo(source)
    let last = end.descriptor('image')
    for (let level = 0; level < depth; level++) {
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: mediaTypes.ociIndex,
          manifests: [last],
          annotations: { level: `${level}` },
        }),
      )
      last = await source.ingest(contentOf(bytes), mediaTypes.ociIndex)
    }
    const destination = new MemoryTarget()
    const result = await copyGraph(source, last, destination, { maxDepth: depth + 10 })
    expect(result.copied.nodes).toBe(depth + 3)
  })
})
