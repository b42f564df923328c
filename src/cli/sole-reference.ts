import { NotFoundError } from '../errors.ts'
import type { SignalOptions } from '../events.ts'
import type { Source } from '../targets/target.ts'
import { formatPlace, referenceIn, type Address } from './references.ts'

/**
 * What to resolve: the tag or digest that was typed, else the only tag of a layout, else the only digest that a layout
 * without tags lists: crane and skopeo write such ones. Error: NOT_FOUND, which lists what there is to choose from.
 */
export async function soleReference(
  source: Source,
  address: Address,
  options: SignalOptions,
): Promise<string> {
  const reference = referenceIn(address)
  if (reference !== undefined) return reference
  const tags = await Array.fromAsync(source.tags?.({ ...options, limit: maxListed + 1 }) ?? [])
  const references = tags.length > 0 ? tags : await listedDigests(source, options)
  const [only] = references
  if (references.length === 1 && only !== undefined) return only
  const name = formatPlace(address.place)
  if (only === undefined) throw new NotFoundError(`${name} is empty: it lists no tag and no digest`)
  const [what, separator] = tags.length > 0 ? ['several tags', ':'] : ['no tags, but several digests', '@']
  const choices = references.slice(0, maxListed).map((listed) => `${name}${separator}${listed}`)
  const more = references.length > maxListed ? ', …' : ''
  throw new NotFoundError(`${name} has ${what}, choose one: ${choices.join(', ')}${more}`)
}

/** As a sentence on stderr has room for. */
const maxListed = 10

/** Each once, as the same bytes may be listed as several nodes; not many more than can be shown. */
async function listedDigests(source: Source, options: SignalOptions): Promise<readonly string[]> {
  const digests = new Set<string>()
  for await (const { digest } of source.listed?.(options) ?? []) {
    digests.add(digest)
    if (digests.size > maxListed) break
  }
  return [...digests]
}
