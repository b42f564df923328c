import type { Descriptor } from './content/descriptor.ts'

/** Which end of a copy something happened at. */
export type Side = 'source' | 'destination'

/** Why a node was not transferred. */
export type SkipReason =
  /** The destination has it, and what it names was taken to be there too. */
  | 'exists'
  /** The destination's tag points at the root already. */
  | 'tag-current'
  /** The same bytes went over under another media type. */
  | 'same-content'
  /** `preCopy` said so. */
  | 'caller'
  /** The subject is not in the source, and `onMissingSubject` allows that. */
  | 'missing-subject'

/** Why a node was left out on purpose. */
export type FilterReason =
  /** A non-distributable layer, under `foreignLayers: 'skip'`. */
  | 'foreign-layer'
  /** The filter said so. */
  | 'filter'
  /** A modifier removed it. */
  | 'modifier'
  /** It says something of a node that has become another one, and `invalidated` is `'drop'`. */
  | 'invalidated'

/** What targets tell: one HTTP exchange, a wait before the next one, or a sentence that a person should read. */
export type TargetEvent =
  | {
      readonly type: 'request'
      readonly side?: Side
      readonly method: string
      /** Redacted as in errors. */
      readonly url: string
      readonly status: number
      readonly milliseconds: number
      /**
       * Only where a transport traces headers: all that were sent, by names in lower case. Values of names that are not
       * known to be harmless are `***`, and URLs are redacted as in errors. They are text from outside.
       */
      readonly requestHeaders?: Readonly<Record<string, string>>
      /** The same for what was answered. */
      readonly responseHeaders?: Readonly<Record<string, string>>
    }
  /** Before a request is made, or a transfer goes on, after a failure that may pass; or while the host wants fewer requests. */
  | {
      readonly type: 'retry'
      readonly side?: Side
      readonly method: string
      /** Redacted as in errors. */
      readonly url: string
      /** The number of the attempt that follows, from 1. */
      readonly attempt: number
      /** What failed, for people. */
      readonly reason: string
      /** The wait that begins now. */
      readonly milliseconds: number
    }
  | { readonly type: 'warning'; readonly side?: Side; readonly message: string }

/** What a copy tells. Each node that is discovered ends in exactly one of copied, mounted, skipped, filtered, or the copy fails. */
export type NodeEvent =
  | { readonly type: 'discovered'; readonly descriptor: Descriptor; readonly parent?: Descriptor }
  | { readonly type: 'started'; readonly descriptor: Descriptor }
  /** `bytes` more have been read from the source, or of its file that a layout links. A repeated transfer counts again. */
  | { readonly type: 'progress'; readonly descriptor: Descriptor; readonly bytes: number }
  /** `result` is what a modified node is at the destination. */
  | { readonly type: 'copied'; readonly descriptor: Descriptor; readonly result?: Descriptor }
  | { readonly type: 'mounted'; readonly descriptor: Descriptor; readonly result?: Descriptor }
  | {
      readonly type: 'skipped'
      readonly descriptor: Descriptor
      readonly result?: Descriptor
      readonly reason: SkipReason
    }
  | { readonly type: 'filtered'; readonly descriptor: Descriptor; readonly reason: FilterReason }
  | { readonly type: 'tagged'; readonly descriptor: Descriptor; readonly reference: string }

/** The one event type, for progress bars, reports and logs alike. */
export type CopyEvent = TargetEvent | NodeEvent

/** The options that reach every layer. */
export interface SignalOptions {
  /** Aborts the operation, which rejects with `signal.reason` itself. */
  readonly signal?: AbortSignal | undefined
  /** Hears what happens, synchronously; what it throws fails the operation. */
  readonly onEvent?: ((event: CopyEvent) => void) | undefined
}
