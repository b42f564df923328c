import { plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { digestOf, type Digest } from '../content/digest.ts'
import type { Destination, Source } from '../targets/target.ts'
import { copyGraph } from './copy-graph.ts'
import { copy } from './copy.ts'
import { extendedCopy, extendedCopyGraph } from './extended-copy.ts'
import type { ExtendedCopyGraphOptions, ExtendedCopyOptions } from './extended-options.ts'
import type { CopyGraphOptions, CopyOptions, CopyResult } from './options.ts'
import { PlanBook } from './plan-book.ts'
import { PlanRecorder, sumOf } from './plan-recorder.ts'
import type { Plan, PlannedOperation } from './plan-types.ts'
import { PlannedDestination } from './planned-destination.ts'
import { PlannedSource } from './planned-source.ts'

/**
 * Says what `copy` with the same arguments would do, by the same decisions: which nodes it would copy, mount, rewrite,
 * skip or leave out, why, and with how many bytes and requests. Manifests are read, the destination is asked what it
 * has, and nothing is written; the content of blobs is not read, but for configs that a choice of platform or a modifier
 * needs. `preCopy` and all that decides is called; `postCopy`, `onMounted` and `onCopySkipped` are not. `onEvent` hears
 * requests and the nodes that are met.
 *
 * The bytes are exact where no blob is rewritten. So are the requests, if mounts and uploads in one request succeed,
 * without authentication, repetitions and redirects, and where `uncertainties` is empty.
 * Errors: as of `copy`; UNSUPPORTED for a modifier that reads a blob itself before it has decided.
 */
export function planCopy(
  source: Source,
  reference: string,
  destination: Destination,
  options: CopyOptions = {},
): Promise<Plan> {
  return plan('copy', copy, { source, start: reference, destination, options })
}

/** As `planCopy`, for `copyGraph`. */
export function planCopyGraph(
  source: Source,
  root: Descriptor,
  destination: Destination,
  options: CopyGraphOptions = {},
): Promise<Plan> {
  return plan('copyGraph', copyGraph, { source, start: root, destination, options })
}

/** As `planCopy`, for `extendedCopy`. */
export function planExtendedCopy(
  source: Source,
  reference: string,
  destination: Destination,
  options: ExtendedCopyOptions = {},
): Promise<Plan> {
  return plan('extendedCopy', extendedCopy, { source, start: reference, destination, options })
}

/** As `planCopy`, for `extendedCopyGraph`. */
export function planExtendedCopyGraph(
  source: Source,
  node: Descriptor,
  destination: Destination,
  options: ExtendedCopyGraphOptions = {},
): Promise<Plan> {
  return plan('extendedCopyGraph', extendedCopyGraph, { source, start: node, destination, options })
}

interface Arguments<Start, Options> {
  readonly source: Source
  /** A reference, or a node itself. */
  readonly start: Start
  readonly destination: Destination
  readonly options: Options
}

/** Runs the operation itself between two ends of which nothing moves. */
async function plan<Start extends string | Descriptor, Options extends CopyGraphOptions>(
  operation: PlannedOperation,
  run: (source: Source, start: Start, destination: Destination, options: Options) => Promise<CopyResult>,
  { source, start, destination, options }: Arguments<Start, Options>,
): Promise<Plan> {
  const book = new PlanBook()
  const from = new PlannedSource(source, book)
  const to = new PlannedDestination(destination, from, book)
  const { manifestTypes = source.manifestTypes, onEvent } = options
  const recorder = new PlanRecorder(book, { manifestTypes, onEvent })
  const settings = { ...options, ...withoutEffects(options), onEvent: recorder.hear.bind(recorder) }
  const result = await run(from, start, to, settings)
  const nodes = recorder.nodes(to)
  return {
    schemaVersion: 1,
    dryRun: true,
    operation,
    reference: typeof start === 'string' ? start : start.digest,
    root: plainDescriptor(typeof start === 'string' ? (from.found ?? result.root) : start),
    ...(!book.unknown.has(result.root.digest) && { descriptor: plainDescriptor(result.root) }),
    tags: result.tags,
    destinationTags: [...to.tags].map(([tag, digest]) => ({ tag, ...(digest && { digest }) })),
    optionsDigest: optionsDigest(options),
    totals: { ...sumOf(nodes), bytes: book.totalBytes, requests: book.total },
    images: recorder.images(nodes),
    nodes,
    invalidated: result.invalidated,
    uncertainties: [...book.uncertainties],
  }
}

/** What is called when something was done is not called when nothing is, and nothing is remembered of it. */
function withoutEffects({ modifierMemory }: CopyGraphOptions): CopyGraphOptions {
  return {
    postCopy: undefined,
    onMounted: undefined,
    onCopySkipped: undefined,
    modifierMemory: modifierMemory && {
      get: modifierMemory.get.bind(modifierMemory),
      set: () => Promise.resolve(),
    },
  }
}

/** Stands for what options say that is data, and for which functions choose, so that a plan is not run with others. */
export function optionsDigest(options: ExtendedCopyOptions): Digest {
  const { destinationReference, platform, verify, foreignLayers, onMissingSubject } = options
  const { referrers, edges, depth, ancestors, digestTags, requiredReferrers } = options
  const { modifiers = [], filter, invalidated } = options
  const { ascentFilter, findSuccessors, mapRoot, preCopy } = options
  const chosen = [
    [destinationReference, platform, verify, foreignLayers, onMissingSubject],
    [referrers, edges, String(depth), ancestors, digestTags, requiredReferrers],
    [modifiers.map(({ id, parameters }) => [id, parameters]), filter?.parents],
    typeof invalidated === 'string' ? invalidated : typeof invalidated,
    // Of functions, whether there are any.
    [ascentFilter, findSuccessors, mapRoot, preCopy].map((choose) => typeof choose),
  ]
  return digestOf(Buffer.from(JSON.stringify(chosen)))
}
