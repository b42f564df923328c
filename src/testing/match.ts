import type { EndpointName, Fault, FaultyRequest, Part } from './fault.ts'

/** Which requests a fault is for: those of which all that is said here is true. */
export interface RequestMatch {
  readonly method?: string | readonly string[] | undefined
  readonly endpoint?: EndpointName | readonly EndpointName[] | undefined
  /** Is found in the path. */
  readonly path?: RegExp | undefined
  readonly at?: Part | undefined
  readonly when?: ((request: FaultyRequest) => boolean) | undefined
}

/** The fault for the requests that match; all others go on untouched, and do not count for it. */
export function on(match: RequestMatch, fault: Fault): Fault {
  return (request, next) => (matches(match, request) ? fault(request, next) : next(request))
}

/** The fault for the first so many requests that come to it. */
export function times(count: number, fault: Fault): Fault {
  return counting((number) => number <= count, fault)
}

/** The fault for one request: the first that comes to it is number 1. */
export function nth(wanted: number, fault: Fault): Fault {
  return counting((number) => number === wanted, fault)
}

/** The fault for requests that come within so many milliseconds of the first one. */
export function during(milliseconds: number, fault: Fault): Fault {
  let end: number | undefined
  return (request, next) => {
    const now = performance.now()
    end ??= now + milliseconds
    return now < end ? fault(request, next) : next(request)
  }
}

/** The fault with this probability (0 to 1); the same seed decides the same for the first, second, third request. */
export function sometimes(probability: number, seed: number, fault: Fault): Fault {
  const random = randomNumbers(seed)
  return (request, next) => (random() < probability ? fault(request, next) : next(request))
}

function matches({ method, endpoint, path, at, when }: RequestMatch, request: FaultyRequest): boolean {
  return (
    isOneOf(method, request.method) &&
    isOneOf(endpoint, request.endpoint) &&
    (path === undefined || request.path.search(path) !== -1) &&
    isOneOf(at, request.at) &&
    (when === undefined || when(request))
  )
}

function isOneOf(wanted: string | readonly string[] | undefined, value: string | undefined): boolean {
  return wanted === undefined || [wanted].flat().some((one) => one === value)
}

function counting(applies: (number: number) => boolean, fault: Fault): Fault {
  let count = 0
  return (request, next) => {
    count += 1
    return applies(count) ? fault(request, next) : next(request)
  }
}

/** Marsaglia's xorshift: from 0 up to and without 1. */
function randomNumbers(seed: number): () => number {
  let state = seed | 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
