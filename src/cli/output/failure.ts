import { stderr } from 'node:process'
import { inspect, styleText } from 'node:util'
import { CommanderError } from 'commander'
import { printable, printableLines } from '../../content/printable.ts'
import { CopyError, errorCode, OciError } from '../../errors.ts'
import { AuditLog } from '../audit-log.ts'
import type { FlagPrefix } from '../connection.ts'
import type { Place } from '../references.ts'
import { exitCodes } from './exit-codes.ts'
import { hintFor, platformOperations, systemCode } from './hints.ts'

/** One end of what a command does. */
export interface Party {
  /** Undefined for a registry as a whole. */
  readonly place?: Place | undefined
  /** As it was typed, or as it was understood. */
  readonly name: string
  /** Of the flags that belong to it. */
  readonly prefix: FlagPrefix
  /** Whether a user name and a password were given, so that a refusal is of those. */
  readonly hasCredential?: boolean | undefined
}

/** What is known about a command when it fails. */
export interface FailureContext {
  /** Aborted means that the user has interrupted the command, whatever it failed with. */
  readonly signal: AbortSignal
  /** Also writes the whole error with its causes. @default false */
  readonly debug?: boolean | undefined
  /** Where what the command does is recorded. @default nowhere */
  readonly auditLog?: string | undefined
  /** It carries out a plan, which may be out of date. @default false */
  readonly isPlanned?: boolean | undefined
  /** Of a copy; a command with one target has it as both. */
  readonly source?: Party | undefined
  /** As `source`. */
  readonly destination?: Party | undefined
}

/**
 * Runs what a command does. An error becomes a sentence and a hint on stderr, and an exit code; a usage error is thrown on.
 * So is that of an audit log that cannot be opened, before anything is done; one that is incomplete in the end is a failure.
 */
export async function runCommand(
  context: FailureContext,
  work: (log: AuditLog | undefined) => Promise<void>,
): Promise<number> {
  const log = context.auditLog === undefined ? undefined : new AuditLog(context.auditLog)
  let incomplete: string | undefined
  let code: number
  try {
    code = await runWork(context, () => work(log))
  } finally {
    incomplete = log?.close()
  }
  if (incomplete === undefined) return code
  write('Error', incomplete)
  return code === exitCodes.done ? exitCodes.failed : code
}

async function runWork(context: FailureContext, work: () => Promise<void>): Promise<number> {
  try {
    await work()
    return exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError) throw error
    return reportFailure(error, context)
  }
}

/** For errors of the command line itself: help and version are no errors, and commander has written its own sentences. */
export function reportUsageError(error: CommanderError): number {
  if (error.code === 'copygraph.usage') write('Error', error.message)
  return error.exitCode === exitCodes.done ? exitCodes.done : exitCodes.usage
}

/** A warning of ours, or of a registry. */
export function writeWarning(message: string): void {
  write('Warning', message)
}

function reportFailure(error: unknown, context: FailureContext): number {
  if (context.signal.aborted) {
    write('Error', 'interrupted')
    if (isCopy(context)) write('Hint', 'no tag names incomplete content; run the same command again to go on')
  } else {
    write('Error', sentenceOf(error, context))
    write('Hint', hintFor(error, partyOf(error, context), context))
  }
  if (context.debug === true) stderr.write(`${printableLines(inspect(error))}\n`)
  return exitCodeOf(error)
}

function isCopy({ source, destination }: FailureContext): boolean {
  return source !== destination
}

function exitCodeOf(error: unknown): number {
  if (isListenFailure(error)) return exitCodes.failed
  switch (errorCode(error)) {
    case 'NOT_FOUND':
      return exitCodes.notFound
    case 'AUTH':
      return exitCodes.unauthorised
    case 'UNREACHABLE':
      return exitCodes.unreachable
    default:
      return exitCodes.failed
  }
}

function isListenFailure(error: unknown): boolean {
  return ['EADDRINUSE', 'EADDRNOTAVAIL'].includes(systemCode(error) ?? '')
}

function partyOf(error: unknown, context: FailureContext): Party | undefined {
  const { source, destination } = context
  if (!(error instanceof CopyError)) return isCopy(context) ? undefined : source
  return error.origin === 'caller' ? undefined : { source, destination }[error.origin]
}

/** The message, and where it failed if the message does not name that. */
function sentenceOf(error: unknown, context: FailureContext): string {
  const message = messageOf(error)
  const party = partyOf(error, context)
  return party === undefined || message.includes(nameIn(party)) ? message : `${message} (${party.name})`
}

/** Which function of the library's options refused the platforms that were typed, or a plan, is nothing to who typed them. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const isOfOptions = error instanceof CopyError && ownOperations.has(error.operation)
  return isOfOptions && error.cause instanceof OciError ? error.cause.message : error.message
}

const ownOperations: ReadonlySet<string> = new Set([...platformOperations, 'onEvent'])

/** As targets call themselves in their messages. */
function nameIn({ place, name }: Party): string {
  if (place === undefined) return name
  return place.kind === 'layout' ? place.directory : `${place.registry}/${place.repository}`
}

const maxLength = 2000

const colours = { Error: 'red', Hint: 'cyan', Warning: 'yellow' } as const

function write(title: keyof typeof colours, sentence: string): void {
  const heading = styleText(colours[title], `${title}:`, { stream: stderr })
  stderr.write(`${heading} ${printable(sentence.slice(0, maxLength))}\n`)
}
