import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerConfig } from '#core/bgp/config.ts'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { listenOf } from './listen.ts'

const template: Omit<PeerConfig, 'address'> = {
  name: 'x',
  port: 179,
  asn: 65002,
  passive: true,
  families: ['ipv4/unicast'],
  ttl: 255,
  timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30 },
  importRoutes: true,
  exportLearned: true,
}

for (const { version, host, range } of [
  { version: 'IPv4', host: '192.0.2.9', range: '198.51.100.0/24' },
  { version: 'IPv6', host: '2001:db8::9', range: '2001:db8:1::/48' },
]) {
  test(`a port knows the keys and least TTLs of neighbours and of ranges of them, ${version}`, () => {
    const key = { keyId: 1, algorithm: 'hmac-sha-1-96', key: 'k' } as const
    const listen = listenOf(
      {
        name: 'one',
        asn: 65001,
        routerId: address('10.0.0.1'),
        routes: [],
        peers: [
          { ...template, address: address(host), password: 'own', minTtl: 255 },
          { ...template, address: address('203.0.113.1'), authenticationOption: key },
          { ...template, address: address('203.0.113.2') },
        ],
        listenRanges: [
          { prefix: prefix(range), template: { ...template, password: 'all', minTtl: 254 }, limit: 10 },
        ],
      },
      1790,
    )
    const [network, length] = range.split('/')
    assert.deepEqual(listen, {
      port: 1790,
      passwords: [
        { address: host, password: 'own' },
        { address: '203.0.113.1', authenticationOption: key },
        { address: network, prefixLength: Number(length), password: 'all' },
      ],
      minTtls: [
        { address: host, minTtl: 255 },
        { address: network, prefixLength: Number(length), minTtl: 254 },
      ],
    })
  })
}
