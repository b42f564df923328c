import { z } from 'zod'
import { AuthError } from '../../../errors.ts'
import type { Credential } from './credential.ts'

/**
 * The credential in an entry of `auths`; undefined for an empty one, which docker leaves for what a helper keeps.
 * Where there are several, a token goes before a password, as it stands for less.
 * Error: AUTH, without what stands in the entry.
 */
export function parseAuthEntry(entry: unknown, name: string): Credential | undefined {
  const parsed = entrySchema.safeParse(entry ?? {})
  if (parsed.data === undefined) throw new AuthError(`${name} is no entry with a credential`)
  const { auth, identitytoken, registrytoken, ...plain } = parsed.data
  if (registrytoken) return { accessToken: registrytoken }
  const { username, password } = auth ? decode(auth, name) : plain
  if (identitytoken) return { identityToken: identitytoken, ...(username && { username }) }
  return username && password ? { username, password } : undefined
}

/** The entry that docker, podman and oras write for a credential. */
export function formatAuthEntry(credential: Credential): Readonly<Record<string, string>> {
  if ('accessToken' in credential) return { registrytoken: credential.accessToken }
  if ('password' in credential) return { auth: encode(credential.username, credential.password) }
  const { identityToken, username } = credential
  return { ...(username !== undefined && { auth: encode(username, '') }), identitytoken: identityToken }
}

interface Entry {
  readonly auth?: string | null | undefined
  readonly username?: string | null | undefined
  readonly password?: string | null | undefined
  readonly identitytoken?: string | null | undefined
  readonly registrytoken?: string | null | undefined
}

const text = z.string().nullish()

const entrySchema: z.ZodType<Entry> = z.object({
  auth: text,
  username: text,
  password: text,
  identitytoken: text,
  registrytoken: text,
})

function encode(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString('base64')
}

function decode(auth: string, name: string): { readonly username: string; readonly password: string } {
  // No two parts of the pattern want the same space, or it would take quadratic time.
  const decoded = /^[A-Za-z0-9+/\s]+(?:=\s*){0,2}$/.test(auth) ? Buffer.from(auth, 'base64').toString() : ''
  const colon = decoded.indexOf(':')
  if (colon < 1) throw new AuthError(`${name} has an auth that is not base64 of user:password`)
  return { username: decoded.slice(0, colon), password: withoutZeros(decoded.slice(colon + 1)) }
}

/** Old versions of docker filled the end with zeros. */
function withoutZeros(password: string): string {
  let end = password.length
  while (end > 0 && password.charAt(end - 1) === '\0') end -= 1
  return password.slice(0, end)
}
