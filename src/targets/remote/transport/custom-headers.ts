import type { Send } from './http.ts'
import { isSameOrigin } from './origin.ts'

/**
 * The user's own headers for a registry, by the name that references have for it. They go to the origin of that registry
 * alone: not where a redirect leads elsewhere, and not to a token service elsewhere. With an Authorization among them no
 * other credential is used there. Asked for each request, so that a value may change.
 */
export type FindHeaders = (registry: string) => Readonly<Record<string, string>> | undefined

/** Attaches the user's headers to requests to their registry; what else stands in a request is not replaced. */
export function attachHeaders(
  next: Send,
  find: FindHeaders | undefined,
  registryUrl: (registry: string) => URL,
): Send {
  if (find === undefined) return next
  return async (request) => {
    const { access, url } = request
    if (access === undefined || !isSameOrigin(url, registryUrl(access.registry))) return next(request)
    const headers = find(access.registry)
    return next(headers === undefined ? request : { ...request, customHeaders: checkedHeaders(headers) })
  }
}

/** By names in lower case. Throws a RangeError, without any value in it. */
export function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  for (const [name, value] of entries) {
    if (!isName.test(name)) throw new RangeError('the name of a header is none')
    if (ours.has(name)) throw new RangeError(`the header ${name} is not for users to set`)
    if (!isHeaderValue(value)) throw new RangeError(`the header ${name} has a value that no header can have`)
  }
  const names = new Set(entries.map(([name]) => name))
  if (names.size < entries.length)
    throw new RangeError('a header is set twice, in capital and in small letters')
  return Object.fromEntries(entries)
}

/** True for what may be the value of a header (RFC 9110, section 5.5), without the bytes beyond ASCII. */
export function isHeaderValue(text: string): boolean {
  return /^[\t\x20-\x7e]*$/.test(text)
}

/** RFC 9110, section 5.1. */
const isName = /^[!#$%&'*+\-.^_`|~\da-z]+$/

/** What decides about the connection, and about which bytes come. */
const ours: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'expect',
  'host',
  'if-range',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
