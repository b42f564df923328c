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

/** A URL for messages and events: no user info, no fragment, and `***` for what may be secret in its query. */
export function redactUrl(url: URL): string {
  if (url.search === '') return `${url.origin}${url.pathname}`
  const query = [...url.searchParams].map(([name, value]) => {
    if (harmless.has(name)) return `${encodeURIComponent(name)}=${encodeQuery(value)}`
    return isNameless(value) ? '***' : `${encodeURIComponent(name)}=***`
  })
  return `${url.origin}${url.pathname}${query.length === 0 ? '' : `?${query.join('&')}`}`
}

/** What `redactUrl` does not show of a query, decoded and encoded. */
export function hiddenValues(url: URL): readonly string[] {
  const hidden = [...url.searchParams].filter(([name]) => !harmless.has(name))
  const values = hidden.map(([name, value]) => (isNameless(value) ? name : value))
  return [...values, ...values.map(encodeURIComponent)]
}

/** Of a parameter that is a value alone, which may end in the padding of base64. */
function isNameless(value: string): boolean {
  return /^=*$/.test(value)
}

/** Colons, slashes and commas of scopes and digests stay readable. */
function encodeQuery(value: string): string {
  return encodeURIComponent(value).replace(/%(?:3A|2F|2C)/g, decodeURIComponent)
}
