import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface CommandResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCommand {
  readonly child: ChildProcess
  /** The first line on stderr that matches. Rejects when the command ends without one. */
  line(pattern: RegExp): Promise<string>
  /** The first line on stdout. */
  firstLine(): Promise<string>
  readonly ended: Promise<CommandResult>
}

export interface CommandOptions {
  readonly stdin?: string | undefined
  /** As if somebody were about to type. */
  readonly keepStdinOpen?: boolean | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Of Node itself. */
  readonly nodeArguments?: readonly string[] | undefined
}

const mainFile = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** Starts the command from its source in a process of its own. */
export function startCommand(args: readonly string[], options: CommandOptions = {}): RunningCommand {
  const { stdin = '', keepStdinOpen = false, env = {}, nodeArguments = [] } = options
  const child = spawn(process.execPath, [...nodeArguments, mainFile, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // No home: what somebody has stored there must not come into tests.
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', COPYGRAPH_UPLOAD_JOURNAL: '', ...env },
  })
  if (!keepStdinOpen) child.stdin.end(stdin)
  const stdoutLines = createInterface(child.stdout)
  const stderrLines = createInterface(child.stderr)
  const texts = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (texts.stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (texts.stderr += chunk))
  const ended = once(child, 'close').then(([code]): CommandResult => ({ code, ...texts }))
  return {
    child,
    ended,
    firstLine: () => lineOf(stdoutLines, /^/, ended),
    line: (pattern) => lineOf(stderrLines, pattern, ended),
  }
}

/** Runs the command to its end. */
export function runCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return startCommand(args, options).ended
}

async function lineOf(
  lines: NodeJS.EventEmitter,
  pattern: RegExp,
  ended: Promise<CommandResult>,
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  const hear = (line: string): void => {
    if (pattern.test(line)) resolve(line)
  }
  lines.on('line', hear)
  const none = ended.then(({ stderr }) => Promise.reject(new Error(`no line ${pattern} in: ${stderr}`)))
  none.catch(() => undefined)
  try {
    return await Promise.race([promise, none])
  } finally {
    lines.off('line', hear)
  }
}
