import { afterEach, describe, expect, it } from 'vitest'
import { readAll } from '../../src/content/verify.ts'
import { copy } from '../../src/copy/copy.ts'
import { errorCode } from '../../src/errors.ts'
import type { Target } from '../../src/targets/target.ts'
import { graph, type TestGraph } from '../support/graph.ts'
import { makePlace, placeKinds, type Place, type PlaceKind } from '../support/places.ts'
import { shapes, type Shape } from '../support/shapes.ts'

const drawings: Readonly<Record<string, Shape>> = {
  ...shapes,
  'the withdrawn artifact manifest': {
    root: 'artifact',
    drawing: graph({
      artifact: { kind: 'artifact', children: ['blob'], subject: 'image', artifactType: 'application/x' },
      image: ['config', 'layer'],
    }),
  },
  'a Docker image': {
    root: 'image',
    drawing: graph({ image: { kind: 'docker', children: ['config', 'layer'] } }),
  },
}

const open: Place[] = []

afterEach(async () => {
  await Promise.all(open.splice(0).map((place) => place.close()))
})

async function make(kind: PlaceKind): Promise<Target> {
  const place = await makePlace(kind)
  open.push(place)
  return place.target
}

async function filled(kind: PlaceKind, drawing: TestGraph, root: string): Promise<Target> {
  const target = await make(kind)
  await drawing.pushTo(target)
  await target.tag(drawing.descriptor(root), 'v1')
  return target
}

async function expectSame(target: Target, drawing: TestGraph, names = drawing.names): Promise<void> {
  for (const name of names) {
    const { descriptor, bytes } = drawing.node(name)
    expect(
      Buffer.from(await readAll(target.fetch(descriptor), descriptor)).equals(Buffer.from(bytes)),
      name,
    ).toBe(true)
  }
}

const pairs = placeKinds.flatMap((from) => placeKinds.map((to) => [from, to] as const))

describe.each(pairs)('from %s to %s', (from, to) => {
  it.each(Object.entries(drawings))('%s arrives byte for byte', async (_name, { root, drawing }) => {
    const source = await filled(from, drawing, root)
    const destination = await make(to)
    const options = { destinationReference: ['v1', 'latest'], foreignLayers: 'copy' } as const
    const result = await copy(source, 'v1', destination, options)
    await expectSame(destination, drawing)
    expect(result.root.digest).toBe(drawing.descriptor(root).digest)
    for (const tag of ['v1', 'latest']) {
      expect(await destination.resolve(tag)).toMatchObject({
        digest: drawing.descriptor(root).digest,
        mediaType: drawing.descriptor(root).mediaType,
        size: drawing.descriptor(root).size,
      })
    }
    const again = await copy(source, 'v1', destination, options)
    expect(again).toMatchObject({ copied: { nodes: 0 }, skipped: { nodes: 1 } })
  })

  it('copies by digest', async () => {
    const { drawing } = drawings['an index'] ?? { drawing: graph({}) }
    const source = await filled(from, drawing, 'index')
    const destination = await make(to)
    await copy(source, drawing.descriptor('m2').digest, destination)
    await expectSame(destination, drawing, ['c2', 'shared', 'm2'])
    expect(await destination.exists(drawing.descriptor('m1'))).toBe(false)
  })

  it('sha512 and sha384 arrive under their own digests', async () => {
    for (const algorithm of ['sha512', 'sha384'] as const) {
      const drawing = graph({ index: ['m1'], m1: ['config', 'layer'] }, algorithm)
      const source = await make(from)
      await drawing.pushTo(source)
      const destination = await make(to)
      await copy(source, drawing.descriptor('index').digest, destination, { destinationReference: 'v1' })
      await expectSame(destination, drawing)
      expect((await destination.resolve('v1')).digest).toBe(drawing.descriptor('index').digest)
    }
  })

  it('finds the holes of an interrupted copy when it is asked to verify', async () => {
    const { drawing } = drawings['an index'] ?? { drawing: graph({}) }
    const source = await filled(from, drawing, 'index')
    const destination = await filled(to, drawing, 'index')
    await destination.delete?.(drawing.descriptor('shared'))
    const result = await copy(source, 'v1', destination, { verify: 'manifests' })
    expect(result).toMatchObject({ copied: { nodes: 1 } })
    await expectSame(destination, drawing)
  })
})

describe.each(placeKinds)('a blob as root, from %s', (from) => {
  const drawing = graph({ blob: { bytes: Buffer.from('a blob of its own') } })

  it.each(['memory', 'layout'] as const)('is copied and tagged in %s', async (to) => {
    const source = await make(from)
    await drawing.pushTo(source)
    const destination = await make(to)
    await copy(source, drawing.descriptor('blob').digest, destination, { destinationReference: 'v1' })
    expect((await destination.resolve('v1')).digest).toBe(drawing.descriptor('blob').digest)
    await expectSame(destination, drawing)
  })

  it('cannot be tagged in a registry, which is said before a byte moves', async () => {
    const source = await make(from)
    await drawing.pushTo(source)
    const destination = await make('registry')
    const attempt = copy(source, drawing.descriptor('blob').digest, destination, {
      destinationReference: 'v1',
    })
    expect(errorCode(await attempt.catch((error: unknown) => error))).toBe('UNSUPPORTED')
    expect(await destination.exists(drawing.descriptor('blob'))).toBe(false)
  })
})
