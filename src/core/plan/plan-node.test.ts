import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Prefix } from '#core/net/prefix.ts'
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
import type { Endpoint, Node, Service, ServiceSpec } from '#core/schema/kubernetes.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { NodePlan } from './node-plan.ts'
import { planNode } from './plan-node.ts'

const instance = nativeOf('BGPInstance', 'main', { asn: 64512, listenPort: 179 })
const peer = nativeOf('BGPPeer', 'tor', { address: '192.0.2.1', asn: 65000 })
const everything = nativeOf('BGPAdvertisement', 'all', {
  podCIDR: true,
  services: { selector: {}, addresses: ['LoadBalancerIP', 'ExternalIP', 'ClusterIP'] },
})

function plan(parts: Partial<Snapshot>, node = 'n1'): NodePlan {
  const nodes = [nodeOf('n1', { addresses: ['10.0.0.1'] }), nodeOf('n2', { addresses: ['10.0.0.2'] })]
  return planNode(snapshotOf({ nodes, custom: [instance, peer, everything], ...parts }), node, ['cilium'])
}

const routesOf = (of: NodePlan): Prefix[] =>
  of.instances.flatMap(({ config }) => config.routes.map((r) => r.prefix))

const withheldOf = (of: NodePlan): [Prefix | undefined, string | undefined][] =>
  of.instances
    .flatMap(({ withheld }) => withheld.map(({ prefix, reasons }) => [prefix, reasons[0]?.rule] as const))
    .map(([prefix, rule]) => [prefix, rule])

const rulesOf = (of: NodePlan): (string | undefined)[] =>
  of.problems.map(({ rule, object }) => `${rule} ${object?.name}`)

/** The same facts in both IP versions. */
const versions = [
  {
    type: 'IPv4',
    ip: '203.0.113.1',
    host: '203.0.113.1/32',
    other: '203.0.113.2',
    cluster: '10.96.0.1',
    clusterHost: '10.96.0.1/32',
  },
  {
    type: 'IPv6',
    ip: '2001:db8::1',
    host: '2001:db8::1/128',
    other: '2001:db8::2',
    cluster: 'fd96::1',
    clusterHost: 'fd96::1/128',
  },
] as const

interface ServiceCase {
  name: string
  endpoints: string[]
  spec?: ServiceSpec
  metadata?: Service['metadata'] extends infer M ? Partial<M> : never
  node?: Partial<Node['metadata']>
  /** undefined: it is announced. */
  withheld?: string
}

const excluded = 'node.kubernetes.io/exclude-from-external-load-balancers'
const serviceCases: ServiceCase[] = [
  { name: 'with a ready endpoint on the node', endpoints: ['n1'] },
  { name: 'with a ready endpoint on another node', endpoints: ['n2'] },
  { name: 'without endpoints', endpoints: [], withheld: 'NoReadyEndpoints' },
  { name: 'whose endpoints are not ready', endpoints: ['!n1', '!n2'], withheld: 'NoReadyEndpoints' },
  { name: 'whose endpoints terminate', endpoints: ['~n1'], withheld: 'NoReadyEndpoints' },
  {
    name: 'of policy Local with a local endpoint',
    endpoints: ['n1'],
    spec: { externalTrafficPolicy: 'Local' },
  },
  {
    name: 'of policy Local without a local endpoint',
    endpoints: ['n2', '!n1'],
    spec: { externalTrafficPolicy: 'Local' },
    withheld: 'NoLocalEndpoints',
  },
  {
    name: 'of policy Local without any endpoint',
    endpoints: [],
    spec: { externalTrafficPolicy: 'Local' },
    withheld: 'NoReadyEndpoints',
  },
  { name: 'whose internal policy is Local', endpoints: ['n2'], spec: { internalTrafficPolicy: 'Local' } },
  { name: 'of our class', endpoints: ['n1'], spec: { loadBalancerClass: 'herald.dev/bgp' } },
  {
    name: "of Cilium's class",
    endpoints: ['n1'],
    spec: { loadBalancerClass: 'io.cilium/bgp-control-plane' },
  },
  {
    name: 'that is being deleted',
    endpoints: ['n1'],
    metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' },
    withheld: 'ServiceBeingDeleted',
  },
  {
    name: 'on an excluded node',
    endpoints: ['n1'],
    node: { labels: { [excluded]: '' } },
    withheld: 'NodeExcluded',
  },
  {
    name: 'on a node excluded by "true"',
    endpoints: ['n1'],
    node: { labels: { [excluded]: 'true' } },
    withheld: 'NodeExcluded',
  },
  { name: 'on a node not excluded by "false"', endpoints: ['n1'], node: { labels: { [excluded]: 'false' } } },
  {
    name: 'on a node that is being deleted',
    endpoints: ['n1'],
    node: { deletionTimestamp: '2026-01-01T00:00:00Z' },
    withheld: 'NodeBeingDeleted',
  },
]

for (const { type, ip, host } of versions) {
  for (const { name, endpoints, spec, metadata, node, withheld } of serviceCases) {
    test(`${withheld === undefined ? 'announces' : 'withholds'} a Service ${name} (${type})`, () => {
      const made = plan({
        nodes: [nodeOf('n1', { addresses: ['10.0.0.1'], ...node }), nodeOf('n2')],
        services: [serviceOf('web', [ip], spec, metadata)],
        endpointSlices: [sliceOf('web', type, endpoints)],
      })
      assert.deepEqual(routesOf(made), withheld === undefined ? [host] : [])
      const noPods = [undefined, 'NoPodCIDR']
      assert.deepEqual(withheldOf(made), withheld === undefined ? [noPods] : [[host, withheld], noPods])
      assert.deepEqual(made.problems, [])
    })
  }
}

for (const { type, ip, host, cluster, clusterHost } of versions) {
  test(`announces external and cluster addresses, the latter by the internal policy (${type})`, () => {
    const spec: ServiceSpec = {
      type: 'ClusterIP',
      externalIPs: [ip],
      clusterIPs: [cluster],
      internalTrafficPolicy: 'Local',
    }
    const parts = { services: [serviceOf('web', [], spec)], endpointSlices: [sliceOf('web', type, ['n2'])] }
    assert.deepEqual(routesOf(plan(parts, 'n1')), [host])
    assert.deepEqual(routesOf(plan(parts, 'n2')).toSorted(), [clusterHost, host].toSorted())
  })

  test(`an endpoint of the other IP version does not count (${type})`, () => {
    const other = type === 'IPv4' ? 'IPv6' : 'IPv4'
    const made = plan({ services: [serviceOf('web', [ip])], endpointSlices: [sliceOf('web', other, ['n1'])] })
    assert.deepEqual(routesOf(made), [])
  })

  test(`announces an address that two Services share once, while one of them has endpoints (${type})`, () => {
    const made = plan({
      services: [serviceOf('a', [ip]), serviceOf('b', [ip])],
      endpointSlices: [sliceOf('a', type, []), sliceOf('b', type, ['n2'])],
    })
    assert.deepEqual(routesOf(made), [host])
    assert.deepEqual(withheldOf(made), [[undefined, 'NoPodCIDR']])
  })
}

test('withholds what is not ours, has no address, or is not selected, with the reason', () => {
  const select = nativeOf('BGPAdvertisement', 'some', {
    services: { selector: { matchLabels: { want: 'yes' } } },
  })
  const wanted = { labels: { want: 'yes' } }
  const made = plan({
    custom: [instance, peer, select],
    services: [
      serviceOf('foreign', ['203.0.113.1'], { loadBalancerClass: 'example.com/other' }, wanted),
      serviceOf('pending', [], {}, wanted),
      serviceOf('unwanted', ['203.0.113.3']),
    ],
  })
  assert.deepEqual(withheldOf(made), [
    ['203.0.113.3/32', 'NoMatchingAdvertisement'],
    [undefined, 'ForeignClass'],
    [undefined, 'NoAddress'],
  ])
})

test('a Service that is not announced learns from which selector, and what its labels are', () => {
  const cases: {
    name: string
    spec: object
    labels?: Record<string, string>
    field: string
    says: RegExp
  }[] = [
    {
      name: 'other labels',
      spec: { services: { selector: { matchLabels: { want: 'yes' } } } },
      labels: { want: 'no' },
      field: 'spec.services.selector',
      says: /does not match Service default\/unwanted, which has the labels want=no$/,
    },
    {
      name: 'other addresses',
      spec: { services: { selector: {}, addresses: ['ClusterIP'] } },
      field: 'spec.services.addresses',
      says: /load balancer addresses are not among/,
    },
    {
      name: 'no Services at all',
      spec: { podCIDR: true },
      field: 'spec',
      says: /nothing here selects Services/,
    },
  ]
  for (const { name, spec, labels, field, says } of cases) {
    const made = plan({
      custom: [instance, peer, nativeOf('BGPAdvertisement', 'some', spec)],
      services: [serviceOf('unwanted', ['203.0.113.3'], {}, labels === undefined ? {} : { labels })],
    })
    const of = made.instances[0]?.withheld.find(({ prefix }) => prefix === '203.0.113.3/32')
    assert.equal(of?.reasons[0]?.field, field, name)
    assert.match(of.reasons[0].message, says, name)
  }
})

test('selects Services by name and namespace', () => {
  const selector = {
    matchLabels: { 'io.kubernetes.service.name': 'b', 'io.kubernetes.service.namespace': 'default' },
  }
  const made = plan({
    custom: [instance, peer, nativeOf('BGPAdvertisement', 'one', { services: { selector } })],
    services: [serviceOf('a', ['203.0.113.1']), serviceOf('b', ['203.0.113.2'])],
    endpointSlices: [sliceOf('a', 'IPv4', ['n1']), sliceOf('b', 'IPv4', ['n1'])],
  })
  assert.deepEqual(routesOf(made), ['203.0.113.2/32'])
})

test('announces a pod network of each family, and literal prefixes', () => {
  const literal = nativeOf('BGPAdvertisement', 'literal', {
    prefixes: ['198.51.100.0/24', '2001:db8:1::/48'],
  })
  const made = plan({
    nodes: [nodeOf('n1', { addresses: ['10.0.0.1'], podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] })],
    custom: [instance, peer, everything, literal],
  })
  const expected = ['10.244.1.0/24', '198.51.100.0/24', '2001:db8:1::/48', 'fd00:244:1::/64']
  assert.deepEqual(routesOf(made), expected)
  assert.deepEqual(
    made.instances[0]?.routeReasons.map(({ prefix }) => prefix),
    expected,
  )
})

test('gives a peer only routes of its families', () => {
  const v6only = nativeOf('BGPPeer', 'tor', { address: '192.0.2.1', asn: 65000, families: ['ipv6/unicast'] })
  const made = plan({
    nodes: [nodeOf('n1', { podCIDRs: ['10.244.1.0/24', 'fd00:244:1::/64'] })],
    custom: [instance, v6only, everything],
  })
  assert.deepEqual(routesOf(made), ['fd00:244:1::/64'])
  assert.deepEqual(withheldOf(made), [['10.244.1.0/24', 'FamilyNotConfigured']])
  assert.equal(made.instances[0]?.withheld[0]?.peer, 'tor')
})

test('unites attributes of advertisements of one route: all communities, the highest LOCAL_PREF', () => {
  const advertise = (name: string, attributes: object, more: object = {}) =>
    nativeOf('BGPAdvertisement', name, { services: { selector: {} }, attributes, ...more })
  const second = nativeOf('BGPPeer', 'second', { address: '192.0.2.2', asn: 65000 })
  const made = plan({
    custom: [
      instance,
      peer,
      second,
      advertise('a', {
        communities: { standard: ['65000:2', '7'], wellKnown: ['no-export'] },
        localPref: 50,
      }),
      advertise('b', {
        communities: { standard: ['65000:1', '65000:2'], large: ['2:0:0', '1:9:9'] },
        med: 5,
      }),
      advertise(
        'c',
        { localPref: 300, med: 9, origin: 'incomplete', nextHop: '192.0.2.77' },
        { peers: ['second'] },
      ),
    ],
    services: [serviceOf('web', ['203.0.113.1', '2001:db8::1'])],
    endpointSlices: [sliceOf('web', 'IPv4', ['n1']), sliceOf('web', 'IPv6', ['n1'])],
  })
  const communities = [7, 65000 * 65536 + 1, 65000 * 65536 + 2, 0xffffff01]
  const common = {
    communities,
    largeCommunities: [
      [1, 9, 9],
      [2, 0, 0],
    ],
    med: 5,
  }
  const onlySecond = { ...common, localPref: 300, origin: 'incomplete' }
  const [four, six] = made.instances[0]!.config.routes
  assert.deepEqual(four?.to, [
    { peer: 'second', attributes: { ...onlySecond, nextHop: '192.0.2.77' } },
    { peer: 'tor', attributes: { ...common, localPref: 50 } },
  ])
  assert.deepEqual(six?.to[0]?.attributes, onlySecond, 'an IPv4 next hop is not for IPv6 routes')
})

test('gives attributes to addresses of selected pools only', () => {
  const gold = { labels: { tier: 'gold' } }
  const advertisedPathAttributes = [
    {
      selectorType: 'CiliumLoadBalancerIPPool',
      selector: { matchLabels: { tier: 'gold' } },
      communities: { standard: ['65100:99'] },
    },
  ]
  const made = plan({
    custom: [
      ciliumPoolOf('gold', { blocks: [{ cidr: '203.0.113.0/25' }] }, gold),
      ciliumPoolOf('plain', { blocks: [{ cidr: '203.0.113.128/25' }] }),
      policyOf('p', {
        virtualRouters: [
          {
            localASN: 65100,
            serviceSelector: {},
            neighbors: [{ peerASN: 65000, peerAddress: '192.0.2.1/32', advertisedPathAttributes }],
          },
        ],
      }),
    ],
    services: [serviceOf('a', ['203.0.113.1']), serviceOf('b', ['203.0.113.200'])],
    endpointSlices: [sliceOf('a', 'IPv4', ['n1']), sliceOf('b', 'IPv4', ['n1'])],
  })
  assert.deepEqual(
    made.instances[0]?.config.routes.map(({ prefix, to }) => [prefix, to[0]?.attributes]),
    [
      ['203.0.113.1/32', { communities: [65100 * 65536 + 99] }],
      ['203.0.113.200/32', {}],
    ],
  )
  assert.deepEqual(made.instances[0]?.withheld, [])
})

const routerIds: { name: string; node: Node; spec: object; id: string; rule: string }[] = [
  {
    name: 'the one given',
    node: nodeOf('n1'),
    spec: { routerId: '1.2.3.4' },
    id: '1.2.3.4',
    rule: 'RouterIdGiven',
  },
  {
    name: 'the one given for the node',
    node: nodeOf('n1'),
    spec: { routerId: '1.2.3.4', overrides: [{ node: 'n1', routerId: '5.6.7.8' }] },
    id: '5.6.7.8',
    rule: 'RouterIdGiven',
  },
  {
    name: 'the internal IPv4 address, though an IPv6 one comes first',
    node: nodeOf('n1', { addresses: ['fd00::1', '10.0.0.1'] }),
    spec: {},
    id: '10.0.0.1',
    rule: 'RouterIdFromNodeAddress',
  },
  {
    name: 'one derived from the name where there is no IPv4 address',
    node: nodeOf('n1', { addresses: ['fd00::1'] }),
    spec: {},
    id: '5.53.220.0',
    rule: 'RouterIdFromNodeName',
  },
]

for (const { name, node, spec, id, rule } of routerIds) {
  test(`the router ID is ${name}`, () => {
    const made = plan({ nodes: [node], custom: [nativeOf('BGPInstance', 'main', { asn: 1, ...spec })] })
    const [found] = made.instances
    assert.equal(found?.config.routerId, id)
    assert.ok(found.reasons.some((reason) => reason.rule === rule))
  })
}

const ttls = [
  { name: 'an eBGP peer 1', asn: 65000, multihopTtl: undefined, ttl: 1 },
  { name: 'a multihop eBGP peer what is given', asn: 65000, multihopTtl: 5, ttl: 5 },
  { name: 'an iBGP peer 255', asn: 64512, multihopTtl: 5, ttl: 255 },
]

for (const { name, asn, multihopTtl, ttl } of ttls) {
  test(`packets have as TTL to ${name}`, () => {
    const custom = [instance, nativeOf('BGPPeer', 'p', { address: 'fd00::1', asn, multihopTtl })]
    assert.equal(plan({ custom }).instances[0]?.config.peers[0]?.ttl, ttl)
  })
}

const secrets: { name: string; data?: Record<string, string>; password?: string; heldDown?: string }[] = [
  { name: 'uses the password of the Secret', data: { password: 'aHVudGVyMg==' }, password: 'hunter2' },
  { name: 'reads UTF-8', data: { password: 'cMOkc3M=' }, password: 'päss' },
  {
    name: 'is held down without the Secret',
    heldDown: 'the Secret kube-system/bgp with the password does not exist',
  },
  {
    name: 'is held down without the key',
    data: {},
    heldDown: 'the Secret kube-system/bgp has no key "password"',
  },
  {
    name: 'is held down by what is not base64',
    data: { password: '%%%' },
    heldDown: 'the key "password" of the Secret kube-system/bgp is not base64',
  },
  {
    name: 'is held down by an empty password',
    data: { password: '' },
    heldDown: 'the password in the Secret kube-system/bgp is empty',
  },
  {
    name: 'is held down by a password that is too long',
    data: { password: 'QUFB'.repeat(27) },
    heldDown: 'the password in the Secret kube-system/bgp has 81 bytes and TCP MD5 takes 80',
  },
]

for (const { name, data, password, heldDown } of secrets) {
  test(`a peer ${name}`, () => {
    const made = plan({
      secrets: data === undefined ? [] : [secretOf('kube-system', 'bgp', data)],
      custom: [
        policyOf('p', {
          virtualRouters: [
            {
              localASN: 65100,
              neighbors: [{ peerASN: 1, peerAddress: 'fd00::1/128', authSecretRef: 'bgp' }],
            },
          ],
        }),
      ],
    })
    const [config] = made.instances[0]!.config.peers
    assert.deepEqual([config?.password, config?.heldDown], [password, heldDown])
    const field = 'spec.virtualRouters[0].neighbors[0].authSecretRef'
    assert.deepEqual(
      made.problems.map((problem) => [problem.rule, problem.field, problem.other?.name]),
      heldDown === undefined ? [] : [['MissingSecret', field, 'bgp']],
    )
  })
}

test('a peer of two objects on one node is that of the older one', () => {
  const older = nativeOf('BGPPeer', 'z', { address: 'fd00::1', asn: 1 }, { age: 1 })
  const newer = nativeOf('BGPPeer', 'a', { address: 'fd00:0::1', asn: 2 }, { age: 2 })
  const made = plan({ custom: [instance, newer, older] })
  assert.deepEqual(
    made.instances[0]?.config.peers.map(({ name }) => name),
    ['z'],
  )
  assert.deepEqual(
    made.problems.map(({ rule, object, other }) => [rule, object?.name, other?.name]),
    [['ConflictingPeer', 'a', 'z']],
  )
})

test('of two instances with one port the older listens', () => {
  const newer = nativeOf('BGPInstance', 'a', { asn: 2, listenPort: 179 }, { age: 2 })
  const made = plan({ custom: [newer, instance] })
  assert.deepEqual(
    made.instances.map(({ config }) => [config.name, config.listenPort]),
    [
      ['a', undefined],
      ['main', 179],
    ],
  )
  assert.deepEqual(rulesOf(made), ['ConflictingListenPort a'])
})

test('selects instances, peers and advertisements by the labels of the node', () => {
  const nodeSelector = { matchLabels: { rack: 'a' } }
  const nodes = [
    nodeOf('n1', { labels: { rack: 'a' }, podCIDRs: ['10.1.0.0/24'] }),
    nodeOf('n2', { podCIDRs: ['10.2.0.0/24'] }),
  ]
  const custom = [
    instance,
    nativeOf('BGPInstance', 'rack-a', { asn: 2, nodeSelector }),
    nativeOf('BGPPeer', 'rack-a', { address: '192.0.2.1', asn: 1, nodeSelector }),
    nativeOf('BGPPeer', 'named', { address: '192.0.2.2', asn: 1, instances: ['main'] }),
    nativeOf('BGPAdvertisement', 'rack-a', { podCIDR: true, nodeSelector }),
  ]
  const shape = (node: string) =>
    plan({ nodes, custom }, node).instances.map(({ config }) => [
      config.name,
      config.peers.map(({ name }) => name),
      config.routes.map(({ prefix }) => prefix),
    ])
  assert.deepEqual(shape('n1'), [
    ['main', ['named', 'rack-a'], ['10.1.0.0/24']],
    ['rack-a', ['rack-a'], ['10.1.0.0/24']],
  ])
  assert.deepEqual(shape('n2'), [['main', ['named'], []]])
})

test('of two policies that select this node the older works on, elsewhere the newer has its nodes', () => {
  const virtualRouters = (localASN: number) => [
    { localASN, neighbors: [{ peerASN: 1, peerAddress: '192.0.2.1/32' }] },
  ]
  const nodes = [nodeOf('n1', { labels: { rack: 'a' } }), nodeOf('n2')]
  const custom = [
    policyOf('older', { nodeSelector: { matchLabels: { rack: 'a' } }, virtualRouters: virtualRouters(1) }),
    policyOf('newer', { virtualRouters: virtualRouters(2) }, { age: 5 }),
  ]
  const [n1, n2] = [plan({ nodes, custom }, 'n1'), plan({ nodes, custom }, 'n2')]
  assert.deepEqual(
    [n1.instances.map(({ config }) => config.asn), rulesOf(n1)],
    [[1], ['ConflictingPolicy newer']],
  )
  assert.deepEqual([n2.instances.map(({ config }) => config.asn), rulesOf(n2)], [[2], []])
})

test('a passive peer of an instance that does not listen is a problem', () => {
  const custom = [
    nativeOf('BGPInstance', 'main', { asn: 1 }),
    nativeOf('BGPPeer', 'p', { address: '192.0.2.1', asn: 1, passive: true }),
  ]
  assert.deepEqual(rulesOf(plan({ custom })), ['PassiveWithoutPort p'])
})

test('a node that is not in the cluster runs nothing and says so', () => {
  const made = plan({}, 'nowhere')
  assert.deepEqual([made.instances, rulesOf(made)], [[], ['NodeNotFound nowhere']])
})

test('bad pod networks and addresses of hostile objects are problems or left out', () => {
  const endpoint: Endpoint = { addresses: [] }
  const made = plan({
    nodes: [nodeOf('n1', { addresses: ['bogus'], podCIDRs: ['10.0.0.0', 'fd00::/64'] })],
    services: [serviceOf('web', ['nonsense', '2001:db8::1'], { clusterIPs: ['None'] })],
    endpointSlices: [{ ...sliceOf('web', 'IPv6', []), endpoints: [endpoint] }],
  })
  assert.deepEqual(routesOf(made), ['2001:db8::1/128', 'fd00::/64'])
  assert.deepEqual(rulesOf(made), ['InvalidValue n1'])
})
