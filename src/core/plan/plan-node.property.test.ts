/** The plan depends on what is in the cluster, and not on the order in which it came. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { withLastValid } from '#core/dialect/native.ts'
import {
  ciliumPoolOf,
  nativeOf,
  nodeOf,
  policyOf,
  secretOf,
  serviceOf,
  sliceOf,
  snapshotOf,
} from '#core/schema/cluster.testing.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { planNode } from './plan-node.ts'

const name = fc.constantFrom('a', 'b', 'c', 'd')
const age = fc.integer({ min: 0, max: 2 })
const rack = fc.constantFrom('x', 'y')
const nodeSelector = fc.option(
  rack.map((value) => ({ matchLabels: { rack: value } })),
  { nil: undefined },
)
const ip = fc.constantFrom('203.0.113.1', '203.0.113.2', '2001:db8::1', '2001:db8::2')
const nodeName = fc.constantFrom('a', 'b', 'c', 'd')

const node = fc
  .record({ name, rack, settings: fc.constantFrom('local-port=179', 'router-id=1.1.1.1', 'oops', '') })
  .map((of) =>
    nodeOf(of.name, {
      labels: { rack: of.rack },
      annotations: { 'cilium.io/bgp-virtual-router.1': of.settings },
      addresses: of.rack === 'x' ? ['10.0.0.1'] : [],
      podCIDRs: ['10.1.0.0/24', 'fd01::/64'],
    }),
  )
const policy = fc
  .record({
    name,
    age,
    nodeSelector,
    asn: fc.integer({ min: 0, max: 2 }),
    address: fc.constantFrom('10.9.9.9/32', 'fd09::9/128', 'x'),
  })
  .map((of) =>
    policyOf(
      of.name,
      {
        nodeSelector: of.nodeSelector,
        virtualRouters: [
          {
            localASN: of.asn,
            exportPodCIDR: true,
            serviceSelector: {},
            neighbors: [{ peerASN: 1, peerAddress: of.address }],
          },
          { localASN: 7, neighbors: [{ peerASN: 1, peerAddress: of.address, authSecretRef: 's' }] },
        ],
      },
      { age: of.age },
    ),
  )
const pool = fc
  .record({ name, age, cidr: fc.constantFrom('203.0.113.0/24', '203.0.113.0/25', '2001:db8::/64') })
  .map((of) => ciliumPoolOf(of.name, { blocks: [{ cidr: of.cidr }] }, { age: of.age }))
const native = fc.oneof(
  fc
    .record({ name, age, nodeSelector })
    .map((of) =>
      nativeOf(
        'BGPInstance',
        of.name,
        { asn: 5, listenPort: 179, nodeSelector: of.nodeSelector },
        { age: of.age },
      ),
    ),
  fc
    .record({ name, age, address: ip })
    .map((of) => nativeOf('BGPPeer', of.name, { address: of.address, asn: 5 }, { age: of.age })),
  fc.record({ name, age, med: fc.integer({ min: 0, max: 3 }), peer: name }).map((of) =>
    nativeOf(
      'BGPAdvertisement',
      of.name,
      {
        peers: [of.peer],
        services: { selector: {} },
        attributes: { med: of.med, communities: { standard: [`1:${of.med}`] } },
      },
      { age: of.age },
    ),
  ),
)
const byName = <T extends { kind: string; metadata: { name: string } }>(
  item: fc.Arbitrary<T>,
  maxLength: number,
) => fc.uniqueArray(item, { maxLength, selector: ({ kind, metadata }) => `${kind}/${metadata.name}` })

const snapshot: fc.Arbitrary<Snapshot> = fc
  .record({
    nodes: byName(node, 4),
    services: byName(
      fc
        .record({ name, ips: fc.array(ip, { maxLength: 2 }), local: fc.boolean() })
        .map((of) => serviceOf(of.name, of.ips, { externalTrafficPolicy: of.local ? 'Local' : 'Cluster' })),
      4,
    ),
    endpointSlices: byName(
      fc
        .record({ name, type: fc.constantFrom('IPv4', 'IPv6'), on: fc.array(nodeName, { maxLength: 3 }) })
        .map((of) => sliceOf(of.name, of.type, of.on)),
      8,
    ),
    secrets: fc.array(fc.constant(secretOf('kube-system', 's', { password: 'YQ==' })), { maxLength: 1 }),
    custom: byName(fc.oneof(policy, pool, native), 12),
  })
  .map(snapshotOf)

/** The same objects in another order. */
function shuffled(of: Snapshot, seeds: readonly number[]): Snapshot {
  const mix = <T>(items: readonly T[]) =>
    items
      .map((item, i) => [(seeds[i % seeds.length]! * (i + 1)) % 1, item] as const)
      .toSorted(([a], [b]) => a - b)
      .map(([, item]) => item)
  return {
    ...of,
    nodes: mix(of.nodes),
    services: mix(of.services),
    endpointSlices: mix(of.endpointSlices),
    secrets: mix(of.secrets),
    custom: mix(of.custom),
  }
}

const seeds = fc.array(fc.double({ min: 0.01, max: 0.99, noNaN: true }), { minLength: 5, maxLength: 5 })

test('equal clusters in any order give equal plans, to the byte', () => {
  fc.assert(
    fc.property(snapshot, seeds, nodeName, (of, mix, at) => {
      const [first, second] = [of, shuffled(of, mix)].map((each) => planNode(each, at, ['cilium']))
      assert.equal(JSON.stringify(first), JSON.stringify(second))
    }),
    { numRuns: 400 },
  )
})

test('the configuration of an instance holds together: names are unique, routes go to its peers, ports are one owner’s', () => {
  fc.assert(
    fc.property(snapshot, nodeName, (of, at) => {
      const plan = planNode(of, at, ['cilium'])
      const ports = plan.instances.flatMap(({ config }) => config.listenPort ?? [])
      assert.equal(new Set(ports).size, ports.length)
      for (const { config, peerReasons, routeReasons } of plan.instances) {
        const peers = config.peers.map(({ name: peer }) => peer)
        assert.equal(new Set(peers).size, peers.length)
        assert.equal(new Set(config.peers.map(({ address }) => address)).size, peers.length)
        assert.deepEqual(Object.keys(peerReasons), peers)
        const pairs = config.routes.flatMap(({ prefix, to }) => to.map(({ peer }) => [prefix, peer]))
        for (const [, peer] of pairs) assert.ok(peers.includes(String(peer)))
        assert.deepEqual(
          routeReasons.map(({ prefix, peer }) => [prefix, peer]),
          pairs,
        )
        for (const { reasons } of routeReasons) assert.ok(reasons.length > 0)
      }
    }),
    { numRuns: 200 },
  )
})

test('hostile specs never throw, and what ran before keeps running', () => {
  const good = policyOf('p', {
    virtualRouters: [{ localASN: 1, neighbors: [{ peerASN: 1, peerAddress: '10.9.9.9/32' }] }],
  })
  const nodes = [nodeOf('a', { addresses: ['10.0.0.1'] })]
  const before = snapshotOf({ nodes, custom: [good] })
  fc.assert(
    fc.property(fc.jsonValue(), (spec) => {
      const broken = snapshotOf({ nodes, custom: [policyOf('p', spec)] })
      planNode(broken, 'a', ['cilium'])
      const kept = planNode(withLastValid(before, broken, ['cilium']), 'a', ['cilium'])
      assert.deepEqual(kept.instances, planNode(before, 'a', ['cilium']).instances)
      assert.ok(kept.problems.length > 0)
    }),
    { numRuns: 300 },
  )
})
