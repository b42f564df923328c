import type { Descriptor } from '../content/descriptor.ts'
import { printable } from '../content/printable.ts'
import { CopyError, type CopyFacts } from '../errors.ts'
import { pathTo, type ReachedNode } from './reached-node.ts'

/** Runs one step of a copy; what it throws becomes a `CopyError` that says whose step failed, and at which node. */
export async function step<T>(
  origin: CopyFacts['origin'],
  operation: string,
  subject: ReachedNode | string,
  run: () => Promise<T> | T,
): Promise<T> {
  try {
    return await run()
  } catch (error) {
    throw failure(origin, operation, subject, error)
  }
}

/**
 * The `CopyError` for what a step threw. One that comes out of a target is ours and stays as it is; a function of the
 * caller's may have thrown that of another copy, which says nothing of this one.
 */
export function failure(
  origin: CopyFacts['origin'],
  operation: string,
  subject: ReachedNode | string,
  cause: unknown,
): CopyError {
  if (cause instanceof CopyError && origin !== 'caller') return cause
  const node = typeof subject === 'string' ? undefined : subject
  const path = node === undefined ? [] : pathTo(node)
  const what = typeof subject === 'string' ? JSON.stringify(subject) : describePath(path)
  const where =
    origin === 'caller' ? `${operation} failed for ${what}` : `cannot ${operation} ${what} at the ${origin}`
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new CopyError(
    `${where}: ${reason}`,
    {
      origin,
      operation,
      descriptor: node?.descriptor,
      reference: typeof subject === 'string' ? subject : undefined,
      path,
    },
    { cause },
  )
}

function describePath(path: readonly Descriptor[]): string {
  const shown = path.length <= 6 ? path : [...path.slice(0, 3), undefined, ...path.slice(-2)]
  return shown
    .map((node) => (node === undefined ? '…' : `${node.digest} (${printable(node.mediaType)})`))
    .join(' > ')
}
