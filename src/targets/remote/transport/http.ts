import type { Content } from '../../../content/content.ts'
import type { SignalOptions } from '../../../events.ts'
import type { Limits } from './limits.ts'

/** Whose resource a request is about, and what it needs to be allowed: without it a request goes anonymously. */
export interface Access {
  /** The registry as its references name it: credentials are asked for by this name. */
  readonly registry: string
  /** As in `repository:name:pull,push`, the most important one first. */
  readonly scopes: readonly string[]
}

/** A body that is read while it is sent, and read again if the request has to be repeated. */
export interface StreamedBody {
  readonly content: Content
  /** In bytes; without it the body goes in chunks of unknown number. */
  readonly size?: number | undefined
}

/** One request as the steps around the network see it. */
export interface HttpRequest extends SignalOptions {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  /** Authorization is none of ours: what is in `auth/` attaches it, and nothing else. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The user's own for the registry that the request goes to, by names in lower case: one step attaches them, at the registry's origin alone. */
  readonly customHeaders?: Readonly<Record<string, string>> | undefined
  readonly body?: Uint8Array | StreamedBody | undefined
  readonly access?: Access | undefined
  readonly redirect: 'follow' | 'refuse'
  /** The server, named by the user, that has led to this URL elsewhere; undefined for what the user has named. */
  readonly learnedFrom?: URL | undefined
  /**
   * The failures that may pass after which it is made again: any, any but a 500 (which may be the answer for good), or
   * none. One that streams its body is never made again. @default 'any'
   */
  readonly repeat?: 'any' | 'except-500' | 'never' | undefined
  /** It does not wait while the host wants fewer requests: it ends what nobody wants any more, or would come too late. @default false */
  readonly isUrgent?: boolean | undefined
}

/**
 * A response whose headers are there. Its body must be iterated or discarded, else its connection and its place in
 * the limit of the host are never given back.
 */
export interface HttpResponse {
  readonly method: string
  /** Where it came from in the end, after redirects. */
  readonly url: URL
  readonly status: number
  /** What the request carried that its server may repeat, and nobody may see. @default nothing */
  readonly secrets?: (() => readonly string[]) | undefined
  /** How far its body may be read, and what it says be followed. */
  readonly limits: Limits
  /** When it was asked for, on the clock of `performance.now`. */
  readonly started: number
  /** An attempt before this one failed, and may have done its work all the same. @default false */
  readonly isRepeat?: boolean | undefined
  /** The first header of this name; names are in lower case. */
  header(name: string): string | undefined
  /** All headers of this name. */
  headers(name: string): readonly string[]
  readonly body: AsyncIterable<Uint8Array>
  /** Reads the rest of the body, or breaks off where it is long; never rejects. When it resolves, no more of a streamed request body is read. */
  discard(): Promise<void>
  /** Ends the body at once; who reads it gets UNREACHABLE with this code. */
  breakOff(code: string): void
  /** Resolves when the body has been read to its end or given up, and no more of a request body is read. */
  readonly closed: Promise<void>
}

/** One step of sending, or all of them together. */
export type Send = (request: HttpRequest) => Promise<HttpResponse>

/** True for a body that is not in memory. */
export function isStreamed(body: HttpRequest['body']): body is StreamedBody {
  return body !== undefined && !(body instanceof Uint8Array)
}
