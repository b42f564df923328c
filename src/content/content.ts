/**
 * Bytes, lazily: nothing is opened before it is iterated, and each iteration opens it anew.
 * A chunk belongs to whoever received it. Content from a target has verified size and digest when it has been iterated
 * to its end without an error; who stops early has verified nothing.
 */
export interface Content extends AsyncIterable<Uint8Array> {
  /** The same bytes from an offset on. Not verified: a suffix has no digest. */
  from?(offset: number): AsyncIterable<Uint8Array>
  /** A local file that holds exactly these bytes and is never changed in place: a store may link it. Verified only by iterating. */
  readonly file?: string
}

const chunkBytes = 1024 * 1024

/** Content of bytes that are in hand, which must not change while it is used. Not verified. */
export function contentOf(bytes: Uint8Array): Content {
  return {
    [Symbol.asyncIterator]: () => copies(bytes, 0),
    from: (offset) => copies(bytes, offset),
  }
}

/** In memory of their own: a chunk belongs to whoever received it. */
async function* copies(bytes: Uint8Array, offset: number): AsyncGenerator<Uint8Array> {
  for (let at = offset; at < bytes.length; at += chunkBytes) {
    yield new Uint8Array(bytes.subarray(at, at + chunkBytes))
  }
}
