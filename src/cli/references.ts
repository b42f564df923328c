import { isDigest, type Digest } from '../content/digest.ts'
import { isRegistry, isTag, parseReference, redacted } from '../content/reference.ts'
import { InvalidReferenceError } from '../errors.ts'
import { usageError } from './usage-error.ts'

/** A repository in a registry. */
export interface RepositoryPlace {
  readonly kind: 'repository'
  readonly registry: string
  readonly repository: string
}

/** An OCI image layout on disk. */
export interface LayoutPlace {
  readonly kind: 'layout'
  readonly directory: string
}

/** Where content can be, as an argument names it. */
export type Place = RepositoryPlace | LayoutPlace

/** What an argument of a command names: a place, and tags and a digest there. */
export interface Address {
  readonly place: Place
  readonly tags: readonly string[]
  readonly digest?: Digest | undefined
}

/** What flags say of the spelling of an argument. */
export interface SpellingOptions {
  /** The argument is the folder of a layout without a prefix, because a flag says so. @default false */
  readonly isLayout?: boolean | undefined
}

/** Reads the spelling of something to read: at most one tag. Throws a usage error that shows the right spelling. */
export function parseSource(text: string, options: SpellingOptions = {}): Address {
  const address = parseAddress(text, options)
  if (address.tags.length > 1) {
    throw usageError(`${quoted(text)} names several tags, which only a destination can: write ${forms}`)
  }
  const isComplete = address.place.kind === 'layout' || referenceIn(address) !== undefined
  if (isComplete) return address
  const name = redacted(formatPlace(address.place))
  throw usageError(`${quoted(text)} names no tag or digest: write ${name}:TAG or ${name}@DIGEST`)
}

/** Reads the spelling of a place to write to, with any number of tags: `…:tag1,tag2`. Throws a usage error. */
export function parseDestination(text: string, options: SpellingOptions = {}): Address {
  return parseAddress(text, options)
}

/** Reads the spelling of a place alone. Throws a usage error. */
export function parsePlace(text: string, options: SpellingOptions = {}): Place {
  const { place, tags, digest } = parseAddress(text, { ...options, defaultTag: undefined })
  if (tags.length === 0 && digest === undefined) return place
  throw usageError(`${quoted(text)} must not name a tag or a digest: write ${redacted(formatPlace(place))}`)
}

/** Reads `host[:port][/prefix]`. Throws a usage error. */
export function parseRegistryPlace(text: string): { readonly registry: string; readonly prefix: string } {
  const name = text.startsWith('docker://') ? text.slice('docker://'.length) : text
  const slash = name.indexOf('/')
  const registry = slash === -1 ? name : name.slice(0, slash)
  if (!isRegistry(registry))
    throw usageError(`${quoted(text)} is not a registry: write host, host:port or host/prefix`)
  // Through a reference, so that the several names of Docker Hub are one here too.
  const { registry: known } = parseReference(`${registry}/x`)
  return { registry: known, prefix: slash === -1 ? '' : name.slice(slash + 1).replace(/\/$/, '') }
}

/** Reads `host[:port]`. Throws a usage error. */
export function parseRegistryName(text: string): string {
  const { registry, prefix } = parseRegistryPlace(text)
  if (prefix === '') return registry
  throw usageError(`${quoted(text)} is more than a registry: write ${registry}`)
}

/** What a target resolves: the digest, which decides where there is a tag too, or the tag. */
export function referenceIn({ tags: [tag], digest }: Address): string | undefined {
  return digest ?? tag
}

/** The spelling of a place that the command reads. */
export function formatPlace(place: Place): string {
  return place.kind === 'layout' ? `oci:${place.directory}` : `${place.registry}/${place.repository}`
}

/** The spelling of an address that the command reads. */
export function formatAddress({ place, tags, digest }: Address): string {
  const tag = tags.length === 0 ? '' : `:${tags.join(',')}`
  return `${formatPlace(place)}${tag}${digest === undefined ? '' : `@${digest}`}`
}

const forms = 'host/repository:tag, host/repository@digest, docker://…, oci:DIR:tag or oci:DIR@digest'

/** Prefixes of other tools that are taken for something else here, with what to write instead. */
const foreignPrefixes: readonly (readonly [prefix: string, advice: string])[] = [
  ['oci://', 'host/repository:tag for a registry, oci:DIR:tag for a layout'],
  ['http://', 'host/repository:tag, with --plain-http, --from-plain-http or --to-plain-http for HTTP'],
  ['https://', 'host/repository:tag'],
  ['oci-archive:', 'oci:DIR:tag, the folder of an unpacked layout'],
  ['ocifile://', 'oci:DIR:tag, the folder of an unpacked layout'],
  ['docker-archive:', forms],
  ['docker-daemon:', forms],
  ['containers-storage:', forms],
  ['dir:', 'oci:DIR:tag'],
]

interface ParseOptions extends SpellingOptions {
  /** Of `docker://` without a tag. @default 'latest' */
  readonly defaultTag?: string | undefined
}

function parseAddress(text: string, options: ParseOptions): Address {
  const { isLayout = false } = options
  const prefix = ['oci:', 'ocidir://', 'docker://'].find((known) => text.startsWith(known))
  const foreign = foreignPrefixes.find(([known]) => text.startsWith(known))
  if (isLayout) {
    if (prefix === undefined) return parseLayout(text, text)
    throw usageError(`${quoted(text)} with a layout flag: leave out the flag, or the ${prefix} in front`)
  }
  if (foreign !== undefined) throw usageError(`${quoted(text)} is not a reference here: write ${foreign[1]}`)
  if (prefix === 'oci:' || prefix === 'ocidir://') return parseLayout(text.slice(prefix.length), text)
  if (prefix === undefined) return parseRepository(text, text)
  const address = parseRepository(withDockerHub(text.slice(prefix.length)), text)
  const tag = 'defaultTag' in options ? options.defaultTag : 'latest'
  const isBare = tag !== undefined && referenceIn(address) === undefined
  return isBare ? { ...address, tags: [tag] } : address
}

function parseRepository(name: string, text: string): Address {
  if (/^[./~]/.test(name)) throw usageError(`${quoted(text)} looks like a path: write oci:${redacted(text)}`)
  const { name: place, tags, digest } = split(name, text)
  if (!name.includes('/')) {
    const typed = redacted(text)
    throw usageError(
      `${quoted(text)} names no registry: write host/${typed}, or docker://${typed} for Docker Hub`,
    )
  }
  try {
    const { registry, repository } = parseReference(place)
    return { place: { kind: 'repository', registry, repository }, tags, digest }
  } catch (error) {
    if (!(error instanceof InvalidReferenceError)) throw error
    throw usageError(`${error.message}; write ${forms}`)
  }
}

function parseLayout(path: string, text: string): Address {
  const { name, tags, digest } = split(path, text)
  if (name === '') throw usageError(`${quoted(text)} names no folder: write oci:DIR:tag or oci:DIR@digest`)
  return { place: { kind: 'layout', directory: name }, tags, digest }
}

/** `name[:tag[,tag…]][@digest]`. A colon or an @ before the last slash belongs to the name, as does an @ that no digest follows. */
function split(name: string, text: string): { name: string; tags: readonly string[]; digest?: Digest } {
  const slash = name.lastIndexOf('/')
  const at = name.lastIndexOf('@')
  const hasDigest = at > slash && /^(?:sha|md5|blake)[a-z0-9+._-]*:/.test(name.slice(at + 1))
  const digest = hasDigest ? name.slice(at + 1) : undefined
  if (digest !== undefined && !isDigest(digest)) {
    throw usageError(
      `${quoted(text)} ends with a malformed digest: write @sha256: and 64 digits of lower-case hexadecimal`,
    )
  }
  const rest = hasDigest ? name.slice(0, at) : name
  const colon = rest.lastIndexOf(':')
  const tags = colon > slash ? rest.slice(colon + 1).split(',') : []
  const wrong = tags.find((tag) => !isTag(tag))
  if (wrong !== undefined) {
    // Where there is a password, a comma in it makes a tag of its first part.
    const shown = redacted(text) === text ? quoted(wrong) : 'what follows the colon'
    throw usageError(
      `${quoted(text)}: ${shown} is not a tag: write up to 128 letters, digits, dots, dashes and underscores`,
    )
  }
  return {
    name: colon > slash ? rest.slice(0, colon) : rest,
    tags: [...new Set(tags)],
    ...(digest && { digest }),
  }
}

/** As docker reads a name: the first part is a registry if it has a dot or a port, or is localhost. */
function withDockerHub(name: string): string {
  const [first = ''] = name.split('/', 1)
  const isHost = name.includes('/') && (/[.:[]/.test(first) || first === 'localhost')
  return isHost ? name : `docker.io/${name}`
}

/** What was typed, without the user name and password that a URL may have before its host. */
function quoted(text: string): string {
  return JSON.stringify(redacted(text).slice(0, 300))
}
