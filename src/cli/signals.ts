import { exit } from 'node:process'
import { exitCodes } from './output/exit-codes.ts'

/** Ctrl-C and SIGTERM as one abort. */
export interface Interruption {
  readonly signal: AbortSignal
  /** What the process ends with, once it was interrupted. */
  exitCode(): number | undefined
  /** Stops listening. */
  stop(): void
}

/** The first signal aborts, so that what is at work can clean up behind it; the second ends the process at once. */
export function listenForSignals(): Interruption {
  const controller = new AbortController()
  let code: number | undefined
  const interrupt = (name: NodeJS.Signals): void => {
    if (code !== undefined) exit(code)
    code = name === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated
    controller.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  return {
    signal: controller.signal,
    exitCode: () => code,
    stop() {
      process.off('SIGINT', interrupt)
      process.off('SIGTERM', interrupt)
    },
  }
}
