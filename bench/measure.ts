import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram } from './find-program.ts'

/** A program with its arguments. */
export interface Command {
  readonly program: string
  readonly args: readonly string[]
}

/** What one run of a command took. Without GNU time on PATH only the wall time is known. */
export interface Measurement {
  readonly milliseconds: number
  /** User and system time of exactly this process and its children; a multiple of 10 ms. */
  readonly cpuMilliseconds?: number
  readonly peakBytes?: number
}

export interface MeasureOptions {
  /** A folder of the bench's own. */
  readonly directory: string
  readonly signal: AbortSignal
  /** After so long the command is killed and counts as failed. @default 60 seconds */
  readonly timeoutMilliseconds?: number | undefined
}

const keptErrorText = 4096

/** True where CPU time and peak memory can be measured. Only GNU time reports both for exactly one process. */
export function hasGnuTime(): boolean {
  return findProgram('time') !== undefined
}

/** Runs a command to its end; rejects with what it wrote to stderr if it fails, and with the abort's reason. */
export async function measure(
  command: Command,
  { directory, signal, timeoutMilliseconds = 60_000 }: MeasureOptions,
): Promise<Measurement> {
  await using home = await mkdtempDisposable(join(directory, 'home-'))
  const figures = join(home.path, 'figures')
  const start = performance.now()
  try {
    await runToEnd(wrapped(command, figures), { home: home.path, signal, timeoutMilliseconds })
  } catch (error) {
    signal.throwIfAborted()
    throw new Error(`${command.program} ${command.args.join(' ')} failed`, { cause: error })
  }
  const milliseconds = performance.now() - start
  return hasGnuTime() ? { milliseconds, ...parseFigures(await readFile(figures, 'utf8')) } : { milliseconds }
}

function wrapped({ program, args }: Command, figures: string): Command {
  const time = findProgram('time')
  if (time === undefined) return { program, args }
  return { program: time, args: ['--quiet', '--format=%U %S %M', `--output=${figures}`, program, ...args] }
}

function parseFigures(text: string): { cpuMilliseconds: number; peakBytes: number } {
  const match = /^([\d.]+) ([\d.]+) (\d+)$/m.exec(text)
  if (match === null) throw new Error(`unexpected output of time: ${text}`)
  const [user, system, kibibytes] = match.slice(1).map(Number)
  if (user === undefined || system === undefined || kibibytes === undefined) throw new Error(text)
  return { cpuMilliseconds: Math.round((user + system) * 1000), peakBytes: kibibytes * 1024 }
}

interface RunOptions {
  readonly home: string
  readonly signal: AbortSignal
  readonly timeoutMilliseconds: number
}

async function runToEnd(
  { program, args }: Command,
  { home, signal, timeoutMilliseconds }: RunOptions,
): Promise<void> {
  signal.throwIfAborted()
  const timeout = AbortSignal.timeout(timeoutMilliseconds)
  const ended = AbortSignal.any([signal, timeout])
  // A group of its own, so that the wrapper and the command below it are killed together; an empty home, so that
  // nobody's configuration takes part.
  const child = spawn(program, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
    env: { ...process.env, HOME: home, DOCKER_CONFIG: home },
  })
  let errorText = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errorText = (errorText + text).slice(-keptErrorText)
  })
  const kill = (): void => {
    const isRunning = child.exitCode === null && child.signalCode === null
    if (child.pid !== undefined && isRunning) process.kill(-child.pid, 'SIGKILL')
  }
  ended.addEventListener('abort', kill)
  try {
    await once(child, 'close')
    const { exitCode } = child
    signal.throwIfAborted()
    if (timeout.aborted) throw new Error(`it took longer than ${timeoutMilliseconds / 1000} s`)
    if (exitCode !== 0) throw new Error(`exit code ${exitCode}: ${errorText.trim()}`)
  } finally {
    ended.removeEventListener('abort', kill)
  }
}
