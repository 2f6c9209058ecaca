import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerSettings } from '#core/schema/peer-settings.ts'
import type { RoutePolicyActions, RoutePolicyMatch } from '#core/schema/route-policy.ts'
import { bgpInstanceSpecSchema } from '#core/schema/bgp-instance.ts'
import { bgpPeerSpecSchema, type BGPPeerSpec } from '#core/schema/bgp-peer.ts'
import { parseGobgpConfig } from '#core/schema/gobgp/parse.ts'
import { routePolicySpecSchema } from '#core/schema/route-policy.ts'
import type { NativeSet } from '../native-set.ts'
import { gobgpFile, gobgpResources } from './gobgp.ts'

const global = { config: { as: 65001, 'router-id': '192.0.2.1' } }

/** Every resource that is made is valid by its own schema. */
function setOf(value: object): NativeSet {
  const parsed = parseGobgpConfig({ global, ...value }, { kind: 'File', name: 'f' })
  assert.ok(parsed.ok, JSON.stringify(parsed))
  const set = gobgpResources(gobgpFile('f', parsed.value.config))
  for (const { resource } of set.instances) bgpInstanceSpecSchema.parse(resource.spec)
  for (const { resource } of set.peers) bgpPeerSpecSchema.parse(resource.spec)
  for (const { resource } of set.policies) routePolicySpecSchema.parse(resource.spec)
  return set
}

const rules = ({ problems }: NativeSet) => problems.map(({ rule, field }) => [rule, field])

const instances: { name: string; value: object; expected: object }[] = [
  {
    name: 'listens on port 179',
    value: global,
    expected: { asn: 65001, routerId: '192.0.2.1', listenPort: 179 },
  },
  {
    name: 'listens on a port and on addresses',
    value: { config: { ...global.config, port: 1790, 'local-address-list': ['192.0.2.1', '2001:db8::1'] } },
    expected: { listenPort: 1790, listenAddresses: ['192.0.2.1', '2001:db8::1'] },
  },
  {
    name: 'is in a confederation',
    value: {
      ...global,
      confederation: { config: { enabled: true, identifier: 65500, 'member-as-list': [65002] } },
    },
    expected: { asn: 65001, confederation: { asn: 65500, members: [65002] } },
  },
  {
    name: 'uses several paths',
    value: {
      ...global,
      'use-multiple-paths': { config: { enabled: true }, ebgp: { config: { 'maximum-paths': 4 } } },
    },
    expected: { maxPaths: { external: 4, internal: 255 } },
  },
  {
    name: 'compares every MED',
    value: { ...global, 'route-selection-options': { config: { 'always-compare-med': true } } },
    expected: { alwaysCompareMed: true },
  },
]

for (const { name, value, expected } of instances) {
  test(`the speaker ${name}`, () => {
    const set = setOf({ global: value })
    assert.partialDeepStrictEqual(set.instances[0]?.resource.spec, expected)
    assert.deepEqual(set.problems, [])
  })
}

test('a speaker with port -1 does not listen', () => {
  const set = setOf({ global: { config: { ...global.config, port: -1 } } })
  assert.equal(set.instances[0]?.resource.spec.listenPort, undefined)
})

test('RPKI servers are tried in the order in which they stand', () => {
  const set = setOf({
    'rpki-servers': [
      { config: { address: '192.0.2.9' } },
      { config: { address: '2001:db8::9', port: 8282 } },
    ],
  })
  assert.deepEqual(set.instances[0]?.resource.spec.rpki, {
    caches: [
      { address: '192.0.2.9', port: 323, preference: 1 },
      { address: '2001:db8::9', port: 8282, preference: 2 },
    ],
  })
})

test('MRT dumps go to a file of each kind, with times as Go writes them', () => {
  const dump = (type: string, name: string, more: object = {}) => ({
    config: { 'dump-type': type, 'file-name': name, ...more },
  })
  const set = setOf({
    'mrt-dump': [
      dump('updates', '/tmp/log/20060102.1504-05%.dump', { 'rotation-interval': 180 }),
      dump('TABLE', '/tmp/2006%.dump', { 'dump-interval': 120 }),
      dump('updates', '/tmp/other'),
    ],
  })
  assert.deepEqual(set.instances[0]?.resource.spec.mrt, {
    updates: { file: '/tmp/log/%Y%m%d.%H%M-%S%%.dump', rotateSeconds: 180 },
    rib: { file: '/tmp/2006%%.dump', intervalSeconds: 120 },
  })
  assert.deepEqual(rules(set), [['Unsupported', 'mrt-dump[2]']])
  const plain = setOf({ 'mrt-dump': [dump('updates', '/tmp/2006')] })
  assert.equal(plain.instances[0]?.resource.spec.mrt?.updates?.file, '/tmp/2006')
})

test('BMP servers are monitoring stations, each with its views', () => {
  const server = (address: string, config: object = {}) => ({ config: { address, ...config } })
  const set = setOf({
    'bmp-servers': [
      server('192.0.2.9'),
      server('2001:db8::9', { port: 5000, 'route-monitoring-policy': 'all', 'statistics-timeout': 60 }),
      server('192.0.2.8', { 'route-monitoring-policy': 'both', 'route-mirroring-enabled': false }),
    ],
  })
  assert.deepEqual(set.instances[0]?.resource.spec.bmpStations, [
    { address: '192.0.2.9', port: 11019, views: ['pre'] },
    { address: '2001:db8::9', port: 5000, views: ['pre', 'post', 'locRib'], statisticsSeconds: 60 },
    { address: '192.0.2.8', port: 11019, views: ['pre', 'post'] },
  ])
})

const neighbors: { name: string; value: object; expected: Partial<BGPPeerSpec> }[] = [
  {
    name: 'passes everything on, names itself as next hop and offers the family of its address',
    value: {},
    expected: {
      asn: 65002,
      importRoutes: true,
      exportLearned: true,
      importDefault: 'accept',
      exportDefault: 'accept',
      nextHop: 'self',
      enforceFirstAs: false,
    },
  },
  {
    name: 'has timers',
    value: {
      timers: { config: { 'connect-retry': 5, 'hold-time': '9', 'keepalive-interval': 3 } },
    },
    expected: { timers: { connectRetrySeconds: 5, holdTimeSeconds: 9, keepaliveSeconds: 3 } },
  },
  {
    name: 'has a transport',
    value: {
      transport: {
        config: { 'passive-mode': true, 'remote-port': 1790, 'bind-interface': 'eth0' },
      },
    },
    expected: { passive: true, port: 1790, interface: 'eth0' },
  },
  {
    name: 'is several hops away',
    value: { 'ebgp-multihop': { config: { enabled: true, 'multihop-ttl': 5 } } },
    expected: { multihopTtl: 5 },
  },
  {
    name: 'is any number of hops away',
    value: { 'ebgp-multihop': { config: { enabled: true } } },
    expected: { multihopTtl: 255 },
  },
  {
    name: 'is not several hops away when that is off',
    value: { 'ebgp-multihop': { config: { enabled: false, 'multihop-ttl': 5 } } },
    expected: { multihopTtl: undefined! },
  },
  {
    name: 'RFC 5082: is guarded by its TTL',
    value: { 'ttl-security': { config: { enabled: true, 'ttl-min': 254 } } },
    expected: { ttlSecurityHops: 2 },
  },
  {
    name: 'RFC 5082: is one hop away when nothing is said',
    value: { 'ttl-security': { config: { enabled: true } } },
    expected: { ttlSecurityHops: 1 },
  },
  {
    name: 'RFC 4456: is a client',
    value: {
      config: { 'peer-as': 65001 },
      'route-reflector': { config: { 'route-reflector-client': true } },
    },
    expected: { asn: 65001, routeReflectorClient: true },
  },
  {
    name: 'RFC 7947: is a client of the route server',
    value: { 'route-server': { config: { 'route-server-client': true } } },
    expected: { routeServerClient: true, nextHop: undefined! },
  },
  {
    name: 'has several paths',
    value: { 'add-paths': { config: { receive: true, 'send-max': 8 } } },
    expected: { addPath: { receive: true, send: 8 } },
  },
  {
    name: 'has several paths in one family only',
    value: {
      'afi-safis': [
        { config: { 'afi-safi-name': 'ipv4-unicast' }, 'add-paths': { config: { 'send-max': 8 } } },
        { config: { 'afi-safi-name': 'ipv6-unicast' } },
      ],
    },
    expected: { addPath: { receive: false, send: 8, families: ['ipv4/unicast'] } },
  },
  {
    name: 'restarts gracefully within its hold time',
    value: {
      'graceful-restart': { config: { enabled: true, 'stale-routes-time': 200.0 } },
      timers: { config: { 'hold-time': 30 } },
    },
    expected: {
      gracefulRestart: {
        enabled: true,
        restartSeconds: 30,
        notification: false,
        stalePathSeconds: 200,
        deferralSeconds: 360,
      },
    },
  },
  {
    name: 'RFC 9494: keeps routes for long',
    value: {
      'graceful-restart': {
        config: {
          enabled: true,
          'restart-time': 60,
          'helper-only': true,
          'notification-enabled': true,
          'long-lived-enabled': true,
        },
      },
      'afi-safis': [
        {
          config: { 'afi-safi-name': 'ipv4-unicast' },
          'mp-graceful-restart': { config: { enabled: true } },
          'long-lived-graceful-restart': { config: { enabled: true, 'restart-time': 3600 } },
        },
      ],
    },
    expected: {
      gracefulRestart: {
        enabled: true,
        restartSeconds: 60,
        notification: true,
        helperOnly: true,
        longLivedSeconds: 3600,
        deferralSeconds: 360,
      },
    },
  },
  {
    name: 'has limits, in either place',
    value: {
      'afi-safis': [
        {
          config: { 'afi-safi-name': 'ipv4-unicast' },
          'prefix-limit': { config: { 'max-prefixes': 10, 'shutdown-threshold-pct': 80 } },
        },
        {
          config: { 'afi-safi-name': 'ipv6-unicast' },
          'ipv6-unicast': { 'prefix-limit': { config: { 'max-prefixes': 20, 'restart-timer': 60 } } },
        },
      ],
    },
    expected: {
      families: ['ipv4/unicast', 'ipv6/unicast'],
      prefixLimits: [
        { family: 'ipv4/unicast', max: 10, warnPercent: 80 },
        { family: 'ipv6/unicast', max: 20, restartSeconds: 60 },
      ],
    },
  },
  {
    name: 'sees another AS number of ours, alone',
    value: { config: { 'local-as': 65009 } },
    expected: { localAs: { asn: 65009, noPrepend: true, replaceAs: true } },
  },
  {
    name: 'has what is left',
    value: {
      config: { 'admin-down': true, 'remove-private-as': 'all' },
      'as-path-options': { config: { 'allow-own-as': 2 } },
    },
    expected: { adminDown: true, removePrivateAs: 'remove', allowOwnAs: 2 },
  },
]

for (const [address, family] of [
  ['192.0.2.2', 'ipv4/unicast'],
  ['2001:db8::2', 'ipv6/unicast'],
] as const) {
  for (const { name, value, expected } of neighbors) {
    test(`a neighbour ${name} (${address})`, () => {
      const { config, ...parts } = value as { config?: object }
      const set = setOf({
        neighbors: [{ config: { 'neighbor-address': address, 'peer-as': 65002, ...config }, ...parts }],
      })
      const own = 'afi-safis' in value ? {} : { families: [family] }
      const spec = set.peers[0]!.resource.spec
      assert.equal(set.peers[0]!.resource.metadata.name, `gobgp/${address}`)
      for (const [key, wanted] of Object.entries({ ...own, ...expected })) {
        const found = spec[key as keyof PeerSettings]
        const whole = key === 'addPath' && 'addPath' in expected && expected.addPath?.families === undefined
        assert.deepEqual(
          whole ? { ...(found as object), families: undefined } : found,
          whole ? { ...(wanted as object), families: undefined } : wanted,
          key,
        )
      }
      assert.deepEqual(set.problems, [])
    })
  }
}

test('a neighbour of an interface alone is whoever is found there, with both families', () => {
  const set = setOf({ neighbors: [{ config: { 'neighbor-interface': 'eth1', 'peer-as': 65002 } }] })
  assert.deepEqual(set.problems, [])
  const { metadata, spec } = set.peers[0]!.resource
  assert.deepEqual(
    [metadata.name, spec.address, spec.interface, spec.families],
    ['gobgp/eth1', undefined, 'eth1', ['ipv4/unicast', 'ipv6/unicast']],
  )
})

for (const config of [
  { 'neighbor-address': 'fe80::1%eth1' },
  { 'neighbor-address': 'fe80::1', 'neighbor-interface': 'eth1' },
]) {
  test(`a link-local neighbour has its interface, written as ${Object.values(config).join(' ')}`, () => {
    const set = setOf({ neighbors: [{ config: { ...config, 'peer-as': 65002 } }] })
    assert.deepEqual(set.problems, [])
    const { spec } = set.peers[0]!.resource
    assert.deepEqual([spec.address, spec.interface], ['fe80::1', 'eth1'])
  })
}

test('a password in the file needs no Secret', () => {
  const set = setOf({
    neighbors: [{ config: { 'neighbor-address': '192.0.2.2', 'peer-as': 1, 'auth-password': 'hush' } }],
  })
  assert.equal(set.peers[0]?.password, 'hush')
  assert.equal(set.peers[0].resource.spec.passwordSecret, undefined)
})

test('a neighbour has from its group what it leaves out, and problems name the place where it is said', () => {
  const set = setOf({
    'peer-groups': [
      {
        config: { 'peer-group-name': 'g', 'peer-as': 65002, 'auth-password': 'hush' },
        timers: { config: { 'hold-time': 9, 'connect-retry': 5 } },
        'afi-safis': [
          { config: { 'afi-safi-name': 'ipv4-unicast' } },
          { config: { 'afi-safi-name': 'l2vpn-evpn' } },
        ],
      },
    ],
    neighbors: [
      {
        config: { 'neighbor-address': '2001:db8::2', 'peer-group': 'g' },
        timers: { config: { 'hold-time': 30 } },
      },
    ],
  })
  const [peer] = set.peers
  assert.partialDeepStrictEqual(peer?.resource.spec, {
    asn: 65002,
    families: ['ipv4/unicast'],
    timers: { connectRetrySeconds: 5, holdTimeSeconds: 30 },
  })
  assert.equal(peer?.password, 'hush')
  assert.equal(peer.sourceFields?.['spec.asn'], 'peer-groups[0].config.peer-as')
  assert.equal(peer.sourceFields['spec.address'], 'neighbors[0].config.neighbor-address')
  assert.deepEqual(rules(set), [['Unsupported', 'peer-groups[0].afi-safis']])
})

test('dynamic neighbours are ranges with the settings of their group', () => {
  const set = setOf({
    'peer-groups': [{ config: { 'peer-group-name': 'g', 'peer-as': 65002 } }],
    'dynamic-neighbors': [
      { config: { prefix: '192.0.2.0/24', 'peer-group': 'g' } },
      { config: { prefix: '2001:db8::/64', 'peer-group': 'g' } },
    ],
  })
  assert.deepEqual(
    set.peers.map(({ resource: { spec } }) => [spec.listen?.prefixes, spec.asn, spec.families]),
    [
      [['192.0.2.0/24'], 65002, ['ipv4/unicast']],
      [['2001:db8::/64'], 65002, ['ipv6/unicast']],
    ],
  )
})

const leftOut: { name: string; config: object; parts?: object; field: string }[] = [
  { name: 'without an address', config: { 'neighbor-address': '' }, field: 'config.neighbor-address' },
  {
    name: 'on a link that is not said',
    config: { 'neighbor-address': 'fe80::1' },
    field: 'config.neighbor-address',
  },
  { name: 'in a VRF', config: { vrf: 'blue' }, field: 'config.vrf' },
  { name: 'inside another AS', config: { 'local-as': 65002 }, field: 'config.local-as' },
]

for (const { name, config, field } of leftOut) {
  test(`a neighbour ${name} is left out, with a problem`, () => {
    const set = setOf({
      neighbors: [{ config: { 'neighbor-address': '192.0.2.2', 'peer-as': 65002, ...config } }],
    })
    assert.deepEqual(set.peers, [])
    assert.deepEqual(rules(set), [['Unsupported', `neighbors[0].${field}`]])
  })
}

test('two cluster IDs are one too many', () => {
  const client = (address: string, id: string) => ({
    config: { 'neighbor-address': address, 'peer-as': 65001 },
    'route-reflector': { config: { 'route-reflector-client': true, 'route-reflector-cluster-id': id } },
  })
  const set = setOf({ neighbors: [client('192.0.2.2', '10.9.9.9'), client('192.0.2.3', '2')] })
  assert.equal(set.instances[0]?.resource.spec.clusterId, '10.9.9.9')
  assert.deepEqual(rules(set), [
    ['Unsupported', 'neighbors[1].route-reflector.config.route-reflector-cluster-id'],
  ])
  const number = setOf({ neighbors: [client('192.0.2.3', '258')] })
  assert.equal(number.instances[0]?.resource.spec.clusterId, '0.0.1.2')
})

test('global policies are for all but route server clients, whose own count; those of others have no effect', () => {
  const own = { config: { 'export-policy-list': ['q'], 'default-export-policy': 'reject-route' } }
  const set = setOf({
    global: {
      ...global,
      'apply-policy': { config: { 'import-policy-list': ['p'], 'default-import-policy': 'reject-route' } },
    },
    neighbors: [
      { config: { 'neighbor-address': '192.0.2.2', 'peer-as': 65002 }, 'apply-policy': own },
      {
        config: { 'neighbor-address': '192.0.2.3', 'peer-as': 65003 },
        'apply-policy': own,
        'route-server': { config: { 'route-server-client': true } },
      },
    ],
    'policy-definitions': [{ name: 'p' }, { name: 'q' }],
  })
  assert.deepEqual(
    set.peers.map(({ resource: { spec } }) => [
      [spec.importPolicies, spec.importDefault],
      [spec.exportPolicies, spec.exportDefault],
    ]),
    [
      [
        [['gobgp/p'], 'reject'],
        [[], 'accept'],
      ],
      [
        [[], 'accept'],
        [['gobgp/q'], 'reject'],
      ],
    ],
  )
  assert.deepEqual(rules(set), [
    ['NoEffect', 'neighbors[0].apply-policy'],
    ['Unsupported', 'neighbors[1].route-server.config.route-server-client'],
  ])
})

const sets = {
  'prefix-sets': [
    {
      'prefix-set-name': 'ps',
      'prefix-list': [
        { 'ip-prefix': '10.33.0.0/16', 'masklength-range': '21..24' },
        { 'ip-prefix': 'fd00::/8' },
      ],
    },
  ],
  'neighbor-sets': [
    { 'neighbor-set-name': 'ns', 'neighbor-info-list': ['192.0.2.2', '2001:db8::/64'] },
    { 'neighbor-set-name': 'empty' },
  ],
  'bgp-defined-sets': {
    'community-sets': [{ 'community-set-name': 'cs', 'community-list': ['65100:10', '6[0-9]+:1'] }],
    'ext-community-sets': [
      { 'ext-community-set-name': 'es', 'ext-community-list': ['RT:65100:10', 'SoO:1:.*'] },
    ],
    'as-path-sets': [{ 'as-path-set-name': 'as', 'as-path-list': ['^65100_', 65200] }],
    'large-community-sets': [{ 'large-community-set-name': 'ls', 'large-community-list': ['1:2:3'] }],
  },
}

const conditions: { name: string; value: object; expected: RoutePolicyMatch }[] = [
  {
    name: 'a prefix set',
    value: { 'match-prefix-set': { 'prefix-set': 'ps', 'match-set-options': 'INVERT' } },
    expected: {
      prefixes: {
        mode: 'none',
        entries: [{ prefix: '10.33.0.0/16', minLength: 21, maxLength: 24 }, { prefix: 'fd00::/8' }],
      },
    },
  },
  {
    name: 'a neighbour set',
    value: { 'match-neighbor-set': { 'neighbor-set': 'ns' } },
    expected: { neighbours: { mode: 'any', entries: ['192.0.2.2', '2001:db8::/64'] } },
  },
  {
    name: 'an empty neighbour set, which matches everything',
    value: { 'match-neighbor-set': { 'neighbor-set': 'empty', 'match-set-options': 'invert' } },
    expected: {},
  },
  {
    name: 'a community set',
    value: {
      'bgp-conditions': { 'match-community-set': { 'community-set': 'cs', 'match-set-options': 'all' } },
    },
    expected: { communities: { mode: 'all', entries: ['65100:10'], regexes: ['6[0-9]+:1'] } },
  },
  {
    name: 'an extended community set',
    value: { 'bgp-conditions': { 'match-ext-community-set': { 'ext-community-set': 'es' } } },
    expected: {
      extendedCommunities: { mode: 'any', entries: ['rt:65100:10'], regexes: ['ro:1:.*'] },
    },
  },
  {
    name: 'an AS path set',
    value: {
      'bgp-conditions': { 'match-as-path-set': { 'as-path-set': 'as', 'match-set-options': 'invert' } },
    },
    expected: { asPath: { mode: 'none', entries: [{ regex: '^65100_' }, { regex: '65200' }] } },
  },
  {
    name: 'a large community set',
    value: { 'bgp-conditions': { 'match-large-community-set': { 'large-community-set': 'ls' } } },
    expected: { largeCommunities: { mode: 'any', entries: ['1:2:3'], regexes: [] } },
  },
  {
    name: 'attributes',
    value: {
      'bgp-conditions': {
        'med-eq': 5,
        'local-pref-eq': 100,
        'origin-eq': 'igp',
        'next-hop-in-list': ['192.0.2.1', '2001:db8::/32'],
        'afi-safi-in-list': ['ipv6-unicast', 'l3vpn-ipv4-unicast'],
        'as-path-length': { operator: 'attribute-le', value: 3 },
        'community-count': { operator: 'ge', value: 1 },
        'route-type': 'local',
        'rpki-validation-result': 'not-found',
      },
    },
    expected: {
      med: { operator: 'eq', value: 5 },
      localPref: { operator: 'eq', value: 100 },
      origins: ['igp'],
      nextHops: ['192.0.2.1', '2001:db8::/32'],
      families: ['ipv6/unicast'],
      asPathLength: { operator: 'le', value: 3 },
      communityCount: { operator: 'ge', value: 1 },
      sources: ['own'],
      rpki: ['notFound'],
    },
  },
]

for (const { name, value, expected } of conditions) {
  test(`a statement asks for ${name}`, () => {
    const set = setOf({
      'defined-sets': sets,
      'policy-definitions': [{ name: 'p', statements: [{ conditions: value }] }],
    })
    assert.deepEqual(set.policies[0]?.resource.spec.statements, [{ match: expected, set: {}, then: 'next' }])
  })
}

test('a statement that asks for no family that is spoken is left out, and the next one decides', () => {
  const statements = [
    { name: 'vpn', conditions: { 'bgp-conditions': { 'afi-safi-in-list': ['l3vpn-ipv4-unicast'] } } },
    { name: 'rest', actions: { 'route-disposition': 'reject-route' } },
  ]
  const set = setOf({ 'policy-definitions': [{ name: 'p', statements }] })
  assert.deepEqual(set.policies[0]?.resource.spec.statements, [
    { name: 'rest', match: {}, set: {}, then: 'reject' },
  ])
})

const actions: { name: string; value: object; expected: RoutePolicyActions }[] = [
  { name: 'the MED', value: { 'set-med': 100 }, expected: { med: { set: 100 } } },
  { name: 'a higher MED', value: { 'set-med': '+100' }, expected: { med: { add: 100 } } },
  { name: 'a lower MED', value: { 'set-med': '-200' }, expected: { med: { add: -200 } } },
  { name: 'the next hop itself', value: { 'set-next-hop': 'self' }, expected: { nextHop: 'self' } },
  { name: 'no next hop', value: { 'set-next-hop': 'unchanged' }, expected: { nextHop: 'keep' } },
  {
    name: 'the next hop of the peer',
    value: { 'set-next-hop': 'peer-address' },
    expected: { nextHop: 'peer' },
  },
  {
    name: 'an IPv6 next hop',
    value: { 'set-next-hop': '2001:db8::1' },
    expected: { nextHop: '2001:db8::1' },
  },
  {
    name: 'more of an AS',
    value: { 'set-as-path-prepend': { as: '65005', 'repeat-n': 5 } },
    expected: { prepend: { asn: 65005, count: 5 } },
  },
  {
    name: 'more of the first AS',
    value: { 'set-as-path-prepend': { as: 'last-as', 'repeat-n': 2 } },
    expected: { prepend: { as: 'first', count: 2 } },
  },
  {
    name: 'more communities',
    value: {
      'set-community': { options: 'ADD', 'set-community-method': { 'communities-list': ['65100:20'] } },
    },
    expected: { communities: { add: ['65100:20'] } },
  },
  {
    name: 'no communities',
    value: { 'set-community': { options: 'replace' } },
    expected: { communities: { replace: [] } },
  },
  {
    name: 'fewer communities',
    value: {
      'set-large-community': {
        options: 'remove',
        'set-large-community-method': { 'communities-list': ['1:2:3', '^1:.*'] },
      },
    },
    expected: { largeCommunities: { remove: ['1:2:3'], removeRegexes: ['^1:.*'] } },
  },
  {
    name: 'other extended communities',
    value: {
      'set-ext-community': {
        options: 'replace',
        'set-ext-community-method': { 'communities-list': ['soo:100:200', 'rt:300:400'] },
      },
    },
    expected: { extendedCommunities: { replace: ['ro:100:200', 'rt:300:400'] } },
  },
  {
    name: 'preference and origin',
    value: { 'set-local-pref': 110, 'set-route-origin': 'egp' },
    expected: { localPref: 110, origin: 'egp' },
  },
]

for (const { name, value, expected } of actions) {
  test(`a statement sets ${name}`, () => {
    const statement = { name: 's', actions: { 'route-disposition': 'accept-route', 'bgp-actions': value } }
    const set = setOf({ 'policy-definitions': [{ name: 'p', statements: [statement] }] })
    assert.deepEqual(set.policies[0]?.resource.spec.statements, [
      { name: 's', match: {}, set: expected, then: 'accept' },
    ])
  })
}

for (const [disposition, then] of [
  ['none', 'next'],
  ['accept-route', 'accept'],
  ['reject-route', 'reject'],
]) {
  test(`a statement with ${disposition} says ${then}`, () => {
    const set = setOf({
      'policy-definitions': [{ name: 'p', statements: [{ actions: { 'route-disposition': disposition } }] }],
    })
    assert.equal(set.policies[0]?.resource.spec.statements[0]?.then, then)
  })
}
