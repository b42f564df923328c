import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import { CopyError } from '../errors.ts'
import type { CopyEvent, Side } from '../events.ts'
import { auditCode, type AuditLog, type AuditOperation } from './audit-log.ts'

/** The two ends of a copy, as records name them. */
export interface AuditedPlaces {
  readonly source: string
  readonly destination: string
}

interface Transfer {
  readonly descriptor: Descriptor
  readonly started: number
  bytes: number
}

/** A node at its end; `result` is what it is at the destination, if that is another node. */
interface Ended {
  readonly descriptor: Descriptor
  readonly result?: Descriptor
}

/**
 * Records a copy from its events: what was read at the source, and written where under which tag. What is under way when
 * it ends has failed. A manifest counts as read once one of its successors is known, also if it is not pushed then.
 */
export class CopyAudit {
  readonly #log: AuditLog
  readonly #places: AuditedPlaces
  readonly #started = performance.now()
  readonly #running = new Map<string, Transfer>()
  readonly #read = new Set<string>()
  #reference: string | undefined
  #root: Descriptor | undefined
  #bytes = 0
  #isOver = false

  constructor(log: AuditLog, places: AuditedPlaces) {
    this.#log = log
    this.#places = places
  }

  /** What is asked of the source. */
  begin(reference: string): void {
    this.#reference = reference
  }

  hear(event: CopyEvent): void {
    switch (event.type) {
      case 'discovered':
        return event.parent === undefined ? this.found(event.descriptor) : this.#readManifest(event.parent)
      case 'started':
        this.#running.set(nodeKey(event.descriptor), {
          descriptor: event.descriptor,
          started: performance.now(),
          bytes: 0,
        })
        return
      case 'progress':
        return this.#advance(event.descriptor, event.bytes)
      case 'copied':
        return this.#finish(event, 'push')
      case 'mounted':
        return this.#finish(event, 'mount')
      case 'skipped': {
        const isThere = event.reason === 'exists' || event.reason === 'tag-current'
        return isThere ? this.#finish(event, 'exists') : undefined
      }
      case 'tagged': {
        const { descriptor, reference } = event
        return this.#log.write({ operation: 'tag', target: this.#places.destination, reference, descriptor })
      }
      default:
        return
    }
  }

  /** What the reference names in the source; without it, the first node of which the copy tells. */
  found(root: Descriptor): void {
    if (this.#root !== undefined) return
    this.#root = root
    const { source: target } = this.#places
    this.#log.write({ operation: 'resolve', target, reference: this.#reference, descriptor: root })
  }

  /** The copy has succeeded: the root is this at the destination. */
  done(root: Descriptor): void {
    this.#root = root
    this.#sumUp(undefined)
  }

  /** The copy has failed, if it was not done before. */
  failed(error: unknown, signal: AbortSignal): void {
    if (this.#isOver) return
    const code = auditCode(error, signal)
    const at = error instanceof CopyError ? error : undefined
    const culprit = at?.descriptor && nodeKey(at.descriptor)
    for (const [key, transfer] of this.#running) {
      // What was aborted because something else failed says so.
      this.#fail(transfer, key === culprit || signal.aborted ? code : 'ABORTED')
    }
    const isRecorded = culprit !== undefined && this.#running.has(culprit)
    if (at !== undefined && !isRecorded && !signal.aborted) this.#failedStep(at, code)
    this.#sumUp(code)
  }

  #readManifest(descriptor: Descriptor): void {
    if (this.#read.has(nodeKey(descriptor))) return
    this.#read.add(nodeKey(descriptor))
    const { source: target } = this.#places
    this.#log.write({ operation: 'read', target, descriptor, bytes: descriptor.size })
  }

  #advance(descriptor: Descriptor, bytes: number): void {
    this.#bytes += bytes
    const transfer = this.#running.get(nodeKey(descriptor))
    if (transfer !== undefined) transfer.bytes += bytes
  }

  /** What has become another node is read as the old one, and written as the new one. */
  #finish({ descriptor, result = descriptor }: Ended, operation: 'push' | 'mount' | 'exists'): void {
    const { source, destination: target } = this.#places
    const transfer = this.#running.get(nodeKey(result))
    this.#running.delete(nodeKey(result))
    const isMade = transfer === undefined && result !== descriptor
    const { bytes = isMade && operation === 'push' ? result.size : 0, started } = transfer ?? {}
    const durationMilliseconds = started === undefined ? undefined : performance.now() - started
    const wasRead = operation === 'push' || bytes > 0
    if (wasRead && !this.#read.has(nodeKey(descriptor))) {
      const read = isMade ? descriptor.size : bytes
      this.#log.write({ operation: 'read', target: source, descriptor, bytes: read, durationMilliseconds })
    }
    const moved = operation === 'push' ? { bytes } : {}
    this.#log.write({ operation, target, descriptor: result, ...moved, durationMilliseconds })
  }

  #fail({ descriptor, started, bytes }: Transfer, error: string): void {
    const { source, destination } = this.#places
    const facts = { descriptor, bytes, error, durationMilliseconds: performance.now() - started }
    const wasRead = this.#read.has(nodeKey(descriptor))
    if (!wasRead) this.#log.write({ operation: 'read', target: source, ...facts })
    this.#log.write({ operation: 'push', target: destination, ...facts })
  }

  #failedStep(failed: CopyError, error: string): void {
    const { origin, operation: verb } = failed
    const operation = operations.get(verb)
    if (operation === undefined || origin === 'caller') return
    const target = this.#places[origin satisfies Side]
    const isOfSource = operation === 'resolve' && origin === 'source'
    const reference = isOfSource ? this.#reference : failed.reference
    const descriptor = operation === 'tag' ? this.#root : failed.descriptor
    this.#log.write({ operation, target, reference, descriptor, error })
  }

  #sumUp(error: string | undefined): void {
    this.#isOver = true
    const { source, destination: target } = this.#places
    this.#log.write({
      operation: 'copy',
      target,
      source,
      reference: this.#reference,
      descriptor: this.#root,
      bytes: this.#bytes,
      error,
      durationMilliseconds: performance.now() - this.#started,
    })
  }
}

/** By the verbs of a CopyError. */
const operations: ReadonlyMap<string, AuditOperation> = new Map([
  ['resolve', 'resolve'],
  ['select a platform of', 'resolve'],
  ['fetch', 'read'],
  ['look for', 'exists'],
  ['find the predecessors of', 'list'],
  ['push', 'push'],
  ['ingest what became of', 'push'],
  ['push what belongs to', 'push'],
  ['tag', 'tag'],
])
