import { afterEach, describe, expect, it } from 'vitest'
import { extendedCopy, extendedCopyGraph } from '../../src/copy/extended-copy.ts'
import type { AscentOptions, ExtendedCopyOptions } from '../../src/copy/extended-options.ts'
import { errorCode } from '../../src/errors.ts'
import type { CopyEvent } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Target } from '../../src/targets/target.ts'
import { distribution, startFaultyRegistry } from '../../src/testing/testing.ts'
import { newFolder } from '../support/folder.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'

const hundreds = Array.from({ length: 200 }, (_, index) => `r${index}`)

interface Drawing {
  readonly drawing: TestGraph
  /** Where the copy begins. */
  readonly node: string
  /** What is not copied, of all that was drawn, with `referrers: 'all'`. */
  readonly left: readonly string[]
  /** What is not copied besides, with `referrers: 'root'`. */
  readonly leftByRoot?: readonly string[]
}

/** Text that is not drawn is in no graph. */
const drawings: Readonly<Record<string, Drawing>> = {
  'an image with a signature': {
    drawing: graph({
      image: ['config', 'layer'],
      signature: { children: ['empty', 'payload'], subject: 'image' },
      other: ['config', 'elsewhere'],
    }),
    node: 'image',
    left: ['other', 'elsewhere'],
  },
  'an index with referrers on it and on its children': {
    drawing: graph({
      index: ['m1', 'm2'],
      m1: ['c1', 'shared'],
      m2: ['c2', 'shared'],
      onIndex: { children: ['empty', 'a'], subject: 'index' },
      onFirst: { children: ['empty', 'b'], subject: 'm1' },
      onSecond: { children: ['empty', 'c'], subject: 'm2' },
    }),
    node: 'index',
    left: [],
    leftByRoot: ['onFirst', 'b', 'onSecond', 'c'],
  },
  'referrers of referrers': {
    drawing: graph({
      image: ['config', 'layer'],
      sbom: { children: ['empty', 'spdx'], subject: 'image' },
      signature: { children: ['empty', 'payload'], subject: 'sbom' },
      countersignature: { children: ['empty', 'more'], subject: 'signature' },
    }),
    node: 'image',
    left: [],
  },
  'a diamond of referrers': {
    drawing: graph({
      image: ['config', 'layer'],
      left: { children: ['empty', 'l'], subject: 'image' },
      right: { children: ['empty', 'r'], subject: 'image' },
      both: { kind: 'index', children: ['left', 'right'] },
      onBoth: { children: ['empty', 'top'], subject: 'both' },
    }),
    node: 'image',
    left: ['both', 'onBoth', 'top'],
  },
  'a nested index': {
    drawing: graph({
      outer: ['inner', 'm3'],
      inner: ['m1', 'm2'],
      m1: ['c1', 'l'],
      m2: ['c2', 'l'],
      m3: ['c3', 'l'],
      onInner: { children: ['empty', 'a'], subject: 'inner' },
      onLeaf: { children: ['empty', 'b'], subject: 'm2' },
    }),
    node: 'outer',
    left: [],
    leftByRoot: ['onInner', 'empty', 'a', 'onLeaf', 'b'],
  },
  'two hundred referrers': {
    drawing: graph({
      image: ['config', 'layer'],
      ...Object.fromEntries(
        hundreds.map((name) => [name, { children: ['empty', `blob of ${name}`], subject: 'image' }]),
      ),
    }),
    node: 'image',
    left: [],
  },
  'a child of an index': {
    drawing: graph({
      index: ['m1', 'm2'],
      m1: ['c1', 'shared'],
      m2: ['c2', 'shared'],
      onIndex: { children: ['empty', 'a'], subject: 'index' },
      onChild: { children: ['empty', 'b'], subject: 'm1' },
    }),
    node: 'm1',
    left: ['index', 'm2', 'c2', 'onIndex', 'a'],
  },
  'a signature, whose subject has others': {
    drawing: graph({
      image: ['config', 'layer'],
      one: { children: ['empty', 'a'], subject: 'image' },
      two: { children: ['empty', 'b'], subject: 'image' },
    }),
    node: 'one',
    left: [],
    leftByRoot: ['two', 'b'],
  },
  'a referrer that is an index': {
    drawing: graph({
      image: ['config', 'layer'],
      proofs: { kind: 'index', children: ['p1', 'p2'], subject: 'image' },
      p1: ['empty', 'a'],
      p2: ['empty', 'b'],
      onProof: { children: ['empty', 'c'], subject: 'p2' },
    }),
    node: 'image',
    left: [],
    leftByRoot: ['onProof', 'c'],
  },
  'a child whose subject is a sibling': {
    drawing: graph({
      index: ['image', 'attestation'],
      image: ['config', 'layer'],
      attestation: { children: ['empty', 'statement'], subject: 'image' },
      onAttestation: { children: ['empty', 'a'], subject: 'attestation' },
    }),
    node: 'index',
    left: [],
    leftByRoot: ['onAttestation', 'a'],
  },
  'nothing that refers to it': {
    drawing: graph({ image: ['config', 'layer'], other: ['c', 'layer'] }),
    node: 'image',
    left: ['other', 'c'],
  },
}

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

type Kind = 'memory' | 'layout' | 'registry' | 'registry without referrers'

async function place(kind: Kind): Promise<Target> {
  if (kind === 'memory') return new MemoryTarget({ manifestTypes: ownTypes })
  if (kind === 'layout') {
    const folder = await newFolder()
    closers.push(() => folder.remove())
    return new OciLayout(folder.path)
  }
  const registry = await startFaultyRegistry(kind === 'registry' ? {} : { profile: distribution() })
  // Who writes a list of referrers waits to see that it stays: two hundred times, where they are pushed one by one.
  const repository = new Repository(`${registry.host}/test/content`, { retry: { baseMilliseconds: 1 } })
  closers.push(
    () => registry.close(),
    () => repository.close(),
  )
  return repository
}

/** The names of those that are there. */
async function present(target: Target, drawing: TestGraph): Promise<readonly string[]> {
  const there = await Promise.all(drawing.names.map((name) => target.exists(drawing.descriptor(name))))
  return drawing.names.filter((_, index) => there[index])
}

function expected({ drawing, left }: Drawing, alsoLeft: readonly string[] = []): readonly string[] {
  return drawing.names.filter((name) => !left.includes(name) && !alsoLeft.includes(name))
}

const pairs: readonly (readonly [Kind, Kind])[] = [
  ['memory', 'memory'],
  ['layout', 'registry'],
  ['registry', 'layout'],
  ['registry without referrers', 'registry'],
  ['registry', 'registry without referrers'],
  ['registry without referrers', 'layout'],
  ['layout', 'registry without referrers'],
]

describe.each(pairs)('An extended copy from %s to %s', (from, to) => {
  it.each(Object.entries(drawings))('reaches exactly what belongs to %s', async (_, shape) => {
    const { drawing, node } = shape
    const source = await place(from)
    const destination = await place(to)
    await drawing.pushTo(source)
    await source.tag(drawing.descriptor(node), 'v1')
    const result = await extendedCopy(source, 'v1', destination)
    expect(await present(destination, drawing)).toEqual(expected(shape))
    expect(result.root).toMatchObject({ digest: drawing.descriptor(node).digest })
    expect((await destination.resolve('v1')).digest).toBe(drawing.descriptor(node).digest)
    const names = expected(shape)
    expect(await referrersOf(destination, drawing, names)).toEqual(await referrersOf(source, drawing, names))
  })
})

describe.each(pairs.slice(0, 3))('An extended copy from %s to %s', (from, to) => {
  it.each(Object.entries(drawings))(
    'takes the referrers of the node alone of %s on request',
    async (_, shape) => {
      const { drawing, node, leftByRoot } = shape
      const source = await place(from)
      const destination = await place(to)
      await drawing.pushTo(source)
      await extendedCopyGraph(source, drawing.descriptor(node), destination, { referrers: 'root' })
      expect(await present(destination, drawing)).toEqual(expected(shape, leftByRoot))
    },
  )
})

/** The digests of the referrers of each manifest that was copied, sorted. */
async function referrersOf(
  target: Target,
  drawing: TestGraph,
  names: readonly string[],
): Promise<Readonly<Record<string, readonly string[]>>> {
  const found: Record<string, readonly string[]> = {}
  for (const name of names) {
    const descriptor = drawing.descriptor(name)
    const referrers = await Array.fromAsync(target.referrers?.(descriptor) ?? [])
    if (referrers.length > 0) found[name] = referrers.map(({ digest }) => digest).toSorted()
  }
  return found
}

describe('An extended copy', () => {
  const family = graph({
    outer: ['index', 'm3'],
    index: ['m1', 'm2'],
    m1: ['c1', 'shared'],
    m2: ['c2', 'shared'],
    m3: ['c3', 'shared'],
    onOuter: { children: ['empty', 'a'], subject: 'outer' },
    onSibling: { children: ['empty', 'b'], subject: 'm2' },
    onImage: { children: ['empty', 'd'], subject: 'm1' },
    onSignature: { children: ['empty', 'e'], subject: 'onImage' },
  })
  const without = (...left: readonly string[]): readonly string[] =>
    family.names.filter((name) => !left.includes(name))
  const copied = async (options: AscentOptions, node = 'm1'): Promise<readonly string[]> => {
    const [source, destination] = [await place('memory'), await place('memory')]
    await family.pushTo(source)
    await extendedCopyGraph(source, family.descriptor(node), destination, options)
    return present(destination, family)
  }

  it('follows to indexes that contain the node, on request, with all that is in them', async () => {
    expect(await copied({ edges: ['subject', 'contains'] })).toEqual(family.names)
  })

  it('leaves out the other manifests of an index above the node, on request', async () => {
    const names = await copied({ edges: ['subject', 'contains'], ancestors: 'alone' })
    expect(names).toEqual(without('m2', 'c2', 'm3', 'c3', 'onSibling', 'b'))
  })

  it('takes indexes above the node without any referrer', async () => {
    const names = await copied({ edges: ['contains'], referrers: 'none' })
    expect(names).toEqual(
      without('onOuter', 'a', 'onSibling', 'b', 'onImage', 'd', 'onSignature', 'e', 'empty'),
    )
  })

  it('goes up no further than the depth', async () => {
    const edges = ['subject', 'contains'] as const
    expect(await copied({ depth: 0 })).toEqual(await copied({ referrers: 'none' }))
    expect(await copied({ depth: 1 })).toContain('onImage')
    expect(await copied({ depth: 1 })).not.toContain('onSignature')
    const twice = await copied({ depth: 2, edges })
    expect(twice).toContain('outer')
    expect(twice).toContain('onSibling')
    expect(twice).not.toContain('onOuter')
  })

  it('counts the shortest way up to a node, whichever is found first', async () => {
    const drawing = graph({
      image: ['config', 'layer'],
      long1: { children: ['empty', 'a'], subject: 'image' },
      long2: { children: ['empty', 'b'], subject: 'long1' },
      // Contains what is two levels up already.
      short: { kind: 'index', children: ['long2'], subject: 'image' },
      onLong2: { children: ['empty', 'd'], subject: 'long2' },
    })
    const [source, destination] = [await place('memory'), await place('memory')]
    await drawing.pushTo(source)
    await extendedCopyGraph(source, drawing.descriptor('image'), destination, { depth: 2 })
    expect(await present(destination, drawing)).toEqual(drawing.names)
  })

  it('carries over what cosign attached by tags, with the tags', async () => {
    const drawing = graph({
      index: ['m1', 'm2'],
      m1: ['c1', 'shared'],
      m2: ['c2', 'shared'],
      signature: ['sc', 'payload'],
      attestation: ['ac', 'statement'],
      onAttestation: ['oc', 'other payload'],
      stranger: ['xc', 'unrelated'],
    })
    const tagFor = (name: string, ending: string): string =>
      `${drawing.descriptor(name).digest.replace(':', '-')}.${ending}`
    const tags = {
      [tagFor('index', 'sig')]: 'signature',
      [tagFor('m2', 'att')]: 'attestation',
      [tagFor('attestation', 'sig')]: 'onAttestation',
      [`sha256-${'0'.repeat(64)}.sig`]: 'stranger',
    }
    for (const [from, to] of [
      ['registry', 'layout'],
      ['layout', 'registry without referrers'],
    ] as const) {
      const [source, destination] = [await place(from), await place(to)]
      await drawing.pushTo(source)
      await source.tag(drawing.descriptor('index'), 'v1')
      for (const [tag, name] of Object.entries(tags)) await source.tag(drawing.descriptor(name), tag)
      const options: ExtendedCopyOptions = { digestTags: true }
      const { digestTags } = await extendedCopy(source, 'v1', destination, options)
      const carried = Object.keys(tags).filter((tag) => tags[tag] !== 'stranger')
      expect(digestTags.toSorted()).toEqual(carried.toSorted())
      for (const tag of carried) {
        expect((await destination.resolve(tag)).digest).toBe(drawing.descriptor(tags[tag] ?? '').digest)
      }
      expect(await present(destination, drawing)).toEqual(
        drawing.names.filter((name) => !['stranger', 'xc', 'unrelated'].includes(name)),
      )
    }
  })

  it('writes the tag when all that refers to the node is there', async () => {
    const { drawing } = drawings['an image with a signature'] ?? { drawing: family }
    const [source, destination] = [await place('registry'), await place('registry')]
    await drawing.pushTo(source)
    await source.tag(drawing.descriptor('image'), 'v1')
    const events: CopyEvent[] = []
    await extendedCopy(source, 'v1', destination, { onEvent: (event) => events.push(event) })
    const outcomes = events.filter(({ type }) => type === 'copied' || type === 'tagged')
    expect(outcomes.at(-1)).toMatchObject({ type: 'tagged', reference: 'v1' })
    expect(outcomes).toHaveLength(7)
  })

  it('finds a new referrer of what the destination has already', async () => {
    const { drawing } = drawings['an index with referrers on it and on its children'] ?? { drawing: family }
    const [source, destination] = [await place('registry'), await place('registry')]
    const first = drawing.names.filter((name) => !['onSecond', 'c'].includes(name))
    await drawing.pushTo(source, first)
    await source.tag(drawing.descriptor('index'), 'v1')
    await extendedCopy(source, 'v1', destination)
    expect(await present(destination, drawing)).toEqual(first)
    await drawing.pushTo(source, ['c', 'onSecond'])
    const { copied: moved } = await extendedCopy(source, 'v1', destination)
    expect(await present(destination, drawing)).toEqual(drawing.names)
    // And the two bytes of the empty config, which nobody asks for.
    expect(moved.nodes).toBe(3)
  })

  it('leaves out, with a warning, what is only said to refer to the node', async () => {
    const drawing = graph({
      image: ['config', 'layer'],
      honest: { children: ['empty', 'a'], subject: 'image' },
      liar: { children: ['empty', 'b'] },
      gone: { children: ['empty', 'c'], subject: 'image' },
    })
    const source = new MemoryTarget()
    await drawing.pushTo(
      source,
      drawing.names.filter((name) => name !== 'gone'),
    )
    const lying = new Proxy(source, {
      get(target, name) {
        if (name === 'predecessors') {
          return async function* (descriptor: { digest: string }) {
            if (descriptor.digest !== drawing.descriptor('image').digest) return
            for (const of of ['liar', 'gone', 'honest']) {
              yield { descriptor: drawing.descriptor(of), edge: 'subject' }
            }
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const destination = new MemoryTarget()
    const warnings: string[] = []
    await extendedCopyGraph(lying, drawing.descriptor('image'), destination, {
      onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
    })
    expect(await present(destination, drawing)).toEqual(
      drawing.names.filter((name) => !['liar', 'b', 'gone', 'c'].includes(name)),
    )
    expect(warnings.toSorted()).toEqual(
      [
        `${drawing.descriptor('gone').digest} is said to refer to ${drawing.descriptor('image').digest}, but is not in the source: it is left out`,
        `${drawing.descriptor('liar').digest} is said to refer to ${drawing.descriptor('image').digest}, but does not refer to it: it is left out`,
      ].toSorted(),
    )
  })

  it('refuses a source that cannot find predecessors, before any question', async () => {
    const asked: string[] = []
    const source = {
      resolve: () => Promise.reject(new Error('asked')),
      exists: () => Promise.resolve(Boolean(asked.push('exists'))),
      fetch: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(new Error('asked')) }) }),
    }
    const copying = extendedCopy(source, 'v1', new MemoryTarget())
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('UNSUPPORTED')
    await expect(copying).rejects.toThrow('predecessors')
    const tagged = extendedCopy(source, 'v1', new MemoryTarget(), { referrers: 'none', digestTags: true })
    await expect(tagged).rejects.toThrow('no tags')
    expect(asked).toEqual([])
  })

  it('ends where the graph is higher than allowed', async () => {
    const [source, destination] = [await place('memory'), await place('memory')]
    await family.pushTo(source)
    const copying = extendedCopyGraph(source, family.descriptor('m1'), destination, { maxDepth: 1 })
    await expect(copying).rejects.toMatchObject({ code: 'SIZE_EXCEEDS_LIMIT' })
    expect(await present(destination, family)).toEqual([])
  })
})

describe('An extended copy of a large graph', () => {
  it('copies a chain of 20,000 referrers', { timeout: 60_000 }, async () => {
    const levels = 20_000
    const spec = Object.fromEntries(
      Array.from({ length: levels }, (_, index) => [
        `n${index}`,
        { children: ['empty'], ...(index > 0 && { subject: `n${index - 1}` }) },
      ]),
    )
    const drawing = graph(spec)
    const [source, destination] = [new MemoryTarget(), new MemoryTarget()]
    await drawing.pushTo(source)
    const result = await extendedCopyGraph(source, drawing.descriptor('n0'), destination, {
      maxDepth: levels + 1,
    })
    expect(result.copied.nodes).toBe(levels + 1)
    expect(result.roots).toHaveLength(1)
  })
})
