import { describe, expect, it } from 'vitest'
import { nodeKey } from '../../src/content/descriptor.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copy } from '../../src/copy/copy.ts'
import type { ExtendedCopyOptions } from '../../src/copy/extended-options.ts'
import type { ModifierMemory } from '../../src/copy/modifiers/modifier-memory.ts'
import { addLayer } from '../../src/copy/modifiers/layers/add-layer.ts'
import { recompressLayers } from '../../src/copy/modifiers/layers/recompress-layers.ts'
import type { Modifier } from '../../src/copy/modifiers/modifier.ts'
import { setAnnotations } from '../../src/copy/modifiers/set-annotations.ts'
import { planCopy, planCopyGraph, planExtendedCopy, planExtendedCopyGraph } from '../../src/copy/plan.ts'
import type { PlannedAction } from '../../src/copy/plan-types.ts'
import { runPlan } from '../../src/copy/run-plan.ts'
import { parsePlan, serializePlan } from '../../src/copy/saved-plan.ts'
import { errorCode } from '../../src/errors.ts'
import type { CopyEvent } from '../../src/events.ts'
import { distribution, startFaultyRegistry } from '../../src/testing/testing.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { graph, type TestGraph } from '../support/graph.ts'

const spec = {
  index: ['m1', 'm2'],
  m1: { children: ['c1', 'shared'], platform: { os: 'linux', architecture: 'amd64' } },
  m2: { children: ['c2', 'shared'], platform: { os: 'linux', architecture: 'arm64' } },
  signature: { children: ['empty', 'payload'], subject: 'index' },
  c1: { bytes: Buffer.from('{"rootfs":{"type":"layers","diff_ids":[]},"config":{}}') },
  shared: { mediaType: mediaTypes.ociLayer, bytes: Buffer.alloc(1000) },
}
const drawing = graph(spec)

/** A source whose blobs cannot be read. */
class Sealed extends MemoryTarget {
  override fetch(
    ...[descriptor, options]: Parameters<MemoryTarget['fetch']>
  ): ReturnType<MemoryTarget['fetch']> {
    const isBlob = !this.manifestTypes.isManifest(descriptor.mediaType)
    if (!isBlob || this.isOpen) return super.fetch(descriptor, options)
    return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('a blob was read')) }) }
  }

  isOpen = false
}

async function sealed(of: TestGraph = drawing, root = 'index'): Promise<Sealed> {
  const source = new Sealed()
  await of.pushTo(source)
  await source.tag(of.descriptor(root), 'v1')
  return source
}

async function codeOf(attempt: Promise<unknown>): Promise<string | undefined> {
  return errorCode(
    await attempt.then(
      () => undefined,
      (error: unknown) => error,
    ),
  )
}

describe('A plan', () => {
  it('reads no blob, writes nothing, and calls nothing that follows a copy', async () => {
    const source = await sealed()
    const destination = new MemoryTarget()
    const called: string[] = []
    const types = new Set<CopyEvent['type']>()
    const plan = await planCopy(source, 'v1', destination, {
      preCopy: ({ descriptor }) =>
        descriptor.digest === drawing.descriptor('c2').digest ? 'skip' : undefined,
      postCopy: () => void called.push('postCopy'),
      onCopySkipped: () => void called.push('onCopySkipped'),
      onEvent: ({ type }) => types.add(type),
    })
    expect(plan.tags).toEqual(['v1'])
    expect(plan.nodes.find(({ digest }) => digest === drawing.descriptor('c2').digest)).toMatchObject({
      action: 'skip',
      reason: 'caller',
    })
    expect(called).toEqual([])
    expect([...types]).toEqual(['discovered'])
    expect(await Array.fromAsync(destination.tags())).toEqual([])
    for (const name of drawing.names) expect(await destination.exists(drawing.descriptor(name))).toBe(false)
  })

  it('gives sums for each image that add up to the whole', async () => {
    const plan = await planCopy(await sealed(), 'v1', new MemoryTarget())
    const platforms = new Set(plan.images.map(({ platform }) => platform))
    expect(platforms).toEqual(new Set(['linux/amd64', 'linux/arm64', undefined]))
    expect(plan.images.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(plan.totals.bytes)
    expect(plan.totals.nodes).toEqual({ copy: 6, skip: 0, mount: 0, rewrite: 0, filter: 0 })
  })

  it('says what is filtered out, and computes what is rewritten above it as the copy does', async () => {
    const source = await sealed()
    const options: ExtendedCopyOptions = {
      filter: {
        keep: ({ descriptor }) => descriptor.digest !== drawing.descriptor('m2').digest,
        parents: 'rewrite',
      },
      modifiers: [setAnnotations({ a: 'b' })],
    }
    const plan = await planCopy(source, 'v1', new MemoryTarget(), options)
    expect(plan.totals).toMatchObject({ nodes: { filter: 1, rewrite: 1 }, unknown: 0 })
    source.isOpen = true
    const result = await copy(source, 'v1', new MemoryTarget(), options)
    expect(plan.descriptor).toEqual(result.root)
    expect(plan.totals.bytes).toBe(result.copied.bytes)
  })

  it('says of what a modifier makes of a blob that it is not known, and remembers nothing of it', async () => {
    const set: string[] = []
    const memory: ModifierMemory = {
      get: () => Promise.resolve(undefined),
      set: (key) => Promise.resolve(void set.push(key)),
    }
    const options = {
      modifiers: [recompressLayers({ to: 'gzip' })],
      modifierMemory: memory,
      platform: { os: 'linux', architecture: 'amd64' },
    }
    const image = graph({
      image: ['config', 'layer'],
      config: { bytes: Buffer.from('{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":[]}}') },
      layer: { mediaType: mediaTypes.ociLayer, bytes: Buffer.alloc(10_240) },
    })
    const source = await sealed(image, 'image')
    source.isOpen = true
    const plan = await planCopy(source, 'v1', new MemoryTarget(), options)
    expect(set).toEqual([])
    const actions = Object.fromEntries(plan.nodes.map((node) => [node.mediaType, node]))
    expect(actions[mediaTypes.ociLayer]).toMatchObject({ action: 'rewrite', reason: 'modified' })
    expect(actions[mediaTypes.ociLayer]).not.toHaveProperty('bytes')
    expect(actions[mediaTypes.ociManifest]).not.toHaveProperty('result')
    expect(plan).not.toHaveProperty('descriptor')
    expect(plan.totals.unknown).toBe(2)
    const destination = new MemoryTarget()
    const result = await runPlan(parsePlan(serializePlan(plan)).plan, source, destination, options)
    expect(await destination.exists(result.root)).toBe(true)
  })

  it('knows what a modifier brings of its own', async () => {
    const image = graph({
      image: ['config', 'layer'],
      config: { bytes: Buffer.from(`{"rootfs":{"diff_ids":["sha256:${'0'.repeat(64)}"]}}`) },
      layer: { mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.alloc(10_240) },
    })
    const source = await sealed(image, 'image')
    source.isOpen = true
    const options = { modifiers: [addLayer({ files: [{ path: 'hello', content: Buffer.from('hello') }] })] }
    const plan = await planCopy(source, 'v1', new MemoryTarget(), options)
    const result = await copy(source, 'v1', new MemoryTarget(), options)
    expect(plan.descriptor).toEqual(result.root)
  })

  it('fails for a modifier that must read a blob to decide', async () => {
    const reader: Modifier = {
      id: 'reader',
      parameters: null,
      async apply(node): Promise<'keep'> {
        if (node.kind === 'blob') for await (const _chunk of node.content);
        return 'keep'
      },
    }
    const source = await sealed()
    source.isOpen = true
    expect(await codeOf(planCopy(source, 'v1', new MemoryTarget(), { modifiers: [reader] }))).toBe(
      'UNSUPPORTED',
    )
  })

  it('says that it cannot know how often a list of referrers is written, and changes none', async () => {
    await using registry = await startFaultyRegistry({ profile: distribution() })
    await using destination = new Repository(`${registry.host}/test/content`)
    const source = await sealed()
    const methods = new Set<string>()
    const plan = await planExtendedCopy(source, 'v1', destination, {
      onEvent: (event) => void (event.type === 'request' && methods.add(event.method)),
    })
    expect(plan.uncertainties).toEqual([expect.stringContaining('lists referrers in tags')])
    expect(methods).toEqual(new Set(['GET', 'HEAD']))
  })

  it('ends with the reason of an abort', async () => {
    const controller = new AbortController()
    const options = { signal: controller.signal, preCopy: () => controller.abort('enough') }
    await expect(planCopy(await sealed(), 'v1', new MemoryTarget(), options)).rejects.toBe('enough')
  })
})

describe('A saved plan', () => {
  it('comes back as it was, with the names of its ends', async () => {
    const plan = await planExtendedCopy(await sealed(), 'v1', new MemoryTarget())
    const names = { source: 'here:v1', destination: 'there:v1' }
    expect(parsePlan(serializePlan(plan, names))).toEqual({ plan, names })
  })

  it.each([
    '',
    '{}',
    '[]',
    'null',
    '{"schemaVersion":1,"dryRun":false}',
    '{"schemaVersion":1,"schemaVersion":1}',
  ])('that is none is refused: %s', (text) => {
    expect(() => parsePlan(text)).toThrow(expect.objectContaining({ code: 'INVALID_MANIFEST' }))
  })

  it('whose digests or actions are none is refused', async () => {
    const text = serializePlan(await planCopy(await sealed(), 'v1', new MemoryTarget()))
    for (const damaged of [
      text.replaceAll('sha256:', 'md5:'),
      text.replace('"copy"', '"steal"'),
      text.replace('"bytes": ', '"bytes": -'),
    ]) {
      expect(() => parsePlan(damaged)).toThrow(expect.objectContaining({ code: 'INVALID_MANIFEST' }))
    }
  })

  it.each(['copy', 'copyGraph', 'extendedCopy', 'extendedCopyGraph'] as const)(
    'of %s does what it says',
    async (operation) => {
      const source = await sealed()
      const destination = new MemoryTarget()
      const root = drawing.descriptor('index')
      const plans = {
        copy: () => planCopy(source, 'v1', destination),
        copyGraph: () => planCopyGraph(source, root, destination),
        extendedCopy: () => planExtendedCopy(source, 'v1', destination),
        extendedCopyGraph: () => planExtendedCopyGraph(source, root, destination),
      }
      const { plan } = parsePlan(serializePlan(await plans[operation]()))
      source.isOpen = true
      const done = new Map<string, PlannedAction>()
      await runPlan(plan, source, destination, {
        onEvent: (event) => {
          if (event.type === 'copied') done.set(nodeKey(event.descriptor), 'copy')
        },
      })
      expect(done).toEqual(new Map(plan.nodes.map((node) => [nodeKey(node), node.action])))
      const tags = await Array.fromAsync(destination.tags())
      expect(tags).toEqual(operation.endsWith('Graph') ? [] : ['v1'])
    },
  )

  it('is refused where the tag of the source has moved, before anything is written', async () => {
    const source = await sealed()
    const destination = new MemoryTarget()
    const plan = await planCopy(source, 'v1', destination)
    source.isOpen = true
    await source.tag(drawing.descriptor('m1'), 'v1')
    expect(await codeOf(runPlan(plan, source, destination))).toBe('INVALID_REFERENCE')
    expect(await destination.exists(drawing.descriptor('shared'))).toBe(false)
  })

  it.each(['planned', 'not planned'])(
    'is refused where the tag of the destination has moved: %s',
    async (when) => {
      const source = await sealed()
      source.isOpen = true
      const destination = new MemoryTarget()
      await copy(source, drawing.descriptor('m1').digest, destination, { destinationReference: 'other' })
      if (when === 'planned') await destination.tag(drawing.descriptor('m1'), 'v1')
      const plan = await planCopy(source, 'v1', destination)
      if (when === 'planned') await destination.untag('v1')
      else await destination.tag(drawing.descriptor('m1'), 'v1')
      expect(await codeOf(runPlan(plan, source, destination))).toBe('INVALID_REFERENCE')
      expect(await destination.exists(drawing.descriptor('index'))).toBe(false)
    },
  )

  it('is refused where another referrer has come, with no tag written', async () => {
    const source = await sealed()
    const destination = new MemoryTarget()
    const plan = await planExtendedCopy(source, 'v1', destination)
    source.isOpen = true
    const later = graph({ ...spec, late: { children: ['empty', 'late payload'], subject: 'index' } })
    await later.pushTo(source)
    expect(await codeOf(runPlan(plan, source, destination))).toBe('INVALID_REFERENCE')
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('is refused where the destination has lost what was to be skipped', async () => {
    const source = await sealed()
    source.isOpen = true
    const destination = new MemoryTarget()
    await copy(source, drawing.descriptor('m1').digest, destination, { destinationReference: [] })
    const plan = await planCopy(source, 'v1', destination)
    await destination.delete(drawing.descriptor('m1'))
    expect(await codeOf(runPlan(plan, source, destination))).toBe('INVALID_REFERENCE')
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('is refused where a modifier now makes another node', async () => {
    const source = await sealed()
    source.isOpen = true
    const destination = new MemoryTarget()
    let value = 'one'
    const modifier: Modifier = {
      id: 'fickle',
      parameters: null,
      apply: (node) =>
        node.kind === 'manifest' ? { document: { ...node.document, annotations: { value } } } : 'keep',
    }
    const plan = await planCopy(source, 'v1', destination, { modifiers: [modifier] })
    value = 'two'
    const attempt = runPlan(plan, source, destination, { modifiers: [modifier] })
    expect(await codeOf(attempt)).toBe('INVALID_REFERENCE')
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('is not run with other options', async () => {
    const source = await sealed()
    const destination = new MemoryTarget()
    const plan = await planCopy(source, 'v1', destination)
    await expect(runPlan(plan, source, destination, { verify: 'manifests' })).rejects.toThrow(RangeError)
  })
})
