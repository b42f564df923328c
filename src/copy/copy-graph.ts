import type { Descriptor } from '../content/descriptor.ts'
import type { Destination, Source } from '../targets/target.ts'
import type { CopyGraphOptions, CopyResult } from './options.ts'
import { runCopy } from './run.ts'
import { copyTagged } from './tags.ts'

/**
 * Copies the graph under a root, successors before what refers to them, byte for byte. Each node is handled once.
 * Nothing is tagged. A failure leaves no manifest at the destination whose successors are missing there.
 *
 * Errors: COPY, with the target's or the caller's error as `cause`; UNSUPPORTED before any I/O; the reason of an
 * abort itself. Costs O(nodes + edges).
 */
export async function copyGraph(
  source: Source,
  root: Descriptor,
  destination: Destination,
  options: CopyGraphOptions = {},
): Promise<CopyResult> {
  return runCopy(source, destination, options, async (run) => {
    run.workshop.modification?.request(root)
    const result = await copyTagged(root, () => [], run)
    return run.workshop.ledger.result(result, [])
  })
}
