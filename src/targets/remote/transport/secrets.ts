import type { HttpRequest } from './http.ts'
import { hiddenValues } from './redact.ts'

/** Headers of ours that say nothing about who asks. */
const harmless: ReadonlySet<string> = new Set([
  'accept',
  'content-length',
  'content-range',
  'content-type',
  'range',
])

/** Less is no secret, and would be found by chance. */
const minLength = 4

/**
 * What was sent that a server could repeat in a text for people: credentials and other headers of the user's, in
 * every spelling, what a form says to a token service, and the values of a URL's query that may be a signature.
 */
export function sentSecrets({
  url,
  headers = {},
  customHeaders = {},
  body,
}: Pick<HttpRequest, 'url' | 'headers' | 'customHeaders' | 'body'>): readonly string[] {
  const ofHeaders = Object.entries(headers).flatMap(([name, value]) => {
    if (harmless.has(name)) return []
    return name === 'authorization' ? spellings(value) : [value]
  })
  const ofUser = Object.values(customHeaders).flatMap((value) => [value, ...spellings(value)])
  const isForm = body instanceof Uint8Array && headers['content-type'] === 'application/x-www-form-urlencoded'
  const ofForm = isForm ? formSecrets(body) : []
  const secrets = [...ofHeaders, ...ofUser, ...ofForm, ...hiddenValues(url)]
  return secrets.filter((secret) => secret.length >= minLength)
}

/** Whether a server has put one of these into its text. */
export function repeatsSecret(text: string, secrets: readonly string[]): boolean {
  return secrets.some((secret) => text.includes(secret))
}

function formSecrets(body: Uint8Array): readonly string[] {
  const fields = new URLSearchParams(Buffer.from(body).toString())
  return ['password', 'refresh_token'].flatMap((name) => fields.getAll(name))
}

/** Of an Authorization: without its scheme, and for Basic the user name with the password, and that alone. */
function spellings(authorization: string): readonly string[] {
  const space = authorization.indexOf(' ')
  const credentials = authorization.slice(space + 1)
  if (authorization.slice(0, space).toLowerCase() !== 'basic') return [credentials]
  const plain = Buffer.from(credentials, 'base64').toString()
  return [credentials, plain, plain.slice(plain.indexOf(':') + 1)]
}
