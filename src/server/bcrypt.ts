import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Comparison } from './bcrypt-worker.ts'

/** True if a hash of bcrypt is one of this password. It is found out in a thread of its own: that takes long, as it should. */
export async function matchesHash(password: string, hash: string): Promise<boolean> {
  const comparison: Comparison = { password, hash }
  const worker = new Worker(program)
  try {
    worker.postMessage(comparison)
    const messages: readonly unknown[] = await once(worker, 'message')
    return messages[0] === true
  } finally {
    await worker.terminate()
  }
}

/** Beside this file, and built as it is. */
const program = new URL(`./bcrypt-worker${extname(import.meta.url)}`, import.meta.url)
