import { afterEach, describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { copy } from '../../src/copy/copy.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { extendedCopy, extendedCopyGraph } from '../../src/copy/extended-copy.ts'
import type { FilterRule } from '../../src/copy/filter.ts'
import { isNoneOf } from '../../src/copy/filters.ts'
import { descriptorJson, type Modifier } from '../../src/copy/modifiers/modifier.ts'
import { setAnnotations } from '../../src/copy/modifiers/set-annotations.ts'
import { planCopy, planExtendedCopy } from '../../src/copy/plan.ts'
import { runPlan } from '../../src/copy/run-plan.ts'
import { errorCode, ResponseError } from '../../src/errors.ts'
import type { CopyEvent } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { newFolder } from '../support/folder.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'
import { RecordingDestination } from '../support/spy.ts'

const drawing = graph({ index: ['m1', 'm2'], m1: ['c1', 'l1'], m2: ['c2', 'l2'] })

const annotate = setAnnotations({ k: 'v' }, { on: 'manifests' })

async function filled(of: TestGraph = drawing, root = 'index'): Promise<MemoryTarget> {
  const source = new MemoryTarget({ manifestTypes: ownTypes })
  await of.pushTo(source)
  await source.tag(of.descriptor(root), 'v1')
  return source
}

async function present(target: MemoryTarget, of: TestGraph = drawing): Promise<readonly string[]> {
  const there = await Promise.all(of.names.map((name) => target.exists(of.descriptor(name))))
  return of.names.filter((_, index) => there[index])
}

function all(manifest: 'm1' | 'm2'): FilterRule {
  const other = drawing.descriptor(manifest === 'm1' ? 'm2' : 'm1').digest
  return { keep: isNoneOf([other]), parents: 'sparse' }
}

describe('preCopy with modifiers', () => {
  it('leaves out the root: no tag is written, none is claimed, and it is told under its old name', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const events: CopyEvent[] = []
    const { tags, root } = await copy(source, 'v1', destination, {
      modifiers: [annotate],
      preCopy: ({ parent }) => (parent === undefined ? 'skip' : undefined),
      onEvent: (event) => events.push(event),
    })
    expect(tags).toEqual([])
    expect(await Array.fromAsync(destination.tags())).toEqual([])
    expect(await destination.exists(root)).toBe(false)
    const told = events.filter((event) => event.type === 'skipped').map(({ descriptor }) => descriptor.digest)
    expect(told).toEqual([drawing.descriptor('index').digest])
  })

  it('leaves out what a tag named after a digest points at: that tag is not written', async () => {
    const source = await filled()
    const name = `${drawing.descriptor('index').digest.replace(':', '-')}.sig`
    const signature = graph({ signature: ['empty', 'payload'] })
    await signature.pushTo(source)
    await source.tag(signature.descriptor('signature'), name)
    const destination = new MemoryTarget()
    const { digestTags } = await extendedCopy(source, 'v1', destination, {
      modifiers: [annotate],
      digestTags: true,
      invalidated: 'repoint',
      preCopy: ({ descriptor, parent }) =>
        parent === undefined && descriptor.mediaType === mediaTypes.ociManifest ? 'skip' : undefined,
    })
    expect(await Array.fromAsync(destination.tags())).toEqual(['v1'])
    expect(digestTags).toEqual([])
  })
})

describe('What a layout lists', () => {
  const folders: AsyncDisposable[] = []
  afterEach(async () => {
    for (const folder of folders.splice(0)) await folder[Symbol.asyncDispose]()
  })

  it('is also a manifest whose index a modifier removes', async () => {
    const source = await filled()
    const folder = await newFolder()
    folders.push(folder)
    await extendedCopyGraph(source, drawing.descriptor('m1'), new OciLayout(folder.path), {
      edges: ['contains'],
      modifiers: [
        {
          id: 'test.remove',
          parameters: null,
          apply: ({ descriptor }) => (descriptor.mediaType === mediaTypes.ociIndex ? 'remove' : 'keep'),
        },
      ],
    })
    const listed = await Array.fromAsync(new OciLayout(folder.path).listed())
    expect(listed.map(({ digest }) => digest)).toContain(drawing.descriptor('m1').digest)
  })
})

describe('A sparse manifest at the destination', () => {
  it('stands for nothing when the next copy chooses other nodes', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    await copy(source, 'v1', destination, { filter: all('m1') })
    expect(await present(destination)).toEqual(['c1', 'l1', 'm1', 'index'])
    await copy(source, 'v1', destination, { filter: all('m2') })
    expect(await present(destination)).toEqual(drawing.names)
  })

  it('stands for nothing when the next copy comes up to it from elsewhere', async () => {
    const tall = graph({
      outer: ['inner1', 'inner2'],
      inner1: ['m1'],
      inner2: ['m2'],
      m1: ['c1', 'l1'],
      m2: ['c2', 'l2'],
    })
    const [source, destination] = [await filled(tall, 'outer'), new MemoryTarget()]
    const options = { edges: ['contains'], ancestors: 'alone' } as const
    await extendedCopyGraph(source, tall.descriptor('m1'), destination, options)
    expect(await present(destination, tall)).toEqual(['c1', 'l1', 'm1', 'inner1', 'outer'])
    await extendedCopyGraph(source, tall.descriptor('m2'), destination, options)
    expect(await present(destination, tall)).toEqual(tall.names)
  })
})

/** Takes no manifest before all that the drawing has below it is there. */
class Complete extends MemoryTarget {
  readonly #below: string

  constructor(below: string) {
    super()
    this.#below = below
  }

  async pushReference(descriptor: Descriptor, _bytes: Uint8Array, tag: string): Promise<void> {
    if (!(await this.exists(drawing.descriptor(this.#below)))) throw missing
    await this.tag(descriptor, tag)
  }
}

const missing = new ResponseError('blob unknown', {
  method: 'PUT',
  url: 'http://127.0.0.1/',
  status: 400,
  errors: [{ code: 'MANIFEST_BLOB_UNKNOWN', message: 'blob unknown' }],
  retryAfterMilliseconds: undefined,
})

describe('A destination that misses what was filtered out', () => {
  it('does not get it when it is healed', async () => {
    const source = await filled()
    const destination = new Complete('m2')
    await drawing.pushTo(destination, ['c1', 'l1', 'm1', 'index'])
    const copying = copy(source, 'v1', destination, { filter: all('m1') })
    await expect(copying).rejects.toThrow('blob unknown')
    expect(await present(destination)).toEqual(['c1', 'l1', 'm1', 'index'])
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('does not get it when a changed manifest is refused', async () => {
    const source = await filled()
    const inner = new MemoryTarget()
    const destination = new RecordingDestination(inner)
    destination.beforePush = ({ mediaType }) => {
      if (mediaType === mediaTypes.ociIndex) throw missing
    }
    const copying = copyGraph(source, drawing.descriptor('index'), destination, {
      filter: all('m1'),
      modifiers: [
        {
          ...annotate,
          apply: (node) =>
            node.descriptor.mediaType === mediaTypes.ociIndex ? annotate.apply(node) : 'keep',
        },
      ],
    })
    await expect(copying).rejects.toThrow('blob unknown')
    expect(await present(inner)).toEqual(['c1', 'l1', 'm1'])
  })
})

describe('A modifier', () => {
  it('cannot make a manifest of a blob', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const copying = copy(source, 'v1', destination, {
      modifiers: [
        {
          id: 'test.promote',
          parameters: null,
          apply: (node) =>
            node.kind === 'blob' && node.descriptor.digest === drawing.descriptor('l1').digest
              ? { content: node.content, mediaType: mediaTypes.ociManifest }
              : 'keep',
        },
      ],
    })
    await expect(copying).rejects.toMatchObject({ code: 'COPY', origin: 'caller' })
    await expect(copying).rejects.toThrow('modifier test.promote')
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  const bundled = graph({
    bundle: { kind: 'bundle', children: ['m1', 'm2'] },
    m1: ['c1', 'l1'],
    m2: ['c2', 'l2'],
  })

  it.each([
    ['a filter', { filter: { keep: isNoneOf([bundled.descriptor('m2').digest]), parents: 'rewrite' } }],
    ['a modifier', { modifiers: [annotate] }],
  ] as const)(
    'cannot change what is below a manifest that nobody here can rewrite: %s',
    async (_, options) => {
      const source = await filled(bundled, 'bundle')
      const destination = new MemoryTarget({ manifestTypes: ownTypes })
      const copying = copy(source, 'v1', destination, options)
      await expect(copying).rejects.toThrow('names its successors is not known')
      expect(await Array.fromAsync(destination.tags())).toEqual([])
    },
  )
})

describe('A plan', () => {
  it('says what a modifier makes also for a destination that takes only what has a digest', async () => {
    const [source, inner] = [await filled(), new MemoryTarget()]
    const shout: Modifier = {
      id: 'test.shout',
      parameters: null,
      apply: (node) =>
        node.kind === 'blob'
          ? {
              ...node,
              mediaType: node.descriptor.mediaType,
              content: {
                async *[Symbol.asyncIterator]() {
                  for await (const chunk of node.content)
                    yield Buffer.from(Buffer.from(chunk).toString().toUpperCase())
                },
              },
            }
          : 'keep',
    }
    const plan = await planCopy(source, 'v1', new RecordingDestination(inner), { modifiers: [shout] })
    expect(plan.totals.nodes.rewrite).toBe(7)
    expect(plan.totals.unknown).toBe(7)
    expect(await present(inner)).toEqual([])
  })

  it('is not run with functions that choose where it was made without, or the other way round', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const plan = await planExtendedCopy(source, 'v1', destination)
    const running = runPlan(plan, source, destination, { ascentFilter: () => false })
    await expect(running).rejects.toThrow(RangeError)
    const chosen = await planExtendedCopy(source, 'v1', destination, { ascentFilter: () => false })
    await expect(runPlan(chosen, source, destination)).rejects.toThrow(RangeError)
    await runPlan(chosen, source, destination, { ascentFilter: () => false })
    expect(await present(destination)).toEqual(drawing.names)
  })

  it('is refused where the filter now lets something through that was left out', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const filter: FilterRule = { keep: isNoneOf([drawing.descriptor('l2').digest]), parents: 'sparse' }
    const plan = await planCopy(source, 'v1', destination, { filter })
    const running = runPlan(plan, source, destination, { filter: { keep: () => true, parents: 'sparse' } })
    expect(errorCode(await running.catch((error: unknown) => error))).toBe('INVALID_REFERENCE')
    expect(await Array.fromAsync(destination.tags())).toEqual([])
    expect(await destination.exists(drawing.descriptor('l2'))).toBe(false)
  })
})

describe('What says something of a changed node', () => {
  const proven = graph({
    image: ['config', 'layer'],
    proofs: { kind: 'index', children: ['proof'], subject: 'image' },
    proof: ['empty', 'statement'],
    onProofs: { children: ['empty', 'more'], subject: 'proofs' },
  })
  const onlyImage: Modifier = {
    ...annotate,
    apply: (node) => (node.kind === 'manifest' && node.isRequested ? annotate.apply(node) : 'keep'),
  }

  it('is dropped with all that is below it, and before any of it is sent', async () => {
    const [source, destination] = [await filled(proven, 'image'), new MemoryTarget()]
    const { invalidated, copied, root } = await extendedCopy(source, 'v1', destination, {
      modifiers: [onlyImage],
    })
    expect(await present(destination, proven)).toEqual(['config', 'layer'])
    expect(await destination.exists(root)).toBe(true)
    expect(copied.nodes).toBe(3)
    expect(invalidated.map(({ descriptor }) => descriptor.digest)).toEqual(
      ['proofs', 'onProofs'].map((name) => proven.descriptor(name).digest),
    )
  })

  it('is kept with all that is below it, as it was', async () => {
    const [source, destination] = [await filled(proven, 'image'), new MemoryTarget()]
    const { invalidated, root } = await extendedCopy(source, 'v1', destination, {
      modifiers: [onlyImage],
      invalidated: 'keep',
    })
    expect(await present(destination, proven)).toEqual(proven.names)
    expect(root.digest).not.toBe(proven.descriptor('image').digest)
    expect(invalidated.map(({ descriptor }) => descriptor.digest)).toEqual([
      proven.descriptor('proofs').digest,
    ])
  })
})

it.each([
  ['without modifiers', []],
  ['with modifiers', [annotate]],
])('A cycle through a subject and what contains it is an error, and no wait: %s', async (_, modifiers) => {
  const signed = graph({
    index: ['m1'],
    m1: ['c1', 'l1'],
    signature: { children: ['empty', 'payload'], subject: 'index' },
  })
  const [source, destination] = [await filled(signed), new MemoryTarget()]
  const copying = extendedCopy(source, 'v1', destination, {
    modifiers,
    findSuccessors: ({ descriptor, successors }) =>
      descriptor.digest === signed.descriptor('m1').digest
        ? [{ descriptor: signed.descriptor('signature'), edge: 'subject' }, ...successors]
        : successors,
  })
  await expect(copying).rejects.toThrow('refers to itself')
  expect(await Array.fromAsync(destination.tags())).toEqual([])
})

it('Content that reads of the source while it is ingested waits for nobody who waits for it', async () => {
  const names = Array.from({ length: 20 }, (_, at) => `m${at}`)
  const wide = graph({
    index: { kind: 'index', children: names },
    ...Object.fromEntries(names.map((name) => [name, [`c ${name}`, `l ${name}`]])),
  })
  const [source, destination] = [await filled(wide), new MemoryTarget()]
  const appended: Modifier = {
    id: 'test.append',
    parameters: null,
    async apply(node) {
      const { kind, descriptor } = node
      if (kind === 'blob' || descriptor.mediaType === mediaTypes.ociIndex) return 'keep'
      const { contains } = ownTypes.read(descriptor, await node.read(descriptor))
      const [config, ...layers] = contains
      if (config === undefined) throw new RangeError('an image has a config')
      const made = await node.ingest(
        {
          async *[Symbol.asyncIterator]() {
            // All of them are in their places by now.
            for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
            yield await node.read(config)
          },
        },
        mediaTypes.ociLayer,
      )
      return { document: { ...node.document, layers: [...layers, made].map(descriptorJson) } }
    },
  }
  const { root } = await copy(source, 'v1', destination, { modifiers: [appended], concurrency: 1 })
  expect(await destination.exists(root)).toBe(true)
})

it('A manifest that a modifier makes equal to another one of the graph is there once, and so is that one', async () => {
  const [source, destination] = [await filled(), new MemoryTarget()]
  const other = drawing.node('m2').bytes
  const { root } = await copy(source, 'v1', destination, {
    modifiers: [
      {
        id: 'test.collide',
        parameters: null,
        apply: (node) =>
          node.kind === 'manifest' && node.descriptor.digest === drawing.descriptor('m1').digest
            ? { document: JSON.parse(Buffer.from(other).toString()) }
            : 'keep',
      },
    ],
  })
  const names = await present(destination)
  expect(names).toEqual(expect.arrayContaining(['c2', 'l2', 'm2']))
  expect(names).not.toContain('m1')
  const again = new MemoryTarget()
  await copyGraph(destination, root, again)
  expect(await again.exists(root)).toBe(true)
  await again.push(drawing.descriptor('l1'), contentOf(drawing.node('l1').bytes))
})
