import assert from 'node:assert/strict'
import { test } from 'node:test'
import { World } from './bgp.testing.ts'
import type { PeerConfig } from './config.ts'

for (const version of [4, 6] as const) {
  const bed = (ofA: Partial<PeerConfig> = {}, ofB: Partial<PeerConfig> = {}) => {
    const world = new World()
    const a = world.speaker('a', 65001, { 4: '192.0.2.1', 6: '2001:db8::1' })
    const b = world.speaker('b', 65002, { 4: '192.0.2.2', 6: '2001:db8::2' })
    world.join(a, b, version, { a: ofA, b: { passive: true, ...ofB } })
    const peerOfA = () => a.bgp.peers()[0]!
    return { world, a, b, peerOfA }
  }

  for (const [minTtl, says] of [
    [undefined, /no OPEN came for 10 s: is TTL security set on both sides\? Here it is not \(RFC 5082\)/],
    [254, /is TTL security set on both sides\? Here packets with a TTL below 254 are dropped \(RFC 5082\)/],
  ] as const)
    test(`RFC 5082 §3: a connection on which no OPEN comes is told of soon, IPv${version}, least TTL ${minTtl}`, () => {
      const { world, a, b, peerOfA } = bed(minTtl === undefined ? {} : { minTtl })
      world.silent = true
      world.configure(a, b)
      while (peerOfA().state !== 'openSent') world.run(100)
      world.run(9_000)
      assert.equal(peerOfA().lastError, undefined)
      world.run(1_100)
      assert.equal(peerOfA().state, 'openSent')
      assert.match(peerOfA().lastError!.message, says)
      const { at } = peerOfA().lastError!
      world.run(60_000)
      assert.equal(peerOfA().lastError!.at, at, 'once')
      world.run(171_000)
      assert.match(peerOfA().lastError!.message, /hold timer expired/i)
    })

  test(`RFC 5082 §3: a neighbour that does not hear the OPEN is told of soon, IPv${version}`, () => {
    const timers = { connectRetrySeconds: 5, holdTimeSeconds: 90, keepaliveSeconds: 30 }
    const { world, a, b } = bed({ timers }, { timers })
    world.configure(a, b)
    const peerOfB = () => b.bgp.peers()[0]!
    while (peerOfB().state !== 'openSent') world.run(1)
    // What is on its way arrives, what is said to it is lost.
    world.silent = true
    world.run(10_500)
    assert.equal(peerOfB().state, 'openConfirm')
    assert.match(peerOfB().lastError!.message, /no KEEPALIVE came for 10 s: is TTL security/)
  })

  test(`a session that comes up in time leaves no hint, IPv${version}`, () => {
    const { world, a, b, peerOfA } = bed()
    world.configure(a, b)
    world.run(30_000)
    assert.deepEqual([peerOfA().state, peerOfA().lastError], ['established', undefined])
  })
}
