import { BlockList, isIP } from 'node:net'

/**
 * How far an address can be reached from: by everybody, within a network (also behind a carrier's NAT), or on this
 * machine. Undefined for what no registry can have: link-local (where clouds keep their metadata), unspecified,
 * multicast, and addresses that hide another one.
 */
export type Reach = 'public' | 'private' | 'loopback'

/** The least of two: an origin that was once reached in public stays public. */
export function lesserReach(a: Reach, b: Reach): Reach {
  return order.indexOf(a) < order.indexOf(b) ? a : b
}

/** Whether something of this reach may send us to an address: only to one that everybody can reach who reaches it. */
export function mayLeadTo(from: Reach, address: string): boolean {
  const to = reachOf(address)
  return to !== undefined && order.indexOf(to) <= order.indexOf(from)
}

/** The reach of an IP address, without brackets. */
export function reachOf(address: string): Reach | undefined {
  const family = isIP(address)
  if (family === 0) return undefined
  const is = (list: BlockList): boolean => list.check(address, family === 4 ? 'ipv4' : 'ipv6')
  if (is(loopback)) return 'loopback'
  if (is(unusable)) return undefined
  return is(internal) ? 'private' : 'public'
}

const order: readonly Reach[] = ['public', 'private', 'loopback']

const loopback = blockList('127.0.0.0/8', '::1/128')

const internal = blockList(
  '10.0.0.0/8',
  '100.64.0.0/10',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  'fc00::/7',
  'fec0::/10',
)

const unusable = blockList(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  'fe80::/10',
  'ff00::/8',
  // Where clouds keep their metadata elsewhere: Azure, Alibaba, Oracle, AWS, Google.
  '168.63.129.16/32',
  '100.100.100.200/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
  // An IPv4 address inside: compatible, translated, NAT64, Teredo, 6to4. Those of the form ::ffff:a.b.c.d are looked at as IPv4.
  '::/96',
  '::ffff:0:0:0/96',
  '64:ff9b::/96',
  '64:ff9b:1::/48',
  '2001::/32',
  '2002::/16',
)

function blockList(...subnets: readonly string[]): BlockList {
  const list = new BlockList()
  for (const subnet of subnets) {
    const [network = '', prefix = ''] = subnet.split('/')
    list.addSubnet(network, Number(prefix), network.includes(':') ? 'ipv6' : 'ipv4')
  }
  return list
}
