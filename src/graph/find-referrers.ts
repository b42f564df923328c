import PQueue from 'p-queue'
import type { Descriptor } from '../content/descriptor.ts'
import { SizeExceedsLimitError, UnsupportedError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Source } from '../targets/target.ts'
import { defaultConcurrency, defaultMaxDepth, SeenNodes } from './walk.ts'

/** A manifest whose subject is another one, with those whose subject it is in turn. */
export interface FoundReferrer {
  /** With the artifact type and the annotations of the manifest. */
  readonly descriptor: Descriptor
  /** None where `depth` ended the search. */
  readonly referrers: readonly FoundReferrer[]
}

/** Which referrers are found. */
export interface FindReferrersOptions extends SignalOptions {
  /** Only referrers of this artifact type, and of those only the same again. */
  readonly artifactType?: string | undefined
  /** How far from the subject: 1 for its own referrers alone. @default no limit */
  readonly depth?: number | undefined
  /** The longest chain of referrers; beyond it the search fails. @default 1,000 */
  readonly maxDepth?: number | undefined
  /** The most referrers in all, and their subject; beyond it the search fails. @default 1,000,000 */
  readonly maxNodes?: number | undefined
  /** Lists read at once. @default 8 */
  readonly concurrency?: number | undefined
}

/**
 * The referrers of a manifest, and theirs. Each manifest is asked once.
 *
 * Errors: UNSUPPORTED, before any I/O, for a source without referrers; SIZE_EXCEEDS_LIMIT; RangeError for a depth below 1.
 */
export async function findReferrers(
  source: Source,
  subject: Descriptor,
  options: FindReferrersOptions = {},
): Promise<readonly FoundReferrer[]> {
  const { depth: lastDepth = Infinity, maxDepth = defaultMaxDepth, maxNodes } = options
  if (!(lastDepth >= 1)) throw new RangeError(`depth is ${lastDepth}: expected 1 or more`)
  if (source.referrers === undefined) throw new UnsupportedError('the source has no ability referrers')
  const seen = new SeenNodes(maxNodes)
  seen.add(subject)
  const queue = new PQueue({ concurrency: options.concurrency ?? defaultConcurrency })
  const root: Found = { descriptor: subject, referrers: [] }
  let level: readonly Found[] = [root]
  for (let depth = 1; level.length > 0 && depth <= lastDepth; depth++) {
    const next = await readLevel(source, level, queue, { ...options, seen })
    if (depth > maxDepth && next.length > 0) {
      throw new SizeExceedsLimitError(
        `the referrers of ${subject.digest} are more than ${maxDepth} levels high`,
      )
    }
    level = next
  }
  return root.referrers
}

interface Found extends FoundReferrer {
  readonly referrers: Found[]
}

interface Reading extends FindReferrersOptions {
  readonly seen: SeenNodes
}

/** When it fails it starts nothing more, and settles when nothing is being read any more. */
async function readLevel(
  source: Source,
  level: readonly Found[],
  queue: PQueue,
  reading: Reading,
): Promise<readonly Found[]> {
  try {
    await Promise.all(level.map((found) => queue.add(() => readReferrers(source, found, reading))))
  } finally {
    queue.clear()
    await queue.onIdle()
  }
  return level.flatMap(({ referrers }) => referrers)
}

async function readReferrers(source: Source, found: Found, reading: Reading): Promise<void> {
  const { seen, artifactType, signal, onEvent } = reading
  signal?.throwIfAborted()
  for await (const descriptor of source.referrers?.(found.descriptor, { artifactType, signal, onEvent }) ??
    []) {
    if (seen.add(descriptor)) found.referrers.push({ descriptor, referrers: [] })
  }
}
