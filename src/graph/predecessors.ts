import type { Descriptor } from '../content/descriptor.ts'
import type { Edge } from '../content/manifest-types.ts'
import { SizeExceedsLimitError, UnsupportedError } from '../errors.ts'
import type { Source } from '../targets/target.ts'
import { defaultMaxDepth, SeenNodes, type WalkOptions } from './walk.ts'

/** An edge of a walk upwards: a manifest and the node below it that it refers to. */
export interface WalkedPredecessor {
  /** The manifest. */
  readonly descriptor: Descriptor
  /** Whether `of` is the subject of the manifest. */
  readonly edge: Edge
  /** The node that `descriptor` refers to. */
  readonly of: Descriptor
  /** Edges from the node where the walk began; 1 for its own predecessors. */
  readonly depth: number
}

/** The limits of a walk upwards, as in `WalkOptions`: `maxDepth` levels above the node, `maxNodes` with the node itself. */
export type PredecessorsOptions = Pick<WalkOptions, 'maxDepth' | 'maxNodes' | 'signal' | 'onEvent'>

/**
 * Every edge above a node, level by level; each manifest is asked for its own predecessors once, so that a cycle ends.
 *
 * Errors: UNSUPPORTED, before any I/O, for a source that cannot find predecessors; SIZE_EXCEEDS_LIMIT.
 * Costs O(nodes + edges) above the node.
 */
export async function* walkPredecessors(
  source: Source,
  node: Descriptor,
  options: PredecessorsOptions = {},
): AsyncGenerator<WalkedPredecessor> {
  const { maxDepth = defaultMaxDepth, maxNodes } = options
  const seen = new SeenNodes(maxNodes)
  seen.add(node)
  let level: readonly Descriptor[] = [node]
  for (let depth = 1; level.length > 0; depth++) {
    const next: Descriptor[] = []
    for await (const found of edgesAbove(source, level, options)) {
      if (depth > maxDepth) throw new SizeExceedsLimitError(`the graph is more than ${maxDepth} levels high`)
      if (seen.add(found.descriptor)) next.push(found.descriptor)
      yield { ...found, depth }
    }
    level = next
  }
}

async function* edgesAbove(
  source: Source,
  level: readonly Descriptor[],
  { signal, onEvent }: PredecessorsOptions,
): AsyncGenerator<Omit<WalkedPredecessor, 'depth'>> {
  if (source.predecessors === undefined) throw new UnsupportedError('the source has no ability predecessors')
  for (const of of level) {
    for await (const { descriptor, edge } of source.predecessors(of, { signal, onEvent })) {
      yield { descriptor, edge, of }
    }
  }
}
