import { nodeKey, plainDescriptor, type Descriptor } from '../content/descriptor.ts'
import { standardManifestTypes, type ManifestTypes } from '../content/manifest-types.ts'
import { formatPlatform } from '../content/platform.ts'
import type { CopyEvent, NodeEvent, SignalOptions } from '../events.ts'
import type { PlanBook } from './plan-book.ts'
import type { PlannedAction, PlannedImage, PlannedNode, PlannedReason, PlanTotals } from './plan-types.ts'
import type { PlannedDestination } from './planned-destination.ts'

type Outcome = Extract<NodeEvent, { type: 'copied' | 'mounted' | 'skipped' | 'filtered' }>

/** Hears the events of a copy that is only planned, and keeps what becomes of each node. */
export class PlanRecorder {
  readonly #book: PlanBook
  readonly #manifestTypes: ManifestTypes
  readonly #onEvent: SignalOptions['onEvent']
  /** Where each node was met first. */
  readonly #met = new Map<string, Met>()
  readonly #outcomes = new Map<string, Outcome>()

  constructor(
    book: PlanBook,
    {
      manifestTypes = standardManifestTypes,
      onEvent,
    }: { readonly manifestTypes?: ManifestTypes | undefined } & Pick<SignalOptions, 'onEvent'>,
  ) {
    this.#book = book
    this.#manifestTypes = manifestTypes
    this.#onEvent = onEvent
  }

  /** Passes on what really happens: questions, and nodes that are met. */
  hear(event: CopyEvent): void {
    switch (event.type) {
      case 'discovered': {
        const { descriptor, parent } = event
        const key = nodeKey(descriptor)
        if (!this.#met.has(key)) this.#met.set(key, { descriptor, parent })
        break
      }
      case 'progress':
        return this.#book.addBytes(event.descriptor, event.bytes)
      case 'copied':
      case 'mounted':
      case 'skipped':
      case 'filtered':
        this.#outcomes.set(nodeKey(event.descriptor), event)
        return
      case 'started':
      case 'tagged':
        return
      default:
    }
    this.#onEvent?.(event)
  }

  /** Each node once. To be called once. */
  nodes(destination: PlannedDestination): readonly PlannedNode[] {
    return [...this.#outcomes.values()].map((event) => this.#node(event, destination))
  }

  /** By manifest; a root that is a blob stands for itself. */
  images(nodes: readonly PlannedNode[]): readonly PlannedImage[] {
    const groups = new Map<string, { readonly image: Descriptor; readonly members: PlannedNode[] }>()
    for (const node of nodes) {
      const image = this.#imageOf(node)
      const key = nodeKey(image)
      const group = groups.get(key) ?? { image, members: [] }
      group.members.push(node)
      groups.set(key, group)
    }
    return [...groups.values()].map(({ image, members }) => {
      const { platform } = this.#met.get(nodeKey(image))?.descriptor ?? {}
      return {
        digest: image.digest,
        mediaType: image.mediaType,
        ...(platform && { platform: formatPlatform(platform) }),
        ...sumOf(members),
      }
    })
  }

  #imageOf(node: Descriptor): Descriptor {
    const { parent } = this.#met.get(nodeKey(node)) ?? {}
    return this.#manifestTypes.isManifest(node.mediaType) || parent === undefined ? node : parent
  }

  #node(event: Outcome, destination: PlannedDestination): PlannedNode {
    const { digest, mediaType, size } = event.descriptor
    const result = 'result' in event ? event.result : undefined
    const target = result ?? event.descriptor
    const { bytes, requests } = this.#costOf(event.descriptor, target)
    const isUnknown = this.#book.unknown.has(target.digest)
    return {
      digest,
      mediaType,
      size,
      action: actionOf(event, target),
      reason: reasonOf(event, target, destination),
      ...(!isUnknown && { bytes }),
      requests,
      ...(result !== undefined && !isUnknown && { result: plainDescriptor(result) }),
    }
  }

  #costOf(descriptor: Descriptor, target: Descriptor): ReturnType<PlanBook['take']> {
    const [one, other] = [this.#book.take(descriptor), this.#book.take(target)]
    return {
      bytes: one.bytes + other.bytes,
      requests: {
        source: one.requests.source + other.requests.source,
        destination: one.requests.destination + other.requests.destination,
      },
    }
  }
}

interface Met {
  readonly descriptor: Descriptor
  readonly parent: Descriptor | undefined
}

/** The sums of some nodes. */
export function sumOf(nodes: readonly PlannedNode[]): PlanTotals {
  const actions = { copy: 0, skip: 0, mount: 0, rewrite: 0, filter: 0 }
  const requests = { source: 0, destination: 0 }
  let bytes = 0
  let unknown = 0
  for (const node of nodes) {
    actions[node.action] += 1
    requests.source += node.requests.source
    requests.destination += node.requests.destination
    bytes += node.bytes ?? 0
    unknown += Number(node.bytes === undefined)
  }
  return { nodes: actions, bytes, unknown, requests }
}

function actionOf({ type, descriptor }: Outcome, target: Descriptor): PlannedAction {
  switch (type) {
    case 'copied':
      return target.digest === descriptor.digest ? 'copy' : 'rewrite'
    case 'mounted':
      return 'mount'
    case 'skipped':
      return 'skip'
    case 'filtered':
      return 'filter'
    default:
      return type satisfies never
  }
}

function reasonOf(event: Outcome, target: Descriptor, destination: PlannedDestination): PlannedReason {
  if (event.type === 'skipped' || event.type === 'filtered') return event.reason
  if (target.digest !== event.descriptor.digest) return 'modified'
  return destination.reasonFor(target) ?? 'absent'
}
