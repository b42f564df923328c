import { afterEach, describe, expect, it } from 'vitest'
import { nodeKey } from '../../src/content/descriptor.ts'
import { copy } from '../../src/copy/copy.ts'
import { extendedCopy } from '../../src/copy/extended-copy.ts'
import type { ExtendedCopyOptions } from '../../src/copy/extended-options.ts'
import type { CopyOptions } from '../../src/copy/options.ts'
import { planCopy, planExtendedCopy } from '../../src/copy/plan.ts'
import type { Plan } from '../../src/copy/plan-types.ts'
import type { CopyEvent } from '../../src/events.ts'
import { serve } from '../../src/server/serve.ts'
import { memoryStore } from '../../src/server/store.ts'
import { Repository } from '../../src/targets/remote/repository.ts'
import type { Destination, Source, Target } from '../../src/targets/target.ts'
import { graph, ownTypes, type TestGraph } from '../support/graph.ts'
import { makePlace, placeKinds, type Place, type PlaceKind } from '../support/places.ts'
import { families, shapes } from '../support/shapes.ts'

const open: Pick<Place, 'close'>[] = []

afterEach(async () => {
  for (const place of open.splice(0).reverse()) await place.close()
})

async function make(kind: PlaceKind): Promise<Target> {
  const place = await makePlace(kind)
  open.push(place)
  return place.target
}

/** What a copy did, in the words of a plan. */
interface Done {
  readonly actions: ReadonlyMap<string, string>
  readonly bytes: ReadonlyMap<string, number>
  readonly requests: { source: number; destination: number }
}

async function measure(run: (onEvent: (event: CopyEvent) => void) => Promise<unknown>): Promise<Done> {
  const actions = new Map<string, string>()
  const bytes = new Map<string, number>()
  const requests = { source: 0, destination: 0 }
  const words = { copied: 'copy', mounted: 'mount', skipped: 'skip', filtered: 'filter' } as const
  await run((event) => {
    if (event.type === 'request' && event.side !== undefined) requests[event.side] += 1
    if (event.type === 'progress') {
      const key = nodeKey(event.descriptor)
      bytes.set(key, (bytes.get(key) ?? 0) + event.bytes)
    }
    if ('descriptor' in event && event.type in words) {
      actions.set(nodeKey(event.descriptor), words[event.type as keyof typeof words])
    }
  })
  return { actions, bytes, requests }
}

function expectEqual(plan: Plan, done: Done): void {
  const planned = new Map(plan.nodes.map((node) => [nodeKey(node), node]))
  expect(new Map([...planned].map(([key, { action }]) => [key, action]))).toEqual(done.actions)
  for (const [key, node] of planned) expect(node.bytes, key).toBe(done.bytes.get(key) ?? 0)
  expect(plan.totals.bytes).toBe([...done.bytes.values()].reduce((sum, size) => sum + size, 0))
  expect(plan.totals.requests).toEqual(done.requests)
  expect(plan.uncertainties).toEqual([])
}

async function expectExact(
  source: Source,
  destination: Destination,
  options: CopyOptions = {},
): Promise<Plan> {
  const plan = await planCopy(source, 'v1', destination, options)
  expectEqual(plan, await measure((onEvent) => copy(source, 'v1', destination, { ...options, onEvent })))
  return plan
}

async function expectExactExtended(
  source: Source,
  destination: Destination,
  options: ExtendedCopyOptions = {},
): Promise<Plan> {
  const plan = await planExtendedCopy(source, 'v1', destination, options)
  const done = await measure((onEvent) => extendedCopy(source, 'v1', destination, { ...options, onEvent }))
  expectEqual(plan, done)
  return plan
}

async function fill(target: Target, drawing: TestGraph, root: string): Promise<void> {
  await drawing.pushTo(target)
  await target.tag(drawing.descriptor(root), 'v1')
}

const pairs = placeKinds.flatMap((from) => placeKinds.map((to) => [from, to] as const))

describe.each(pairs)('a plan from %s to %s is what the copy then does', (from, to) => {
  describe.each(Object.entries(shapes))('of %s', (_, { root, drawing }) => {
    it('where nothing is, and where all is', async () => {
      const [source, destination] = [await make(from), await make(to)]
      await fill(source, drawing, root)
      const cold = await expectExact(source, destination)
      expect(cold.totals.bytes).toBeGreaterThan(0)
      expect((await expectExact(source, destination)).totals.bytes).toBe(0)
      await expectExact(source, destination, { destinationReference: ['v2', 'v3'] })
      await expectExact(source, destination, { verify: 'manifests' })
    })

    it('where a part is', async () => {
      const [source, destination] = [await make(from), await make(to)]
      await fill(source, drawing, root)
      const half = drawing.names.slice(0, Math.ceil(drawing.names.length / 2))
      await drawing.pushTo(destination, half)
      await expectExact(source, destination)
    })
  })

  describe.each(Object.entries(families))('of %s', (_, { root, drawing }) => {
    it('where nothing is, and where all is', async () => {
      const [source, destination] = [await make(from), await make(to)]
      await fill(source, drawing, root)
      await expectExactExtended(source, destination)
      await expectExactExtended(source, destination)
      await expectExactExtended(source, destination, { destinationReference: 'v2' })
    })

    it('where the node is without what refers to it', async () => {
      const [source, destination] = [await make(from), await make(to)]
      await fill(source, drawing, root)
      await copy(source, 'v1', destination)
      await expectExactExtended(source, destination)
    })
  })
})

async function siblings(): Promise<readonly [Repository, Repository]> {
  const registry = await serve(memoryStore({ manifestTypes: ownTypes }))
  open.push(registry)
  const repository = (name: string): Repository => {
    const made = new Repository(`${registry.host}:${registry.port}/${name}`, { manifestTypes: ownTypes })
    open.push(made)
    return made
  }
  return [repository('one'), repository('two')]
}

describe('a plan within one registry is what the copy then does', () => {
  it.each(Object.entries(shapes))('of %s, whose blobs are mounted', async (_, { root, drawing }) => {
    const [source, destination] = await siblings()
    await fill(source, drawing, root)
    const plan = await expectExact(source, destination)
    expect(plan.totals.nodes.mount).toBeGreaterThan(0)
    await expectExact(source, destination, { destinationReference: 'v2' })
  })
})

it('a config that was read to choose a platform is counted once', async () => {
  const drawing = graph({
    image: ['config', 'layer'],
    config: { bytes: Buffer.from('{"os":"linux","architecture":"amd64"}') },
  })
  const [source, destination] = [await make('registry'), await make('registry')]
  await fill(source, drawing, 'image')
  const plan = await expectExact(source, destination, { platform: { os: 'linux', architecture: 'amd64' } })
  // The manifest, the config, the layer.
  expect(plan.totals.requests.source).toBe(3)
})
