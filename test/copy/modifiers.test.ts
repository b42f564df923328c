import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { readAll } from '../../src/content/verify.ts'
import { copyGraph } from '../../src/copy/copy-graph.ts'
import { copy } from '../../src/copy/copy.ts'
import { extendedCopy } from '../../src/copy/extended-copy.ts'
import { descriptorJson, type Modifier } from '../../src/copy/modifiers/modifier.ts'
import type { Disposition } from '../../src/copy/options.ts'
import { errorCode } from '../../src/errors.ts'
import type { CopyEvent } from '../../src/events.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { OciLayout } from '../../src/targets/oci-layout/oci-layout.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import { startFaultyRegistry } from '../../src/testing/testing.ts'
import { newFolder } from '../support/folder.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { readJson } from '../support/read-json.ts'

const drawing = graph({
  index: ['m1', 'm2'],
  m1: { children: ['c1', 'shared', 'l1'], platform: { os: 'linux', architecture: 'amd64' } },
  m2: ['c2', 'shared'],
  shared: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('shared bytes') },
  l1: { mediaType: mediaTypes.ociLayer, bytes: Buffer.from('other bytes') },
  onIndex: { children: ['empty', 'a'], subject: 'index', artifactType: 'application/sig' },
  onFirst: { children: ['empty', 'b'], subject: 'm1', artifactType: 'application/spdx+json' },
})

/** Upper case for each layer. */
function shout(seen: string[] = []): Modifier {
  return {
    id: 'test.shout',
    parameters: null,
    apply(node) {
      seen.push(`${node.kind} ${node.descriptor.digest}`)
      if (node.kind === 'manifest' || node.descriptor.mediaType !== mediaTypes.ociLayer) return 'keep'
      const { content } = node
      return {
        mediaType: mediaTypes.ociLayer,
        content: {
          async *[Symbol.asyncIterator]() {
            for await (const chunk of content) yield Buffer.from(Buffer.from(chunk).toString().toUpperCase())
          },
        },
      }
    },
  }
}

function annotate(name: string, only?: string): Modifier {
  return {
    id: 'test.annotate',
    parameters: { name },
    apply(node) {
      if (node.kind === 'blob' || (only !== undefined && node.descriptor.digest !== only)) return 'keep'
      return { document: { ...node.document, annotations: { [name]: 'yes' } } }
    },
  }
}

async function filled(names?: readonly string[]): Promise<MemoryTarget> {
  const source = new MemoryTarget()
  await drawing.pushTo(source, names)
  await source.tag(drawing.descriptor('index'), 'v1')
  return source
}

async function present(target: Pick<MemoryTarget, 'exists'>, of: TestGraph): Promise<readonly string[]> {
  const there = await Promise.all(of.names.map((name) => target.exists(of.descriptor(name))))
  return of.names.filter((_, index) => there[index])
}

describe('A copy with modifiers', () => {
  it('keeps every byte where they change nothing', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const none: Modifier = { id: 'none', parameters: null, apply: () => 'keep' }
    const same: Modifier = {
      id: 'same',
      parameters: null,
      apply: (node) =>
        node.kind === 'manifest'
          ? { document: node.document }
          : { content: node.content, mediaType: node.descriptor.mediaType },
    }
    const { root, copied } = await copy(source, 'v1', destination, { modifiers: [none, same] })
    expect(root).toEqual(drawing.descriptor('index'))
    expect(copied.nodes).toBe(7)
    expect(await present(destination, drawing)).toEqual(
      drawing.names.filter((name) => !['onIndex', 'a', 'onFirst', 'b', 'empty'].includes(name)),
    )
  })

  it.each(['memory', 'layout', 'registry'] as const)('lets digests follow upwards, into %s', async (kind) => {
    const source = await filled()
    await using registry = await startFaultyRegistry()
    await using folder = await newFolder()
    await using repository = new Repository(`${registry.host}/test/app`)
    const destinations = {
      memory: new MemoryTarget(),
      layout: new OciLayout(folder.path),
      registry: repository,
    }
    const destination = destinations[kind]
    const { root } = await copy(source, 'v1', destination, { modifiers: [shout()] })
    expect(root.digest).not.toBe(drawing.descriptor('index').digest)
    expect((await destination.resolve('v1')).digest).toBe(root.digest)
    const index = await readJson(destination, root)
    const [first, second] = index.manifests
    expect(first.platform).toEqual({ os: 'linux', architecture: 'amd64' })
    const image = await readJson(destination, first)
    expect(image.config.digest).toBe(drawing.descriptor('c1').digest)
    const layer: Descriptor = image.layers[0]
    expect(layer.digest).toBe(digestOf(Buffer.from('SHARED BYTES')))
    expect(Buffer.from(await readAll(destination.fetch(layer), layer)).toString()).toBe('SHARED BYTES')
    expect((await readJson(destination, second)).layers).toEqual([layer])
    // What became another one was not carried over as it was.
    expect(await present(destination, drawing)).toEqual(['c1', 'c2'])
  })

  it('asks for each node once, successors first', async () => {
    const source = await filled()
    const seen: string[] = []
    await copy(source, 'v1', new MemoryTarget(), { modifiers: [shout(seen)] })
    expect(seen).toHaveLength(new Set(seen).size)
    expect(seen.at(-1)).toBe(`manifest ${drawing.descriptor('index').digest}`)
    expect(seen.toSorted()).toEqual(
      ['c1', 'shared', 'l1', 'm1', 'c2', 'm2', 'index']
        .map(
          (name) =>
            `${name.startsWith('m') || name === 'index' ? 'manifest' : 'blob'} ${drawing.descriptor(name).digest}`,
        )
        .toSorted(),
    )
  })

  it('gives the same digests each time, and then writes nothing but what must be made to know that', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const first = await copy(source, 'v1', destination, { modifiers: [annotate('k')] })
    const second = await copy(source, 'v1', destination, { modifiers: [annotate('k')] })
    expect(second.root).toEqual(first.root)
    expect(second.copied.nodes).toBe(0)
  })

  it('applies them in order', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const seen: unknown[] = []
    const look: Modifier = {
      id: 'look',
      parameters: null,
      apply(node) {
        if (node.kind === 'manifest') seen.push(node.document['annotations'])
        return 'keep'
      },
    }
    await copy(source, 'v1', destination, { modifiers: [look, annotate('k'), look] })
    expect(seen.filter((annotations) => annotations === undefined)).toHaveLength(3)
    expect(seen.filter((annotations) => annotations !== undefined)).toEqual(
      Array.from({ length: 3 }, () => ({ k: 'yes' })),
    )
  })

  it('leaves out what they remove, in the manifest too', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const gone = new Set([drawing.descriptor('l1').digest, drawing.descriptor('m2').digest])
    const remove: Modifier = {
      id: 'remove',
      parameters: null,
      apply: ({ descriptor }) => (gone.has(descriptor.digest) ? 'remove' : 'keep'),
    }
    const { root, filtered } = await copy(source, 'v1', destination, { modifiers: [remove] })
    const index = await readJson(destination, root)
    expect(index.manifests).toHaveLength(1)
    const image = await readJson(destination, index.manifests[0])
    expect(image.layers).toEqual([drawing.descriptor('shared')])
    expect(filtered.nodes).toBe(2)
    expect(await present(destination, drawing)).toEqual(['c1', 'shared'])
  })

  it('fails where they remove what was asked for', async () => {
    const source = await filled()
    const remove: Modifier = {
      id: 'remove',
      parameters: null,
      apply: ({ edge }) => (edge === 'root' ? 'remove' : 'keep'),
    }
    const destination = new MemoryTarget()
    const copying = copy(source, 'v1', destination, { modifiers: [remove] })
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('UNSUPPORTED')
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('stores a small document that a modifier makes, in place of the old one', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const edit: Modifier = {
      id: 'edit config',
      parameters: null,
      async apply(node) {
        if (node.kind === 'blob' || node.descriptor.mediaType === mediaTypes.ociIndex) return 'keep'
        const before = String(Buffer.from(await node.read(node.document['config'] as unknown as Descriptor)))
        const config = node.make(Buffer.from(`${before} edited`), mediaTypes.ociConfig)
        return { document: { ...node.document, config: descriptorJson(config) } }
      },
    }
    const { root } = await copy(source, 'v1', destination, { modifiers: [edit] })
    const index = await readJson(destination, root)
    const image = await readJson(destination, index.manifests[0])
    expect(Buffer.from(await readAll(destination.fetch(image.config), image.config)).toString()).toBe(
      'c1 edited',
    )
    expect(await present(destination, drawing)).toEqual(['shared', 'l1'])
  })

  it('shows what a node became beside what it was', async () => {
    const source = await filled()
    const events: CopyEvent[] = []
    const { root } = await copy(source, 'v1', new MemoryTarget(), {
      modifiers: [shout()],
      onEvent: (event) => events.push(event),
    })
    const copied = events.filter((event) => event.type === 'copied')
    expect(copied).toContainEqual({ type: 'copied', descriptor: drawing.descriptor('index'), result: root })
    const discovered = events.filter(({ type }) => type === 'discovered')
    const outcomes = events.filter(({ type }) => ['copied', 'skipped', 'filtered', 'mounted'].includes(type))
    expect(outcomes).toHaveLength(discovered.length)
  })

  it.each<[string, Modifier['apply'], string]>([
    ['throw', () => Promise.reject(new Error('out of ideas')), 'out of ideas'],
    [
      'make no manifest',
      (node) => (node.kind === 'blob' ? 'keep' : { document: { layers: 7 } }),
      'not a valid',
    ],
    [
      'give content for a manifest',
      () => ({ content: contentOf(Buffer.from('x')), mediaType: 'a/b' }),
      'content for a manifest',
    ],
  ])('says which modifier is to blame for what it does: %s', async (_, apply, message) => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const only: Modifier = {
      id: 'test.blame',
      parameters: null,
      apply: (node) => (node.descriptor.digest === drawing.descriptor('m2').digest ? apply(node) : 'keep'),
    }
    const copying = copy(source, 'v1', destination, { modifiers: [only] })
    await expect(copying).rejects.toMatchObject({ code: 'COPY', origin: 'caller' })
    await expect(copying).rejects.toThrow(message)
    expect(await Array.fromAsync(destination.tags())).toEqual([])
  })

  it('lets the node that was asked for follow its subject', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const { root, invalidated } = await copyGraph(source, drawing.descriptor('onFirst'), destination, {
      modifiers: [shout()],
    })
    const made = await readJson(destination, root)
    expect(made.subject.digest).not.toBe(drawing.descriptor('m1').digest)
    expect(await destination.exists(made.subject)).toBe(true)
    expect(invalidated).toEqual([])
  })
})

describe('What says something of a node that becomes another one', () => {
  const copied = async (
    disposition: Disposition | undefined,
  ): Promise<{ destination: MemoryTarget; result: Awaited<ReturnType<typeof extendedCopy>> }> => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const options = { modifiers: [annotate('k', drawing.descriptor('m1').digest)], invalidated: disposition }
    return { destination, result: await extendedCopy(source, 'v1', destination, options) }
  }
  const named = (disposition: Disposition, root: Descriptor): unknown => [
    expect.objectContaining({
      descriptor: expect.objectContaining({ digest: drawing.descriptor('onFirst').digest }),
      artifactType: 'application/spdx+json',
      subject: drawing.descriptor('m1'),
      disposition,
    }),
    expect.objectContaining({
      descriptor: expect.objectContaining({ digest: drawing.descriptor('onIndex').digest }),
      artifactType: 'application/sig',
      subject: drawing.descriptor('index'),
      disposition,
      reason: `its subject ${drawing.descriptor('index').digest} has become ${root.digest}`,
    }),
  ]
  const byType = (result: Awaited<ReturnType<typeof extendedCopy>>): unknown =>
    result.invalidated.toSorted((a, b) => (String(a.artifactType) < String(b.artifactType) ? 1 : -1))

  it('is left out, and named', async () => {
    const { destination, result } = await copied(undefined)
    expect(byType(result)).toEqual(named('drop', result.root))
    expect(await present(destination, drawing)).toEqual(['c1', 'shared', 'l1', 'c2', 'm2'])
  })

  it('is kept with what it was about, on request', async () => {
    const { destination, result } = await copied('keep')
    expect(byType(result)).toEqual(named('keep', result.root))
    expect(await present(destination, drawing)).toEqual(drawing.names)
    expect((await destination.resolve('v1')).digest).toBe(result.root.digest)
    expect(result.root.digest).not.toBe(drawing.descriptor('index').digest)
  })

  it('follows, on request', async () => {
    const { destination, result } = await copied('repoint')
    expect(byType(result)).toEqual(named('repoint', result.root))
    const referrers = await Array.fromAsync(destination.referrers(result.root))
    expect(referrers).toMatchObject([{ artifactType: 'application/sig' }])
    expect(await present(destination, drawing)).not.toContain('onIndex')
  })

  it('is chosen one by one', async () => {
    const [source, destination] = [await filled(), new MemoryTarget()]
    const { invalidated } = await extendedCopy(source, 'v1', destination, {
      modifiers: [annotate('k')],
      invalidated: ({ artifactType }) => (artifactType === 'application/sig' ? 'drop' : 'repoint'),
    })
    expect(invalidated.map(({ disposition }) => disposition).toSorted()).toEqual(['drop', 'repoint'])
  })

  it('includes what is attached by a tag', async () => {
    const source = await filled()
    const tag = (digest: string): string => `${digest.replace(':', '-')}.sig`
    const old = tag(drawing.descriptor('index').digest)
    await source.tag(drawing.descriptor('m2'), old)
    const modifiers = [annotate('k', drawing.descriptor('index').digest)]
    const run = async (invalidated: Disposition) => {
      const destination = new MemoryTarget()
      const options = { modifiers, invalidated, digestTags: true, referrers: 'root' } as const
      const { root, digestTags } = await extendedCopy(source, 'v1', destination, options)
      return { destination, root, digestTags }
    }
    expect((await run('drop')).digestTags).toEqual([])
    const kept = await run('keep')
    expect(kept.digestTags).toEqual([old])
    expect(await kept.destination.exists(drawing.descriptor('index'))).toBe(true)
    const repointed = await run('repoint')
    expect(repointed.digestTags).toEqual([tag(repointed.root.digest)])
  })
})
