import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { Bgp } from './bgp.ts'
import type { InstanceConfig } from './config.ts'
import { families } from './family.ts'
import { encodeAttributes } from './wire/attributes.ts'
import { encodePrefix } from './wire/nlri.ts'
import { encodeAnnouncements } from './wire/update-encode.ts'

const connection = -1
const remote = address('192.0.2.2')

/** A speaker with one neighbour, which connected and whose messages are bytes. */
function established(prefixMax = 1000): {
  bgp: Bgp
  at: (ms: number, bytes: Uint8Array) => void
} {
  const bgp = new Bgp(new Prng(1), { next: 1 })
  const config: InstanceConfig = {
    name: 'a',
    asn: 65001,
    routerId: address('10.0.0.1'),
    listenPort: 179,
    routes: [],
    peers: [
      {
        name: 'b',
        address: remote,
        port: 179,
        asn: 65002,
        passive: true,
        families: [...families],
        ttl: 1,
        timers: { connectRetrySeconds: 60, holdTimeSeconds: 9, keepaliveSeconds: 3 },
        importRoutes: true,
        exportLearned: true,
        prefixLimits: { 'ipv4/unicast': { max: prefixMax, action: 'reset' } },
      },
    ],
  }
  bgp.handle({ kind: 'configure', config }, 0)
  const ends = {
    localAddress: address('192.0.2.1'),
    localPort: 179,
    remoteAddress: remote,
    remotePort: 50_000,
  }
  bgp.handle({ kind: 'accepted', connection, ends }, 0)
  const capabilities = [1, 4, 0, 1, 0, 1, 65, 4, 0, 0, 65002 >> 8, 65002 & 255]
  const open = [
    4,
    65002 >> 8,
    65002 & 255,
    0,
    9,
    10,
    0,
    0,
    2,
    capabilities.length + 2,
    2,
    capabilities.length,
  ]
  const at = (ms: number, bytes: Uint8Array) => {
    bgp.handle({ kind: 'received', connection, bytes }, ms)
    while (bgp.nextDeadline() <= ms) bgp.handle({ kind: 'tick' }, ms)
  }
  at(0, message(1, [...open, ...capabilities]))
  at(0, message(4, []))
  assert.equal(bgp.peers()[0]!.state, 'established')
  return { bgp, at }
}

test('RFC 4271 §8.2.2, event 27: UPDATEs alone keep the session up', () => {
  const { bgp, at } = established()
  for (let ms = 5_000; ms <= 40_000; ms += 5_000) at(ms, update(`10.0.${ms / 5000}.0/24`))
  const [peer] = bgp.peers()
  assert.equal(peer!.state, 'established')
  assert.equal(peer!.messages.receivedByKind.update, 8)
  assert.equal(bgp.routes('locRib').length, 8)
  bgp.handle({ kind: 'tick' }, 50_000)
  assert.notEqual(bgp.peers()[0]!.state, 'established')
})

test('RFC 4486 §4: a prefix limit holds within one array of bytes', () => {
  const { bgp, at } = established(3)
  at(1_000, joined(Array.from({ length: 9 }, (_, i) => update(`10.0.${i}.0/24`))))
  assert.notEqual(bgp.peers()[0]!.state, 'established')
  assert.equal(bgp.peers()[0]!.messages.receivedByKind.update, 4)
})

test('what follows UPDATEs in the same array of bytes is taken in their order', () => {
  const { bgp, at } = established()
  at(1_000, joined([update('10.0.0.0/24'), message(3, [6, 2]), update('10.0.1.0/24')]))
  const [peer] = bgp.peers()
  assert.notEqual(peer!.state, 'established')
  assert.equal(peer!.messages.receivedByKind.update, 1)
  assert.equal(peer!.lastError!.direction, 'received')
})

function update(text: string): Uint8Array {
  const block = encodeAttributes({ origin: 'igp', asPath: [{ kind: 'sequence', asns: [65002] }] })
  const nlri = encodePrefix(prefix(text))
  return encodeAnnouncements('ipv4/unicast', block, { global: remote }, nlri, { fourOctetAsn: true })[0]!
}

function message(type: number, body: readonly number[]): Uint8Array {
  return Uint8Array.of(...Array<number>(16).fill(255), 0, 19 + body.length, type, ...body)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
