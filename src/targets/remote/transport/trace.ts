import { parseChallenges, type Challenge } from '../auth/challenge.ts'
import { parseLinks } from './links.ts'
import { redactUrl } from './redact.ts'
import { repeatsSecret } from './secrets.ts'

/** Headers as a transport has them: names in lower case. */
export type RawHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Headers as an event has them: whatever may hold a secret is `***`. */
export type ShownHeaders = Readonly<Record<string, string>>

const masked = '***'

/** What we send ourselves, and what says nothing about who asks. */
const harmlessRequest =
  /^(?:accept|accept-encoding|content-length|content-range|content-type|range|user-agent)$/

const harmlessResponse =
  /^(?:accept-ranges|content-encoding|content-length|content-range|content-type|date|docker-content-digest|docker-distribution-api-version|etag|oci-[a-z-]+|(?:x-)?ratelimit-[a-z-]+|retry-after|server|transfer-encoding|warning)$/

/** The headers of a request to this URL; those that are the user's own are all masked, whatever their names are. */
export function shownRequest(
  headers: Readonly<Record<string, string>>,
  customHeaders: Readonly<Record<string, string>> = {},
): ShownHeaders {
  return mapHeaders(headers, (name, [value = '']) => {
    const isCustom = Object.hasOwn(customHeaders, name) && customHeaders[name] === value
    return !isCustom && harmlessRequest.test(name) ? value : masked
  })
}

/** The headers of a response from this URL; one that repeats a secret which was sent is masked. */
export function shownResponse(headers: RawHeaders, url: URL, secrets: readonly string[] = []): ShownHeaders {
  return mapHeaders(headers, (name, values) => {
    const shown = shownValues(name, values, url)
    return shown === '' || repeatsSecret(shown, secrets) ? masked : shown
  })
}

function shownValues(name: string, values: readonly string[], url: URL): string {
  if (harmlessResponse.test(name)) return values.join(', ')
  if (name === 'location' || name === 'referer') return values.map((value) => shownUrl(value, url)).join(', ')
  if (name === 'link') return values.flatMap((value) => shownLinks(value, url)).join(', ')
  if (name === 'www-authenticate') return parseChallenges(values).map(shownChallenge).join(', ')
  return masked
}

/** With entries, since a name may be `__proto__`. */
function mapHeaders(
  headers: RawHeaders,
  shown: (name: string, values: readonly string[]) => string,
): ShownHeaders {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, shown(name, [value].flat())]],
    ),
  )
}

/** What is no URL of the web could not be redacted. */
function shownUrl(value: string, base?: URL): string {
  const url = URL.parse(value, base?.href)
  return url !== null && /^https?:$/.test(url.protocol) ? redactUrl(url) : masked
}

function shownLinks(value: string, url: URL): readonly string[] {
  return parseLinks(value).map(
    ({ target, isNext }) => `<${shownUrl(target, url)}>${isNext ? '; rel="next"' : ''}`,
  )
}

const schemes: ReadonlySet<string> = new Set(['basic', 'bearer', 'digest', 'negotiate', 'ntlm'])

function shownChallenge({ scheme, parameters }: Challenge): string {
  const shown = [...parameters].map(([name, value]) => {
    if (name === 'realm') return `realm="${shownUrl(value)}"`
    return /^(?:service|scope|error)$/.test(name) ? `${name}="${value}"` : masked
  })
  return `${schemes.has(scheme) ? scheme : masked} ${shown.join(',')}`.trimEnd()
}
