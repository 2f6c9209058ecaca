import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import type { PeerConfig } from './config.ts'
import { comesFrom, dialOf, ttlOf } from './transport.ts'

const peer: PeerConfig = {
  name: 'x',
  address: address('fe80::9'),
  interface: 'eth0',
  port: 1179,
  asn: 65002,
  passive: false,
  families: ['ipv6/unicast'],
  ttl: 255,
  timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30 },
  importRoutes: true,
  exportLearned: true,
}

test('a dial has all that its peer asks of the connection', () => {
  assert.deepEqual(dialOf(peer), { address: 'fe80::9', interface: 'eth0', port: 1179, ttl: 255 })
  const authenticationOption = { keyId: 3, algorithm: 'aes-128-cmac-96', key: 'k' } as const
  const more = { sourceAddress: address('fe80::1'), minTtl: 254, password: 'p', authenticationOption }
  assert.deepEqual(dialOf({ ...peer, ...more }), { ...dialOf(peer), ...more })
})

test('RFC 5082 §3: an accepted connection gets the TTL of its peer and the least that it takes', () => {
  assert.deepEqual(ttlOf({ ...peer, ttl: 3 }, -7), { kind: 'setTtl', connection: -7, ttl: 3 })
  assert.deepEqual(ttlOf({ ...peer, minTtl: 254 }, -7), {
    kind: 'setTtl',
    connection: -7,
    ttl: 255,
    minTtl: 254,
  })
})

test('RFC 4007 §6: the same link-local address on another interface is another peer', () => {
  const ends = {
    localAddress: address('fe80::1'),
    localPort: 179,
    remoteAddress: address('fe80::9'),
    remotePort: 40_000,
  }
  assert.ok(comesFrom(peer, { ...ends, interface: 'eth0' }))
  assert.ok(!comesFrom(peer, { ...ends, interface: 'eth1' }))
  assert.ok(!comesFrom(peer, { ...ends, remoteAddress: address('fe80::8'), interface: 'eth0' }))
  const { interface: _, ...anywhere } = peer
  assert.ok(comesFrom(anywhere, { ...ends, interface: 'eth1' }))
})
