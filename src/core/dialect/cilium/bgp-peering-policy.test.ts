import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOf, policyOf, snapshotOf } from '#core/schema/cluster.testing.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import { nativeSet } from '../native.ts'

const nodes = [nodeOf('n1', { labels: { rack: 'a' } }), nodeOf('n2', { labels: { rack: 'b' } })]
const neighbor = { peerASN: 65000, peerAddress: '10.0.0.9/32' }
const router = { localASN: 65100, neighbors: [neighbor] }
const all = { matchExpressions: [{ key: 'x', operator: 'NotIn', values: ['never'] }] }

function setOf(custom: Snapshot['custom'], of = nodes) {
  return nativeSet(snapshotOf({ nodes: of, custom }), ['cilium'])
}

function advertised(virtualRouter: object) {
  const { advertisements } = setOf([policyOf('p', { virtualRouters: [{ ...router, ...virtualRouter }] })])
  return advertisements.map(({ resource }) => resource.spec)
}

const instances = ['cilium/p/65100']

const announcements: { name: string; router: object; expected: unknown[] }[] = [
  { name: 'nothing without a serviceSelector', router: {}, expected: [] },
  {
    name: 'all Services with an empty serviceSelector',
    router: { serviceSelector: {} },
    expected: [{ instances, podCIDR: false, services: { selector: {}, addresses: ['LoadBalancerIP'] } }],
  },
  {
    name: 'the kinds of addresses asked for',
    router: { serviceSelector: all, serviceAdvertisements: ['ClusterIP', 'ExternalIP'] },
    expected: [
      { instances, podCIDR: false, services: { selector: all, addresses: ['ClusterIP', 'ExternalIP'] } },
    ],
  },
  { name: 'pod networks', router: { exportPodCIDR: true }, expected: [{ instances, podCIDR: true }] },
  {
    name: 'pod networks with attributes to one neighbor',
    router: {
      exportPodCIDR: true,
      neighbors: [
        {
          ...neighbor,
          advertisedPathAttributes: [
            { selectorType: 'PodCIDR', communities: { standard: ['65100:1'] }, localPreference: 200 },
          ],
        },
      ],
    },
    expected: [
      { instances, podCIDR: true },
      {
        instances,
        peers: ['cilium/p/65100/10.0.0.9'],
        podCIDR: true,
        attributes: { communities: { standard: ['65100:1'] }, localPref: 200 },
      },
    ],
  },
  {
    name: 'addresses of selected pools with attributes',
    router: {
      serviceSelector: all,
      neighbors: [
        {
          ...neighbor,
          advertisedPathAttributes: [
            {
              selectorType: 'CiliumLoadBalancerIPPool',
              selector: { matchLabels: { tier: 'gold' } },
              communities: { wellKnown: ['no-export'], large: ['1:2:3'] },
            },
          ],
        },
      ],
    },
    expected: [
      { instances, podCIDR: false, services: { selector: all, addresses: ['LoadBalancerIP'] } },
      {
        instances,
        peers: ['cilium/p/65100/10.0.0.9'],
        podCIDR: false,
        services: {
          selector: all,
          addresses: ['LoadBalancerIP'],
          poolSelector: { matchLabels: { tier: 'gold' } },
        },
        attributes: { communities: { wellKnown: ['no-export'], large: ['1:2:3'] } },
      },
    ],
  },
]

for (const { name, router: virtualRouter, expected } of announcements) {
  test(`a virtual router announces ${name}`, () => {
    assert.deepEqual(advertised(virtualRouter), expected)
  })
}

const neighbors: { name: string; neighbor: object; expected: object }[] = [
  {
    name: 'has the defaults of Cilium',
    neighbor: {},
    expected: {
      port: 179,
      families: ['ipv4/unicast', 'ipv6/unicast'],
      timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30 },
      multihopTtl: 1,
      passive: false,
      importRoutes: false,
      exportLearned: false,
    },
  },
  {
    name: 'keeps the families asked for',
    neighbor: { families: [{ afi: 'ipv6', safi: 'unicast' }] },
    expected: { families: ['ipv6/unicast'] },
  },
  {
    name: 'takes its password from kube-system',
    neighbor: { authSecretRef: 'bgp' },
    expected: { passwordSecret: { namespace: 'kube-system', name: 'bgp', key: 'password' } },
  },
  {
    name: 'bounds the connect retry time that nobody waits for',
    neighbor: { connectRetryTimeSeconds: 2147483647 },
    expected: { timers: { connectRetrySeconds: 65535, holdTimeSeconds: 90, keepaliveSeconds: 30 } },
  },
  {
    name: 'restarts gracefully',
    neighbor: { gracefulRestart: { enabled: true, restartTimeSeconds: 60 } },
    expected: { gracefulRestart: { enabled: true, restartSeconds: 60 } },
  },
  {
    name: 'has its address in canonical form',
    neighbor: { peerAddress: 'FD00:0::5/128' },
    expected: { address: 'fd00::5' },
  },
]

for (const { name, neighbor: given, expected } of neighbors) {
  test(`a neighbor ${name}`, () => {
    const custom = [
      policyOf('p', { virtualRouters: [{ ...router, neighbors: [{ ...neighbor, ...given }] }] }),
    ]
    const { peers, problems } = setOf(custom)
    assert.partialDeepStrictEqual(peers[0]?.resource.spec, expected)
    assert.deepEqual(problems, [])
  })
}

const unsupported: { name: string; neighbor: object; field: string }[] = [
  {
    name: 'other families',
    neighbor: {
      families: [
        { afi: 'ipv4', safi: 'unicast' },
        { afi: 'l2vpn', safi: 'evpn' },
      ],
    },
    field: 'families[1]',
  },
  {
    name: 'pod IP pools',
    neighbor: { advertisedPathAttributes: [{ selectorType: 'CiliumPodIPPool' }] },
    field: 'advertisedPathAttributes[0].selectorType',
  },
]

for (const { name, neighbor: given, field } of unsupported) {
  test(`says that ${name} are not supported and goes on`, () => {
    const custom = [
      policyOf('p', { virtualRouters: [{ ...router, neighbors: [{ ...neighbor, ...given }] }] }),
    ]
    const { peers, problems } = setOf(custom)
    assert.equal(peers.length, 1)
    assert.deepEqual(
      problems.map((problem) => [problem.rule, problem.field]),
      [['Unsupported', `spec.virtualRouters[0].neighbors[0].${field}`]],
    )
  })
}

const annotations: { name: string; text: string; expected: unknown }[] = [
  { name: 'a port', text: 'local-port=179', expected: { listenPort: 179 } },
  {
    name: 'both settings with blanks',
    text: ' router-id = 10.0.0.1 , local-port=1790',
    expected: { routerId: '10.0.0.1', listenPort: 1790 },
  },
  { name: 'the last of two', text: 'local-port=1,local-port=2', expected: { listenPort: 2 } },
  { name: 'nothing', text: '', expected: undefined },
  {
    name: 'a port out of bounds',
    text: 'local-port=65536',
    expected: 'local-port "65536" is not a port (1 to 65535)',
  },
  { name: 'a port of 0', text: 'local-port=0', expected: 'local-port "0" is not a port (1 to 65535)' },
  {
    name: 'an IPv6 router ID',
    text: 'router-id=fd00::1',
    expected: 'router-id "fd00::1" is not an IPv4 address',
  },
  { name: 'an unknown key', text: 'port=179', expected: '"port" is neither router-id nor local-port' },
  { name: 'too many signs', text: 'local-port=1=2', expected: '"local-port=1=2" is not key=value' },
]

for (const { name, text, expected } of annotations) {
  test(`reads an annotation with ${name}`, () => {
    const annotated = nodeOf('n1', { annotations: { 'cilium.io/bgp-virtual-router.65100': text } })
    const set = setOf([policyOf('p', { virtualRouters: [router] })], [annotated, nodeOf('n2')])
    const { overrides, nodes: on } = set.instances[0]!.resource.spec
    if (typeof expected === 'string') {
      assert.deepEqual(
        set.problems.map(({ message, object, field }) => [message, object, field]),
        [
          [
            expected,
            { kind: 'Node', name: 'n1' },
            'metadata.annotations["cilium.io/bgp-virtual-router.65100"]',
          ],
        ],
      )
      assert.deepEqual(on, ['n2'], 'the router is not on that node')
    } else {
      assert.deepEqual(overrides, expected === undefined ? undefined : [{ node: 'n1', ...expected }])
      assert.equal(on, undefined)
    }
  })
}

test('of two policies that select one node the older works on and the newer names it', () => {
  const newer = policyOf('a', { virtualRouters: [{ ...router, localASN: 65200 }] }, { age: 2 })
  const older = policyOf(
    'b',
    { nodeSelector: { matchLabels: { rack: 'a' } }, virtualRouters: [router] },
    { age: 1 },
  )
  for (const custom of [
    [newer, older],
    [older, newer],
  ]) {
    const { instances: found, problems } = setOf(custom)
    assert.deepEqual(
      found.map(({ resource }) => [resource.metadata.name, resource.spec.nodes]),
      [
        ['cilium/a/65200', ['n2']],
        ['cilium/b/65100', undefined],
      ],
    )
    assert.deepEqual(
      problems.map(({ rule, object, other, nodes: on }) => [rule, object?.name, other?.name, on]),
      [['ConflictingPolicy', 'a', 'b', ['n1']]],
    )
  }
})

test('of two policies of one age the name decides', () => {
  const b = policyOf('b', { virtualRouters: [router] })
  const a = policyOf('a', { virtualRouters: [router] })
  assert.deepEqual(
    setOf([b, a]).problems.map(({ object, other }) => [object?.name, other?.name]),
    [['b', 'a']],
  )
})

test('refuses AS number 0 for a virtual router', () => {
  const set = setOf([policyOf('p', { virtualRouters: [{ ...router, localASN: 0 }] })])
  assert.deepEqual(set.instances, [])
  assert.deepEqual(
    set.problems.map(({ field }) => field),
    ['spec.virtualRouters[0].localASN'],
  )
})
