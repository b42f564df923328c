import { declaredMediaType } from '../../content/manifest.ts'
import type { ManifestTypes } from '../../content/manifest-types.ts'
import { withoutParameters } from '../../content/media-types.ts'
import { printable } from '../../content/printable.ts'
import { InvalidManifestError, UnsupportedError } from '../../errors.ts'
import type { HttpResponse } from './transport/http.ts'
import { redactUrl } from './transport/redact.ts'

/** Content types that say nothing about a manifest. */
const generic: ReadonlySet<string> = new Set([
  '',
  'application/json',
  'application/octet-stream',
  'binary/octet-stream',
  'text/plain',
])

/**
 * The media type that a response with a manifest has by its header; undefined where the header says nothing.
 * Errors: INVALID_MANIFEST for an HTML page, UNSUPPORTED for a type that is not declared.
 */
export function manifestTypeOf(response: HttpResponse, types: ManifestTypes): string | undefined {
  const mediaType = withoutParameters(response.header('content-type') ?? '')
  if (generic.has(mediaType)) return undefined
  if (mediaType === 'text/html') {
    throw new InvalidManifestError(
      `${redactUrl(response.url)} is an HTML page, not a manifest: is this a registry?`,
    )
  }
  return declared(mediaType, types, response)
}

/** The same from the document itself. Errors: INVALID_MANIFEST, UNSUPPORTED. */
export function manifestTypeIn(bytes: Uint8Array, types: ManifestTypes, response: HttpResponse): string {
  const mediaType = declaredMediaType(bytes, { maxBytes: bytes.length })
  if (mediaType !== undefined) return declared(mediaType, types, response)
  throw new InvalidManifestError(`${redactUrl(response.url)} does not say what type of manifest it is`)
}

function declared(mediaType: string, types: ManifestTypes, response: HttpResponse): string {
  // Header values are compared in lower case, declared types may be in any.
  const found = types.mediaTypes.find((type) => type.toLowerCase() === mediaType.toLowerCase())
  if (found !== undefined) return found
  throw new UnsupportedError(
    `${redactUrl(response.url)} has the media type ${printable(mediaType.slice(0, 200))}, which is not a declared manifest type`,
  )
}
