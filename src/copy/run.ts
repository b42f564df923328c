import type { Descriptor } from '../content/descriptor.ts'
import { UnsupportedError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Destination, Source } from '../targets/target.ts'
import { CachedSource } from './cached-source.ts'
import { Fold, type FoldOptions } from './fold.ts'
import { Lanes } from './lanes.ts'
import { Ledger } from './ledger.ts'
import { Modification } from './modification.ts'
import type { CopyGraphOptions } from './options.ts'
import { rootNode } from './reached-node.ts'
import type { Workshop } from './transfer.ts'

/** What one copy has at its disposal while it runs. */
export interface Run {
  readonly workshop: Workshop
  /** The options for every call of the source. */
  readonly atSource: SignalOptions
  /** Copies roots and what is under them, each node once. */
  readonly fold: (roots: readonly Descriptor[], options?: FoldOptions) => Promise<Folded>
}

/** What has been copied, and what is copied besides. */
export interface Folded {
  /** What a node is at the destination, where it then is with all under it; undefined if it was left out. */
  of(node: Descriptor): Promise<Descriptor | undefined>
  /** Copies a node and all under it without modifying anything. */
  asItIs(node: Descriptor): Promise<void>
}

/**
 * Sets up a copy, runs it, and settles only when nothing of it is still running: the first failure aborts the rest,
 * which is then awaited. When the caller aborted, it rejects with the caller's reason itself.
 */
export async function runCopy<T>(
  source: Source,
  destination: Destination,
  options: CopyGraphOptions,
  work: (run: Run) => Promise<T>,
): Promise<T> {
  options.signal?.throwIfAborted()
  if (options.verify === 'full' && destination.fetch === undefined) {
    throw new UnsupportedError("verify: 'full' reads content back, and this destination has no fetch")
  }
  const controller = new AbortController()
  const signals = [controller.signal, ...(options.signal === undefined ? [] : [options.signal])]
  const run = makeRun(source, destination, options, AbortSignal.any(signals))
  const folds: Fold[] = []
  const fold: Run['fold'] = (roots, foldOptions) => {
    const started = new Fold(run.workshop, foldOptions)
    folds.push(started)
    // What is healed has become what it is already.
    const isOriginal = foldOptions?.isHealing === true && run.workshop.modification !== undefined
    return foldRoots(started, roots, isOriginal)
  }
  try {
    await destination.prepare?.(run.workshop.atDestination)
    return await work({ ...run, fold })
  } catch (error) {
    controller.abort(error)
    await Promise.all(folds.map((started) => started.settled()))
    await run.workshop.lanes.onIdle()
    options.signal?.throwIfAborted()
    throw error
  }
}

async function foldRoots(fold: Fold, roots: readonly Descriptor[], isOriginal: boolean): Promise<Folded> {
  const visit = (node: Descriptor, asItIs: boolean): Promise<Descriptor | undefined> =>
    fold.visit({ ...rootNode(node), ...(asItIs && { isOriginal: true }) })
  await Promise.all(roots.map((root) => visit(root, isOriginal)))
  return {
    of: (node) => visit(node, isOriginal),
    async asItIs(node) {
      await visit(node, true)
    },
  }
}

function makeRun(
  source: Source,
  destination: Destination,
  given: CopyGraphOptions,
  signal: AbortSignal,
): Omit<Run, 'fold'> {
  const options = { ...given, verify: verifyOf(given) }
  const { concurrency = 6, maxMetadataBytes, manifestTypes, onEvent } = options
  const ledger = new Ledger(onEvent)
  const lanes = new Lanes(concurrency, signal)
  const atSource = { signal, onEvent: ledger.side('source') }
  const atDestination = { signal, onEvent: ledger.side('destination') }
  const cached = new CachedSource(source, { ...atSource, maxMetadataBytes, manifestTypes })
  const workshop: Workshop = {
    original: source,
    source: cached,
    destination,
    lanes,
    ledger,
    options,
    signal,
    atDestination,
  }
  const { modifiers = [], filter } = options
  const isModifying = modifiers.length > 0 || filter?.parents === 'rewrite'
  if (!isModifying) return { workshop, atSource }
  return { workshop: { ...workshop, modification: new Modification(workshop, modifiers) }, atSource }
}

/** What is there may be sparse, and of what it names a copy before may have chosen other nodes than this one. */
function verifyOf({ verify = 'root', filter, findSuccessors }: CopyGraphOptions): CopyGraphOptions['verify'] {
  const isSparse = filter?.parents === 'sparse' || findSuccessors !== undefined
  return isSparse && verify === 'root' ? 'manifests' : verify
}
