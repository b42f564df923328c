import { tap } from '../content/verify.ts'
import { isDigest } from '../content/digest.ts'
import type { Descriptor } from '../content/descriptor.ts'
import { mediaTypes } from '../content/media-types.ts'
import { isRepository } from '../content/reference.ts'
import { DigestMismatchError, SizeMismatchError } from '../errors.ts'
import type { Target } from '../targets/target.ts'
import type { Exchange } from './exchange.ts'
import { resolveIfThere } from './resolve.ts'

/**
 * Brings a blob from another repository of the store (distribution-spec, "Mounting a blob from another repository"):
 * from the one that the query names, or else from one of the first hundred, if it has it. False where that cannot be
 * done, for whatever reason in the other repository.
 */
export async function tryMount(exchange: Exchange, target: Target, digest: string): Promise<boolean> {
  const { query, signal } = exchange
  if (!isDigest(digest)) return false
  if ((await resolveIfThere(target, digest, signal)) !== undefined) return true
  const from = query.get('from')
  if (from !== null) return isRepository(from) && mountFrom(exchange, target, { from, digest })
  for (const name of await namesToSearch(exchange)) {
    if (await mountFrom(exchange, target, { from: name, digest })) return true
  }
  return false
}

const maxSearched = 100

interface Origin {
  readonly from: string
  readonly digest: string
}

async function namesToSearch({ recentNames, signal }: Exchange): Promise<readonly string[]> {
  const names = await unlessFailing(recentNames, signal)
  return names?.slice(0, maxSearched) ?? []
}

async function mountFrom(exchange: Exchange, target: Target, origin: Origin): Promise<boolean> {
  const { signal } = exchange
  const found = await unlessFailing(() => find(exchange, origin), signal)
  if (found === undefined) return false
  const { source, descriptor } = found
  const failures: unknown[] = []
  const content = tap(
    source.fetch(descriptor, { signal }),
    () => undefined,
    (error) => failures.push(error),
  )
  try {
    await target.push(descriptor, content, { source, signal })
    return true
  } catch (error) {
    signal.throwIfAborted()
    const isWrong = error instanceof SizeMismatchError || error instanceof DigestMismatchError
    if (failures.length > 0 || isWrong) return false
    throw error
  }
}

async function find(
  { store, signal }: Exchange,
  { from, digest }: Origin,
): Promise<{ readonly source: Target; readonly descriptor: Descriptor } | undefined> {
  const source = await store.open(from, { signal })
  if (source === undefined) return undefined
  const { size } = await source.resolve(digest, { signal })
  return { source, descriptor: { mediaType: mediaTypes.octetStream, digest, size } }
}

/** Undefined where a repository that is not the client's matter fails: the client can upload instead. */
async function unlessFailing<T>(read: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await read()
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
