import { z } from 'zod'
import { InvalidManifestError } from '../errors.ts'
import type { Annotations } from './annotations.ts'
import type { Descriptor } from './descriptor.ts'
import { isDigest } from './digest.ts'
import { parseStrictJson, type JsonLimits } from './strict-json.ts'

/** What a graph needs to know of a manifest. */
export interface ManifestFacts {
  /** The manifest that this one is about. A subject need not exist. */
  readonly subject?: Descriptor | undefined
  /** Every other descriptor, in the order of the document. */
  readonly contains: readonly Descriptor[]
  /** The config of an image; it stands in `contains` too. */
  readonly config?: Descriptor | undefined
  /** The manifest's own artifact type; for an image without one, the media type of its config. */
  readonly artifactType?: string | undefined
  /** The manifest's own. */
  readonly annotations?: Annotations | undefined
}

/**
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md, and Docker's schema 2, whose fields are the same.
 * Error: INVALID_MANIFEST.
 */
export function readImageManifest(bytes: Uint8Array, mediaType: string, limits?: JsonLimits): ManifestFacts {
  const { config, layers, ...document } = readDocument(bytes, mediaType, limits)
  refuseFields(document, ['manifests', 'blobs', 'fsLayers'])
  if (config === undefined) throw new InvalidManifestError('it has no config')
  return {
    subject: document.subject,
    contains: [config, ...(layers ?? [])],
    config,
    artifactType: artifactTypeOf(document) ?? config.mediaType,
    annotations: document.annotations,
  }
}

/**
 * https://github.com/opencontainers/image-spec/blob/v1.1.1/image-index.md, and Docker's manifest list.
 * Error: INVALID_MANIFEST.
 */
export function readImageIndex(bytes: Uint8Array, mediaType: string, limits?: JsonLimits): ManifestFacts {
  const { manifests, ...document } = readDocument(bytes, mediaType, limits)
  refuseFields(document, ['config', 'layers', 'blobs', 'fsLayers'])
  return {
    subject: document.subject,
    contains: manifests ?? [],
    artifactType: artifactTypeOf(document),
    annotations: document.annotations,
  }
}

/**
 * The artifact manifest of the release candidates of image-spec 1.1.
 * Error: INVALID_MANIFEST.
 */
export function readArtifactManifest(
  bytes: Uint8Array,
  mediaType: string,
  limits?: JsonLimits,
): ManifestFacts {
  const { blobs, ...document } = readDocument(bytes, mediaType, limits)
  refuseFields(document, ['config', 'layers', 'manifests', 'fsLayers'])
  return {
    subject: document.subject,
    contains: blobs ?? [],
    artifactType: artifactTypeOf(document),
    annotations: document.annotations,
  }
}

/** A descriptor from outside, well formed, without unknown fields and those that are null. Error: INVALID_MANIFEST. */
export function parseDescriptor(value: unknown): Descriptor {
  return parseWith(descriptorSchema, value)
}

/** The own media type of a JSON document that claims to be a manifest, for registries whose Content-Type says nothing. */
export function declaredMediaType(bytes: Uint8Array, limits?: JsonLimits): string | undefined {
  const parsed = z.object({ mediaType: z.string() }).safeParse(parseStrictJson(bytes, limits))
  return parsed.success ? parsed.data.mediaType : undefined
}

/** An empty artifact type counts as a missing one (distribution-spec, "Listing Referrers"). */
function artifactTypeOf({ artifactType }: Document): string | undefined {
  return artifactType === '' ? undefined : artifactType
}

/** One client would read the one list, another client the other (CVE-2021-41190). */
function refuseFields(document: Document, names: readonly (keyof Document)[]): void {
  const stray = names.find((name) => document[name] !== undefined)
  if (stray !== undefined)
    throw new InvalidManifestError(`it has the field ${stray}, which belongs to another type`)
}

const annotationsSchema = z.custom<Annotations>(
  (value) => isObject(value) && Object.values(value).every((text) => typeof text === 'string'),
  'expected an object of strings',
)

/** The spec requires the first two, clients read a missing one as empty text. */
const platformSchema = exactObject({
  architecture: z.string().default(''),
  os: z.string().default(''),
  'os.version': z.string().exactOptional(),
  'os.features': z.array(z.string()).exactOptional(),
  variant: z.string().exactOptional(),
})

const descriptorSchema: z.ZodType<Descriptor> = exactObject({
  mediaType: z.string().min(1),
  digest: z.string().refine(isDigest, 'not a digest of a supported algorithm'),
  size: z.int().nonnegative(),
  urls: z.array(z.string()).exactOptional(),
  annotations: annotationsSchema.exactOptional(),
  data: z.string().exactOptional(),
  artifactType: z.string().exactOptional(),
  platform: platformSchema.exactOptional(),
})

interface Document {
  readonly mediaType?: string
  readonly artifactType?: string
  readonly config?: Descriptor
  readonly layers?: readonly Descriptor[]
  readonly manifests?: readonly Descriptor[]
  readonly blobs?: readonly Descriptor[]
  readonly fsLayers?: unknown
  readonly subject?: Descriptor
  readonly annotations?: Annotations
}

const documentSchema: z.ZodType<Document> = exactObject({
  schemaVersion: z.literal(2).exactOptional(),
  mediaType: z.string().exactOptional(),
  artifactType: z.string().exactOptional(),
  config: descriptorSchema.exactOptional(),
  layers: descriptorList().exactOptional(),
  manifests: descriptorList().exactOptional(),
  blobs: descriptorList().exactOptional(),
  fsLayers: z.unknown().exactOptional(),
  subject: descriptorSchema.exactOptional(),
  annotations: annotationsSchema.exactOptional(),
})

/** Ends at the first element that is wrong: a report of each of a million would take seconds and gigabytes. */
function descriptorList(): z.ZodType<readonly Descriptor[]> {
  return z.array(z.unknown()).transform((elements, context) => {
    const descriptors: Descriptor[] = []
    for (const [index, element] of elements.entries()) {
      const parsed = descriptorSchema.safeParse(element)
      if (!parsed.success) {
        const [issue] = parsed.error.issues
        context.addIssue({
          code: 'custom',
          message: issue?.message ?? 'malformed',
          path: [index, ...(issue?.path ?? [])],
        })
        return z.NEVER
      }
      descriptors.push(parsed.data)
    }
    return descriptors
  })
}

/**
 * An object of known fields, unknown ones left out. Null is what Go writes for an empty list or a missing pointer, and
 * reads as absent. Go matches names of fields without regard to case and JavaScript does not, so a name that only
 * differs in case from a known one is refused.
 */
function exactObject<T extends z.ZodRawShape>(fields: T): z.ZodType<z.output<z.ZodObject<T>>> {
  const names = new Map(Object.keys(fields).map((name) => [foldCase(name), name]))
  return z
    .unknown()
    .superRefine((value, context) => {
      if (!isObject(value)) return
      for (const key of Object.keys(value)) {
        const name = names.get(foldCase(key))
        if (name !== undefined && name !== key) {
          context.addIssue(`${JSON.stringify(key)} and ${JSON.stringify(name)} are one field to some clients`)
        }
      }
    })
    .transform((value) => (isObject(value) ? withoutAbsent(value) : value))
    .pipe(z.object(fields))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function withoutAbsent(value: object): object {
  return Object.fromEntries(
    Object.entries(value).filter(([, field]) => field !== null && field !== undefined),
  )
}

/** At least as Go's encoding/json folds: it takes U+017F for an s and U+212A for a k. */
function foldCase(name: string): string {
  return name.toUpperCase().toLowerCase()
}

function readDocument(bytes: Uint8Array, mediaType: string, limits: JsonLimits | undefined): Document {
  const document = parseWith(documentSchema, parseStrictJson(bytes, limits))
  if (document.mediaType !== undefined && document.mediaType !== mediaType) {
    throw new InvalidManifestError(`it calls itself ${JSON.stringify(document.mediaType.slice(0, 200))}`)
  }
  return document
}

function parseWith<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const place = issue?.path.map(String).join('.') ?? ''
  throw new InvalidManifestError(`${place === '' ? '' : `${place}: `}${issue?.message ?? 'malformed'}`)
}
