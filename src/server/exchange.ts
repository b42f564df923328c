import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { UnsupportedError } from '../errors.ts'
import type { Target } from '../targets/target.ts'
import { refusal } from './errors.ts'
import type { RegistryStore } from './store.ts'
import type { UploadSessions } from './upload-sessions.ts'

/** What bounds the work that one request can cause. */
export interface RegistryLimits {
  readonly maxMetadataBytes: number
  readonly maxBlobBytes: number
  readonly referrersPageSize: number
}

/** One request, its path read and checked. */
export interface Exchange {
  readonly request: IncomingMessage
  /** The name of the repository; empty where the path has none. */
  readonly name: string
  /** The last part of the path: a tag, a digest or the id of an upload; empty where the path has none. */
  readonly reference: string
  readonly query: URLSearchParams
  /** Aborts when the client has gone or the registry closes. */
  readonly signal: AbortSignal
  readonly store: RegistryStore
  /** The names in the store, as they were some seconds ago at most. */
  readonly recentNames: () => Promise<readonly string[]>
  readonly uploads: UploadSessions
  readonly limits: RegistryLimits
}

/** What is answered. A body that is iterated is not opened for a HEAD request. */
export interface Answer {
  readonly status: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>
}

/** Answers one request. What it throws is answered as `answerError` says. */
export type Handler = (exchange: Exchange) => Promise<Answer>

/** Acts on the repository of a request; 404 NAME_UNKNOWN where the store has none of this name. */
export async function withRepository(
  { store, name, signal }: Exchange,
  access: 'read' | 'write',
  act: (target: Target) => Promise<Answer>,
): Promise<Answer> {
  const target = await store.open(name, { create: access === 'write', signal })
  if (target !== undefined) return act(target)
  return refusal(404, 'NAME_UNKNOWN', `no repository ${name} here`)
}

/** An answer that has a JSON body. */
export function jsonAnswer(value: unknown, headers: OutgoingHttpHeaders = {}): Answer {
  return {
    status: 200,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: Buffer.from(JSON.stringify(value)),
  }
}

/** How many bytes the body of a request has; undefined where only its end will tell. */
export function bodySize({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length']
  if (length !== undefined) return Number(length)
  return headers['transfer-encoding'] === undefined ? 0 : undefined
}

/** True if the client went away before it had sent all of its request. */
export function hasBrokenOff({ destroyed, complete }: IncomingMessage): boolean {
  return destroyed && !complete
}

/**
 * The body of a request, once. Stopping early leaves the connection open, for the answer; what was not read is
 * thrown away when that has been sent.
 */
export function bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      if (request.readableDidRead) throw new UnsupportedError('the body of a request can be read only once')
      return request.iterator({ destroyOnReturn: false })
    },
  }
}
