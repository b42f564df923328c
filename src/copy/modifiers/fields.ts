import { InvalidManifestError } from '../../errors.ts'
import { isObject } from '../document.ts'
import type { Json, JsonObject } from './modifier.ts'

/** Named texts to set; null removes one. */
export type TextChanges = Readonly<Record<string, string | null>>

/**
 * A document with a field set, in its old place if it has one; null removes it, undefined leaves it as it is.
 * Error: INVALID_MANIFEST for a document with a name that differs only by case, since to Go both are one field, and the
 * last one counts.
 */
export function withField(document: JsonObject, name: string, value: Json | undefined): JsonObject {
  if (value === undefined) return document
  const other = Object.keys(document).find((key) => key !== name && foldCase(key) === foldCase(name))
  if (other !== undefined) {
    const both = `${JSON.stringify(other.slice(0, 100))} and ${JSON.stringify(name)}`
    throw new InvalidManifestError(`${both} are one field to some clients`)
  }
  if (value === (document[name] ?? null)) return document
  if (value !== null) return { ...document, [name]: value }
  const { [name]: _removed, ...rest } = document
  return rest
}

/**
 * An object of texts with changes, for `withField`: itself if they change nothing, null if nothing is left, undefined
 * without any. Error: INVALID_MANIFEST.
 */
export function withTexts(
  texts: Json | undefined,
  changes: TextChanges | undefined,
  field: string,
): Json | undefined {
  if (changes === undefined) return undefined
  if (texts !== undefined && texts !== null && !isObject(texts)) {
    throw new InvalidManifestError(`${field} is not an object`)
  }
  const before = new Map(Object.entries(texts ?? {}))
  const after = new Map(before)
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) after.delete(name)
    else after.set(name, value)
  }
  const isSame =
    after.size === before.size && after.entries().every(([name, text]) => before.get(name) === text)
  if (isSame) return texts
  return after.size === 0 ? null : Object.fromEntries(after)
}

/** At least as Go's encoding/json folds: it takes U+017F for an s and U+212A for a k. */
function foldCase(name: string): string {
  return name.toUpperCase().toLowerCase()
}
