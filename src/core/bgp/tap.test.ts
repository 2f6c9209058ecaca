import assert from 'node:assert/strict'
import { test } from 'node:test'
import { route, World, type Speaker } from './bgp.testing.ts'
import { messageType } from './wire/framer.ts'

/** Two speakers that are up and have told each other a route. */
function pair(version: 4 | 6, taps?: Speaker['config']['taps']) {
  const world = new World()
  const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
  const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
  world.join(a, b, version)
  a.config.routes = [route('198.51.100.0/24', ['b'])]
  b.config.routes = [route('203.0.113.0/24', ['a']), route('2001:db8:2::/48', ['a'])]
  if (taps !== undefined) a.config.taps = taps
  world.configure(a, b)
  world.run(12_000)
  return { world, a, b }
}

const all = { received: true, sent: true, best: true }

for (const version of [4, 6] as const) {
  test(`a tap sees the session with both OPENs, what comes and goes, and the end, over IPv${version}`, () => {
    const { world, a, b } = pair(version, all)
    const up = a.taps.find(({ kind }) => kind === 'up')
    assert.ok(up?.kind === 'up')
    const { sentOpen, receivedOpen, asn, routerId, ends } = up.session
    assert.deepEqual([sentOpen[18], receivedOpen[18]], [messageType.open, messageType.open])
    assert.ok(b.sent.some((bytes) => Buffer.from(bytes).equals(receivedOpen)))
    assert.ok(a.sent.some((bytes) => Buffer.from(bytes).equals(sentOpen)))
    assert.deepEqual([asn, routerId], [65002, b.config.routerId])
    assert.equal(ends.remoteAddress, b.addresses[version])
    assert.deepEqual(a.bgp.tappedSessions(), [up.session])
    const updates = (kind: 'received' | 'sent') =>
      a.taps.filter((tap) => tap.kind === kind && tap.bytes[18] === messageType.update)
    // Routes and End-of-RIB of both families.
    assert.ok(updates('received').length >= 4)
    assert.ok(updates('sent').length >= 3)
    const best = a.taps.flatMap((tap) => (tap.kind === 'best' ? tap.prefixes : []))
    assert.deepEqual(best.toSorted(), ['198.51.100.0/24', '2001:db8:2::/48', '203.0.113.0/24'])
    world.shutdown(b)
    world.run(100)
    const down = a.taps.find(({ kind }) => kind === 'down')
    assert.ok(down?.kind === 'down')
    // RFC 4486 §4: Cease, Administrative Shutdown.
    assert.deepEqual([down.direction, ...(down.notification?.subarray(18, 21) ?? [])], ['received', 3, 6, 2])
    assert.deepEqual(a.bgp.tappedSessions(), [])
  })
}

test('without taps nothing is tapped, and taps that come later leave sessions alone', () => {
  const { world, a, b } = pair(4)
  assert.deepEqual(a.taps, [])
  const since = a.bgp.peers()[0]!.since
  a.config.taps = { received: true, sent: false, best: false }
  world.configure(a)
  b.config.routes = []
  world.configure(b)
  world.run(100)
  assert.ok(a.taps.length > 0)
  assert.ok(a.taps.every(({ kind }) => kind === 'received'))
  assert.equal(a.bgp.peers()[0]!.since, since)
})
