import { urlFromHeader } from './endpoint.ts'
import type { HttpResponse } from './transport/http.ts'
import { parseLinks } from './transport/links.ts'
import { unusable } from './transport/response.ts'

/**
 * The pages of a list: those that `Link` headers lead to after the first (distribution-spec, "Listing Tags"). `get`
 * leaves the body for the consumer, who reads it before the next page; where it has no page the list ends.
 * Error: RESPONSE for a link to another origin, one that comes twice, and for more pages than the limit.
 */
export async function* pages(
  first: URL,
  get: (url: URL) => Promise<HttpResponse | undefined>,
): AsyncGenerator<HttpResponse> {
  const seen = new Set<string>()
  for (let url: URL | undefined = first; url !== undefined;) {
    seen.add(url.href)
    const response: HttpResponse | undefined = await get(url)
    if (response === undefined) return
    const link = nextLink(response.headers('link'))
    url = link === undefined ? undefined : await urlFromHeader(response, first, link)
    const { pages: maxPages } = response.limits
    if (url !== undefined && (seen.has(url.href) || seen.size === maxPages)) {
      await response.discard()
      throw unusable(
        response,
        seen.has(url.href) ? 'its pages go in a circle' : `more than ${maxPages} pages`,
      )
    }
    yield response
  }
}

/** The target of the first link whose relation is `next`. */
export function nextLink(headers: readonly string[]): string | undefined {
  return headers.flatMap(parseLinks).find(({ isNext }) => isNext)?.target
}
