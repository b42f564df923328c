/** Passwords by user name. */
export type Users = Readonly<Record<string, string>>

/** User name and password of an Authorization header of the scheme Basic. */
export function parseBasic(
  authorization: string | undefined,
): { readonly user: string; readonly password: string } | undefined {
  const encoded = /^basic +(\S+)$/i.exec(authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return colon < 1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** The user that a header of the scheme Basic proves to be. */
export function basicUser(users: Users, authorization: string | undefined): string | undefined {
  const login = parseBasic(authorization)
  if (login === undefined || !Object.hasOwn(users, login.user)) return undefined
  return users[login.user] === login.password ? login.user : undefined
}
