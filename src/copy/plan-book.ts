import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import type { CopyEvent, Side, SignalOptions } from '../events.ts'

/** HTTP exchanges with each side. */
export type SideRequests = Readonly<Record<Side, number>>

/** What a planned copy would cost, in total and by node, as it is at the destination. */
export class PlanBook {
  readonly #total = { source: 0, destination: 0 }
  readonly #byNode = new Map<string, { source: number; destination: number }>()
  readonly #bytes = new Map<string, number>()
  #totalBytes = 0
  /** Digests of what is not known before it is made: these are no real ones. */
  readonly unknown: Set<string> = new Set()
  /** Why the copy may need more or fewer requests. */
  readonly uncertainties: Set<string> = new Set()

  get total(): SideRequests {
    return { ...this.#total }
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  addRequests(side: Side, descriptor: Descriptor | undefined, count: number): void {
    this.#total[side] += count
    if (descriptor === undefined) return
    const key = nodeKey(descriptor)
    const requests = this.#byNode.get(key) ?? { source: 0, destination: 0 }
    requests[side] += count
    this.#byNode.set(key, requests)
  }

  addBytes(descriptor: Descriptor, bytes: number): void {
    const key = nodeKey(descriptor)
    this.#bytes.set(key, (this.#bytes.get(key) ?? 0) + bytes)
    this.#totalBytes += bytes
  }

  /** The options of a question that the copy will ask too: its requests are counted for the node. */
  counted<T extends SignalOptions>(side: Side, descriptor: Descriptor | undefined, options: T): T {
    const onEvent = (event: CopyEvent): void => {
      if (isAnswer(event)) this.addRequests(side, descriptor, 1)
      options.onEvent?.(event)
    }
    return { ...options, onEvent }
  }

  /** What a node costs; each cost is given out once. */
  take(descriptor: Descriptor): { readonly bytes: number; readonly requests: SideRequests } {
    const key = nodeKey(descriptor)
    const cost = {
      bytes: this.#bytes.get(key) ?? 0,
      requests: this.#byNode.get(key) ?? { source: 0, destination: 0 },
    }
    this.#bytes.delete(key)
    this.#byNode.delete(key)
    return cost
  }
}

/** As the distribution-spec names what is in a repository, so that nobody's token service is counted. */
const contentPath = /^[^?]*\/v2\/[^?]+\/(?:manifests|blobs|referrers|tags)\//

/** Not counted is what is asked again: without a token, too early, or during a fault. */
function isAnswer(event: CopyEvent): boolean {
  if (event.type !== 'request' || !contentPath.test(event.url)) return false
  const { status } = event
  return status !== 401 && status !== 408 && status !== 429 && (status < 500 || status === 501)
}
