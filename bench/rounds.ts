import { join } from 'node:path'
import { ours, type Contestant } from './contestants.ts'
import { layoutEnd, openEnd, type End } from './ends.ts'
import { seedRegistry } from './exchange.ts'
import { makeImage, type ImageShape, type StoredImage } from './image.ts'
import { messageOf } from './message-of.ts'
import { measure, type Measurement } from './measure.ts'
import type { Workload } from './workloads.ts'

/** One run of one contestant, whose result was checked. */
export interface Sample extends Measurement {
  readonly sourceRequests: number
  readonly destinationRequests: number
}

/** All runs of one contestant at one workload. */
export interface Entry {
  readonly contestant: string
  readonly samples: readonly Sample[]
  /** Why it has no further samples. */
  readonly failure?: string
}

export interface WorkloadResult {
  readonly workload: Pick<Workload, 'name' | 'title' | 'wallLimit'>
  readonly entries: readonly Entry[]
}

export interface RoundsOptions {
  /** A folder of the bench's own, with room for three times the largest image. */
  readonly directory: string
  readonly rounds: number
  readonly signal: AbortSignal
}

/** A peer that once took longer runs no further rounds of that workload, so that the bench ends in minutes. */
const slowMilliseconds = 10_000

/** An image with the places that it is copied from. */
interface Ground extends RoundsOptions {
  readonly image: StoredImage
  readonly layout: End
  readonly registry: End
}

/** Runs workloads one after the other, in each round every contestant once; yields what is done. */
export async function* runWorkloads(
  workloads: readonly Workload[],
  contestants: readonly Contestant[],
  options: RoundsOptions,
): AsyncGenerator<WorkloadResult> {
  const shapes = new Map(workloads.map(({ image }) => [image.name, image]))
  for (const shape of shapes.values()) {
    const own = workloads.filter((workload) => workload.image.name === shape.name)
    yield* runShape(shape, own, contestants, options)
  }
}

/** Runs every contestant once in each round. Each round begins with another one, so that none always comes first. */
export async function runRounds(
  contestants: readonly Contestant[],
  options: RoundsOptions,
  runSample: (contestant: Contestant) => Promise<Sample>,
): Promise<readonly Entry[]> {
  const entries = new Map<string, Entry>()
  for (let round = 0; round < options.rounds; round += 1) {
    const shift = round % contestants.length
    for (const contestant of [...contestants.slice(shift), ...contestants.slice(0, shift)]) {
      const entry = entries.get(contestant.name) ?? { contestant: contestant.name, samples: [] }
      if (entry.failure !== undefined || isSlow(entry)) continue
      entries.set(contestant.name, await extended(entry, () => runSample(contestant), options))
    }
  }
  return contestants.flatMap(({ name }) => entries.get(name) ?? [])
}

async function* runShape(
  shape: ImageShape,
  workloads: readonly Workload[],
  contestants: readonly Contestant[],
  options: RoundsOptions,
): AsyncGenerator<WorkloadResult> {
  const { directory, signal } = options
  await using layout = layoutEnd(join(directory, 'layout'))
  await using registry = await openEnd('registry', join(directory, 'source'), signal)
  const image = await makeImage(join(directory, 'layout'), shape, signal)
  await seed(registry, image, signal)
  const ground = { ...options, image, layout, registry }
  for (const workload of workloads) yield await runWorkload(workload, contestants, ground)
}

async function runWorkload(
  workload: Workload,
  contestants: readonly Contestant[],
  ground: Ground,
): Promise<WorkloadResult> {
  const runSample = (contestant: Contestant): Promise<Sample> => runOnce(contestant, workload, ground)
  return { workload, entries: await runRounds(contestants, ground, runSample) }
}

function isSlow({ contestant, samples }: Entry): boolean {
  return contestant !== ours && samples.some(({ milliseconds }) => milliseconds > slowMilliseconds)
}

async function extended(
  entry: Entry,
  runSample: () => Promise<Sample>,
  { signal }: RoundsOptions,
): Promise<Entry> {
  try {
    return { ...entry, samples: [...entry.samples, await runSample()] }
  } catch (error) {
    signal.throwIfAborted()
    return { ...entry, failure: messageOf(error) }
  }
}

async function runOnce(contestant: Contestant, workload: Workload, ground: Ground): Promise<Sample> {
  const { image, signal } = ground
  const source = workload.from === 'layout' ? ground.layout : ground.registry
  await using destination = await openEnd(workload.to, join(ground.directory, 'destination'), signal)
  if (workload.isThere) await seed(destination, image, signal)
  const before = await source.requests()
  const command = contestant.command(source.place, destination.place)
  const measurement = await measure(command, { directory: ground.directory, signal })
  const sourceRequests = (await source.requests()) - before
  const destinationRequests = await destination.requests()
  await destination.check(image)
  return { ...measurement, sourceRequests, destinationRequests }
}

async function seed(end: End, image: StoredImage, signal: AbortSignal): Promise<void> {
  if (end.place.kind === 'registry') await seedRegistry(end.place.host, image, signal)
}
