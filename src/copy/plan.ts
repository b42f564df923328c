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
  const asked = { operation: 'copy', reference } as const
  return plan({ source, destination, options, asked }, (from, to, settings) =>
    copy(from, reference, to, settings),
  )
}

/** As `planCopy`, for `copyGraph`. */
export function planCopyGraph(
  source: Source,
  root: Descriptor,
  destination: Destination,
  options: CopyGraphOptions = {},
): Promise<Plan> {
  const asked = { operation: 'copyGraph', reference: root.digest, node: root } as const
  return plan({ source, destination, options, asked }, (from, to, settings) =>
    copyGraph(from, root, to, settings),
  )
}

/** As `planCopy`, for `extendedCopy`. */
export function planExtendedCopy(
  source: Source,
  reference: string,
  destination: Destination,
  options: ExtendedCopyOptions = {},
): Promise<Plan> {
  const asked = { operation: 'extendedCopy', reference } as const
  return plan({ source, destination, options, asked }, (from, to, settings) =>
    extendedCopy(from, reference, to, settings),
  )
}

/** As `planCopy`, for `extendedCopyGraph`. */
export function planExtendedCopyGraph(
  source: Source,
  node: Descriptor,
  destination: Destination,
  options: ExtendedCopyGraphOptions = {},
): Promise<Plan> {
  const asked = { operation: 'extendedCopyGraph', reference: node.digest, node } as const
  return plan({ source, destination, options, asked }, (from, to, settings) =>
    extendedCopyGraph(from, node, to, settings),
  )
}

interface Asked {
  readonly operation: PlannedOperation
  readonly reference: string
  readonly node?: Descriptor
}

interface Planning<T> {
  readonly source: Source
  readonly destination: Destination
  readonly options: T
  readonly asked: Asked
}

/** Runs the operation itself between two ends of which nothing moves. */
async function plan<T extends CopyGraphOptions>(
  { source, destination, options, asked }: Planning<T>,
  run: (source: PlannedSource, destination: PlannedDestination, options: T) => Promise<CopyResult>,
): Promise<Plan> {
  const book = new PlanBook()
  const from = new PlannedSource(source, book)
  const to = new PlannedDestination(destination, from, book)
  const { manifestTypes = source.manifestTypes, onEvent } = options
  const recorder = new PlanRecorder(book, { manifestTypes, onEvent })
  const result = await run(from, to, {
    ...options,
    ...deaf,
    modifierMemory: options.modifierMemory && {
      get: options.modifierMemory.get.bind(options.modifierMemory),
      set: () => Promise.resolve(),
    },
    onEvent: (event) => recorder.hear(event),
  })
  const nodes = recorder.nodes(to)
  return {
    schemaVersion: 1,
    dryRun: true,
    operation: asked.operation,
    reference: asked.reference,
    root: plainDescriptor(asked.node ?? from.found ?? result.root),
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

/** What is called when something was done is not called when nothing is. */
const deaf = { postCopy: undefined, onMounted: undefined, onCopySkipped: undefined } as const

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
