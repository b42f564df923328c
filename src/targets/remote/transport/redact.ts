/** Query parameters whose values tell what was asked for; all others may be a signature, a state or a token. */
const harmless: ReadonlySet<string> = new Set([
  'scope',
  'service',
  'mount',
  'from',
  'digest',
  'tag',
  'n',
  'last',
  'artifactType',
])

/** A URL for messages and events: no user info, no fragment, and `***` for the values of query parameters that may be secret. */
export function redactUrl(url: URL): string {
  if (url.search === '') return `${url.origin}${url.pathname}`
  const query = [...url.searchParams].map(
    ([name, value]) => `${encodeURIComponent(name)}=${harmless.has(name) ? encodeQuery(value) : '***'}`,
  )
  return `${url.origin}${url.pathname}${query.length === 0 ? '' : `?${query.join('&')}`}`
}

/** The values that `redactUrl` does not show, decoded and encoded. */
export function hiddenValues(url: URL): readonly string[] {
  const decoded = [...url.searchParams].flatMap(([name, value]) => (harmless.has(name) ? [] : [value]))
  return [...decoded, ...decoded.map(encodeURIComponent)]
}

/** Colons, slashes and commas of scopes and digests stay readable. */
function encodeQuery(value: string): string {
  return encodeURIComponent(value).replace(/%(?:3A|2F|2C)/g, decodeURIComponent)
}
