import { lookup, type LookupOptions } from 'node:dns'
import { lookup as lookUp } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { mayLeadTo, type Reach } from './addresses.ts'
import { connector, type Connector, type ConnectorOptions } from './connector.ts'
import { withoutBrackets } from './origin.ts'

/** The code of the error with which a connection is refused that a server wanted us to make. */
export const refusedAddress = 'ERR_REFUSED_ADDRESS'

/** Connects only where something of this reach may lead to: addresses are checked as they are connected to. */
export function guarded(options: ConnectorOptions, reach: Reach): Connector {
  const connectChecked = connector({ ...options, lookup: checkedLookup(reach) })
  return (target, callback) => {
    // An address is connected to without being looked up.
    const address = withoutBrackets(target.hostname)
    if (isIP(address) !== 0 && !mayLeadTo(reach, address)) callback(refusal(address), null)
    else connectChecked(target, callback)
  }
}

/**
 * Why something of this reach may not lead to a host behind a proxy, which looks up the name itself: an address, or a
 * name that is at such here. A name that is not known here is the proxy's to judge.
 */
export async function refusalOf({ hostname }: URL, reach: Reach): Promise<Error | undefined> {
  const host = withoutBrackets(hostname)
  const found = loopbackName.test(host) ? [{ address: '127.0.0.1' }] : await addressesOf(host)
  const refused = found.find(({ address }) => !mayLeadTo(reach, address))
  return refused && refusal(refused.address)
}

/** RFC 6761, 6.3: all such names are this machine, and a proxy may know that although we do not. */
const loopbackName = /(?:^|\.)localhost\.?$/

function addressesOf(host: string): Promise<readonly { readonly address: string }[]> {
  return lookUp(host, { all: true }).catch(() => [])
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
