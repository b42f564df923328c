import { NotFoundError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Source } from '../targets/target.ts'
import { formatPlace, referenceIn, type Address } from './references.ts'

/** What to resolve: the tag or digest that was typed, or the only tag of a layout. Error: NOT_FOUND, which lists the tags. */
export async function soleReference(
  source: Source,
  address: Address,
  options: SignalOptions,
): Promise<string> {
  const reference = referenceIn(address)
  if (reference !== undefined) return reference
  const tags = await Array.fromAsync(source.tags?.({ ...options, limit: maxListed }) ?? [])
  const [only] = tags
  if (tags.length === 1 && only !== undefined) return only
  const name = formatPlace(address.place)
  if (tags.length === 0) throw new NotFoundError(`${name} has no tags: write ${name}@DIGEST`)
  const more = tags.length === maxListed ? ', …' : ''
  throw new NotFoundError(
    `${name} has several tags, choose one: ${tags.map((tag) => `${name}:${tag}`).join(', ')}${more}`,
  )
}

const maxListed = 20
