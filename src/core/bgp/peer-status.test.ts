import assert from 'node:assert/strict'
import { test } from 'node:test'
import { route, World, type Speaker } from './bgp.testing.ts'
import type { PeerConfig } from './config.ts'
import type { PeerStatus } from './io.ts'

function pair(options: { a?: Partial<PeerConfig>; b?: Partial<PeerConfig>; version?: 4 | 6 } = {}) {
  const world = new World()
  const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
  const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
  world.join(a, b, options.version ?? 4, options)
  a.config.routes = [route('203.0.113.0/24', ['b']), route('2001:db8:100::/64', ['b'])]
  world.configure(a, b)
  world.run(12_000)
  return { world, a, b }
}

function status({ bgp }: Speaker): PeerStatus {
  return bgp.peers()[0]!
}

test('messages are counted by kind and way', () => {
  const { a, b } = pair({ a: { passive: true } })
  const { sentByKind, receivedByKind, sent } = status(a).messages
  assert.deepEqual(sentByKind, status(b).messages.receivedByKind)
  assert.deepEqual([sentByKind.open, sentByKind.notification, sentByKind.routeRefresh], [1, 0, 0])
  assert.equal(sentByKind.update, 4, 'two routes and two End-of-RIBs')
  assert.equal(receivedByKind.update, 2)
  assert.equal(sent, sentByKind.open + sentByKind.update + sentByKind.keepalive)
})

test('what was offered, received and negotiated is told while the session is up', () => {
  const { world, a } = pair({
    version: 6,
    a: {
      role: { name: 'provider', strict: true },
      gracefulRestart: {
        restartSeconds: 90,
        helperOnly: false,
        notification: true,
        deferralSeconds: 30,
        longLivedSeconds: 3600,
      },
    },
    b: { role: { name: 'customer', strict: true } },
  })
  const { negotiated, role } = status(a)
  assert.equal(role, 'provider')
  const { offered, received, ...facts } = negotiated!
  assert.deepEqual(facts, {
    kind: 'ebgp',
    fourOctetAsn: true,
    routeRefresh: true,
    enhancedRouteRefresh: true,
    maxLength: 65535,
    extendedNextHop: ['ipv4/unicast'],
    addPathReceive: [],
    addPathSend: [],
    role: 'customer',
  })
  assert.deepEqual(offered, [
    'multiprotocol ipv4/unicast',
    'multiprotocol ipv6/unicast',
    'four-octet-asn',
    'route-refresh',
    'enhanced-route-refresh',
    'extended-messages',
    'extended-next-hop ipv4/unicast',
    'graceful-restart 90 s notification ipv4/unicast ipv6/unicast',
    'long-lived-graceful-restart ipv4/unicast 3600 s',
    'long-lived-graceful-restart ipv6/unicast 3600 s',
    'role provider',
  ])
  assert.ok(received.includes('role customer'))
  world.cut()
  assert.equal(status(a).negotiated, undefined)
})

test('ups, downs and flaps are remembered', () => {
  const { world, a } = pair()
  const up = status(a).lastUp!
  assert.ok(up > world.now - 12_000)
  assert.deepEqual([status(a).lastDown, status(a).flaps], [undefined, 0])
  world.run(1000)
  world.cut()
  assert.deepEqual([status(a).lastUp, status(a).lastDown, status(a).flaps], [up, world.now, 1])
})

test('families that are kept over a restart are shown with what they wait for', () => {
  const graceful = { restartSeconds: 90, helperOnly: false, notification: false, deferralSeconds: 30 }
  const { world, a, b } = pair({ a: { gracefulRestart: graceful }, b: { gracefulRestart: graceful } })
  world.kill(a)
  const until = world.now + 90_000
  assert.deepEqual(status(b).stale, [
    { family: 'ipv4/unicast', phase: 'waiting', until },
    { family: 'ipv6/unicast', phase: 'waiting', until },
  ])
})

test('the last error shows the message that led to it, in hexadecimal', () => {
  const { world, a, b } = pair()
  const bad = new Uint8Array(100).fill(0xff, 0, 16)
  // An UPDATE whose attributes are longer than it is.
  bad.set([0, 100, 2, 0, 0, 0xff, 0xff], 16)
  world.inject(b, bad)
  const error = status(b).lastError!
  assert.equal(error.direction, 'sent')
  assert.equal(error.hex, `${'ff'.repeat(16)}0064020000ffff${'00'.repeat(41)}`)
  world.run(10)
  const received = status(a).lastError!
  assert.equal(received.direction, 'received')
  assert.ok(received.hex!.startsWith('ff'.repeat(16)))
  assert.match(received.message, /UPDATE Message Error/)
  world.run(60_000)
  world.cut()
  assert.equal(status(b).lastError!.hex, undefined)
})

test('a malformed UPDATE that does not end the session is counted (RFC 7606 §6)', () => {
  const { world, b } = pair()
  const attributes = [0x40, 1, 1, 7, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 1]
  const update = new Uint8Array(23 + attributes.length + 4).fill(0xff, 0, 16)
  update.set([0, update.length, 2, 0, 0, 0, attributes.length, ...attributes, 24, 198, 51, 100], 16)
  world.inject(b, update)
  assert.equal(status(b).state, 'established')
  assert.equal(status(b).updateFaults, 1)
})

test('a message full of faults is told in a few words (RFC 7606 §6)', () => {
  const { world, b } = pair()
  const attributes = Array.from({ length: 1000 }, () => [0xc0, 200, 0]).flat()
  const update = new Uint8Array(23 + attributes.length).fill(0xff, 0, 16)
  update.set([0, 0, 2, 0, 0, 0, 0, ...attributes], 16)
  new DataView(update.buffer).setUint16(16, update.length)
  new DataView(update.buffer).setUint16(21, attributes.length)
  world.inject(b, update)
  const told = b.events.flatMap((event) => (event.kind === 'updateFault' ? [event.message] : []))
  assert.ok(told.length < 10)
  assert.match(told.at(-1)!, /, and 995 faults more$/)
  assert.deepEqual([status(b).state, status(b).updateFaults], ['established', 1])
})

test('the header that is no BGP header is shown (RFC 4271 §6.1)', () => {
  const { world, b } = pair()
  world.inject(b, Uint8Array.from([...new Uint8Array(16).fill(0xff), 0, 18, 2, 0xaa, 0xbb]))
  assert.equal(status(b).lastError!.hex, `${'ff'.repeat(16)}001202aabb`)
})

test('a text for people is shown at both ends (RFC 9003 §2)', () => {
  const { world, a, b } = pair()
  const text = `Wartung – ${'x'.repeat(230)}`
  world.command(a, 'b', { kind: 'reset', text })
  world.run(10)
  assert.equal(status(a).lastError!.message, `sent Cease/Administrative Reset: ${text}`)
  assert.equal(status(b).lastError!.message, `received Cease/Administrative Reset: ${text}`)
  assert.equal(status(b).lastDownReason, `received Cease/Administrative Reset: ${text}`)
  world.run(60_000)
  assert.equal(status(a).state, 'established')
})

test('a peer that is held down tells the neighbour the text that was given for it (RFC 9003 §2)', () => {
  const { world, a, b } = pair()
  a.config.peers[0]!.heldDown = 'Secret bgp-password is missing'
  a.config.peers[0]!.shutdownText = 'back at noon'
  world.configure(a)
  world.run(10)
  assert.equal(status(b).lastError!.message, 'received Cease/Administrative Shutdown: back at noon')
  assert.equal(status(a).lastError!.message, 'Secret bgp-password is missing')
})

test('refreshIn asks for all routes again, refreshOut sends them (RFC 2918 §4)', () => {
  const { world, a, b } = pair()
  const before = status(b).messages.receivedByKind.update
  world.command(b, 'a', { kind: 'refreshIn' })
  world.run(100)
  assert.equal(status(b).messages.sentByKind.routeRefresh, 2)
  assert.equal(status(b).messages.receivedByKind.update, before + 2)
  world.command(a, 'b', { kind: 'refreshOut' })
  world.run(100)
  assert.equal(status(b).messages.receivedByKind.update, before + 4)
  assert.equal(b.bgp.routes('locRib').length, 2)
  world.command(a, 'nobody', { kind: 'refreshOut' })
  assert.equal(status(a).flaps, 0)
})
