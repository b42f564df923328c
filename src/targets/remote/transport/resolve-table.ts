import { isIP } from 'node:net'
import { isRegistry } from '../../../content/reference.ts'
import type { Connector } from './connector.ts'
import { portOf } from './origin.ts'

/** Where hosts are, by `host:port`, instead of where their names lead to. */
export type ResolveTable = ReadonlyMap<string, Place>

interface Place {
  readonly address: string
  readonly port: string | undefined
}

/**
 * Of `{ 'host:port': 'address' }` or `{ 'host:port': 'address:port' }`. Throws a RangeError for what is no name with a
 * port, or no address.
 */
export function resolveTable(resolve: Readonly<Record<string, string>> = {}): ResolveTable {
  return new Map(Object.entries(resolve).map(([host, place]) => [parseHost(host), parsePlace(host, place)]))
}

/** The same connector, but for hosts of the table: TLS still checks their names. */
export function resolving(table: ResolveTable, connect: Connector): Connector {
  if (table.size === 0) return connect
  return (target, callback) => {
    const port = portOf(target)
    const place = table.get(`${target.hostname}:${port}`)
    if (place === undefined) return connect(target, callback)
    connect({ ...target, hostname: place.address, port: place.port ?? port }, callback)
  }
}

function parseHost(text: string): string {
  const [, name = '', port = ''] = /^([^:]+):(\d{1,5})$/.exec(text) ?? []
  const { hostname } = isRegistry(text) ? new URL(`https://${text}`) : { hostname: '' }
  // TLS would check the address that is connected to, and not the one that was named.
  if (name === '' || hostname === '' || isIP(hostname) !== 0 || !isPort(port)) {
    throw new RangeError(`${JSON.stringify(text)} is to be resolved: expected a name and a port, as name:443`)
  }
  return `${hostname}:${Number(port)}`
}

function parsePlace(host: string, text: string): Place {
  const [, bracketed, plain = '', port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? []
  const address = isIP(text) === 0 ? (bracketed ?? plain) : text
  const isBracketed = bracketed !== undefined
  if (isIP(address) === 0 || (isBracketed && isIP(address) !== 6) || (port !== undefined && !isPort(port))) {
    throw new RangeError(
      `${host} is to be at ${JSON.stringify(text)}: expected an address, as 10.0.0.1 or [::1]:8443`,
    )
  }
  return { address, port }
}

function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) > 0 && Number(text) < 65_536
}
