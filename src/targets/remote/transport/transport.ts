import { getCACertificates } from 'node:tls'
import { Agent } from 'undici'
import { authenticate } from '../auth/authenticate.ts'
import type { FindCredential } from '../auth/credential.ts'
import { dispatchTo } from './dispatch.ts'
import type { Send } from './http.ts'
import { limitPerHost } from './limit.ts'
import { registryUrl } from './origin.ts'
import { followRedirects } from './redirect.ts'
import { Turns } from './turns.ts'

/** How registries are reached, and who is shown to them. */
export interface TransportOptions {
  /** Finds the credential for a registry. @default anonymous everywhere */
  readonly credential?: FindCredential | undefined
  /** HTTP instead of HTTPS. @default for localhost, 127.0.0.0/8 and [::1] alone */
  readonly plainHttp?: boolean | undefined
  /** Certificates in PEM that are trusted besides the usual ones. */
  readonly ca?: string | undefined
  /** Takes any certificate. @default false */
  readonly insecure?: boolean | undefined
  /** So many requests at once to one host, and so many that send a blob. @default 32 */
  readonly concurrency?: number | undefined
  /** In milliseconds. @default 10 seconds */
  readonly connectTimeout?: number | undefined
  /** How long a registry may think before it answers, in milliseconds. @default 5 minutes */
  readonly headersTimeout?: number | undefined
  /** How long an answer may pause in its middle, in milliseconds. @default 5 minutes */
  readonly bodyTimeout?: number | undefined
  /** The User-Agent header of every request. @default 'copygraph' */
  readonly userAgent?: string | undefined
}

const keepAliveMilliseconds = 30_000

/**
 * The connections, tokens and limits that any number of repositories share: one for each policy of connecting.
 * A request passes the steps redirect, authenticate, limit and dispatch, in this order.
 */
export class Transport {
  readonly #agent: Agent
  readonly #plainHttp: boolean | undefined
  /** By registry: each request asks several times. */
  readonly #urls = new Map<string, URL>()
  readonly #traits = new Map<string, RegistryTraits>()
  /** For repositories: updates of what is read, changed and written. */
  readonly updates: Turns = new Turns()
  /** For repositories: sends one request. */
  readonly send: Send

  constructor(options: TransportOptions = {}) {
    const { credential, plainHttp, concurrency = 32, userAgent = 'copygraph' } = options
    this.#plainHttp = plainHttp
    this.#agent = new Agent(agentOptions(options))
    const limited = limitPerHost(dispatchTo(this.#agent, userAgent), concurrency)
    this.send = followRedirects(
      authenticate(limited, { registryUrl: (registry) => this.registryUrl(registry), credential }),
    )
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
    const traits = this.#traits.get(origin) ?? { takesSinglePost: true }
    this.#traits.set(origin, traits)
    return traits
  }

  /** Closes all connections; what is still under way fails. */
  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** What is found out about a registry while working with it. */
export interface RegistryTraits {
  /** Whether a blob may go in the POST itself. */
  takesSinglePost: boolean
}

function agentOptions(options: TransportOptions): Agent.Options {
  const {
    ca,
    insecure = false,
    connectTimeout = 10_000,
    headersTimeout = 300_000,
    bodyTimeout = 300_000,
  } = options
  return {
    // HTTP/2 windows make a distant registry many times slower; the limit per host bounds the connections.
    allowH2: false,
    keepAliveTimeout: keepAliveMilliseconds,
    headersTimeout,
    bodyTimeout,
    connect: {
      timeout: connectTimeout,
      rejectUnauthorized: !insecure,
      ...(ca !== undefined && { ca: [...getCACertificates('default'), ca] }),
    },
  }
}
