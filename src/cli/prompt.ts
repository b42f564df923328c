import { kill, pid, stderr, stdin } from 'node:process'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { usageError } from './usage-error.ts'

export interface PromptOptions {
  /** What is typed is not shown. @default false */
  readonly isSecret?: boolean | undefined
}

/** True if somebody can be asked. */
export function canPrompt(): boolean {
  return stdin.isTTY && stderr.isTTY
}

/** Asks on the terminal for one line, on stderr. Throws a usage error for an empty one, and the signal's reason. */
export async function prompt(
  question: string,
  signal: AbortSignal,
  { isSecret = false }: PromptOptions = {},
): Promise<string> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const abort = (): void => reject(signal.reason)
  const output = isSecret ? new Writable({ write: (_chunk, _encoding, done) => done() }) : stderr
  // From here on the terminal shows nothing by itself: the question comes after that.
  const lines = createInterface({ input: stdin, output, terminal: true, historySize: 0, prompt: question })
  if (isSecret) stderr.write(question)
  signal.addEventListener('abort', abort, { once: true })
  lines.once('line', resolve)
  lines.once('close', () => resolve(''))
  // The terminal is raw here, so that Ctrl-C is a character like any other.
  lines.on('SIGINT', () => kill(pid, 'SIGINT'))
  lines.prompt()
  try {
    const line = await promise
    if (line === '') throw usageError('nothing was typed')
    return line
  } finally {
    signal.removeEventListener('abort', abort)
    lines.close()
    if (isSecret) stderr.write('\n')
  }
}
