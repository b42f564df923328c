import { isRegistry } from '../../../content/reference.ts'

/** What docker and its helpers call Docker Hub. */
const dockerHubKey = 'https://index.docker.io/v1/'

const dockerHub: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

/** A registry by its one name: in lower case, and `docker.io` for each of Docker Hub's. */
export function canonicalRegistry(registry: string): string {
  const name = registry.toLowerCase()
  return dockerHub.has(name) ? 'docker.io' : name
}

/** The key under which docker keeps the credential of a registry, in files and in helpers. */
export function keyOfRegistry(registry: string): string {
  const name = canonicalRegistry(registry)
  return name === 'docker.io' ? dockerHubKey : name
}

/** What a credential may be for, the most special first: `host/a/b`, `host/a`, `host`. */
export function placesOf(registry: string, repository: string | undefined): readonly string[] {
  const parts = repository?.split('/') ?? []
  const host = canonicalRegistry(registry)
  return [...parts.keys(), parts.length].map((count) => [host, ...parts.slice(0, count)].join('/')).reverse()
}

/**
 * Those keys of a file that stand for a place, the plainest spelling first. Hosts are compared whole, with their ports:
 * never by a part, or what is for one host would go to another.
 */
export function keysOfPlace(keys: Iterable<string>, place: string): readonly string[] {
  const rank = (key: string): number => [keyOfRegistry(place), place, key].indexOf(key)
  return [...keys].filter((key) => placeOfKey(key) === place).toSorted((a, b) => rank(a) - rank(b))
}

/**
 * With a scheme a key is a URL, whose path is that of some API: docker writes such. Without one, its path is a
 * namespace, as podman writes them. Undefined for what is no key.
 */
function placeOfKey(key: string): string | undefined {
  const [, scheme, host = '', path = ''] = /^(https?:\/\/)?([^/]*)(\/.*)?$/s.exec(key) ?? []
  if (!isRegistry(host)) return undefined
  const registry = canonicalRegistry(host)
  return scheme === undefined ? `${registry}${path.replace(/\/$/, '')}` : registry
}
