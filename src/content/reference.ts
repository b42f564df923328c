import { InvalidReferenceError } from '../errors.ts'
import { isDigest, type Digest } from './digest.ts'

/** Names content in a registry: `registry/repository[:tag][@digest]`. With both, the digest decides. */
export interface Reference {
  /** Host and, where one was given, port. */
  readonly registry: string
  /** Without the registry. */
  readonly repository: string
  /** Undefined where none was given. */
  readonly tag?: string
  /** Undefined where none was given. */
  readonly digest?: Digest
}

/**
 * Reads a reference. Docker Hub's three names become `docker.io`, and a repository of one part there gets `library/`.
 * Linear in the length of the text.
 * Error: INVALID_REFERENCE.
 */
export function parseReference(text: string): Reference {
  const { name, tag, digest } = splitReference(text)
  const slash = name.indexOf('/')
  const registry = name.slice(0, slash)
  const repository = name.slice(slash + 1)
  if (slash === -1) throw invalid(text, 'expected registry/repository[:tag][@digest]')
  if (!isRegistry(registry)) throw invalid(text, 'its registry is not a host with an optional port')
  if (!isRepository(repository)) throw invalid(text, 'its repository is not a name of lower-case parts')
  return {
    ...canonicalNames(registry, repository),
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  }
}

/**
 * The parts of `name[:tag][@digest]`, whatever the name is. A colon or an @ before the last slash belongs to the name.
 * Error: INVALID_REFERENCE.
 */
export function splitReference(text: string): { name: string; tag?: string; digest?: Digest } {
  const slash = text.lastIndexOf('/')
  const at = text.indexOf('@', slash + 1)
  const rest = at === -1 ? text : text.slice(0, at)
  const colon = rest.lastIndexOf(':')
  const hasTag = colon > slash
  const digest = at === -1 ? undefined : text.slice(at + 1)
  const tag = hasTag ? rest.slice(colon + 1) : undefined
  if (digest !== undefined && !isDigest(digest)) throw invalid(text, 'what follows the @ is not a digest')
  if (tag !== undefined && !isTag(tag)) throw invalid(text, 'what follows the colon is not a tag')
  return {
    name: hasTag ? rest.slice(0, colon) : rest,
    ...(tag !== undefined && { tag }),
    ...(digest !== undefined && { digest }),
  }
}

/** The form that `parseReference` reads. */
export function formatReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** A reference as typed, without the user name and password that a URL may have before its host: all up to the last @ that begins no digest. */
export function redacted(text: string): string {
  return text.replace(/^.*@(?!sha(?:256|384|512):)/s, '***@')
}

/** The grammar of distribution-spec, "Pull": at most 128 characters. */
export function isTag(text: string): boolean {
  return /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/.test(text)
}

/**
 * The grammar of distribution-spec, "Pull", part by part. The separator must not be empty: the pattern that many
 * clients share allows it, and takes exponential time in V8.
 */
export function isRepository(text: string): boolean {
  return (
    text.length <= 255 &&
    text.split('/').every((part) => /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/.test(part))
  )
}

/** A host name, IPv4 address or bracketed IPv6 address, with an optional port. */
export function isRegistry(text: string): boolean {
  const [, host = ''] = /^(\[[0-9a-fA-F:.]*\]|[^:]*)(?::\d{1,5})?$/.exec(text) ?? []
  if (text.length > 260 || !URL.canParse(`https://${text}`)) return false
  if (host.startsWith('[')) return true
  return host.split('.').every((label) => /^[a-zA-Z0-9_-]+$/.test(label) && !/^-|-$/.test(label))
}

const dockerHub: ReadonlySet<string> = new Set(['docker.io', 'index.docker.io', 'registry-1.docker.io'])

function canonicalNames(registry: string, repository: string): Pick<Reference, 'registry' | 'repository'> {
  if (!dockerHub.has(registry)) return { registry, repository }
  return {
    registry: 'docker.io',
    repository: repository.includes('/') ? repository : `library/${repository}`,
  }
}

function invalid(text: string, reason: string): InvalidReferenceError {
  return new InvalidReferenceError(
    `${JSON.stringify(redacted(text).slice(0, 300))} is not a reference: ${reason}`,
  )
}
