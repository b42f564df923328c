import { z } from 'zod'
import { refNameAnnotation } from '../../content/annotations.ts'
import { plainDescriptor, sameNode, type Descriptor } from '../../content/descriptor.ts'
import { parseDescriptor } from '../../content/manifest.ts'
import { mediaTypes } from '../../content/media-types.ts'
import { parseStrictJson } from '../../content/strict-json.ts'
import { InvalidLayoutError, InvalidManifestError, OciError, SizeExceedsLimitError } from '../../errors.ts'

type JsonObject = Readonly<Record<string, unknown>>

/** An entry of index.json. Whatever else a foreign tool wrote into it stays there. */
export interface Entry {
  readonly raw: JsonObject
  /** Media type, digest and size; undefined for an entry that is no descriptor which we can read. */
  readonly descriptor: Descriptor | undefined
  /** The text of its `org.opencontainers.image.ref.name`: a tag, unless it is a digest. */
  readonly name: string | undefined
}

/** The index.json of a layout. A change keeps all that it is not about. */
export interface IndexJson {
  /** All fields of the document; `manifests` is replaced by the entries when it is written. */
  readonly fields: JsonObject
  readonly entries: readonly Entry[]
}

/** An index.json that names nothing. */
export const emptyIndexJson: IndexJson = {
  fields: { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] },
  entries: [],
}

/** The largest index.json that is read or written: some 200,000 entries. */
export const maxIndexJsonBytes: number = 64 * 1024 * 1024

/** Reads an index.json; `path` is for the message. Error: INVALID_LAYOUT. */
export function parseIndexJson(bytes: Uint8Array, path: string): IndexJson {
  try {
    const limits = { maxBytes: maxIndexJsonBytes, maxValues: 10_000_000 }
    const fields = parseFields(parseStrictJson(bytes, limits))
    return { fields, entries: fields.manifests?.map(entryOf) ?? [] }
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    // The cause of the cause, since its own code would say that a manifest is at fault.
    throw new InvalidLayoutError(`${path} cannot be read as the index of an image layout: ${error.message}`, {
      cause: error.cause,
    })
  }
}

/** The bytes to write, with every field in its old place. Error: SIZE_EXCEEDS_LIMIT. */
export function serializeIndexJson({ fields, entries }: IndexJson): Uint8Array {
  const bytes = Buffer.from(JSON.stringify({ ...fields, manifests: entries.map(({ raw }) => raw) }))
  if (bytes.length <= maxIndexJsonBytes) return bytes
  throw new SizeExceedsLimitError(
    `index.json would have ${bytes.length} bytes with ${entries.length} entries, the limit is ${maxIndexJsonBytes}`,
  )
}

/** An entry that says which node it is, and nothing more. */
export function plainEntry(node: Descriptor): Entry {
  return entryOf({ ...plainDescriptor(node) })
}

/** True for an untagged entry that says nothing but which node it is. */
export function isPlain({ raw }: Entry): boolean {
  return Object.keys(raw).every((key) => key === 'mediaType' || key === 'digest' || key === 'size')
}

/** The same entry under another name, or under none. */
export function renamed({ raw }: Entry, name: string | undefined): Entry {
  const { annotations, ...others } = raw
  const kept = Object.entries(isObject(annotations) ? annotations : {}).filter(
    ([key]) => key !== refNameAnnotation,
  )
  if (name !== undefined) kept.push([refNameAnnotation, name])
  return entryOf(kept.length === 0 ? others : { ...others, annotations: Object.fromEntries(kept) })
}

/** True if an entry, tagged or not, names the node: the same bytes under another media type are another one. */
export function lists({ entries }: IndexJson, node: Descriptor): boolean {
  return entries.some(({ descriptor }) => descriptor !== undefined && sameNode(descriptor, node))
}

/**
 * Adds an entry before the first one that belongs after it: tagged before untagged, by tag, then by digest. So two
 * layouts with the same content are alike however it came, and the order that a foreign tool chose is left alone.
 */
export function insert({ fields, entries }: IndexJson, entry: Entry): IndexJson {
  const at = entries.findIndex((other) => compare(other, entry) > 0)
  return { fields, entries: entries.toSpliced(at === -1 ? entries.length : at, 0, entry) }
}

/** Without the entries that `isUnwanted` says; the same object if there are none. */
export function without(index: IndexJson, isUnwanted: (entry: Entry) => boolean): IndexJson {
  const entries = index.entries.filter((entry) => !isUnwanted(entry))
  return entries.length === index.entries.length ? index : { fields: index.fields, entries }
}

function entryOf(raw: JsonObject): Entry {
  const { annotations } = raw
  const name = isObject(annotations) ? annotations[refNameAnnotation] : undefined
  return {
    raw,
    descriptor: readDescriptor(raw),
    name: typeof name === 'string' && name !== '' ? name : undefined,
  }
}

/** Among the entries of foreign tools may be digests of an algorithm that is unknown here; they are none of our business. */
function readDescriptor(raw: JsonObject): Descriptor | undefined {
  try {
    return plainDescriptor(parseDescriptor(raw))
  } catch (error) {
    if (error instanceof InvalidManifestError) return undefined
    throw error
  }
}

interface Fields extends JsonObject {
  readonly manifests: readonly JsonObject[] | null
}

/** Only looks: what zod makes of a document would have lost a field named `__proto__`. */
const fieldsSchema = z.looseObject({
  schemaVersion: z.literal(2).optional(),
  manifests: z.array(z.custom(isObject, 'expected an object')).nullable(),
})

function parseFields(value: unknown): Fields {
  const parsed = fieldsSchema.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new InvalidManifestError(
      `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'malformed'}`,
    )
  }
  const twin = Object.keys(parsed.data).find(
    (key) => key !== 'manifests' && key.toLowerCase() === 'manifests',
  )
  if (twin !== undefined)
    throw new InvalidManifestError(`${twin} and manifests are one field to some clients`)
  return value as Fields
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function compare(a: Entry, b: Entry): number {
  if (a.name !== b.name) {
    if (a.name === undefined) return 1
    if (b.name === undefined) return -1
    return a.name < b.name ? -1 : 1
  }
  const [first = '', second = ''] = [a.descriptor?.digest, b.descriptor?.digest]
  return first < second ? -1 : Number(first > second)
}
