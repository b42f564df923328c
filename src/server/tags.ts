import { isTag } from '../content/reference.ts'
import type { Target } from '../targets/target.ts'
import { refusal } from './errors.ts'
import { withRepository, type Answer, type Exchange } from './exchange.ts'
import { answerPage } from './pages.ts'

/** GET tags/list, with `n` and `last` (distribution-spec, "Listing Tags"). */
export async function listTags(exchange: Exchange): Promise<Answer> {
  const { name, signal } = exchange
  return withRepository(exchange, 'read', async (target) => {
    if (target.tags === undefined) return refusal(405, 'UNSUPPORTED', 'this store cannot list tags')
    return answerPage(
      exchange,
      ({ last }) => legalTags(target, last, signal),
      (tags) => ({ name, tags }),
    )
  })
}

/** A layout can have names that no registry can have as tags, and nobody could ask for them. */
async function* legalTags(
  target: Target,
  last: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  for await (const tag of target.tags?.({ last, signal }) ?? []) {
    if (isTag(tag)) yield tag
  }
}
