import type { Descriptor } from '../content/descriptor.ts'
import type { Digest } from '../content/digest.ts'
import { formatPlatform, matchesPlatform, parsePlatform, type Platform } from '../content/platform.ts'
import { NotFoundError } from '../errors.ts'
import { referenceDigestAnnotation } from './document.ts'
import type { FilteredNode, NodeFilter } from './filter.ts'

/** True where all filters are. */
export function allOf(...filters: readonly NodeFilter[]): NodeFilter {
  return async (node) => {
    for (const filter of filters) if (!(await filter(node))) return false
    return true
  }
}

/** True where any filter is. */
export function anyOf(...filters: readonly NodeFilter[]): NodeFilter {
  return async (node) => {
    for (const filter of filters) if (await filter(node)) return true
    return false
  }
}

/** True where the filter is not. */
export function not(filter: NodeFilter): NodeFilter {
  return async (node) => !(await filter(node))
}

/** Asks the filter about manifests, and keeps every blob. */
export function manifestsOnly(filter: NodeFilter): NodeFilter {
  return async (node) => (await node.read()) === undefined || filter(node)
}

/**
 * By the artifact type of a manifest: its own, or for an image without one the media type of its config. A text is
 * compared whole. Not true for a blob.
 */
export function hasArtifactType(type: string | RegExp): NodeFilter {
  return async (node) => {
    const { artifactType } = (await node.read()) ?? {}
    return artifactType !== undefined && matches(artifactType, type)
  }
}

/** Where an annotation is looked for. */
export interface AnnotationPlace {
  /** The manifest itself, the entry that names the node, or the entry in the manifest that names its config. @default 'manifest' */
  readonly of?: 'manifest' | 'entry' | 'config' | undefined
}

/** By an annotation; without a value, by its being there. */
export function hasAnnotation(key: string, value?: string | RegExp, place: AnnotationPlace = {}): NodeFilter {
  return async (node) => {
    const annotations = await annotationsOf(node, place.of ?? 'manifest')
    // Own properties alone: a key may be the name of something that every object has.
    const found = annotations !== undefined && Object.hasOwn(annotations, key) ? annotations[key] : undefined
    return found !== undefined && (value === undefined || matches(found, value))
  }
}

/** By the media type of the entry that names the node. A text is compared whole. */
export function hasMediaType(type: string | RegExp): NodeFilter {
  return ({ descriptor }) => matches(descriptor.mediaType, type)
}

/** By the size of the node in bytes. */
export function isAtMost(bytes: number): NodeFilter {
  return ({ descriptor }) => descriptor.size <= bytes
}

/** By the tag that led to the node: true for nodes that no tag led to. */
export function hasTag(pattern: string | RegExp): NodeFilter {
  return ({ tag }) => tag === undefined || matches(tag, pattern)
}

/** False for content that must not be copied. */
export function isNoneOf(digests: Iterable<string>): NodeFilter {
  const denied = new Set(digests)
  return ({ descriptor }) => !denied.has(descriptor.digest)
}

/** A platform, or a part of one: what is not said matches all. */
export type PlatformPattern = Partial<Platform>

/** Reads `os/architecture[/variant][:os.version]`, where `*` stands for any. Error: RangeError. */
export function parsePlatformPattern(text: string): PlatformPattern {
  const platform = parsePlatform(text)
  return Object.fromEntries(Object.entries(platform).filter(([, value]) => value !== '*'))
}

/**
 * Of an index, the images for some platforms, each with the attestations that point at it; and everything that is no
 * entry of an index, or says no platform. Of the platforms that match nothing a warning tells, with those that are
 * there; where none matches, the copy fails with NOT_FOUND.
 */
export function isForPlatform(...wanted: readonly PlatformPattern[]): NodeFilter {
  const indexes = new Map<Digest, ReadonlySet<string>>()
  return (node) => {
    const { direction, edge, descriptor, parent, siblings } = node
    if (direction === 'up' || edge === 'subject' || !siblings.some(hasPlatform)) return true
    const known = indexes.get(parent.digest) ?? chosenOf(node, wanted)
    indexes.set(parent.digest, known)
    const about = descriptor.annotations?.[referenceDigestAnnotation]
    if (about !== undefined) return known.has(about)
    return !hasPlatform(descriptor) || known.has(descriptor.digest)
  }
}

/** The digests of the entries that match. */
function chosenOf(node: FilteredNode, wanted: readonly PlatformPattern[]): ReadonlySet<string> {
  const { siblings, parent } = node
  const images = siblings.filter((entry) => hasPlatform(entry) && !isAttestation(entry))
  const offered = images.flatMap(({ platform }) => platform ?? [])
  const lack = lackOf(parent, offered, wanted)
  if (lack !== undefined) node.warn(lack)
  const chosen = images.filter(({ platform }) => wanted.some((at) => platform && isFor(platform, at)))
  return new Set(chosen.map(({ digest }) => digest))
}

/**
 * A sentence on the wanted platforms that match nothing of what a node offers, and on what that is; undefined if each
 * matches something. Error: NOT_FOUND, with this sentence, if none does.
 */
export function lackOf(
  { digest }: Descriptor,
  offered: readonly Platform[],
  wanted: readonly PlatformPattern[],
): string | undefined {
  const unmatched = wanted.filter((at) => !offered.some((platform) => isFor(platform, at)))
  if (unmatched.length === 0 && wanted.length > 0) return undefined
  const available = offered.length === 0 ? 'no platform' : offered.map(formatPlatform).join(', ')
  const lack = `${digest} has nothing for ${unmatched.map(formatPattern).join(', ')}: it offers ${available}`
  if (unmatched.length === wanted.length) throw new NotFoundError(lack)
  return lack
}

function hasPlatform({ platform }: Descriptor): boolean {
  return platform !== undefined
}

function isAttestation({ annotations }: Descriptor): boolean {
  return annotations?.[referenceDigestAnnotation] !== undefined
}

function isFor(offered: Platform, wanted: PlatformPattern): boolean {
  return matchesPlatform(offered, { os: offered.os, architecture: offered.architecture, ...wanted })
}

function formatPattern({ os = '*', architecture = '*', ...rest }: PlatformPattern): string {
  return formatPlatform({ os, architecture, ...rest })
}

async function annotationsOf(
  node: FilteredNode,
  of: 'manifest' | 'entry' | 'config',
): Promise<Descriptor['annotations']> {
  if (of === 'entry') return node.descriptor.annotations
  const facts = await node.read()
  return of === 'config' ? facts?.config?.annotations : facts?.annotations
}

function matches(text: string, pattern: string | RegExp): boolean {
  if (typeof pattern === 'string') return text === pattern
  // A pattern with `g` or `y` remembers where it was.
  pattern.lastIndex = 0
  return pattern.test(text)
}
