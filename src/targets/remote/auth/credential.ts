import { isDeepStrictEqual } from 'node:util'
import type { SignalOptions } from '../../../events.ts'

/**
 * Who we are to a registry: a user name with its password; an identity token (a refresh token of OAuth 2), which its
 * token service takes for tokens; or an access token, which is sent as it is.
 */
export type Credential =
  | { readonly username: string; readonly password: string }
  /** `username` is sent along where a token service does not know refresh tokens. */
  | { readonly identityToken: string; readonly username?: string | undefined }
  | { readonly accessToken: string }

/** The user name under which docker gives and keeps an identity token where a password would stand. */
export const tokenUser = '<token>'

/** What a credential is wanted for. */
export interface CredentialRequest extends Pick<SignalOptions, 'signal'> {
  /** The name within the registry; undefined for what is about the registry itself. */
  readonly repository?: string | undefined
  /** The one that was given before, if the registry has just refused it: what was remembered is to be looked up anew. */
  readonly refused?: Credential | undefined
}

/**
 * Finds the credential for a registry, by its name in references (host, and port where one is given). Undefined: go
 * anonymously. What it gives is used for five minutes, or until it is refused.
 */
export type FindCredential = (
  registry: string,
  request?: CredentialRequest,
) => Credential | undefined | Promise<Credential | undefined>

/** True if both say the same, or neither says anything. */
export function isSameCredential(a: Credential | undefined, b: Credential | undefined): boolean {
  return isDeepStrictEqual(a, b)
}

/** The value of an Authorization header. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}
