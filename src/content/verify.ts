import type { Hash } from 'node:crypto'
import { DigestMismatchError, SizeExceedsLimitError, SizeMismatchError } from '../errors.ts'
import { contentOf, type Content } from './content.ts'
import type { Descriptor } from './descriptor.ts'
import { createHasher, digestOf, parseDigest, type Digest } from './digest.ts'

/** The largest manifest that is read when nothing else is said: the limit of distribution, zot and oras-go too. */
export const defaultMaxMetadataBytes: number = 4 * 1024 * 1024

/**
 * Content that fails unless it has the size and digest of its descriptor: size first, so that an endless body
 * ends at the first byte too many. Content that verifies itself for this digest already is returned as it is.
 * Errors: INVALID_DIGEST, and RangeError for a size that is none, here; SIZE_MISMATCH and DIGEST_MISMATCH while iterating.
 */
export function verify(content: Content, descriptor: Descriptor): Content {
  if (content instanceof VerifiedContent && content.verifies(descriptor)) return content
  parseDigest(descriptor.digest)
  if (!Number.isSafeInteger(descriptor.size) || descriptor.size < 0) {
    throw new RangeError(`${descriptor.digest} has the size ${descriptor.size}, expected a number of bytes`)
  }
  return new VerifiedContent(content, descriptor, (offset) =>
    offset === undefined ? verifiedChunks(content, descriptor) : iteratorOf(content, offset),
  )
}

/**
 * The same content, watched: `onChunk` is called for each chunk that is read, `onError` when reading fails, also from
 * an offset on. Verified content stays verified, and is not hashed again.
 */
export function tap(
  content: Content,
  onChunk: (chunk: Uint8Array) => void,
  onError?: (error: unknown) => void,
): Content {
  // Not a generator: it would keep a reader that stops waiting for the chunk.
  const iterate = (offset?: number): AsyncIterator<Uint8Array, undefined> => {
    const chunks = iteratorOf(content, offset)
    const end = async (): Promise<IteratorReturnResult<undefined>> => {
      await chunks.return?.()
      return { done: true, value: undefined }
    }
    return {
      async next() {
        const next = await chunks.next().catch((error: unknown) => {
          onError?.(error)
          throw error
        })
        if (next.done === true) return { done: true, value: undefined }
        try {
          onChunk(next.value)
        } catch (error) {
          await end()
          throw error
        }
        return next
      },
      return: end,
    }
  }
  return withIterator(content, iterate)
}

/**
 * The content that `open` gives, for a reader that may stop while it waits for a chunk: `return` of an iterator aborts
 * the signal with which that iteration was opened. A generator alone would let the reader wait for the chunk.
 * `open` is called once at once, without a signal, for what the content has besides its chunks (`file`, `from`, being
 * verified), and once for each iteration, also from an offset on.
 */
export function stoppable(open: (signal?: AbortSignal) => Content): Content {
  return withIterator(open(), (offset) => {
    const reading = new AbortController()
    const chunks = iteratorOf(open(reading.signal), offset)
    return {
      next: () => chunks.next(),
      async return() {
        reading.abort()
        await chunks.return?.()
        return { done: true, value: undefined }
      },
    }
  })
}

/**
 * The whole of some small content, verified.
 * Errors: SIZE_EXCEEDS_LIMIT before a byte is read if the descriptor says more than `maxBytes`, SIZE_MISMATCH, DIGEST_MISMATCH.
 */
export async function readAll(
  content: Content,
  descriptor: Descriptor,
  maxBytes: number = defaultMaxMetadataBytes,
): Promise<Uint8Array> {
  if (descriptor.size > maxBytes) {
    throw new SizeExceedsLimitError(
      `${descriptor.digest} has ${descriptor.size} bytes, the limit is ${maxBytes}`,
    )
  }
  const chunks: Uint8Array[] = []
  for await (const chunk of verify(content, descriptor)) chunks.push(chunk)
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

/** Fails unless bytes in hand are what the descriptor says. Errors: SIZE_MISMATCH, DIGEST_MISMATCH. */
export function verifyBytes(bytes: Uint8Array, descriptor: Descriptor): void {
  if (bytes.length !== descriptor.size) throw sizeMismatch(descriptor, `${bytes.length}`)
  const actual = digestOf(bytes, parseDigest(descriptor.digest).algorithm)
  if (actual !== descriptor.digest) throw digestMismatch(descriptor.digest, actual)
}

/**
 * The bytes of a descriptor's `data` field if they are what it says, else undefined (image-spec, "Embedded Content").
 * Error: INVALID_DIGEST.
 */
export function embeddedData(descriptor: Descriptor): Uint8Array | undefined {
  if (descriptor.data === undefined) return undefined
  const bytes = Buffer.from(descriptor.data, 'base64')
  const matches = bytes.length === descriptor.size && digestMatches(bytes, descriptor.digest)
  return matches ? bytes : undefined
}

/** All of the content without an offset; nothing of content that has no `from`. */
function iteratorOf(content: Content, offset: number | undefined): AsyncIterator<Uint8Array> {
  if (offset === undefined) return content[Symbol.asyncIterator]()
  return (content.from?.(offset) ?? contentOf(new Uint8Array()))[Symbol.asyncIterator]()
}

/** `iterate` must give the same bytes, verified if the content is; with an offset, those from there on. */
function withIterator(content: Content, iterate: Iterate): Content {
  if (content instanceof VerifiedContent) return content.through(iterate)
  return new PlainContent(content, iterate)
}

type Iterate = (offset?: number) => AsyncIterator<Uint8Array>

class PlainContent implements Content {
  readonly #iterate: Iterate
  declare readonly from?: (offset: number) => AsyncIterable<Uint8Array>
  declare readonly file?: string

  constructor(inner: Content, iterate: Iterate) {
    this.#iterate = iterate
    if (inner.from !== undefined) {
      this.from = (offset) => ({ [Symbol.asyncIterator]: () => iterate(offset) })
    }
    if (inner.file !== undefined) this.file = inner.file
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.#iterate()
  }
}

class VerifiedContent extends PlainContent {
  readonly #descriptor: Descriptor

  constructor(inner: Content, descriptor: Descriptor, iterate: Iterate) {
    super(inner, iterate)
    this.#descriptor = descriptor
  }

  verifies({ digest, size }: Descriptor): boolean {
    return this.#descriptor.digest === digest && this.#descriptor.size === size
  }

  through(iterate: Iterate): VerifiedContent {
    return new VerifiedContent(this, this.#descriptor, iterate)
  }
}

async function* verifiedChunks(content: Content, descriptor: Descriptor): AsyncGenerator<Uint8Array> {
  const hasher = createHasher(descriptor.digest)
  let received = 0
  for await (const chunk of content) {
    if (chunk.length === 0) continue
    received += chunk.length
    if (received > descriptor.size) throw sizeMismatch(descriptor, 'more')
    hasher.update(chunk)
    if (received === descriptor.size) verifyHash(hasher, descriptor.digest)
    yield chunk
  }
  if (received < descriptor.size) throw sizeMismatch(descriptor, `${received}`)
  if (descriptor.size === 0) verifyHash(hasher, descriptor.digest)
}

/** Takes place before the last chunk is given away, so that a consumer which counts bytes cannot finish on a wrong digest. */
function verifyHash(hasher: Hash, expected: Digest): void {
  const actual = `${parseDigest(expected).algorithm}:${hasher.digest('hex')}`
  if (actual !== expected) throw digestMismatch(expected, actual)
}

function digestMatches(bytes: Uint8Array, digest: Digest): boolean {
  return digestOf(bytes, parseDigest(digest).algorithm) === digest
}

function sizeMismatch(descriptor: Descriptor, actual: string): SizeMismatchError {
  return new SizeMismatchError(`${descriptor.digest} should have ${descriptor.size} bytes, but has ${actual}`)
}

function digestMismatch(expected: Digest, actual: Digest): DigestMismatchError {
  return new DigestMismatchError(`content should have digest ${expected}, but has ${actual}`)
}
