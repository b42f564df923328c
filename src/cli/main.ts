#!/usr/bin/env node
import { argv, stderr, stdout, version } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { CommanderError } from 'commander'
import { exitCodes } from './output/exit-codes.ts'
import { reportUsageError } from './output/failure.ts'
import { lackOfNode } from './node-version.ts'
import { createProgram } from './program.ts'
import { listenForSignals } from './signals.ts'

// What is downloaded lives for a moment: a young generation that does not grow costs less time, and less memory.
setFlagsFromString('--semi-space-growth-factor=1')

process.exitCode = await main()

/** Runs the command that was typed; resolves to the exit code when nothing of it is running any more. */
async function main(): Promise<number> {
  // A reader that has gone, as in `copygraph … | head -1`, is no reason to crash. Who writes hears of it by a callback.
  stdout.on('error', () => undefined)
  stderr.on('error', () => undefined)
  const lack = lackOfNode(version)
  if (lack !== undefined) {
    stderr.write(`Error: ${lack}\n`)
    return exitCodes.failed
  }
  const interruption = listenForSignals()
  let code: number = exitCodes.done
  try {
    await createProgram(interruption, (ended) => (code = ended)).parseAsync(argv)
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return reportUsageError(error)
  } finally {
    interruption.stop()
  }
  return code === exitCodes.done ? code : (interruption.exitCode() ?? code)
}
