import type { HttpResponse, Send } from './http.ts'
import { isSameOrigin } from './origin.ts'
import { repeatsSecret } from './secrets.ts'

/** So many different ones are told and remembered, so that no server fills our memory or the user's terminal. */
const maxWarnings = 100
/** distribution-spec, "Warnings": no more than this in all headers of an answer. */
const maxBytes = 4096
const maxShown = 500

/**
 * Tells what a registry warns of in the headers of its answers (distribution-spec, "Warnings"), each text once. What
 * comes from another origin is not heard, nor what repeats a secret that the registry was sent.
 */
export function tellWarnings(next: Send, registryUrl: (registry: string) => URL): Send {
  const told = new Set<string>()
  return async (request) => {
    const response = await next(request)
    const { access, onEvent } = request
    const headers = response.headers('warning')
    if (headers.length === 0 || access === undefined || onEvent === undefined) return response
    if (!isSameOrigin(response.url, registryUrl(access.registry))) return response
    const secrets = response.secrets?.() ?? []
    for (const text of parseWarnings(headers)) {
      if (repeatsSecret(text, secrets)) continue
      const key = `${access.registry} ${text}`
      if (told.has(key) || told.size >= maxWarnings) continue
      told.add(key)
      const message = `${access.registry} says: ${text.slice(0, maxShown)}`
      await orDiscard(response, () => onEvent({ type: 'warning', message }))
    }
    return response
  }
}

/**
 * The texts of Warning headers of the form that the specification allows: code 299, agent `-`, a quoted text, and no
 * date. What follows on another form in the same header is not heard either.
 */
export function parseWarnings(headers: readonly string[]): readonly string[] {
  const texts: string[] = []
  let left = maxBytes
  for (const header of headers) {
    left -= header.length
    if (left < 0) break
    for (const [, quoted = ''] of header.matchAll(warning)) {
      const text = decoded(quoted.replace(/\\(.)/g, '$1')).trim()
      if (text !== '') texts.push(text)
    }
  }
  return texts
}

/** Sticky, so that the first form which is none ends it. */
const warning = /[ \t]*299 - "((?:[^"\\]|\\.)*)"[ \t]*(?:,|$)/gy

/** Headers are read as ISO-8859-1, and most servers write UTF-8. */
function decoded(text: string): string {
  const utf8 = Buffer.from(text, 'latin1').toString()
  return utf8.includes('\ufffd') ? text : utf8
}

/** What a listener throws fails the request, whose answer nobody will read. */
async function orDiscard(response: HttpResponse, tell: () => void): Promise<void> {
  try {
    tell()
  } catch (error) {
    await response.discard()
    throw error
  }
}
