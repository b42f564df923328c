/** What a registry is shown: a user name with its password, or a token that is sent as it is. */
export type Credential =
  { readonly username: string; readonly password: string } | { readonly accessToken: string }

/** Finds the credential for a registry, by its name in references (host, and port where one is given). Undefined: go anonymously. */
export type FindCredential = (registry: string) => Credential | undefined | Promise<Credential | undefined>

/** The value of an Authorization header. */
export function basicAuthorization(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}
