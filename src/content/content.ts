/**
 * Bytes, lazily: nothing is opened before it is iterated, and each iteration opens it anew.
 * No producer reuses the memory of a chunk, and no consumer may change it. Content from a target has verified size and digest when it has been
 * iterated to its end without an error; who stops early has verified nothing.
 */
export interface Content extends AsyncIterable<Uint8Array> {
  /** The same bytes from an offset on. Not verified: a suffix has no digest. */
  from?(offset: number): AsyncIterable<Uint8Array>
  /** A local file that holds exactly these bytes and is never changed in place: a store may link it. Verified only by iterating. */
  readonly file?: string
}

/** Content of bytes that are in hand. Not verified. */
export function contentOf(bytes: Uint8Array): Content {
  return {
    async *[Symbol.asyncIterator]() {
      if (bytes.length > 0) yield bytes
    },
    async *from(offset) {
      if (offset < bytes.length) yield bytes.subarray(offset)
    },
  }
}
