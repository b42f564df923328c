import type { ExtendedCopyOptions } from '../copy/extended-options.ts'
import type { CopyOptions } from '../copy/options.ts'
import { isTag } from '../content/reference.ts'
import type { CopyEvent } from '../events.ts'
import type { Target } from '../targets/target.ts'
import type { Connection } from './connection.ts'
import type { CopyChoices } from './copy-choices.ts'
import type { CpFlags } from './flags.ts'
import type { Address } from './references.ts'
import { soleReference } from './sole-reference.ts'
import type { Targets } from './targets.ts'

/** What `copygraph cp` was asked to do. */
export interface CopyJob {
  readonly source: Address
  readonly destination: Address
  readonly targets: Targets
  readonly connections: { readonly source: Connection; readonly destination: Connection }
  readonly flags: CpFlags
  readonly choices: CopyChoices
  readonly options: Pick<CopyOptions, 'mountFrom'> & { readonly signal: AbortSignal }
}

/** The two ends of a copy, and what is asked of the source. */
export interface CopyEnds {
  readonly from: Target
  readonly reference: string
  readonly to: Target
}

/** Opens both ends. Error: NOT_FOUND where a layout is to have one reference and has none or several. */
export async function openEnds({
  source,
  destination,
  targets,
  connections,
  flags,
  options,
}: CopyJob): Promise<CopyEnds> {
  const { uploadJournal } = await import('./upload-journal.ts')
  const from = await targets.open(source.place, connections.source)
  const to = await targets.open(destination.place, connections.destination, {
    chunkBytes: flags.chunkSize,
    uploadJournal: uploadJournal(),
  })
  return { from, to, reference: await soleReference(from, source, options) }
}

/** What the flags say to the library, but for `mapRoot`. */
export function copyOptions(
  { source, destination, flags, choices, options }: CopyJob,
  reference: string,
  onEvent: (event: CopyEvent) => void,
): ExtendedCopyOptions {
  return {
    ...options,
    ...choices.options,
    destinationReference: destinationReferences(reference, source, destination),
    concurrency: flags.concurrency,
    keepPartial: true,
    foreignLayers: flags.foreignLayers,
    onMissingSubject: flags.allowMissingSubject === true ? 'skip' : 'error',
    onEvent,
  }
}

/** A repository without a tag gets that of the source; a layout lists the root without one. */
function destinationReferences(reference: string, source: Address, destination: Address): readonly string[] {
  const { place, tags, digest } = destination
  if (tags.length > 0 || digest !== undefined) return digest === undefined ? tags : [...tags, digest]
  if (place.kind === 'layout') return []
  const [tag = reference] = source.tags
  return isTag(tag) ? [tag] : []
}
