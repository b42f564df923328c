import { env } from 'node:process'
import type { Agent } from 'undici'
import { UnreachableError } from '../../../errors.ts'
import { authenticate, type AuthenticationOptions } from '../auth/authenticate.ts'
import { Connections } from './connections.ts'
import { attachHeaders, type FindHeaders } from './custom-headers.ts'
import { dispatchTo } from './dispatch.ts'
import type { Send } from './http.ts'
import { limitPerHost } from './limit.ts'
import { limitsOf, type TransportLimits } from './limits.ts'
import { registryUrl } from './origin.ts'
import { pacePerHost } from './pace.ts'
import { proxyChoice } from './proxy.ts'
import { followRedirects } from './redirect.ts'
import { resolveTable } from './resolve-table.ts'
import { retry } from './retry.ts'
import { retryPolicy, type RetryOptions, type RetryPolicy } from './attempts.ts'
import type { FindTls } from './tls-material.ts'
import { Turns } from './turns.ts'
import { tellWarnings } from './warnings.ts'

/** How registries are reached, and who is shown to them. */
export interface TransportOptions extends AuthenticationOptions {
  /** HTTP instead of HTTPS. @default for localhost, 127.0.0.0/8 and [::1] alone */
  readonly plainHttp?: boolean | undefined
  /** Certificates in PEM that are trusted besides the usual ones. @default none */
  readonly ca?: string | undefined
  /** Certificates for single registries, as `registryCertificates` finds them. @default none */
  readonly tls?: FindTls | undefined
  /**
   * URL of a proxy for everything, with a user name and a password if it wants such; '' for none.
   * @default as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say
   */
  readonly proxy?: string | undefined
  /** Addresses (and ports) to connect to, by `host:port`, instead of looking the name up. @default none */
  readonly resolve?: Readonly<Record<string, string>> | undefined
  /** Takes any certificate, but of a proxy. @default false */
  readonly insecure?: boolean | undefined
  /** So many requests at once to one host, and so many that send a blob. @default 32 */
  readonly concurrency?: number | undefined
  /** In milliseconds. @default 10 seconds */
  readonly connectTimeout?: number | undefined
  /** How long a registry may think before it answers, in milliseconds. @default 5 minutes */
  readonly headersTimeout?: number | undefined
  /** How long an answer may pause in its middle, in milliseconds. @default 5 minutes */
  readonly bodyTimeout?: number | undefined
  /** How long one exchange of a document may take in all (a manifest, a list, a token, an error), in milliseconds; a blob has only `bodyTimeout`. @default 15 minutes */
  readonly totalTimeout?: number | undefined
  /** What is read at most of what a server sends besides content. */
  readonly limits?: TransportLimits | undefined
  /** So many requests a second to each host, repeated ones too; hosts that only a server has named have no such limit. @default no limit */
  readonly requestsPerSecond?: number | undefined
  /** Headers of the user's own, for a registry's origin alone. @default none */
  readonly headers?: FindHeaders | undefined
  /** Events of requests have the headers too, with `***` for whatever may be a secret. @default false */
  readonly traceHeaders?: boolean | undefined
  /** How failures that may pass are waited out: by repeating what does no harm, and by going on where a transfer broke. */
  readonly retry?: RetryOptions | undefined
  /** The User-Agent header of every request. @default 'copygraph' */
  readonly userAgent?: string | undefined
}

const keepAliveMilliseconds = 30_000

/**
 * The connections, tokens and limits that any number of repositories share: one for each policy of connecting.
 * A request passes the steps redirect, warnings, custom headers, authenticate, retry, limit, pace and dispatch, in this
 * order.
 */
export class Transport {
  readonly #connections: Connections
  readonly #closing = new AbortController()
  readonly #plainHttp: boolean | undefined
  /** By registry: each request asks several times. */
  readonly #urls = new Map<string, URL>()
  readonly #traits = new Map<string, RegistryTraits>()
  /** For repositories: updates of what is read, changed and written. */
  readonly updates: Turns = new Turns()
  /** For repositories: how transfers that broke go on. */
  readonly retryPolicy: RetryPolicy
  /** For repositories: sends one request. */
  readonly send: Send

  /**
   * Throws a RangeError for what is wrong in the options: `proxy`, `resolve`, `retry`, `limits`, `totalTimeout`,
   * `concurrency`, `requestsPerSecond`, `trustedRealms`, `userAgent`.
   */
  constructor(options: TransportOptions = {}) {
    const { plainHttp, concurrency = 32, userAgent = 'copygraph' } = options
    const { headersTimeout, requestsPerSecond, traceHeaders } = options
    this.#plainHttp = plainHttp
    this.retryPolicy = retryPolicy(options.retry, this.#closing.signal)
    const limits = limitsOf(options)
    const originOf = (registry: string): URL => this.registryUrl(registry)
    this.#connections = new Connections({
      ...options,
      agent: agentOptions(options, limits.headerBytes),
      registryUrl: originOf,
      findProxy: proxyChoice(options.proxy, env),
      resolve: resolveTable(options.resolve),
    })
    const dispatch = dispatchTo((request) => this.#connections.dispatcher(request), userAgent, {
      headersTimeout,
      limits,
      traceHeaders,
    })
    const paced = pacePerHost(dispatch, { requestsPerSecond, closed: this.#closing.signal })
    const repeated = retry(limitPerHost(paced, concurrency), this.retryPolicy)
    const authenticated = authenticate(repeated, { ...options, registryUrl: originOf })
    const told = tellWarnings(attachHeaders(authenticated, options.headers, originOf), originOf)
    this.send = followRedirects(told, limits.redirects)
  }

  /** Where a registry is, by its name in references. */
  registryUrl(registry: string): URL {
    const known = this.#urls.get(registry) ?? registryUrl(registry, this.#plainHttp)
    this.#urls.set(registry, known)
    return known
  }

  /** For repositories: what has been found out about a registry. */
  traits(registry: string): RegistryTraits {
    const { origin } = this.registryUrl(registry)
    const traits = this.#traits.get(origin) ?? {
      takesSinglePost: true,
      maxPutBytes: Infinity,
      maxPatchBytes: Infinity,
    }
    this.#traits.set(origin, traits)
    return traits
  }

  /** Closes all connections; what is still under way fails. */
  async close(): Promise<void> {
    this.#closing.abort(new UnreachableError('the transport was closed'))
    await this.#connections.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** What is found out about a registry while working with it. */
export interface RegistryTraits {
  /** Whether a blob may go in the POST itself. */
  takesSinglePost: boolean
  /** The largest blob that is sent in one PUT: more was refused. */
  maxPutBytes: number
  /** The largest chunk that is sent in a PATCH: more was refused. */
  maxPatchBytes: number
}

function agentOptions({ bodyTimeout = 300_000 }: TransportOptions, maxHeaderSize: number): Agent.Options {
  // HTTP/2 windows make a distant registry many times slower; the limit per host bounds the connections.
  return { allowH2: false, keepAliveTimeout: keepAliveMilliseconds, bodyTimeout, maxHeaderSize }
}
