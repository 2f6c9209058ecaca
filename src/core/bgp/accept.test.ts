import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { acceptingRange, dynamicPeer } from './accept.ts'
import { peerOf, route, World, type Speaker } from './bgp.testing.ts'
import type { InstanceConfig, ListenRange, PeerConfig } from './config.ts'
import { dynamicIdleMs } from './neighbour.ts'

const settleMs = 12_000

/** A speaker that makes peers out of the ranges, and `count` others that dial it. */
function fabric(count: number, version: 4 | 6, range: { limit: number; changes?: Partial<PeerConfig> }) {
  const world = new World()
  const hub = world.speaker('hub', 65000, { 4: '192.0.2.100', 6: '2001:db8::100' })
  const leaves = Array.from({ length: count }, (_, i) =>
    world.speaker(`leaf${i}`, 65001 + i, { 4: `192.0.2.${i + 1}`, 6: `2001:db8::${i + 1}` }),
  )
  const { address: _, ...template } = peerOf(hub, version, {
    name: 'leaves',
    asn: 0,
    peerAs: 'external',
    ...range.changes,
  })
  hub.config.listenRanges = [
    { prefix: prefix(version === 4 ? '192.0.2.0/24' : '2001:db8::/64'), template, limit: range.limit },
  ]
  for (const leaf of leaves) leaf.config.peers.push(peerOf(hub, version))
  return { world, hub, leaves }
}

function names(speaker: Speaker): string[] {
  return speaker.bgp.peers().map(({ peer, state }) => `${peer} ${state}`)
}

for (const version of [4, 6] as const) {
  test(`neighbours in a listen range become peers of its template, with routes of their own (IPv${version})`, () => {
    const { world, hub, leaves } = fabric(2, version, { limit: 10 })
    hub.config.routes = [route('0.0.0.0/0', ['leaves']), route('::/0', ['leaves'])]
    leaves[0]!.config.routes = [route('203.0.113.0/24', ['hub'])]
    world.configure(hub, ...leaves)
    assert.deepEqual(hub.bgp.peers(), [])
    world.run(settleMs)
    const network = version === 4 ? '192.0.2.' : '2001:db8::'
    assert.deepEqual(names(hub), [`leaves-${network}1 established`, `leaves-${network}2 established`])
    assert.ok(hub.bgp.peers().every(({ dynamic, asn }) => dynamic && asn > 65000))
    for (const leaf of leaves)
      assert.deepEqual(
        leaf.bgp.routes('locRib').map(({ prefix: each }) => each),
        ['0.0.0.0/0', '203.0.113.0/24', '::/0'],
      )
  })
}

test('a dynamic neighbour that comes or goes changes no own route of another', () => {
  const { world, hub, leaves } = fabric(3, 4, { limit: 10 })
  hub.config.routes = [route('0.0.0.0/0', ['leaves'])]
  const [last] = leaves.splice(2)
  world.configure(hub, ...leaves)
  world.run(settleMs)
  const before = hub.bgp.peers().map(({ messages }) => messages.sentByKind.update)
  hub.events.length = 0
  world.configure(last!)
  world.run(settleMs)
  const after = hub.bgp.peers().map(({ messages }) => messages.sentByKind.update)
  assert.deepEqual(after.slice(0, 2), before)
  assert.deepEqual(
    last!.bgp.routes('locRib').map(({ prefix: each }) => each),
    ['0.0.0.0/0'],
  )
  assert.ok(hub.events.every(({ kind }) => kind !== 'bestPath'))
})

test('a dynamic neighbour goes some time after its session, and comes back with the next', () => {
  const { world, hub, leaves } = fabric(2, 4, { limit: 10 })
  world.configure(hub, ...leaves)
  world.run(settleMs)
  world.kill(leaves[0]!)
  world.run(1000)
  assert.deepEqual(names(hub), ['leaves-192.0.2.1 active', 'leaves-192.0.2.2 established'])
  world.run(dynamicIdleMs)
  assert.deepEqual(names(hub), ['leaves-192.0.2.2 established'])
  world.revive(leaves[0]!)
  world.configure(leaves[0]!)
  world.run(settleMs)
  assert.deepEqual(names(hub).sort(), ['leaves-192.0.2.1 established', 'leaves-192.0.2.2 established'])
})

test('no more neighbours come out of a range than its limit, and the others are told', () => {
  const { world, hub, leaves } = fabric(3, 4, { limit: 2 })
  world.configure(hub, ...leaves)
  world.run(settleMs)
  assert.equal(names(hub).length, 2)
  const refused = hub.events.find(({ kind }) => kind === 'connectionRefused')
  assert.ok(refused?.kind === 'connectionRefused')
  assert.match(refused.reason, /leaves has as many neighbours as it may have, 2/)
  world.kill(leaves[0]!)
  world.run(dynamicIdleMs + 180_000)
  assert.deepEqual(
    names(hub).filter((each) => each.endsWith('established')),
    ['leaves-192.0.2.2 established', 'leaves-192.0.2.3 established'],
  )
})

test('a range that is held down makes no neighbours, and one whose session never comes up goes', () => {
  const { world, hub, leaves } = fabric(2, 4, { limit: 2, changes: { heldDown: 'the Secret is missing' } })
  world.configure(hub, ...leaves)
  world.run(settleMs)
  assert.deepEqual(names(hub), [])
  const refused = hub.events.find(({ kind }) => kind === 'connectionRefused')
  assert.match(refused?.kind === 'connectionRefused' ? refused.reason : '', /the Secret is missing/)
  delete hub.config.listenRanges![0]!.template.heldDown
  world.configure(hub)
  world.run(180_000)
  assert.equal(names(hub).filter((each) => each.endsWith('established')).length, 2)
})

test('a change of the template reaches its neighbours, and a range that is gone takes them with it', () => {
  const { world, hub, leaves } = fabric(1, 4, { limit: 2 })
  leaves[0]!.config.routes = [route('203.0.113.0/24', ['hub'])]
  world.configure(hub, ...leaves)
  world.run(settleMs)
  const [range] = hub.config.listenRanges!
  range!.template.importRoutes = false
  world.configure(hub)
  assert.deepEqual(hub.bgp.routes('locRib'), [])
  assert.deepEqual(names(hub), ['leaves-192.0.2.1 established'])
  hub.config.listenRanges = []
  world.configure(hub)
  assert.deepEqual(names(hub), [])
  world.run(100)
  assert.match(leaves[0]!.bgp.peers()[0]!.lastError!.message, /Peer De-configured/)
})

test('a configured peer goes before a range, and the longest range before a shorter one', () => {
  const { world, hub, leaves } = fabric(1, 4, { limit: 1 })
  hub.config.peers.push(peerOf(leaves[0]!, 4, { passive: true }))
  world.configure(hub, ...leaves)
  world.run(settleMs)
  assert.deepEqual(names(hub), ['leaf0 established'])
  const template = { ...hub.config.listenRanges![0]!.template }
  const ranges: ListenRange[] = ['192.0.2.0/24', '0.0.0.0/0', '192.0.2.0/25'].map((text) => ({
    prefix: prefix(text),
    template: { ...template, name: text },
    limit: 1,
  }))
  const config: InstanceConfig = { ...hub.config, listenRanges: ranges }
  for (const [from, name] of [
    ['192.0.2.9', '192.0.2.0/25'],
    ['192.0.2.200', '192.0.2.0/24'],
    ['198.51.100.1', '0.0.0.0/0'],
    ['2001:db8::1', undefined],
  ] as const) {
    const ends = {
      localAddress: address('192.0.2.100'),
      localPort: 179,
      remoteAddress: address(from),
      remotePort: 1,
    }
    assert.equal(acceptingRange(config, ends)?.template.name, name)
  }
})

test('a link-local neighbour is named with its interface (RFC 4007 §11)', () => {
  const { hub } = fabric(0, 6, { limit: 1 })
  const [range] = hub.config.listenRanges!
  const ends = { remoteAddress: address('fe80::1'), interface: 'eth1' }
  const peer = dynamicPeer(range!, ends)
  assert.deepEqual([peer.name, peer.interface, peer.passive], ['leaves-fe80::1%eth1', 'eth1', true])
})

test('no more sessions than allowed, neither accepted nor dialed', () => {
  const { world, hub, leaves } = fabric(4, 4, { limit: 10 })
  hub.config.maxSessions = 2
  const far = world.speaker('far', 65100, { 4: '198.51.100.1' })
  hub.config.peers.push(peerOf(far, 4))
  far.config.peers.push(peerOf(hub, 4, { passive: true }))
  world.configure(hub, ...leaves.slice(0, 2))
  world.run(settleMs)
  world.configure(leaves[2]!, leaves[3]!, far)
  world.run(60_000)
  const up = names(hub).filter((each) => each.endsWith('established'))
  assert.equal(up.length, 2)
  assert.match(hub.bgp.peers()[0]!.lastError!.message, /there are 2 sessions, and no more may be/)
  const told = leaves.filter((leaf) => /Out of Resources/.test(leaf.bgp.peers()[0]?.lastError?.message ?? ''))
  assert.ok(told.length > 0)
  hub.config.maxSessions = 5
  world.configure(hub)
  world.run(180_000)
  assert.equal(names(hub).filter((each) => each.endsWith('established')).length, 5)
})

test('two peers with one address are told apart by the local address', () => {
  const world = new World()
  const a = world.speaker('a', 65001, { 4: '192.0.2.1' })
  const b = world.speaker('b', 65002, { 4: '192.0.2.2' })
  world.configure(a)
  a.config.peers = ['192.0.2.7', '192.0.2.1'].map((local) =>
    peerOf(b, 4, { name: local, passive: true, sourceAddress: address(local) }),
  )
  b.config.peers = [peerOf(a, 4)]
  world.configure(a, b)
  world.run(settleMs)
  assert.deepEqual(names(a), ['192.0.2.7 active', '192.0.2.1 established'])
})
