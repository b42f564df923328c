import { nodeKey, type Descriptor } from '../content/descriptor.ts'
import { parseDescriptor } from '../content/manifest.ts'
import { parseStrictJson } from '../content/strict-json.ts'
import { InvalidManifestError } from '../errors.ts'
import type { Json, JsonObject } from './modifiers/modifier.ts'

/** What a node has become, by its key: another one, the same one, or nothing. What is not in it stays as it is. */
export type Mapping = ReadonlyMap<string, Descriptor | undefined>

/** Of a manifest that came through the strict parser. Error: INVALID_MANIFEST. */
export function parseDocument(bytes: Uint8Array): JsonObject {
  const value = parseStrictJson(bytes, { maxBytes: bytes.length })
  if (isObject(value)) return value
  throw new InvalidManifestError('it is no JSON object')
}

/**
 * Deterministic: the fields in the order that they have. Error: INVALID_MANIFEST for an infinite number or NaN, which a
 * modifier may have made, and which would become null.
 */
export function formatDocument(document: JsonObject): Uint8Array {
  return Buffer.from(JSON.stringify(document, refuseInfinite))
}

function refuseInfinite(name: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value
  const shown = JSON.stringify(name.slice(0, 100))
  throw new InvalidManifestError(`the number ${shown} is ${value}, which cannot be written`)
}

const lists = ['manifests', 'layers', 'blobs'] as const
const singles = ['subject', 'config'] as const

/**
 * The document with each descriptor in it replaced by what its node has become. An entry keeps its other fields, but for
 * embedded `data` and `urls` of content that is not the same any more. The digest that an attestation in an index names as what it
 * is about follows its image.
 */
export function mapDocument(document: JsonObject, mapping: Mapping): JsonObject {
  const mapped: Record<string, Json | undefined> = { ...document }
  const digests = new Map<string, string>()
  for (const [key, to] of mapping)
    if (to !== undefined) digests.set(key.slice(0, key.indexOf(' ')), to.digest)
  for (const name of lists) {
    const list = document[name]
    if (Array.isArray(list))
      mapped[name] = list.flatMap((entry: Json) => mapEntry(entry, mapping, digests) ?? [])
  }
  for (const name of singles) {
    const single = document[name]
    if (single === undefined || single === null) continue
    const entry = mapEntry(single, mapping, digests)
    if (entry === undefined) delete mapped[name]
    else mapped[name] = entry
  }
  return mapped
}

/** Names the digest of the image that an attestation manifest in an index is about (BuildKit's convention). */
export const referenceDigestAnnotation = 'vnd.docker.reference.digest'

function mapEntry(entry: Json, mapping: Mapping, digests: ReadonlyMap<string, string>): Json | undefined {
  if (!isObject(entry)) return entry
  const key = nodeKey(parseDescriptor(entry))
  const followed = followReference(entry, digests)
  if (!mapping.has(key)) return followed
  const to = mapping.get(key)
  if (to === undefined) return undefined
  if (nodeKey(to) === key) return followed
  const { data: _data, urls: _urls, ...others } = followed
  const kept = to.digest === entry['digest'] ? followed : others
  return { ...kept, mediaType: to.mediaType, digest: to.digest, size: to.size }
}

function followReference(entry: JsonObject, digests: ReadonlyMap<string, string>): JsonObject {
  const { annotations } = entry
  if (!isObject(annotations)) return entry
  const about = annotations[referenceDigestAnnotation]
  const now = typeof about === 'string' ? digests.get(about) : undefined
  if (now === undefined || now === about) return entry
  return { ...entry, annotations: { ...annotations, [referenceDigestAnnotation]: now } }
}

/** True for a JSON object. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
