import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  lesserReach,
  mayLeadTo,
  reachOf,
  type Reach,
} from '../../../../src/targets/remote/transport/addresses.ts'

describe('the reach of an address', () => {
  it.each<[string, Reach | undefined]>([
    ['93.184.215.14', 'public'],
    ['2606:2800:21f:cb07:6820:80da:af6b:8b2c', 'public'],
    ['100.63.255.255', 'public'],
    ['172.15.255.255', 'public'],
    ['10.0.0.1', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['100.100.100.201', 'private'],
    ['198.18.0.1', 'private'],
    ['fd00:ec2::253', 'private'],
    ['::ffff:10.0.0.1', 'private'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['0.0.0.0', undefined],
    ['::', undefined],
    ['169.254.169.254', undefined],
    ['::ffff:169.254.169.254', undefined],
    ['fe80::1', undefined],
    ['100.100.100.200', undefined],
    ['168.63.129.16', undefined],
    ['fd00:ec2::254', undefined],
    ['fd20:ce::254', undefined],
    ['::169.254.169.254', undefined],
    ['::ffff:0:169.254.169.254', undefined],
    ['224.0.0.1', undefined],
    ['255.255.255.255', undefined],
    ['ff02::1', undefined],
    ['64:ff9b::a00:1', undefined],
    ['2002:a00:1::', undefined],
    ['localhost', undefined],
    ['', undefined],
  ])('%s is %s', (address, reach) => {
    expect(reachOf(address)).toBe(reach)
  })

  it('is the same for an IPv4 address and its form in IPv6', () => {
    fc.assert(fc.property(fc.ipV4(), (address) => reachOf(`::ffff:${address}`) === reachOf(address)))
  })
})

it('something leads only where everybody can go who reaches it', () => {
  const leads = (from: Reach): readonly boolean[] =>
    ['93.184.215.14', '10.0.0.1', '127.0.0.1', '169.254.169.254'].map((address) => mayLeadTo(from, address))
  expect(leads('public')).toEqual([true, false, false, false])
  expect(leads('private')).toEqual([true, true, false, false])
  expect(leads('loopback')).toEqual([true, true, true, false])
  expect([lesserReach('public', 'loopback'), lesserReach('loopback', 'private')]).toEqual([
    'public',
    'private',
  ])
})
