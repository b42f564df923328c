import { join } from 'node:path'
import { contestants, ours, type Contestant, type Place } from './contestants.ts'
import { layoutEnd, openEnd, type End } from './ends.ts'
import { findProgram } from './find-program.ts'
import { makeImage, type ImageShape, type StoredImage } from './image.ts'
import { hasGnuTime, measure, type Command } from './measure.ts'
import { openThrottledWay } from './throttle.ts'

/** The peak memory of one copy by our command. */
export interface MemoryResult {
  /** `layout-registry` and so on; `(held)` where the receiving end takes about 50 MiB a second at most. */
  readonly direction: string
  readonly blobBytes: number
  readonly milliseconds: number
  readonly peakBytes: number
  /** How much more than the smallest blob took in the same direction. */
  readonly growthBytes: number
}

export interface MemoryOptions {
  /** A folder of the bench's own, with room for twice the largest blob. */
  readonly directory: string
  readonly signal: AbortSignal
  /** The blob that is copied in all three directions, as one of 64 MiB is before, for comparison. @default 4 GiB */
  readonly bigBytes?: number | undefined
  /** The blob that goes to a receiver which is held back. @default 1 GiB */
  readonly heldBytes?: number | undefined
}

const mebibyte = 1024 * 1024

/** What the command may grow by over the smallest blob, and what it may take in total. */
const memoryLimits: { readonly growthBytes: number; readonly peakBytes: number } = {
  growthBytes: 48 * mebibyte,
  peakBytes: 220 * mebibyte,
}

/** The most bytes that are on disk at once with the default sizes. */
export const memoryNeededBytes: number = 9 * 1024 * mebibyte

/** The blob that the others are compared with. */
const smallBytes = 64 * mebibyte

const heldBytesPerSecond = 50 * mebibyte
const timeoutMilliseconds = 180_000

/**
 * Copies blobs of different sizes with our command and yields its peak memory. Needs the built command, a registry and
 * GNU time, and strace to hold a layout back: without it that is left out.
 */
export async function* measureMemory(options: MemoryOptions): AsyncGenerator<MemoryResult> {
  const { bigBytes = 4096 * mebibyte, heldBytes = 1024 * mebibyte } = options
  if (!hasGnuTime()) throw new Error('peak memory is measured with GNU time, which is not on PATH')
  const least = new Map<string, number>()
  for (const blobBytes of [smallBytes, bigBytes]) {
    for await (const run of throughAll(blobBytes, options)) {
      if (blobBytes === smallBytes) least.set(run.direction, run.peakBytes)
      yield withGrowth(run, least)
    }
  }
  for await (const run of throughHeld(heldBytes, options)) yield withGrowth(run, least)
}

/** True where a layout can be held back. */
export function canHoldLayout(): boolean {
  return findProgram('strace') !== undefined
}

/** One line about a result: met, or which limit is missed. */
export function renderMemory(
  { direction, blobBytes, milliseconds, peakBytes, growthBytes }: MemoryResult,
  maxGrowthBytes: number = memoryLimits.growthBytes,
): string {
  const peak = peakBytes > memoryLimits.peakBytes ? ', MISSED in total' : ''
  const growth = growthBytes > maxGrowthBytes ? ', MISSED in growth' : ''
  const figures = `${inMebibytes(peakBytes)} MiB (${growthBytes < 0 ? '' : '+'}${inMebibytes(growthBytes)})`
  const wall = `${(milliseconds / 1000).toFixed(1)} s`
  return `- ${inMebibytes(blobBytes)} MiB, ${direction}: ${figures}, ${wall}${peak}${growth}`
}

type Run = Omit<MemoryResult, 'growthBytes'>

/** Each end is the next copy's source and is removed as soon as it was, so that two copies of the blob are on disk at most. */
async function* throughAll(blobBytes: number, { directory, signal }: MemoryOptions): AsyncGenerator<Run> {
  const folder = (name: string): string => join(directory, name)
  const run = (source: End, destination: End): Promise<Run> =>
    runOnce([source.place, destination.place], blobBytes, { directory, signal })
  await using layout = layoutEnd(folder('layout'))
  await using first = await openEnd('registry', folder('first'), signal)
  await using second = await openEnd('registry', folder('second'), signal)
  await using last = layoutEnd(folder('last'))
  const image = await makeImage(folder('layout'), shapeOf(blobBytes), signal)
  yield await checked(run(layout, first), first, image)
  await layout.close()
  yield await checked(run(first, second), second, image)
  await second.close()
  yield await checked(run(first, last), last, image)
}

async function* throughHeld(blobBytes: number, { directory, signal }: MemoryOptions): AsyncGenerator<Run> {
  await using layout = layoutEnd(join(directory, 'layout'))
  await using first = await openEnd('registry', join(directory, 'first'), signal)
  await using second = await openEnd('registry', join(directory, 'second'), signal)
  await using last = layoutEnd(join(directory, 'last'))
  const image = await makeImage(join(directory, 'layout'), shapeOf(blobBytes), signal)
  const held = (source: End, destination: End): Promise<Run> =>
    runHeld([source.place, destination.place], blobBytes, { directory, signal })
  yield await checked(held(layout, first), first, image)
  await layout.close()
  yield await checked(held(first, second), second, image)
  await second.close()
  if (canHoldLayout()) yield await checked(held(first, last), last, image)
}

async function runHeld([source, destination]: Ends, blobBytes: number, options: RunOptions): Promise<Run> {
  if (destination.kind === 'layout') {
    return asHeld(await runOnce([source, destination], blobBytes, { ...options, wrap: withSlowWrites }))
  }
  await using way = await openThrottledWay(destination.host, heldBytesPerSecond)
  return asHeld(await runOnce([source, { kind: 'registry', host: way.host }], blobBytes, options))
}

/** A run that was faster than the receiver can be has measured something else. */
function asHeld(run: Run): Run {
  const least = 0.8 * 1000 * (run.blobBytes / heldBytesPerSecond)
  if (run.milliseconds < least) throw new Error(`${run.direction} was not held back: ${run.milliseconds} ms`)
  return { ...run, direction: `${run.direction} (held)` }
}

/** A layout is written with one writev or pwritev for each MiB, so that a delay of each makes the disk as slow as the held registries. */
export function withSlowWrites({ program, args }: Command): Command {
  const microseconds = Math.round((mebibyte / heldBytesPerSecond) * 1_000_000)
  const slow = ['-f', '--seccomp-bpf', '-qq', '--output=/dev/null', '--trace=writev,pwritev']
  return {
    program: 'strace',
    args: [...slow, `--inject=writev,pwritev:delay_enter=${microseconds}`, program, ...args],
  }
}

type Ends = readonly [source: Place, destination: Place]

interface RunOptions extends Pick<MemoryOptions, 'directory' | 'signal'> {
  /** What the command is run by. */
  readonly wrap?: ((command: Command) => Command) | undefined
}

async function runOnce([source, destination]: Ends, blobBytes: number, options: RunOptions): Promise<Run> {
  const { directory, signal, wrap = (command) => command } = options
  const command = wrap(ourCommand().command(source, destination))
  const { milliseconds, peakBytes } = await measure(command, { directory, signal, timeoutMilliseconds })
  if (peakBytes === undefined) throw new Error('no peak memory was measured')
  return { direction: `${source.kind}-${destination.kind}`, blobBytes, milliseconds, peakBytes }
}

async function checked(run: Promise<Run>, destination: End, image: StoredImage): Promise<Run> {
  const result = await run
  await destination.check(image)
  return result
}

function withGrowth(run: Run, least: ReadonlyMap<string, number>): MemoryResult {
  const base = least.get(run.direction.replace(' (held)', '')) ?? run.peakBytes
  return { ...run, growthBytes: run.peakBytes - base }
}

function ourCommand(): Contestant {
  const found = contestants().find(({ name, program }) => name === ours && program !== undefined)
  if (found === undefined) throw new Error('the command is not built: run `npm run build` first')
  return found
}

function shapeOf(layerBytes: number): ImageShape {
  return { name: 'memory', layers: 1, layerBytes }
}

function inMebibytes(bytes: number): number {
  return Math.round(bytes / mebibyte)
}
