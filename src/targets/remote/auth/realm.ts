import { printable } from '../../../content/printable.ts'
import { AuthError } from '../../../errors.ts'
import { isSameOrigin } from '../transport/origin.ts'
import { redactUrl } from '../transport/redact.ts'

/** The realm of a challenge as a URL: it comes from the registry, and may be anything. Error: AUTH. */
export function parseRealm(realm: string | undefined, registryUrl: URL): URL {
  const url = realm === undefined ? null : URL.parse(realm)
  const problem = realmProblem(realm, url)
  if (url === null || problem !== undefined) {
    throw new AuthError(`${registryUrl.host} wants a token, but does not say where from: ${problem}`)
  }
  if (registryUrl.protocol === 'https:' && url.protocol !== 'https:') {
    throw new AuthError(`${registryUrl.host} wants a token from ${url.host}, which is not HTTPS as itself`)
  }
  return url
}

/**
 * Fails unless the credential for a registry may be shown to the service that its challenge names: the registry itself;
 * by HTTPS the same host, or one under the same registrable domain, as auth.docker.io is; a host that the user trusts.
 * Error: AUTH, which says how to trust it.
 */
export async function expectTrusted(
  realm: URL,
  registryUrl: URL,
  trustedRealms: readonly string[],
): Promise<void> {
  if (isTrustedByName(realm, trustedRealms) || (await isOfRegistry(realm, registryUrl))) return
  throw new AuthError(
    `${registryUrl.host} asks to send the credential to ${realm.host}, which is another site: refused; ` +
      `if it is right, trust it by name (trustedRealms, --trust-realm ${realm.host})`,
  )
}

/** True for a realm that the user has named. */
export function isTrustedByName(realm: URL, trustedRealms: readonly string[]): boolean {
  return trustedRealms.some((host) => URL.parse(`${realm.protocol}//${host}`)?.host === realm.host)
}

/** What is no URL is not shown at all: nothing could be redacted in it. */
function realmProblem(realm: string | undefined, url: URL | null): string | undefined {
  if (url === null) return realm === undefined ? 'there is no realm' : 'its realm is no URL'
  const isHttp = url.protocol === 'https:' || url.protocol === 'http:'
  if (!isHttp) return `its realm has the scheme ${printable(url.protocol.slice(0, 20))}`
  const hasUser = url.username !== '' || url.password !== ''
  return hasUser ? `its realm ${printable(redactUrl(url).slice(0, 300))} has a user name in it` : undefined
}

async function isOfRegistry(realm: URL, registryUrl: URL): Promise<boolean> {
  if (isSameOrigin(realm, registryUrl)) return true
  if (realm.protocol !== 'https:') return false
  if (realm.hostname === registryUrl.hostname) return true
  const site = await siteOf(realm)
  return site !== null && site === (await siteOf(registryUrl))
}

/**
 * Domains under which customers of a cloud have registries, and which the public suffix list does not have as such. No
 * registry there has its token service on another host.
 */
const sharedDomains: ReadonlySet<string> = new Set([
  'amazonaws.com',
  'amazonaws.com.cn',
  'amazonaws.eu',
  'on.aws',
  'azurecr.io',
  'azurecr.cn',
  'azurecr.de',
  'azurecr.us',
  'jfrog.io',
  'tencentcloudcr.com',
])

/**
 * The registrable domain by the public suffix list, with the suffixes under which a provider's customers have names.
 * Null where a host has no other beside it: addresses, single labels, and registries in a shared domain. The list is
 * large, and loaded only here, since most registries give out their tokens themselves.
 */
async function siteOf({ hostname }: URL): Promise<string | null> {
  const { getDomain } = await import('tldts')
  const domain = getDomain(hostname, { allowPrivateDomains: true })
  return domain === null || sharedDomains.has(domain) ? null : domain
}
