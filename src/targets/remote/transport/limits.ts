/** What is read at most of what a server sends besides content. */
export interface TransportLimits {
  /** Pages of one list. @default 10000 */
  readonly pages?: number | undefined
  /** Redirects of one request. @default 10 */
  readonly redirects?: number | undefined
  /** Bytes in the headers of one answer. @default 64 KiB */
  readonly headerBytes?: number | undefined
  /** Bytes in the answer of a token service. @default 128 KiB */
  readonly tokenBytes?: number | undefined
  /** Bytes in the body of an error; of a larger one only the status is known. @default 64 KiB */
  readonly errorBytes?: number | undefined
}

/** The same with every default in its place, and the time. */
export interface Limits {
  readonly pages: number
  readonly redirects: number
  readonly headerBytes: number
  readonly tokenBytes: number
  readonly errorBytes: number
  /** Milliseconds for one exchange of a document, from the request to the end of the answer. */
  readonly totalTimeout: number
}

/** What limits are made of. */
export interface LimitsOptions {
  readonly limits?: TransportLimits | undefined
  readonly totalTimeout?: number | undefined
}

/** Throws a RangeError for a limit that is none. */
export function limitsOf({ limits = {}, totalTimeout = 900_000 }: LimitsOptions): Limits {
  const {
    pages = 10_000,
    redirects = 10,
    headerBytes = 64 * 1024,
    tokenBytes = 128 * 1024,
    errorBytes = 64 * 1024,
  } = limits
  const counts = { pages, redirects, headerBytes, tokenBytes, errorBytes }
  for (const [name, count] of Object.entries(counts)) {
    const least = name === 'redirects' ? 0 : 1
    if (Number.isSafeInteger(count) && count >= least) continue
    throw new RangeError(`limits.${name} is ${count}, expected is a whole number from ${least} on`)
  }
  if (!(totalTimeout > 0)) throw new RangeError(`totalTimeout is ${totalTimeout}, expected are milliseconds`)
  return { ...counts, totalTimeout }
}
