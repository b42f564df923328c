import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import { plainDescriptor, type Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { extendedCopy, extendedCopyGraph } from '../../src/copy/extended-copy.ts'
import { setAnnotations } from '../../src/copy/modifiers/set-annotations.ts'
import { errorCode } from '../../src/errors.ts'
import type { SignalOptions } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import type { Predecessor, Target } from '../../src/targets/target.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'

/** A store that names other predecessors than it has, and may take its time. */
class LyingTarget extends MemoryTarget {
  lies: (node: Descriptor, truth: readonly Predecessor[]) => readonly Predecessor[] = (_, truth) => truth
  before: (node: Descriptor) => Promise<void> | void = () => undefined

  override async *predecessors(node: Descriptor, options: SignalOptions = {}): AsyncGenerator<Predecessor> {
    await this.before(node)
    yield* this.lies(node, await Array.fromAsync(super.predecessors(node, options)))
  }
}

const spec = {
  image: ['config', 'layer'],
  signature: { children: ['empty', 'payload'], subject: 'image' },
} as const

async function filled(drawing: TestGraph): Promise<LyingTarget> {
  const source = new LyingTarget({ manifestTypes: ownTypes })
  await drawing.pushTo(source)
  return source
}

/** Names of what is there, manifests only if they came as such. */
async function present(target: Target, drawing: TestGraph): Promise<readonly string[]> {
  const there = await Promise.all(drawing.names.map((name) => target.exists(drawing.descriptor(name))))
  return drawing.names.filter((_, index) => there[index])
}

async function pushReferrer(target: Target, subject: Descriptor): Promise<Descriptor> {
  const empty = { mediaType: mediaTypes.ociConfig, digest: digestOf(Buffer.from('{}')), size: 2 }
  const document = { schemaVersion: 2, artifactType: 'a/b', config: empty, layers: [], subject }
  const bytes = Buffer.from(JSON.stringify({ mediaType: mediaTypes.ociManifest, ...document }))
  const descriptor = { mediaType: mediaTypes.ociManifest, digest: digestOf(bytes), size: bytes.length }
  await target.push(empty, contentOf(Buffer.from('{}')))
  await target.push(descriptor, contentOf(bytes))
  return descriptor
}

describe('What a referrer says of its subject', () => {
  const drawing = graph(spec)

  it('cannot hide a signature by naming it as a blob', async () => {
    const source = await filled(drawing)
    const hiding = await pushReferrer(source, {
      ...plainDescriptor(drawing.descriptor('signature')),
      mediaType: mediaTypes.octetStream,
    })
    const destination = new MemoryTarget()
    const { roots } = await extendedCopyGraph(source, drawing.descriptor('image'), destination)
    expect(await present(destination, drawing)).toEqual(drawing.names)
    expect(roots.map(({ digest }) => digest)).toContain(hiding.digest)
    const referrers = await Array.fromAsync(destination.referrers(drawing.descriptor('image')))
    expect(referrers.map(({ digest }) => digest)).toEqual([drawing.descriptor('signature').digest])
  })

  it('leaves it out, with a warning, if it names it by another size', async () => {
    const source = await filled(drawing)
    const subject = drawing.descriptor('image')
    const wrong = await pushReferrer(source, { ...plainDescriptor(subject), size: subject.size + 1 })
    const destination = new MemoryTarget()
    const warnings: string[] = []
    await extendedCopyGraph(source, subject, destination, {
      onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
    })
    expect(await present(destination, drawing)).toEqual(drawing.names)
    expect(await destination.exists(wrong)).toBe(false)
    expect(warnings).toEqual([
      `${wrong.digest} is said to refer to ${subject.digest}, but does not refer to it: it is left out`,
    ])
  })
})

describe('A list of referrers', () => {
  const drawing = graph(spec)

  it('may name what is no manifest here: that is left out, with a warning and unread', async () => {
    const source = await filled(drawing)
    const stranger = { ...drawing.descriptor('payload'), mediaType: 'application/vnd.stranger+json' }
    source.lies = (node, truth) =>
      node.digest === drawing.descriptor('image').digest
        ? [{ descriptor: stranger, edge: 'subject' }, ...truth]
        : truth
    const destination = new MemoryTarget()
    const warnings: string[] = []
    await extendedCopyGraph(source, drawing.descriptor('image'), destination, {
      onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
    })
    expect(await present(destination, drawing)).toEqual(drawing.names)
    expect(warnings).toEqual([
      `${stranger.digest} is said to refer to ${drawing.descriptor('image').digest}, but is no manifest: it is left out`,
    ])
  })

  it('decides nothing by the annotations and artifact types that it claims', async () => {
    const source = await filled(drawing)
    source.lies = (_, truth) =>
      truth.map(({ descriptor, edge }) => ({
        descriptor: { ...descriptor, artifactType: 'claimed', annotations: { claimed: 'yes' } },
        edge,
      }))
    const shown: Descriptor[] = []
    const { roots } = await extendedCopyGraph(source, drawing.descriptor('image'), new MemoryTarget(), {
      ascentFilter: ({ descriptor }) => shown.push(descriptor) > 0,
    })
    expect(shown).toMatchObject([{ artifactType: mediaTypes.ociConfig }])
    expect(shown).toMatchObject([{ digest: drawing.descriptor('signature').digest }])
    expect(JSON.stringify([shown, roots])).not.toContain('claimed')
  })
})

describe('The way up', () => {
  /** `shared` is two levels above the image by one way, and one level by the other. */
  const drawing = graph({
    image: ['config', 'layer'],
    long: { children: ['empty', 'a'], subject: 'image' },
    shared: { children: ['empty', 'b'], subject: 'long' },
    short: { kind: 'index', children: ['between'], subject: 'image' },
    between: { kind: 'index', children: ['shared'] },
    onShared: { children: ['empty', 'c'], subject: 'shared' },
  })

  it.each(['long', 'short'] as const)('is as deep, whichever of two is slow: %s', async (slow) => {
    const source = await filled(drawing)
    const between = drawing.descriptor('between').digest
    // What is below `short` is reached late, or what is above `long`.
    const until = Promise.withResolvers<void>()
    source.before = ({ digest }) =>
      slow === 'long' && digest === drawing.descriptor('long').digest ? until.promise : undefined
    const destination = new MemoryTarget()
    const copying = extendedCopyGraph(source, drawing.descriptor('image'), destination, {
      depth: 2,
      filter: {
        parents: 'sparse',
        async keep({ parent, direction }) {
          if (direction === 'down' && parent.digest === between) {
            if (slow === 'short') for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate)
            else setImmediate(() => until.resolve())
          }
          return true
        },
      },
    })
    await copying
    expect(await present(destination, drawing)).toEqual(drawing.names)
  })
})

it('A list of referrers that does not end is an error, also where nobody has said how many may be', async () => {
  const drawing = graph(spec)
  const source = await filled(drawing)
  const signature = { edge: 'subject', descriptor: drawing.descriptor('signature') } as const
  source.predecessors = async function* () {
    // Without a limit the test would take all memory there is.
    for (let count = 0; count < 1_100_000; count++) yield signature
  }
  const destination = new MemoryTarget()
  const attempt = extendedCopyGraph(source, drawing.descriptor('image'), destination)
  expect(errorCode(await attempt.catch((error: unknown) => error))).toBe('SIZE_EXCEEDS_LIMIT')
  expect(await present(destination, drawing)).toEqual([])
})

describe('A tag that is named after a digest', () => {
  const drawing = graph(spec)
  const name = `${drawing.descriptor('image').digest.replace(':', '-')}.sig`

  it('is left out, with a warning, if it is gone by the time that it is asked for', async () => {
    const source = await filled(drawing)
    await source.tag(drawing.descriptor('signature'), name)
    await source.tag(drawing.descriptor('image'), 'v1')
    const { tags } = source
    source.tags = async function* (...options) {
      yield* await Array.fromAsync(tags.apply(source, options))
      await source.untag(name)
    }
    const destination = new MemoryTarget()
    const warnings: string[] = []
    const { digestTags } = await extendedCopy(source, 'v1', destination, {
      digestTags: true,
      onEvent: (event) => event.type === 'warning' && warnings.push(event.message),
    })
    expect(digestTags).toEqual([])
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(name)
    expect((await destination.resolve('v1')).digest).toBe(drawing.descriptor('image').digest)
  })

  it('may point at a blob, and follows its image all the same', async () => {
    const source = await filled(drawing)
    await source.tag(drawing.descriptor('payload'), name)
    await source.tag(drawing.descriptor('image'), 'v1')
    const destination = new MemoryTarget()
    const { invalidated } = await extendedCopy(source, 'v1', destination, {
      digestTags: true,
      referrers: 'root',
      invalidated: 'keep',
      modifiers: [setAnnotations({ k: 'v' })],
    })
    expect(invalidated.map(({ descriptor }) => descriptor.digest).toSorted()).toEqual(
      [drawing.descriptor('payload').digest, drawing.descriptor('signature').digest].toSorted(),
    )
    expect((await destination.resolve(name)).digest).toBe(drawing.descriptor('payload').digest)
  })

  it('names what is invalidated once, also where it is a referrer besides', async () => {
    const source = await filled(drawing)
    await source.tag(drawing.descriptor('signature'), name)
    await source.tag(drawing.descriptor('signature'), name.replace('.sig', '.att'))
    await source.tag(drawing.descriptor('image'), 'v1')
    const asked: string[] = []
    const { invalidated } = await extendedCopy(source, 'v1', new MemoryTarget(), {
      digestTags: true,
      invalidated: ({ descriptor }) => (asked.push(descriptor.digest) > 0 ? 'drop' : 'keep'),
      modifiers: [setAnnotations({ k: 'v' })],
    })
    expect(invalidated).toHaveLength(1)
    expect(asked).toEqual([drawing.descriptor('signature').digest])
  })
})
