import { kill, pid, stderr, stdin } from 'node:process'
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'
import { usageError } from './usage-error.ts'

/** What is asked on the terminal. */
export interface Question {
  readonly text: string
  /** What is typed is not shown. @default false */
  readonly isSecret?: boolean | undefined
}

/** True if somebody can be asked. */
export function canPrompt(): boolean {
  return stdin.isTTY && stderr.isTTY
}

/**
 * Asks on the terminal, on stderr, for one line after the other. Lines that are pasted at once answer the questions that
 * follow, and none is shown that answers a secret one. Throws a usage error for an empty line, and the signal's reason.
 */
export async function prompt(
  questions: readonly Question[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<readonly string[]>()
  const abort = (): void => reject(signal.reason)
  const screen = { isMuted: false }
  // From here on the terminal shows nothing by itself: the questions come after that.
  const lines = createInterface({
    input: stdin,
    output: screenOutput(screen),
    terminal: true,
    historySize: 0,
  })
  const answers: string[] = []
  const askNext = (): void => {
    const question = questions[answers.length]
    // What comes after the last answer is nobody's, and may be a password that was pasted twice.
    screen.isMuted = true
    if (question === undefined) resolve(answers)
    else ask(question, lines, screen)
  }
  lines.on('line', (line) => {
    if (answers.length === questions.length) return
    // Within the same turn: what was pasted with this line must meet the next question.
    if (screen.isMuted) stderr.write('\n')
    if (line === '') reject(usageError('nothing was typed'))
    answers.push(line)
    askNext()
  })
  lines.once('close', () => reject(usageError('nothing was typed')))
  // The terminal is raw here, so that Ctrl-C is a character like any other.
  lines.on('SIGINT', () => kill(pid, 'SIGINT'))
  signal.addEventListener('abort', abort, { once: true })
  askNext()
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', abort)
    if (screen.isMuted && answers.length < questions.length) stderr.write('\n')
    lines.close()
  }
}

interface Screen {
  isMuted: boolean
}

function screenOutput(screen: Screen): Writable {
  return new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      if (!screen.isMuted) stderr.write(chunk)
      done()
    },
  })
}

function ask({ text, isSecret = false }: Question, lines: Interface, screen: Screen): void {
  screen.isMuted = isSecret
  if (isSecret) stderr.write(text)
  lines.setPrompt(isSecret ? '' : text)
  lines.prompt()
}
