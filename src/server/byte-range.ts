/** A part of content: from `start` up to and without `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * Reads a Range header with one range of bytes. `undefined` means that the whole is to be answered: there is no
 * header, or one that a server may ignore (RFC 9110, 14.2). A range that ends before it starts cannot be satisfied,
 * as the conformance tests of distribution-spec have it.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  return start < end ? { start, end } : 'unsatisfiable'
}

/** Reads the Content-Range header of a chunk (distribution-spec, "Pushing a blob in chunks"): `first-last`. */
export function parseChunkRange(header: string): ByteRange | undefined {
  const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(header) ?? []
  if (first === undefined || last === undefined) return undefined
  return { start: Number(first), end: Number(last) + 1 }
}
