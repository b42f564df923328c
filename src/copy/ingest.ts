import type { Content } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import { CopyError } from '../errors.ts'
import { failure, step } from './failure.ts'
import type { ReachedNode } from './reached-node.ts'
import type { Workshop } from './transfer.ts'

/** What content has become at the destination, and whether it had to be sent. */
export interface Ingested {
  readonly descriptor: Descriptor
  readonly outcome: 'copied' | 'existed'
}

/**
 * Brings content of a modifier, whose digest nobody knows yet, to the destination when it is its turn: as a whole, or
 * through a temporary file where the destination takes only content whose digest is known.
 */
export async function ingest(
  node: ReachedNode,
  content: Content,
  mediaType: string,
  workshop: Workshop,
): Promise<Ingested> {
  const { lanes, destination, atDestination } = workshop
  return step('destination', 'ingest what became of', node, () =>
    lanes.transfer(node.descriptor, async () => {
      if (destination.ingest === undefined) return spool(node, content, mediaType, workshop)
      const descriptor = await destination.ingest(content, mediaType, atDestination)
      return { descriptor, outcome: 'copied' }
    }),
  )
}

async function spool(
  node: ReachedNode,
  content: Content,
  mediaType: string,
  { destination, atDestination, options, signal }: Workshop,
): Promise<Ingested> {
  const { spoolFolder } = options
  const push = (descriptor: Descriptor, spooled: Content): Promise<Ingested> =>
    step('destination', 'push what became of', node, async () => {
      const outcome = await destination.push(descriptor, spooled, atDestination)
      return { descriptor, outcome: outcome === 'existed' ? 'existed' : 'copied' }
    })
  // Only here are files needed: the engine itself runs where there is no disk.
  const { withSpooled } = await import('../targets/spool.ts')
  try {
    return await withSpooled(content, mediaType, push, { signal, directory: spoolFolder })
  } catch (error) {
    if (error instanceof CopyError) throw error
    const place = spoolFolder === undefined ? 'the folder for temporary files' : JSON.stringify(spoolFolder)
    throw failure('caller', `spooling to ${place}`, node, error)
  }
}
