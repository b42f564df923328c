import { randomUUID } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { resolve as resolvePath } from 'node:path'
import type { Descriptor } from '../content/descriptor.ts'
import { errorCode } from '../errors.ts'
import { systemCode } from './output/hints.ts'
import { formatJsonLine } from './output/stdout.ts'
import { formatPlace, type Place } from './references.ts'
import { usageError } from './usage-error.ts'

/** What was done; `copy` sums up the others of a copy. */
export type AuditOperation =
  'resolve' | 'read' | 'exists' | 'list' | 'push' | 'mount' | 'tag' | 'delete' | 'copy' | 'login' | 'logout'

/** What one record says, but for when and in which run. */
export interface AuditEntry {
  readonly operation: AuditOperation
  /** The place at which it was done: a repository, a layout or a registry. */
  readonly target: string
  /** Of a copy, where the content came from. */
  readonly source?: string | undefined
  /** The tag or digest that was asked for, or the tag that was written. */
  readonly reference?: string | undefined
  readonly descriptor?: Descriptor | undefined
  /** How many went to or from the target, repeated ones too. */
  readonly bytes?: number | undefined
  /** A code of what failed; undefined where nothing did. */
  readonly error?: string | undefined
  readonly durationMilliseconds?: number | undefined
}

/**
 * Appends one line of JSON (docs/audit-log.schema.json) for each operation to a file. Each line is in the file when
 * `write` returns, so that it is there however the process ends.
 */
export class AuditLog {
  readonly #run: string = randomUUID()
  readonly #file: string
  readonly #descriptor: number
  #failure: unknown

  /** Opens the file, readable for its owner alone where it is new. Throws a usage error. */
  constructor(file: string) {
    this.#file = file
    try {
      this.#descriptor = openSync(file, 'a', 0o600)
    } catch (error) {
      throw usageError(`--audit-log cannot be opened: ${messageOf(error)}`)
    }
  }

  /** Never throws: what fails is told by `close`. After a failure nothing more is written. */
  write(entry: AuditEntry): void {
    if (this.#failure !== undefined) return
    // One call for the whole line: what several processes append does not mix.
    const line = Buffer.from(formatJsonLine(recordOf(entry, this.#run)))
    try {
      const written = writeSync(this.#descriptor, line)
      if (written < line.length) throw new Error(`only ${written} of ${line.length} bytes were written`)
    } catch (error) {
      this.#failure = error
    }
  }

  /** Returns a sentence if a record may be missing. */
  close(): string | undefined {
    try {
      fdatasyncSync(this.#descriptor)
    } catch (error) {
      // A pipe or a terminal has nothing to sync.
      if (systemCode(error) !== 'EINVAL' && systemCode(error) !== 'ENOTSUP') this.#failure ??= error
    }
    closeSync(this.#descriptor)
    if (this.#failure === undefined) return undefined
    return `the audit log ${this.#file} is incomplete: ${messageOf(this.#failure)}`
  }
}

/** Runs an operation and records it with its outcome; `found` is what the result adds. */
export async function audited<T>(
  log: AuditLog | undefined,
  entry: AuditEntry,
  { signal, found }: { readonly signal: AbortSignal; readonly found?: (result: T) => Partial<AuditEntry> },
  work: () => Promise<T>,
): Promise<T> {
  const started = performance.now()
  try {
    const result = await work()
    log?.write({ ...entry, ...found?.(result), durationMilliseconds: performance.now() - started })
    return result
  } catch (error) {
    const durationMilliseconds = performance.now() - started
    log?.write({ ...entry, error: auditCode(error, signal), durationMilliseconds })
    throw error
  }
}

/** What a record says of a failure: a code of ours or of the system, as messages may quote what is secret. */
export function auditCode(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'INTERRUPTED'
  return errorCode(error) ?? systemCode(error) ?? 'UNKNOWN'
}

/** A place as records name it: a layout by its whole path, since nobody knows later where the command was run. */
export function auditedPlace(place: Place): string {
  return formatPlace(place.kind === 'layout' ? { ...place, directory: resolvePath(place.directory) } : place)
}

function recordOf(entry: AuditEntry, run: string): object {
  const { operation, target, source, reference, descriptor, bytes, error, durationMilliseconds } = entry
  return {
    schemaVersion: 1,
    time: new Date().toISOString(),
    run,
    operation,
    target,
    source,
    reference,
    descriptor: descriptor && {
      mediaType: descriptor.mediaType,
      digest: descriptor.digest,
      size: descriptor.size,
    },
    bytes,
    outcome: error === undefined ? 'ok' : 'failed',
    error,
    durationMilliseconds: durationMilliseconds === undefined ? undefined : Math.round(durationMilliseconds),
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
