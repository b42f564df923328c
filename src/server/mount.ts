import { isDigest } from '../content/digest.ts'
import { mediaTypes } from '../content/media-types.ts'
import { isRepository } from '../content/reference.ts'
import { DigestMismatchError, InvalidReferenceError, NotFoundError, SizeMismatchError } from '../errors.ts'
import type { Target } from '../targets/target.ts'
import type { Exchange } from './exchange.ts'
import { resolveIfThere } from './resolve.ts'

/**
 * Brings a blob from another repository of the store (distribution-spec, "Mounting a blob from another repository"):
 * from the one that the query names, or else from any that has it. False where that cannot be done.
 */
export async function tryMount(exchange: Exchange, target: Target, digest: string): Promise<boolean> {
  const { store, query, signal } = exchange
  if (!isDigest(digest)) return false
  if ((await resolveIfThere(target, digest, signal)) !== undefined) return true
  const from = query.get('from')
  if (from !== null) return isRepository(from) && mountFrom(exchange, target, { from, digest })
  for await (const name of store.names({ signal })) {
    if (await mountFrom(exchange, target, { from: name, digest })) return true
  }
  return false
}

async function mountFrom(
  { store, signal }: Exchange,
  target: Target,
  { from, digest }: { readonly from: string; readonly digest: string },
): Promise<boolean> {
  try {
    const source = await store.open(from, { signal })
    if (source === undefined) return false
    const { size } = await source.resolve(digest, { signal })
    const descriptor = { mediaType: mediaTypes.octetStream, digest, size }
    await target.push(descriptor, source.fetch(descriptor, { signal }), { source, signal })
    return true
  } catch (error) {
    const cannot =
      error instanceof NotFoundError ||
      error instanceof InvalidReferenceError ||
      error instanceof SizeMismatchError ||
      error instanceof DigestMismatchError
    if (cannot) return false
    throw error
  }
}
