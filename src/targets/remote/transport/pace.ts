import { pause } from '../../pause.ts'
import type { Send } from './http.ts'
import { Turns } from './turns.ts'

/** How fast requests follow each other. */
export interface PaceOptions {
  /** Undefined, or Infinity, as fast as they come. */
  readonly requestsPerSecond: number | undefined
  /** Ends every wait. */
  readonly closed: AbortSignal
}

const leastPerSecond = 0.001

/**
 * Lets so many requests a second go to each host that the user has named, one after the other at even distances. It is
 * the last step before the network, so that requests which waited for a place cannot go all at once, and repeated ones
 * count as any other. An aborted wait takes nobody's turn. Throws a RangeError for less than one in 1,000 seconds.
 */
export function pacePerHost(next: Send, { requestsPerSecond = Infinity, closed }: PaceOptions): Send {
  if (!(requestsPerSecond >= leastPerSecond)) {
    throw new RangeError(
      `requestsPerSecond is ${requestsPerSecond}, expected is a number from ${leastPerSecond} on`,
    )
  }
  if (requestsPerSecond === Infinity) return next
  const interval = 1000 / requestsPerSecond
  const turns = new Turns()
  /** By host, the time from which on the next request may go. Hosts that only a server has named are none of these. */
  const free = new Map<string, number>()
  return async (request) => {
    const { url, learnedFrom } = request
    const { host } = url
    if (learnedFrom !== undefined && !free.has(host)) return next(request)
    const signal = request.signal === undefined ? closed : AbortSignal.any([request.signal, closed])
    const wait = async (): Promise<void> => {
      const now = performance.now()
      const start = Math.max(now, free.get(host) ?? now)
      if (start > now) await pause(start - now, signal)
      free.set(host, start + interval)
    }
    await turns.take(host, wait, signal)
    return next(request)
  }
}
