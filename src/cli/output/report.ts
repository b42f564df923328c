import type { Descriptor } from '../../content/descriptor.ts'
import type { Disposition } from '../../copy/options.ts'
import type { PlannedAction } from '../../copy/plan-types.ts'
import type { CopyEvent, FilterReason, NodeEvent, Side, SkipReason } from '../../events.ts'

/** What became of a node, in the words of a plan. */
export type NodeAction = PlannedAction

/** What a report says of a descriptor. */
export interface ReportDescriptor {
  readonly digest: string
  readonly mediaType: string
  /** In bytes. */
  readonly size: number
}

/** A node in the report of a copy, as it is in the source. */
export interface ReportNode extends ReportDescriptor {
  /** The last thing that happened to it, but for being found where it was brought before. */
  readonly action: NodeAction
  /** Why it was skipped or filtered. */
  readonly reason?: SkipReason | FilterReason
  /** What it is at the destination, if that is another node. */
  readonly result?: ReportDescriptor
}

/** What says something of a node that has become another one, or was left out. */
export interface ReportInvalidated {
  readonly digest: string
  readonly artifactType?: string | undefined
  /** The digest of that node in the source. */
  readonly subject: string
  readonly disposition: Disposition
  /** For people. */
  readonly reason: string
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
  /** The tags named after digests that were carried over. */
  readonly digestTags: readonly string[]
  /** Each node once, in the order in which they ended first; twice if it is there as it was and as another one. */
  readonly nodes: readonly ReportNode[]
  readonly invalidated: readonly ReportInvalidated[]
}

/** What is counted while a copy runs. Each node keeps its last outcome, but one that was brought does not become one that was there. */
export class CopyCounter {
  readonly #nodes = new Map<string, ReportNode>()
  readonly #requests = { source: 0, destination: 0 }
  #bytes = 0

  hear(event: CopyEvent): void {
    if (event.type === 'request' && event.side !== undefined) this.#requests[event.side] += 1
    if (event.type === 'progress') this.#bytes += event.bytes
    const node = nodeOf(event)
    if (node === undefined) return
    const plain = `${node.digest} ${node.mediaType}`
    const key = node.result === undefined ? plain : `${plain} ${node.result.digest}`
    const isLookedAtAgain = node.action === 'skip' && moved.has(this.#nodes.get(key)?.action)
    if (isLookedAtAgain) return
    // What is left out of one parent may come along below another one.
    if (this.#nodes.get(plain)?.action === 'filter') this.#nodes.delete(plain)
    this.#nodes.set(key, node)
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

const moved: ReadonlySet<NodeAction | undefined> = new Set(['copy', 'mount', 'rewrite'])

function nodeOf(event: CopyEvent): ReportNode | undefined {
  switch (event.type) {
    case 'copied':
      return reportNode(event, event.result === undefined ? 'copy' : 'rewrite', resultOf(event))
    case 'mounted':
      return reportNode(event, 'mount', resultOf(event))
    case 'skipped':
      return reportNode(event, 'skip', { reason: event.reason, ...resultOf(event) })
    case 'filtered':
      return reportNode(event, 'filter', { reason: event.reason })
    default:
      return undefined
  }
}

function reportNode(
  { descriptor }: NodeEvent,
  action: NodeAction,
  facts: Pick<ReportNode, 'reason' | 'result'>,
): ReportNode {
  return { ...reportDescriptor(descriptor), action, ...facts }
}

function resultOf({ result }: { readonly result?: Descriptor }): Pick<ReportNode, 'result'> {
  return result === undefined ? {} : { result: reportDescriptor(result) }
}

function reportDescriptor({ digest, mediaType, size }: Descriptor): ReportDescriptor {
  return { digest, mediaType, size }
}
