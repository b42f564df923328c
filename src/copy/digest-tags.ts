import type { Descriptor } from '../content/descriptor.ts'
import { isDigest, type Digest } from '../content/digest.ts'
import { NotFoundError } from '../errors.ts'
import { failure, step } from './failure.ts'
import type { Workshop } from './transfer.ts'

/** A tag that is named after a digest. */
export interface DigestTag {
  readonly tag: string
  /** What it points at. */
  readonly descriptor: Descriptor
  /** The node that it is named after. */
  readonly subject: Descriptor
}

/** By digest, the tags that are named after it. */
export type DigestTags = ReadonlyMap<Digest, readonly string[]>

/**
 * As cosign names what it attaches to a digest: `sha256-<hex>.sig`, `.att`, `.sbom`. A name without an ending is the list
 * of referrers of the tag schema, which each destination keeps for itself.
 */
const pattern = /^(sha(?:256|384|512))-([0-9a-f]{64,128})\.[a-z0-9._-]+$/

/** Lists all tags once: that costs less than three questions for each manifest. */
export async function findDigestTags({ original, lanes, ledger, signal }: Workshop): Promise<DigestTags> {
  const found = new Map<Digest, string[]>()
  await step('source', 'list the tags of', 'the source', () =>
    lanes.ask(async () => {
      const atSource = { signal, onEvent: ledger.side('source') }
      for await (const tag of original.tags?.(atSource) ?? []) {
        const [, algorithm, encoded] = pattern.exec(tag) ?? []
        const digest = `${algorithm}:${encoded}`
        if (!isDigest(digest)) continue
        const tags = found.get(digest) ?? []
        tags.push(tag)
        found.set(digest, tags)
      }
    }),
  )
  return found
}

/** What a listed tag points at; undefined, with a warning, if it is gone by now. */
export async function resolveListed(
  tag: string,
  { source, lanes, ledger }: Workshop,
): Promise<Descriptor | undefined> {
  try {
    return await lanes.ask(() => source.resolve(tag))
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw failure('source', 'resolve', tag, error)
    const message = `the tag ${tag} was listed, but is not there: it is left out`
    ledger.side('source')({ type: 'warning', message })
    return undefined
  }
}
