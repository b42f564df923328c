import type { Answer, Exchange } from './exchange.ts'
import { jsonAnswer } from './exchange.ts'
import { refusal } from './errors.ts'

/** What a list was asked for (distribution-spec, "Listing Tags"): at most `limit` entries after `last`. */
export interface Page {
  readonly last: string | undefined
  readonly limit: number
}

/** Answers with one page of a list of names that starts after `page.last`, under the name that the list has in JSON. */
export async function answerPage(
  exchange: Exchange,
  list: (page: Page) => AsyncIterable<string>,
  toDocument: (names: readonly string[]) => unknown,
): Promise<Answer> {
  const page = parsePage(exchange.query)
  if (page === undefined) return refusal(400, 'UNSUPPORTED', 'n must be a whole number')
  if (page.limit === 0) return jsonAnswer(toDocument([]))
  const names = await firstOf(list(page), page.limit + 1)
  if (names.length <= page.limit) return jsonAnswer(toDocument(names))
  const shown = names.slice(0, page.limit)
  return jsonAnswer(toDocument(shown), nextLink(exchange, { n: String(page.limit), last: shown.at(-1) }))
}

/** The Link header to the page that follows: the same path with another query. */
export function nextLink(
  { request }: Exchange,
  query: Readonly<Record<string, string | undefined>>,
): { Link: string } {
  const path = (request.url ?? '').split('?', 1).join('')
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) parameters.set(key, value)
  }
  return { Link: `<${path}?${parameters.toString()}>; rel="next"` }
}

function parsePage(query: URLSearchParams): Page | undefined {
  const n = query.get('n')
  const last = query.get('last') ?? undefined
  if (n === null) return { last, limit: Infinity }
  return /^\d{1,9}$/.test(n) ? { last, limit: Number(n) } : undefined
}

async function firstOf(names: AsyncIterable<string>, count: number): Promise<string[]> {
  const first: string[] = []
  for await (const name of names) {
    first.push(name)
    if (first.length === count) break
  }
  return first
}
