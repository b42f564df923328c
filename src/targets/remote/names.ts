import { z } from 'zod'
import { tryParseJson } from '../../content/try-parse-json.ts'
import { InvalidManifestError, SizeExceedsLimitError } from '../../errors.ts'
import type { TagsOptions } from '../target.ts'
import type { HttpResponse } from './transport/http.ts'
import { redactUrl } from './transport/redact.ts'
import { pages } from './pages.ts'
import { expectStatus, readBody } from './transport/response.ts'

/** What there is to know to read a list of names. */
export interface NameList {
  /** The member of the JSON document. */
  readonly member: 'tags' | 'repositories'
  /** What is none is passed over. */
  readonly isName: (text: string) => boolean
  /** The largest page that is read. */
  readonly maxPageBytes: number
}

/** The largest page that is asked for: some registries refuse more. */
const maxPageSize = 1000
const maxNames = 1_000_000

/** The query for the first page. */
export function listQuery({ last, limit }: TagsOptions, pageSize: number | undefined): string {
  const size = Math.min(pageSize ?? Infinity, limit ?? Infinity, maxPageSize)
  const query = new URLSearchParams()
  if (pageSize !== undefined || limit !== undefined) query.set('n', `${Math.max(1, size)}`)
  if (last !== undefined) query.set('last', last)
  return query.size === 0 ? '' : `?${query.toString()}`
}

/**
 * The pages of a list of names, which is called `what`. Where the size of the first one is refused as too large, pages
 * have the size that the registry likes. Errors as of `expectStatus` and `pages`.
 */
export function namePages(
  first: URL,
  what: string,
  get: (url: URL) => Promise<HttpResponse>,
): AsyncGenerator<HttpResponse> {
  return pages(first, async (url) => {
    let response = await get(url)
    if (url === first && response.status === 413 && first.searchParams.has('n')) {
      await response.discard()
      response = await get(withoutSize(first))
    }
    await expectStatus(response, [200], what)
    return response
  })
}

function withoutSize(first: URL): URL {
  const url = new URL(first)
  url.searchParams.delete('n')
  return url
}

/**
 * The names in all pages, in lexical order, after `last`, and at most `limit`. Registries sort in several ways or not
 * at all, and some ignore both parameters, so that all pages are read before the first name is known. Only where all
 * names came in order so far does `limit` end the reading early: such a registry has kept to the parameters.
 * Null lists, null entries, repeated names, and what is no name are passed over.
 */
export async function readNames(
  responses: AsyncIterable<HttpResponse>,
  { member, isName, maxPageBytes }: NameList,
  { last, limit = Infinity }: TagsOptions,
): Promise<readonly string[]> {
  const names = new Set<string>()
  let previous = last
  let isInOrder = true
  for await (const response of responses) {
    for (const name of parsePage(response, await readBody(response, maxPageBytes), member)) {
      if (typeof name !== 'string' || !isName(name) || (last !== undefined && name <= last)) continue
      isInOrder &&= previous === undefined || name > previous
      previous = name
      names.add(name)
    }
    if (names.size > maxNames) {
      throw new SizeExceedsLimitError(`${redactUrl(response.url)} lists more than ${maxNames} ${member}`)
    }
    if (isInOrder && names.size >= limit) break
  }
  return [...names].sort().slice(0, limit)
}

function parsePage(
  response: HttpResponse,
  bytes: Uint8Array,
  member: NameList['member'],
): readonly unknown[] {
  const { data } = pageSchema.safeParse(tryParseJson(Buffer.from(bytes).toString()))
  if (data === undefined)
    throw new InvalidManifestError(`${redactUrl(response.url)} is not a list of ${member}`)
  return data[member] ?? []
}

const names = z.array(z.unknown()).nullish()

const pageSchema = z.object({ tags: names, repositories: names })
