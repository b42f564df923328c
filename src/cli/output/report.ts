import type { Descriptor } from '../../content/descriptor.ts'
import type { CopyEvent, FilterReason, NodeEvent, Side, SkipReason } from '../../events.ts'

/** What became of a node. */
export type NodeAction = 'copy' | 'skip' | 'mount' | 'rewrite' | 'filter'

/** A node in the report of a copy. */
export interface ReportNode {
  /** With `mediaType` and `size`, as in its descriptor. */
  readonly digest: string
  readonly mediaType: string
  /** In bytes. */
  readonly size: number
  /** The last thing that happened to it. */
  readonly action: NodeAction
  /** Why it was skipped or filtered. */
  readonly reason?: SkipReason | FilterReason
}

/** What a copy moved. */
export interface ReportTotals {
  /** How many nodes met each end. */
  readonly nodes: Readonly<Record<NodeAction, number>>
  /** Read from the source, repeated transfers too. */
  readonly bytes: number
  /** HTTP exchanges with each side; none with a layout. */
  readonly requests: Readonly<Record<Side, number>>
}

/** The report of `copygraph cp --format json`; docs/cp-report.schema.json is its schema. */
export interface CopyReport {
  /** Changes where a reader of the report would have to. */
  readonly schemaVersion: 1
  /** In a spelling that the command reads, as is `destination`. */
  readonly source: string
  readonly destination: string
  /** Those that point at the root now. */
  readonly tags: readonly string[]
  /** The root at the destination. */
  readonly descriptor: Descriptor
  /** The sums. */
  readonly totals: ReportTotals
  /** Each node once, in the order in which they ended first. */
  readonly nodes: readonly ReportNode[]
}

/** What is counted while a copy runs. Each node keeps its last outcome. */
export class CopyCounter {
  readonly #nodes = new Map<string, ReportNode>()
  readonly #requests = { source: 0, destination: 0 }
  #bytes = 0

  hear(event: CopyEvent): void {
    if (event.type === 'request' && event.side !== undefined) this.#requests[event.side] += 1
    if (event.type === 'progress') this.#bytes += event.bytes
    const node = nodeOf(event)
    if (node !== undefined) this.#nodes.set(`${node.digest} ${node.mediaType}`, node)
  }

  get nodes(): readonly ReportNode[] {
    return [...this.#nodes.values()]
  }

  get totals(): ReportTotals {
    const nodes = { copy: 0, skip: 0, mount: 0, rewrite: 0, filter: 0 }
    for (const { action } of this.#nodes.values()) nodes[action] += 1
    return { nodes, bytes: this.#bytes, requests: { ...this.#requests } }
  }
}

function nodeOf(event: CopyEvent): ReportNode | undefined {
  switch (event.type) {
    case 'copied':
      return reportNode(event, 'copy')
    case 'mounted':
      return reportNode(event, 'mount')
    case 'skipped':
      return { ...reportNode(event, 'skip'), reason: event.reason }
    case 'filtered':
      return { ...reportNode(event, 'filter'), reason: event.reason }
    default:
      return undefined
  }
}

function reportNode({ descriptor: { digest, mediaType, size } }: NodeEvent, action: NodeAction): ReportNode {
  return { digest, mediaType, size, action }
}
