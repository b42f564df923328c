import { formatBytes } from '../../content/format-bytes.ts'
import type { Disposition, Invalidated } from '../../copy/options.ts'
import { formatRate } from './progress.ts'
import type { ReportTotals } from './report.ts'

/** How many nodes met each end, what moved, how fast, and in how many requests: one line for people. */
export function describeTotals({ nodes, bytes, requests }: ReportTotals, milliseconds: number): string {
  const counts = [
    `${nodes.copy} copied`,
    ...(nodes.rewrite > 0 ? [`${nodes.rewrite} rewritten`] : []),
    ...(nodes.mount > 0 ? [`${nodes.mount} mounted`] : []),
    ...(nodes.skip > 0 ? [`${nodes.skip} skipped`] : []),
    ...(nodes.filter > 0 ? [`${nodes.filter} filtered`] : []),
  ]
  return (
    `${counts.join(', ')}, ` +
    `${formatBytes(bytes)} in ${(milliseconds / 1000).toFixed(1)} s (${formatRate(bytes, milliseconds)}), ` +
    `${requests.source} + ${requests.destination} requests`
  )
}

/** For a warning: what became of a signature, or the like, and why. */
export function describeInvalidated({ descriptor, artifactType, disposition, reason }: Invalidated): string {
  const type = artifactType === undefined ? '' : ` (${artifactType})`
  return `${descriptor.digest}${type} ${outcomes[disposition]}: ${reason}`
}

const outcomes: Readonly<Record<Disposition, string>> = {
  drop: 'is left out',
  keep: 'is kept, with its subject as it was',
  repoint: 'refers to what its subject has become',
}
