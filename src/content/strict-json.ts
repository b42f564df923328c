import { InvalidManifestError, SizeExceedsLimitError } from '../errors.ts'
import { tryParseJson } from './try-parse-json.ts'
import { defaultMaxMetadataBytes } from './verify.ts'

/** What bounds a JSON document; beyond it parsing fails with SIZE_EXCEEDS_LIMIT. */
export interface JsonLimits {
  /** Bytes of the document. @default 4 MiB */
  readonly maxBytes?: number | undefined
  /** Objects and arrays inside each other. @default 64 */
  readonly maxDepth?: number | undefined
  /** Members and elements in the whole document. @default 1,000,000 */
  readonly maxValues?: number | undefined
}

/**
 * Parses JSON that every client reads alike, or fails: UTF-8 without faults, no lone surrogates, no key twice in an
 * object, no number that is too large for a double, no integer that it cannot hold exactly, no `size` or `schemaVersion`
 * that is an integer in another spelling.
 * The limits are checked before anything is built.
 * Keys such as `__proto__` are own properties of the result, as any other key.
 * Errors: SIZE_EXCEEDS_LIMIT, INVALID_MANIFEST.
 */
export function parseStrictJson(bytes: Uint8Array, limits: JsonLimits = {}): unknown {
  const { maxBytes = defaultMaxMetadataBytes, maxDepth = 64, maxValues = 1_000_000 } = limits
  if (bytes.length > maxBytes) {
    throw new SizeExceedsLimitError(`a JSON document has ${bytes.length} bytes, the limit is ${maxBytes}`)
  }
  const text = decodeUtf8(bytes)
  new Scanner(text, maxDepth, maxValues).scan()
  return parseJson(text)
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new InvalidManifestError('not UTF-8', { cause })
  }
}

const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const integer = /^-?\d+$/

/** The integers of the specs. Go refuses `1e3` and `1.0` for them, JavaScript reads 1000 and 1. */
const integerFields: ReadonlySet<string> = new Set(['size', 'schemaVersion'])

/**
 * Finds what `JSON.parse` is silent about. It looks at tokens alone and needs no valid document: whatever it lets
 * pass is then parsed, and fails there if it is not JSON. Iterative, so that depth does not use the call stack.
 */
class Scanner {
  readonly #text: string
  readonly #maxDepth: number
  readonly #maxValues: number
  /** The keys of each open object, undefined for each open array. */
  readonly #open: (Set<string> | undefined)[] = []
  #values = 0
  #at = 0
  #keyNext = false
  #lastKey = ''

  constructor(text: string, maxDepth: number, maxValues: number) {
    this.#text = text
    this.#maxDepth = maxDepth
    this.#maxValues = maxValues
  }

  scan(): void {
    for (; this.#at < this.#text.length; this.#at++) this.#token(this.#text.charAt(this.#at))
  }

  #token(character: string): void {
    if (character === '"') this.#string()
    else if (character === '{') this.#enter(new Set())
    else if (character === '[') this.#enter(undefined)
    else if (character === '}' || character === ']') this.#open.pop()
    else if (character === ',') this.#separator()
    else if (character === '-' || (character >= '0' && character <= '9')) this.#number()
  }

  #enter(keys: Set<string> | undefined): void {
    this.#open.push(keys)
    if (this.#open.length > this.#maxDepth) {
      throw new SizeExceedsLimitError(`a JSON document is more than ${this.#maxDepth} levels deep`)
    }
    this.#separator()
  }

  #separator(): void {
    this.#keyNext = this.#open.at(-1) !== undefined
    this.#values += 1
    if (this.#values > this.#maxValues) {
      throw new SizeExceedsLimitError(`a JSON document has more than ${this.#maxValues} values`)
    }
  }

  #string(): void {
    const start = this.#at
    this.#at += 1
    while (this.#at < this.#text.length && this.#text.charAt(this.#at) !== '"') {
      this.#at += this.#text.charAt(this.#at) === '\\' ? 2 : 1
    }
    const literal = this.#text.slice(start, this.#at + 1)
    const text = literal.includes('\\') ? decodeString(literal) : literal.slice(1, -1)
    if (this.#keyNext) this.#key(text)
  }

  #key(key: string): void {
    this.#keyNext = false
    this.#lastKey = key
    const keys = this.#open.at(-1)
    if (keys?.has(key)) {
      const shown = JSON.stringify(key.slice(0, 200))
      throw new InvalidManifestError(`the key ${shown} stands twice in one JSON object`)
    }
    keys?.add(key)
  }

  #number(): void {
    number.lastIndex = this.#at
    const literal = number.exec(this.#text)?.[0]
    if (literal === undefined) return
    const isInteger = integer.test(literal)
    const value = Number(literal)
    // Infinity would be written as null.
    if (!Number.isFinite(value) || (isInteger && !Number.isSafeInteger(value))) {
      throw new InvalidManifestError(`the number ${literal.slice(0, 40)} is too large to be read exactly`)
    }
    if (!isInteger && integerFields.has(this.#lastKey) && Number.isInteger(value)) {
      throw new InvalidManifestError(`${this.#lastKey} is ${literal.slice(0, 40)}, expected plain digits`)
    }
    this.#at += literal.length - 1
  }
}

/** Go reads every lone surrogate as U+FFFD, so that keys which differ here are one key there. */
function decodeString(literal: string): string {
  const text = parseJson(literal) as string
  if (!text.isWellFormed()) throw new InvalidManifestError('a JSON string has a lone surrogate')
  return text
}

function parseJson(text: string): unknown {
  const value = tryParseJson(text)
  if (value === undefined) throw new InvalidManifestError('not JSON')
  return value
}
