import { lookup, type LookupOptions } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { lesserReach, mayLeadTo, reachOf, type Reach } from './addresses.ts'
import type { HttpRequest } from './http.ts'

/** How sockets are made: TLS and time. */
export type ConnectOptions = Exclude<Agent.Options['connect'], undefined | buildConnector.connector>

/**
 * The pools of connections. What a user has named is connected to wherever it is. A host that only a server has named
 * is connected to if that server could be expected to reach it: addresses are checked as they are connected to, so
 * that a name which resolves differently the next time gains nothing.
 */
export class Connections {
  readonly #options: Agent.Options
  readonly #connect: ConnectOptions
  readonly #named: Agent
  readonly #learned = new Map<Reach, Agent>()
  /** By origin, how far it can be reached from; known since we are connected to it. */
  readonly #reaches = new Map<string, Reach>()

  constructor(options: Agent.Options, connect: ConnectOptions) {
    this.#options = options
    this.#connect = connect
    this.#named = new Agent({ ...options, connect: this.#noting(buildConnector(connect)) })
  }

  /** Where a request goes through. */
  dispatcher({ learnedFrom }: HttpRequest): Dispatcher {
    if (learnedFrom === undefined) return this.#named
    const reach = this.#reaches.get(learnedFrom.origin) ?? 'public'
    const known = this.#learned.get(reach)
    if (known !== undefined) return known
    // Each reach has connections of its own: one that was made for a registry at home is none for one abroad.
    const agent = new Agent({ ...this.#options, connect: guarded(this.#connect, reach) })
    this.#learned.set(reach, agent)
    return agent
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await Promise.all([this.#named, ...this.#learned.values()].map((agent) => agent.destroy()))
  }

  #noting(connect: buildConnector.connector): buildConnector.connector {
    return (options, callback) => {
      connect(options, (...result) => {
        const [error, socket] = result
        if (error === null) this.#note(options, socket.remoteAddress)
        callback(...result)
      })
    }
  }

  #note({ protocol, host }: buildConnector.Options, address: string | undefined): void {
    const { origin } = new URL(`${protocol}//${host}`)
    const reach = reachOf(address ?? '') ?? 'public'
    this.#reaches.set(origin, lesserReach(reach, this.#reaches.get(origin) ?? reach))
  }
}

/** Connects only where something of this reach may lead to. */
function guarded(connect: ConnectOptions, reach: Reach): buildConnector.connector {
  const connectChecked = buildConnector({ ...connect, lookup: checkedLookup(reach) })
  return (options, callback) => {
    // An address is connected to without being looked up.
    const address = options.hostname.replace(/^\[|\]$/g, '')
    if (isIP(address) !== 0 && !mayLeadTo(reach, address)) callback(refusal(address), null)
    else connectChecked(options, callback)
  }
}

function checkedLookup(reach: Reach): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true } satisfies LookupOptions, (error, addresses) => {
      if (error !== null) return callback(error, '')
      const refused = addresses.find(({ address }) => !mayLeadTo(reach, address))
      const [first] = addresses
      if (refused !== undefined || first === undefined) {
        return callback(refusal(refused?.address ?? hostname), '')
      }
      if (options.all === true) return callback(null, addresses)
      callback(null, first.address, first.family)
    })
  }
}

function refusal(address: string): Error & { readonly code: string } {
  return Object.assign(new Error(`${address} is not public`), { code: refusedAddress, address })
}

/** The code of the error with which a connection is refused that a server wanted us to make. */
export const refusedAddress = 'ERR_REFUSED_ADDRESS'
