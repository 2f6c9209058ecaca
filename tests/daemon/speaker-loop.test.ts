/** The loop around a speaker, on virtual time and a simulated network. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BgpEvent } from '#core/bgp/io.ts'
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import type { DiscoveryHandlers } from '#core/net/neighbour-discovery.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { emptySnapshot, type Snapshot } from '#core/schema/snapshot.ts'
import { SpeakerLoop, tellMs } from '#daemon/speaker-loop.ts'
import { VirtualClock } from '#sim/clock.ts'
import { Network } from '#sim/network.ts'
import { SimulatedTcp } from '#sim/tcp.ts'

const addresses = { 4: ['10.0.0.1', '10.0.0.2'], 6: ['fd00::1', 'fd00::2'] } as const

function bed() {
  const clock = new VirtualClock(1_000_000)
  const network = new Network(clock, new Prng(1))
  const tcp = new SimulatedTcp(network)
  const node = (name: string, index: 0 | 1) => {
    const host = network.addHost(name, [addresses[4][index], addresses[6][index]].map(address))
    const told: number[] = []
    const events: BgpEvent[] = []
    const watches = new Map<string, DiscoveryHandlers>()
    const loop = new SpeakerLoop({
      config: { node: 'a', dialects: [], seed: index },
      tcp: tcp.process(host),
      clock,
      discovery: {
        watch: (interfaceName, handlers) => {
          watches.set(interfaceName, handlers)
          return { close: () => void watches.delete(interfaceName) }
        },
      },
      event: (_instance, event) => void events.push(event),
      stateChanged: () => void told.push(clock.now()),
      trouble: (message, about) => assert.fail(`${message}: ${JSON.stringify(about)}`),
    })
    const show = (...custom: KubeObject[]) => {
      const nodes: Snapshot['nodes'] = [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'a' } }]
      loop.input({ kind: 'snapshot', snapshot: { ...emptySnapshot, nodes, custom } })
    }
    return { host, loop, told, events, watches, show }
  }
  return { clock, network, left: node('left', 0), right: node('right', 1) }
}

function native(kind: string, name: string, spec: object): KubeObject {
  return { apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name }, spec } as KubeObject
}

const instance = (asn: number) =>
  native('BGPInstance', 'one', { asn, routerId: `10.0.0.${asn % 100}`, listenPort: 179 })
const peer = (to: string, asn: number, spec: object = {}) =>
  native('BGPPeer', 'other', { address: to, asn, importRoutes: true, ...spec })
const advertised = (count: number, change = 0) =>
  native('BGPAdvertisement', 'own', {
    prefixes: Array.from({ length: count }, (_, i) => `10.${100 + change}.${i}.0/24`),
  })

for (const version of [4, 6] as const) {
  const [one, two] = addresses[version]

  test(`changes are told at most every ${tellMs} ms, the first at once and the last in any case, IPv${version}`, async () => {
    const { clock, left, right } = bed()
    left.show(instance(65001), peer(two, 65002))
    right.show(instance(65002), peer(one, 65001))
    await settle(clock, 5_000)
    left.told.length = 0
    // A change every 5 ms for a second: each is an event on the other side.
    for (let i = 0; i < 200; i++) {
      right.show(instance(65002), peer(one, 65001), advertised(1, i % 2))
      await settle(clock, 5)
    }
    assert.ok(left.events.length > 100, `${left.events.length} events`)
    assert.ok(left.told.length > 5 && left.told.length <= 12, `told ${left.told.length} times`)
    for (const [i, at] of left.told.slice(1).entries()) assert.ok(at - left.told[i]! >= tellMs)
    const before = left.told.length
    right.show(instance(65002), peer(one, 65001))
    const changedAt = clock.now()
    await settle(clock, 1_000)
    assert.ok(left.told.length > before && left.told.at(-1)! >= changedAt, 'the last change')
  })
}

test('a link is watched as long as a peer is on it, and whoever is found there is dialed', async () => {
  const { clock, left } = bed()
  left.show(instance(65001), native('BGPPeer', 'other', { interface: 'eth1', peerAs: 'external' }))
  await settle(clock, 1)
  assert.deepEqual([...left.watches.keys()], ['eth1'])
  left.watches.get('eth1')!.discovered(address('fe80::9'))
  await settle(clock, 1)
  assert.equal(left.loop.speaker.peers('one')[0]?.address, 'fe80::9')
  left.show(instance(65001))
  assert.deepEqual([...left.watches.keys()], [])
})

/** Lets microtasks run between the steps of virtual time. */
async function settle(clock: VirtualClock, ms: number): Promise<void> {
  const end = clock.now() + ms
  while (clock.next() <= end) {
    clock.step()
    await Promise.resolve()
  }
  clock.runUntil(end)
}
