import PQueue from 'p-queue'
import { isStreamed, type Send } from './http.ts'

/**
 * Lets so many requests at once go to one host. A place is held until the response body is at its end.
 * Requests that stream a body have places of their own: such a body may be read lazily from the same host, and would
 * wait for ever for a place that other writes hold. Throws a RangeError for less than one.
 */
export function limitPerHost(next: Send, concurrency: number): Send {
  if (!(concurrency >= 1)) throw new RangeError(`concurrency is ${concurrency}: it must be 1 or more`)
  const queues = new Map<string, PQueue>()
  return async (request) => {
    const key = `${isStreamed(request.body) ? 'write' : 'read'} ${request.url.host}`
    const queue = queues.get(key) ?? new PQueue({ concurrency })
    queues.set(key, queue)
    const leave = await enter(queue, request.signal)
    const left = (): void => {
      leave()
      // Redirects may name any number of hosts.
      if (queue.size === 0 && queue.pending <= 1) queues.delete(key)
    }
    try {
      const response = await next(request)
      void response.closed.then(left)
      return response
    } catch (error) {
      left()
      throw error
    }
  }
}

/** Waits for a place; the result gives it back. */
async function enter(queue: PQueue, signal: AbortSignal | undefined): Promise<() => void> {
  const entered = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  const occupy = async (): Promise<void> => {
    entered.resolve()
    await left.promise
  }
  // Listening to a signal is worth its price only where there is something to wait for.
  const waits = queue.pending >= queue.concurrency
  queue.add(occupy, waits && signal !== undefined ? { signal } : {}).catch(entered.reject)
  await entered.promise
  return left.resolve
}
