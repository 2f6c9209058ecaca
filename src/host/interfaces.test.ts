import assert from 'node:assert/strict'
import { it } from 'node:test'
import { address } from '#core/net/address.ts'
import {
  addressOfOtherVersion,
  interfaceOf,
  linkLocalBeside,
  linkLocalZone,
  parseSocketAddress,
  reachableAddresses,
  type Interfaces,
} from './interfaces.ts'

const interfaces = {
  lo: [entry('127.0.0.1', true), entry('::1', true)],
  eth0: [entry('192.0.2.1'), entry('fe80::1'), entry('2001:db8::1'), entry('2001:db8::2')],
  eth1: [entry('fe80::1'), entry('198.51.100.1')],
  eth2: [entry('203.0.113.1')],
}

for (const { local, zone, other } of [
  { local: '192.0.2.1', other: '2001:db8::1' },
  { local: '2001:db8::2', other: '192.0.2.1' },
  { local: 'fe80::1', zone: 'eth1', other: '198.51.100.1' },
  { local: '203.0.113.1', other: undefined },
  { local: '203.0.113.99', other: undefined },
]) {
  it(`finds ${other ?? 'nothing'} beside ${local}`, () => {
    assert.equal(addressOfOtherVersion(interfaces, address(local), zone), other)
  })
}

it('reaches a link-local address by the named interface, else by that of the source address, else by the only one', () => {
  assert.equal(linkLocalZone(interfaces, 'eth2', undefined), 'eth2')
  assert.equal(linkLocalZone(interfaces, undefined, address('198.51.100.1')), 'eth1')
  assert.equal(linkLocalZone(interfaces, undefined, undefined), undefined)
  assert.equal(linkLocalZone({ lo: interfaces.lo, eth1: interfaces.eth1 }, undefined, undefined), 'eth1')
})

it('finds one address of each IP version that others can reach, and loopback where there is no network', () => {
  assert.deepEqual(reachableAddresses(interfaces), ['192.0.2.1', '2001:db8::1'])
  assert.deepEqual(reachableAddresses({ lo: interfaces.lo, eth1: interfaces.eth1 }), ['198.51.100.1'])
  assert.deepEqual(reachableAddresses({ lo: interfaces.lo }), ['127.0.0.1', '::1'])
})

it('knows which interface has an address', () => {
  assert.equal(interfaceOf(interfaces, address('2001:db8::2')), 'eth0')
  assert.equal(interfaceOf(interfaces, address('fe80::1'), 'eth1'), 'eth1')
  assert.equal(interfaceOf(interfaces, address('10.0.0.1')), undefined)
})

it('finds the link-local address beside one that shares its subnet with the other end (RFC 2545 §3)', () => {
  const [v4, v6, own] = [
    { ...entry('192.0.2.1'), cidr: '192.0.2.1/24' },
    { ...entry('2001:db8::1'), cidr: '2001:db8::1/64' },
    entry('fe80::1'),
  ]
  const machine = {
    lo: interfaces.lo,
    eth0: [v4, v6, own],
    eth1: [{ ...entry('203.0.113.1'), cidr: '203.0.113.1/32' }],
  }
  for (const [local, remote, expected] of [
    ['2001:db8::1', '2001:db8::2', 'fe80::1'],
    ['192.0.2.1', '192.0.2.9', 'fe80::1'],
    ['2001:db8::1', '2001:db8:1::2', undefined],
    ['203.0.113.1', '203.0.113.2', undefined],
    ['fe80::1', 'fe80::2', undefined],
    ['2001:db8::7', '2001:db8::2', undefined],
  ] as const)
    assert.equal(linkLocalBeside(machine, address(local), address(remote)), expected)
})

it('reads socket addresses with a zone and IPv4-mapped ones', () => {
  assert.deepEqual(parseSocketAddress('fe80::1%eth0'), { address: 'fe80::1', zone: 'eth0' })
  assert.deepEqual(parseSocketAddress('::ffff:192.0.2.1'), { address: '192.0.2.1' })
  assert.deepEqual(parseSocketAddress('2001:db8::1'), { address: '2001:db8::1' })
  assert.equal(parseSocketAddress(''), undefined)
})

function entry(text: string, internal = false): NonNullable<Interfaces[string]>[number] {
  const rest = { netmask: '', mac: '', internal, cidr: null }
  return text.includes(':')
    ? { address: text, family: 'IPv6', scopeid: 0, ...rest }
    : { address: text, family: 'IPv4', ...rest }
}
