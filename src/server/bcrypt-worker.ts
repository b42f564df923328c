import { parentPort } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'

/** What this thread is sent; it answers with one boolean. */
export interface Comparison {
  readonly password: string
  readonly hash: string
}

parentPort?.once('message', ({ password, hash }: Comparison) => {
  parentPort?.postMessage(compareSync(password, hash))
})
