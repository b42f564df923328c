import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const script = fileURLToPath(new URL('../targets/remote/upload-process.ts', import.meta.url))

/** Which upload a process of its own makes. */
export interface ChildUpload {
  /** As in `127.0.0.1:5000/a`. */
  readonly repository: string
  readonly journal: string
  /** What is pushed as a blob. */
  readonly file: string
  readonly chunkBytes?: number | undefined
}

/** Pushes in a process of its own, and returns what came of it. */
export async function runUpload(upload: ChildUpload): Promise<string> {
  const { stdout } = start(upload, Infinity)
  return stdout === null ? '' : text(stdout)
}

/** Pushes in a process of its own that stalls after so many bytes. Kills it when `isTime` resolves. */
export async function killUpload(
  upload: ChildUpload,
  stallAt: number,
  isTime: () => Promise<unknown>,
): Promise<void> {
  const child = start(upload, stallAt)
  const ended = once(child, 'exit')
  const stalled = child.stdout === null ? undefined : once(child.stdout, 'data')
  try {
    await Promise.race([stalled, ended])
    await isTime()
  } finally {
    child.kill('SIGKILL')
    await ended
  }
}

function start(
  { repository, journal, file, chunkBytes = Infinity }: ChildUpload,
  stallAt: number,
): ChildProcess {
  const args = [script, repository, journal, file, `${chunkBytes}`, `${stallAt}`]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}
