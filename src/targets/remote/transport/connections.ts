import type { SecureContext } from 'node:tls'
import { Agent, type Dispatcher } from 'undici'
import { UnreachableError } from '../../../errors.ts'
import { lesserReach, reachOf, type Reach } from './addresses.ts'
import { connector, type Connector, type ConnectorOptions } from './connector.ts'
import { forwardingTo } from './forward.ts'
import { guarded, refusalOf } from './guard.ts'
import type { HttpRequest } from './http.ts'
import { networkFailure } from './network-failure.ts'
import { isSameOrigin } from './origin.ts'
import type { FindProxy, ProxyServer } from './proxy.ts'
import { resolving, type ResolveTable } from './resolve-table.ts'
import { trusting, trustingAsRegistry, type FindTls } from './tls-material.ts'
import { connectingToProxy, tunnelling, type ProxyConnections } from './tunnel.ts'
import { waitFor } from './turns.ts'

/** How connections are made, and how long they are kept. */
export interface ConnectionsOptions {
  readonly agent?: Omit<Agent.Options, 'connect'> | undefined
  /** In milliseconds. @default 10 seconds */
  readonly connectTimeout?: number | undefined
  /** Takes any certificate, but of a proxy. @default false */
  readonly insecure?: boolean | undefined
  /** Certificates in PEM that are trusted besides the usual ones. */
  readonly ca?: string | undefined
  /** @default nothing special for any registry */
  readonly tls?: FindTls | undefined
  /** Where a registry is: the only origin that its certificates are for. Needed with `tls`. */
  readonly registryUrl?: ((registry: string) => URL) | undefined
  /** @default none */
  readonly findProxy?: FindProxy | undefined
  /** @default none */
  readonly resolve?: ResolveTable | undefined
}

/**
 * The pools of connections. What a user has named is connected to wherever it is. A host that only a server has named
 * is connected to if that server could be expected to reach it: addresses are checked as they are connected to, so
 * that a name which resolves differently the next time gains nothing. A registry that is shown a certificate has
 * connections of its own, which no other request goes through.
 */
export class Connections {
  readonly #options: ConnectionsOptions
  readonly #named: Agent
  readonly #learned = new Map<Reach, Learned>()
  readonly #registries = new Map<string, Promise<Agent | undefined>>()
  readonly #forwarders = new Map<ProxyServer, Dispatcher>()
  readonly #all = new Set<Dispatcher>()
  /** By origin, how far it can be reached from; known since we are connected to it. */
  readonly #reaches = new Map<string, Reach>()
  /** By reach and host: where names are not known, looking them up takes long. */
  readonly #refusals = new Map<string, Promise<Error | undefined>>()
  readonly #closing = new AbortController()
  #secureContext: SecureContext | undefined

  constructor(options: ConnectionsOptions = {}) {
    this.#options = options
    this.#named = this.#agent(this.#connectNamed(() => this.#usualContext()))
  }

  /** Where a request goes through. Errors: UNREACHABLE for what a server must not lead to, and when all is closed; what `tls` throws; UNSUPPORTED as of FindProxy. */
  async dispatcher(request: HttpRequest): Promise<Dispatcher> {
    const found = await this.#find(request)
    // What was made since then is not among the connections that were ended.
    this.#closing.signal.throwIfAborted()
    return found
  }

  /** Ends all connections, those that are being made too. */
  async close(): Promise<void> {
    this.#closing.abort(new UnreachableError('the transport was closed'))
    await Promise.all([...this.#all].map((dispatcher) => dispatcher.destroy()))
  }

  async #find(request: HttpRequest): Promise<Dispatcher> {
    const { learnedFrom, url, signal } = request
    const proxy = this.#options.findProxy?.(url)
    const reach = learnedFrom && (this.#reaches.get(learnedFrom.origin) ?? 'public')
    if (reach !== undefined && proxy === undefined) return this.#guarded(reach, url.origin)
    if (reach !== undefined) {
      const refused = await waitFor(this.#refusalOf(url, reach), signal)
      if (refused !== undefined) throw networkFailure(refused, url)
    }
    if (proxy !== undefined && url.protocol === 'http:') return this.#forwarder(proxy)
    const registry = this.#registryOf(request)
    const own = registry === undefined ? undefined : await waitFor(this.#ofRegistry(registry), signal)
    return own ?? this.#named
  }

  #refusalOf(url: URL, reach: Reach): Promise<Error | undefined> {
    const key = `${reach} ${url.hostname}`
    const refusal = this.#refusals.get(key) ?? refusalOf(url, reach)
    if (this.#refusals.size >= maxRefusals) this.#refusals.clear()
    this.#refusals.set(key, refusal)
    return refusal
  }

  /** Only requests that the user has made, to the registry's own origin, go with its certificates. */
  #registryOf({ access, learnedFrom, url }: HttpRequest): string | undefined {
    const { tls, registryUrl } = this.#options
    if (tls === undefined || registryUrl === undefined || access === undefined) return undefined
    const isOwn = learnedFrom === undefined && isSameOrigin(url, registryUrl(access.registry))
    return isOwn && url.protocol === 'https:' ? access.registry : undefined
  }

  #ofRegistry(registry: string): Promise<Agent | undefined> {
    const known = this.#registries.get(registry)
    if (known !== undefined) return known
    const made = this.#makeForRegistry(registry)
    this.#registries.set(registry, made)
    // What is wrong with a file may be mended meanwhile.
    made.catch(() => this.#registries.delete(registry))
    return made
  }

  async #makeForRegistry(registry: string): Promise<Agent | undefined> {
    const { tls, ca } = this.#options
    const material = await tls?.(registry)
    if (material === undefined) return undefined
    const context = trustingAsRegistry(registry, ca, material)
    this.#closing.signal.throwIfAborted()
    return this.#agent(this.#connectNamed(() => context))
  }

  #guarded(reach: Reach, origin: string): Agent {
    const known = this.#learned.get(reach)
    if (known !== undefined && (known.origins.has(origin) || known.origins.size < maxLearned)) {
      known.origins.add(origin)
      return known.agent
    }
    if (known !== undefined) this.#retire(known.agent)
    // Each reach has connections of its own: one that was made for a registry at home is none for one abroad.
    const connecting = this.#connecting(() => this.#usualContext())
    const agent = this.#agent(this.#resolving(guarded(connecting, reach)))
    this.#learned.set(reach, { agent, origins: new Set([origin]) })
    return agent
  }

  /** Ends the connections of an agent when what goes through them has come to its end. */
  #retire(agent: Agent): void {
    const forget = (): void => void this.#all.delete(agent)
    // By then, who was given it just now has made a request.
    setImmediate(() => void agent.close().then(forget, forget))
  }

  #forwarder(proxy: ProxyServer): Dispatcher {
    const known = this.#forwarders.get(proxy)
    if (known !== undefined) return known
    const forwarder = forwardingTo(proxy, this.#toProxies().connect, this.#options.agent)
    this.#forwarders.set(proxy, forwarder)
    this.#all.add(forwarder)
    return forwarder
  }

  #agent(connect: Connector): Agent {
    const agent = new Agent({ ...this.#options.agent, connect })
    this.#all.add(agent)
    return agent
  }

  /** To what the user has named, through a proxy where there is one. */
  #connectNamed(secureContext: () => SecureContext): Connector {
    const connect = connector(this.#connecting(secureContext))
    const connectDirectly = this.#noting(this.#resolving(connect))
    return (target, callback) => {
      const proxy = this.#options.findProxy?.(urlOf(target))
      const connectIt = proxy === undefined ? connectDirectly : tunnelling(proxy, connect, this.#toProxies())
      connectIt(target, callback)
    }
  }

  #connecting(secureContext: () => SecureContext): ConnectorOptions {
    const { insecure, connectTimeout } = this.#options
    return { secureContext, insecure, connectTimeout, closed: this.#closing.signal }
  }

  #toProxies(): ProxyConnections {
    const { connectTimeout } = this.#options
    const closed = this.#closing.signal
    const connect = connector({ secureContext: () => this.#usualContext(), connectTimeout, closed })
    return { connect: connectingToProxy(this.#resolving(connect)), timeout: connectTimeout, closed }
  }

  #resolving(connect: Connector): Connector {
    const { resolve } = this.#options
    return resolve === undefined ? connect : resolving(resolve, connect)
  }

  #usualContext(): SecureContext {
    this.#secureContext ??= trusting(this.#options.ca)
    return this.#secureContext
  }

  #noting(connect: Connector): Connector {
    return (target, callback) => {
      connect(target, (...result) => {
        const [error, socket] = result
        if (error === null) this.#note(urlOf(target), socket.remoteAddress)
        callback(...result)
      })
    }
  }

  #note({ origin }: URL, address: string | undefined): void {
    const reach = reachOf(address ?? '') ?? 'public'
    this.#reaches.set(origin, lesserReach(reach, this.#reaches.get(origin) ?? reach))
  }
}

/** Connections to hosts that servers have named. */
interface Learned {
  readonly agent: Agent
  readonly origins: Set<string>
}

/** Servers may name any number of hosts: so many origins have connections, and of so many hosts a refusal is remembered. */
const maxLearned = 100
const maxRefusals = 1000

function urlOf({ protocol, host, hostname }: Parameters<Connector>[0]): URL {
  return new URL(`${protocol}//${host ?? hostname}`)
}
