import type { IncomingHttpHeaders } from 'node:http'
import type { Part } from './fault.ts'

/** What a server saw of one request; it grows until the request is over. */
export interface SeenRequest {
  /** From 0, in the order in which the requests came. */
  readonly order: number
  readonly at: Part
  /** Which connection it came over, from 0, in the order in which they were first used. */
  readonly connection: number
  readonly method: string
  /** The path and query, as they came. */
  readonly url: string
  readonly headers: Readonly<IncomingHttpHeaders>
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[]
  /** Bytes of the body that have come. */
  readonly receivedBytes: number
  /** Bytes of the answer's body that have been given to the network. */
  readonly sentBytes: number
  /** Undefined where there was no answer, and while there is none. */
  readonly status: number | undefined
  readonly isOver: boolean
  /** What a fault failed with; the client was answered with 500, or cut off where an answer had begun. */
  readonly error: unknown
}

/** An entry while it is written. */
export type OpenEntry = { -readonly [Key in keyof SeenRequest]: SeenRequest[Key] }

/** All that a test wants to know of the requests, in the order in which they came. */
export class RequestLog {
  readonly requests: OpenEntry[] = []
  readonly #connections = new Map<object, number>()

  /** Begins an entry; `socket` tells the connections apart. */
  begin(
    socket: object,
    facts: Pick<SeenRequest, 'at' | 'method' | 'url' | 'headers' | 'rawHeaders'>,
  ): OpenEntry {
    const connection = this.#connections.get(socket) ?? this.#connections.size
    this.#connections.set(socket, connection)
    const entry = {
      ...facts,
      order: this.requests.length,
      connection,
      receivedBytes: 0,
      sentBytes: 0,
      status: undefined,
      isOver: false,
      error: undefined,
    }
    this.requests.push(entry)
    return entry
  }
}
