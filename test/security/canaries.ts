import { inspect } from 'node:util'
import type { CopyEvent } from '../../src/events.ts'
import { causesOf, errorCode } from '../../src/errors.ts'
import type { RepositoryOptions } from '../../src/targets/remote/repository.ts'
import { startFaultyRegistry, type FaultyRegistry } from '../../src/testing/faulty-registry.ts'
import type { Fault } from '../../src/testing/fault.ts'
import { startServer, type Answer, type Received, type TestServer } from '../targets/remote/server.ts'

/** Secrets that are told apart wherever they turn up. The signature is that of a URL, the cookie is set by the registry. */
export const canaries = {
  password: 'canary-password-5c1f',
  identityToken: 'canary-identity-7be2',
  accessToken: 'canary-access-91d0',
  bearer: 'canary-bearer-c44a',
  signature: 'canary-signature-02ee',
  cookie: 'canary-cookie-b8a7',
} as const

const basic: string = Buffer.from(`tester:${canaries.password}`).toString('base64')

/** Every spelling of every canary. */
const secrets: readonly string[] = [
  ...Object.values(canaries),
  basic,
  Buffer.from(`<token>:${canaries.identityToken}`).toString('base64'),
]

/** One way in which a registry learns who asks: what else is bound to an origin gets a line of its own. */
export interface Plant {
  /** What the user says of the registry. */
  readonly options: RepositoryOptions
  /** What the registry wants to see at last, by the name of a header. */
  readonly wanted: readonly [header: string, value: string]
  /** How it says so. */
  readonly scheme: 'Basic' | 'Bearer'
  /** Whether a token service sees the credential. */
  readonly usesTokens: boolean
}

const password: RepositoryOptions = {
  credential: () => ({ username: 'tester', password: canaries.password }),
}

/** A custom header or a client certificate is a line here, and its secret one of `canaries`. */
export const plants: Readonly<Record<string, Plant>> = {
  'a password': {
    options: password,
    wanted: ['authorization', `Basic ${basic}`],
    scheme: 'Basic',
    usesTokens: false,
  },
  'a password for tokens': {
    options: password,
    wanted: ['authorization', `Bearer ${canaries.bearer}`],
    scheme: 'Bearer',
    usesTokens: true,
  },
  'an identity token': {
    options: { credential: () => ({ identityToken: canaries.identityToken }) },
    wanted: ['authorization', `Bearer ${canaries.bearer}`],
    scheme: 'Bearer',
    usesTokens: true,
  },
  'an access token': {
    options: { credential: () => ({ accessToken: canaries.accessToken }) },
    wanted: ['authorization', `Bearer ${canaries.accessToken}`],
    scheme: 'Bearer',
    usesTokens: false,
  },
}

/** Where a flow happens. */
export interface World {
  readonly registry: FaultyRegistry
  /** Its token service, which is trusted by name. */
  readonly tokens: TestServer
  /** Another origin, which gets to see nothing. */
  readonly sink: TestServer
}

export interface WorldOptions {
  /** What goes wrong behind the login; `sink` is a URL. */
  readonly faults?: ((sink: string) => readonly Fault[]) | undefined
  /** The answer of the token service. @default the bearer token */
  readonly token?: ((request: Received, sink: string) => Answer) | undefined
  /** Where the challenge says that tokens come from. @default the token service */
  readonly realm?: ((sink: string) => string) | undefined
  /** @default 404 */
  readonly sink?: ((request: Received, registry: string) => Answer) | undefined
}

/** A registry that wants to see the plant, sets a cookie with each answer, and has a token service. */
export async function startWorld(plant: Plant, options: WorldOptions = {}): Promise<World & AsyncDisposable> {
  const { faults = () => [], sink: answer = () => ({ status: 404 }) } = options
  const { token = () => ({ status: 200, body: JSON.stringify({ token: canaries.bearer }) }), realm } = options
  const sink: TestServer = await startServer((request) => answer(request, registry.url))
  const tokens = await startServer((request) => token(request, sink.url))
  const challenge =
    plant.scheme === 'Basic'
      ? 'Basic realm="registry"'
      : `Bearer realm="${realm?.(sink.url) ?? `${tokens.url}/token`}",service="registry"`
  const registry = await startFaultyRegistry({
    faults: [setCookie, guard(plant.wanted, challenge), ...faults(sink.url)],
  })
  return { registry, tokens, sink, [Symbol.asyncDispose]: () => registry.close() }
}

const setCookie: Fault = async (request, next) => {
  const answer = await next(request)
  return { ...answer, headers: { ...answer.headers, 'set-cookie': `session=${canaries.cookie}; Path=/` } }
}

function guard([header, value]: Plant['wanted'], challenge: string): Fault {
  return async (request, next) => {
    if (request.at !== 'registry' || request.headers[header] === value) return next(request)
    return { status: 401, headers: { 'www-authenticate': challenge, 'content-length': '0' }, body: nothing }
  }
}

const nothing: AsyncIterable<Uint8Array> = { async *[Symbol.asyncIterator]() {} }

/** All bytes of all requests that a server has seen, headers by name. */
export function heardBy({ requests }: TestServer): string {
  return requests
    .map(({ method, url, headers, body }) =>
      [method, url, JSON.stringify(headers), body.toString('latin1')].join('\n'),
    )
    .join('\n\n')
}

/** All that somebody could print of what an operation told and how it ended. */
export function toldBy(events: readonly CopyEvent[], error: unknown): string {
  return [
    JSON.stringify(events),
    inspect(error, { depth: 20, showHidden: true }),
    JSON.stringify(error),
    ...causesOf(error).flatMap((cause) => [String(cause), cause.stack ?? '', JSON.stringify(cause)]),
  ].join('\n')
}

/** Which canaries are in a text. */
export function secretsIn(text: string): readonly string[] {
  return secrets.filter((secret) => text.includes(secret) || text.includes(encodeURIComponent(secret)))
}

/** `'well'`, or the code of the error. */
export function outcomeOf(error: unknown): string {
  return error === undefined ? 'well' : (errorCode(error) ?? inspect(error))
}
