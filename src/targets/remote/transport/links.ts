/** One link of a Link header. */
export interface Link {
  /** As it came: relative or not. */
  readonly target: string
  /** Its relation is `next`. */
  readonly isNext: boolean
}

/** The links of a Link header, in order (RFC 8288). Linear, and never throws: what is malformed is passed over. */
export function parseLinks(header: string): readonly Link[] {
  return [...header.matchAll(/<([^<>]*)>([^<]*)/g)].map(([, target = '', parameters = '']) => ({
    target,
    isNext: relatesNext.test(parameters),
  }))
}

const relatesNext = /;\s*rel\s*=\s*"?next"?\s*(?:[;,]|$)/i
