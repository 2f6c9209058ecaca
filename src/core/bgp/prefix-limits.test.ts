import assert from 'node:assert/strict'
import { test } from 'node:test'
import { route, World, type Speaker } from './bgp.testing.ts'
import type { PrefixLimit } from './config.ts'
import type { BgpEvent } from './io.ts'
import { limitLevel } from './prefix-limits.ts'

for (const { count, max, warnPercent, level } of [
  { count: 0, max: 0, level: 'within' },
  { count: 1, max: 0, level: 'over' },
  { count: 74, max: 100, level: 'within' },
  { count: 75, max: 100, level: 'near' },
  { count: 100, max: 100, level: 'near' },
  { count: 101, max: 100, level: 'over' },
  { count: 99, max: 100, warnPercent: 100, level: 'within' },
  { count: 1, max: 100, warnPercent: 1, level: 'near' },
]) {
  test(`RFC 4271 §6.7: ${count} of ${max} is ${level} (warned of at ${warnPercent ?? 75} %)`, () => {
    const limit: PrefixLimit = { max, action: 'warn', ...(warnPercent === undefined ? {} : { warnPercent }) }
    assert.equal(limitLevel(limit, count), level)
  })
}

/** `b` limits what `a` may send of one family. */
function limited(version: 4 | 6, limit: PrefixLimit) {
  const world = new World()
  const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
  const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
  const family = version === 4 ? 'ipv4/unicast' : 'ipv6/unicast'
  world.join(a, b, version, { b: { prefixLimits: { [family]: limit } } })
  const announce = (count: number) => {
    a.config.routes = Array.from({ length: count }, (_, i) =>
      route(version === 4 ? `10.0.${i}.0/24` : `2001:db8:${i + 1}::/48`, ['b']),
    )
    world.configure(a)
    world.run(100)
  }
  world.configure(a, b)
  world.run(12_000)
  return { world, a, b, family, announce }
}

function limitEvents(speaker: Speaker): string[] {
  return speaker.events.flatMap((event: BgpEvent) =>
    event.kind === 'prefixLimit' ? [`${event.level} ${event.count}/${event.max}`] : [],
  )
}

for (const version of [4, 6] as const) {
  test(`RFC 4486 §4: more prefixes than allowed end the session with family and limit (IPv${version})`, () => {
    const { world, a, b, announce } = limited(version, { max: 10, action: 'reset', restartSeconds: 120 })
    announce(8)
    assert.deepEqual(limitEvents(b), ['near 8/10'])
    announce(10)
    assert.equal(b.bgp.peers()[0]!.state, 'established')
    b.sent.length = 0
    announce(11)
    assert.deepEqual(limitEvents(b), ['near 8/10', 'over 11/10'])
    assert.deepEqual([...b.sent[0]!.subarray(18)], [3, 6, 1, 0, version === 4 ? 1 : 2, 1, 0, 0, 0, 10])
    const status = b.bgp.peers()[0]!
    assert.equal(status.state, 'idle')
    assert.match(
      status.lastError!.message,
      /Maximum Number of Prefixes Reached \(more than 10 ipv[46]\/unicast/,
    )
    assert.ok(status.heldUntil! > world.now + 100_000)
    assert.deepEqual(b.bgp.routes('locRib'), [])
    announce(5)
    world.run(60_000)
    assert.equal(b.bgp.peers()[0]!.state, 'idle', 'also when the neighbour connects')
    world.run(120_000)
    assert.equal(b.bgp.peers()[0]!.state, 'established')
    assert.equal(b.bgp.routes('locRib').length, 5)
    assert.equal(b.bgp.peers()[0]!.heldUntil, undefined)
    assert.equal(a.bgp.peers()[0]!.state, 'established')
  })
}

test('without a restart time the session stays down until it is enabled', () => {
  const { world, b, announce } = limited(4, { max: 3, action: 'reset' })
  announce(4)
  world.run(10_000_000)
  assert.equal(b.bgp.peers()[0]!.state, 'idle')
  assert.equal(b.bgp.peers()[0]!.heldUntil, Infinity)
  announce(3)
  world.command(b, 'a', { kind: 'enable' })
  world.run(180_000)
  assert.equal(b.bgp.peers()[0]!.state, 'established')
})

test('a limit that is raised lets the session up again, one that is lowered ends it', () => {
  const { world, b, family, announce } = limited(4, { max: 3, action: 'reset' })
  announce(4)
  assert.equal(b.bgp.peers()[0]!.state, 'idle')
  const limit = (max: number) => {
    b.config.peers[0]!.prefixLimits = { [family]: { max, action: 'reset' } }
    world.configure(b)
  }
  limit(10)
  world.run(180_000)
  assert.equal(b.bgp.peers()[0]!.state, 'established')
  assert.equal(b.bgp.peers()[0]!.families[0]!.limit, 10)
  limit(5)
  assert.equal(b.bgp.peers()[0]!.state, 'established', 'a change alone resets nothing')
  limit(2)
  assert.equal(b.bgp.peers()[0]!.state, 'idle')
})

test('a limit that only warns is said once, and again after the count was lower', () => {
  const { b, announce } = limited(4, { max: 4, action: 'warn', warnPercent: 50 })
  for (const count of [2, 3, 5, 6, 1, 2]) announce(count)
  assert.deepEqual(limitEvents(b), ['near 2/4', 'over 5/4', 'near 2/4'])
  assert.equal(b.bgp.peers()[0]!.state, 'established')
})
