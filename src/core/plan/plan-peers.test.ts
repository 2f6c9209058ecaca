import assert from 'node:assert/strict'
import { test } from 'node:test'
import { unnumbered } from '#core/bgp/config.ts'
import type { InstanceConfig, PeerConfig } from '#core/bgp/config.ts'
import { nativeOf, nodeOf, secretOf, snapshotOf } from '#core/schema/cluster.testing.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { NodePlan } from './node-plan.ts'
import { planNode } from './plan-node.ts'

const instance = nativeOf('BGPInstance', 'main', { asn: 64512, listenPort: 179 })
const key = secretOf('bgp', 'key', { password: 'aHVudGVyMg==' })

function planOf(...custom: KubeObject[]): NodePlan {
  const nodes = [nodeOf('n1', { addresses: ['10.0.0.1'] })]
  return planNode(snapshotOf({ nodes, secrets: [key], custom: [instance, ...custom] }), 'n1', [])
}

function configOf(made: NodePlan): InstanceConfig {
  const [found] = made.instances
  assert.ok(found)
  return found.config
}

const external = { asn: 65000 }
const internal = { asn: 64512 }
const unlimited = { max: 2_000_000, action: 'reset', restartSeconds: 900 } as const

const settings: { name: string; spec: object; config: Partial<PeerConfig> }[] = [
  {
    name: 'that says the least',
    spec: external,
    config: {
      asn: 65000,
      port: 179,
      passive: false,
      families: ['ipv4/unicast', 'ipv6/unicast'],
      ttl: 1,
      timers: { connectRetrySeconds: 120, holdTimeSeconds: 90, keepaliveSeconds: 30 },
      importRoutes: false,
      exportLearned: false,
    },
  },
  {
    name: 'whose hold time alone is given has a third of it as keepalive time',
    spec: { ...external, timers: { holdTimeSeconds: 9 } },
    config: { timers: { connectRetrySeconds: 120, holdTimeSeconds: 9, keepaliveSeconds: 3 } },
  },
  {
    name: 'whose keepalive time alone is given has three times that as hold time, and 90 at least',
    spec: { ...external, timers: { keepaliveSeconds: 60 } },
    config: { timers: { connectRetrySeconds: 120, holdTimeSeconds: 180, keepaliveSeconds: 60 } },
  },
  {
    name: 'RFC 5082: within one hop is heard with TTL 255 only',
    spec: { ...external, ttlSecurityHops: 1 },
    config: { ttl: 255, minTtl: 255 },
  },
  {
    name: 'RFC 5082: within three hops is heard from TTL 253 on',
    spec: { ...external, ttlSecurityHops: 3 },
    config: { ttl: 255, minTtl: 253 },
  },
  { name: 'of any AS', spec: { peerAs: 'any' }, config: { asn: 0, ttl: 1 } },
  { name: 'of any other AS', spec: { peerAs: 'external' }, config: { asn: 0, peerAs: 'external', ttl: 1 } },
  { name: 'of our own AS', spec: { peerAs: 'internal' }, config: { asn: 64512, ttl: 255 } },
  {
    name: 'that routes are imported from has a limit',
    spec: { ...external, importRoutes: true },
    config: { importRoutes: true, prefixLimits: { 'ipv4/unicast': unlimited, 'ipv6/unicast': unlimited } },
  },
  {
    name: 'with a limit of its own for one family',
    spec: {
      ...external,
      importRoutes: true,
      prefixLimits: [{ family: 'ipv6/unicast', max: 10, action: 'warn', warnPercent: 50 }],
    },
    config: {
      prefixLimits: {
        'ipv4/unicast': unlimited,
        'ipv6/unicast': { max: 10, warnPercent: 50, action: 'warn' },
      },
    },
  },
  {
    name: 'with add-path for one family',
    spec: { ...external, addPath: { receive: true, send: 4, families: ['ipv6/unicast'] } },
    config: { addPath: { 'ipv6/unicast': { receive: true, send: 4 } } },
  },
  {
    name: 'with add-path for all of its families',
    spec: { ...external, families: ['ipv4/unicast'], addPath: { send: 2 } },
    config: { addPath: { 'ipv4/unicast': { receive: false, send: 2 } } },
  },
  {
    name: 'with graceful restart has the usual times',
    spec: { ...external, gracefulRestart: {} },
    config: {
      gracefulRestart: { restartSeconds: 120, helperOnly: false, notification: true, deferralSeconds: 60 },
    },
  },
  {
    name: 'with long-lived graceful restart',
    spec: { ...external, gracefulRestart: { helperOnly: true, longLivedSeconds: 3600 } },
    config: {
      gracefulRestart: {
        restartSeconds: 120,
        helperOnly: true,
        notification: true,
        longLivedSeconds: 3600,
        deferralSeconds: 60,
      },
    },
  },
  {
    name: 'outside with all that an external one may have',
    spec: {
      ...external,
      localAs: { asn: 65010, replaceAs: true },
      role: { name: 'customer' },
      removePrivateAs: 'replace',
      routeServerClient: true,
      enforceFirstAs: false,
      allowOwnAs: 1,
      nextHop: 'keep',
      linkBandwidthMbps: 1000,
      aigp: true,
      gracefulShutdown: true,
      honourGracefulShutdown: false,
      extendedMessages: false,
      shutdownText: 'maintenance',
      timers: { sendHoldSeconds: 30, delayOpenSeconds: 2 },
    },
    config: {
      localAs: { asn: 65010, noPrepend: false, replaceAs: true },
      role: { name: 'customer', strict: false },
      removePrivateAs: 'replace',
      routeServerClient: true,
      enforceFirstAs: false,
      allowOwnAs: 1,
      nextHop: 'keep',
      linkBandwidth: 125_000_000,
      aigp: true,
      gracefulShutdown: true,
      honourGracefulShutdown: false,
      extendedMessages: false,
      shutdownText: 'maintenance',
      sendHoldSeconds: 30,
      delayOpenSeconds: 2,
    },
  },
  {
    name: 'RFC 4456: that is a client of the reflector',
    spec: { ...internal, routeReflectorClient: true },
    config: { routeReflectorClient: true, ttl: 255 },
  },
  {
    name: 'with a TCP-AO key (RFC 5925)',
    spec: { ...external, tcpAo: { keyId: 7, secret: { namespace: 'bgp', name: 'key' } } },
    config: { authenticationOption: { keyId: 7, algorithm: 'hmac-sha-1-96', key: 'hunter2' } },
  },
  {
    name: 'that is kept down',
    spec: { ...external, adminDown: true, shutdownText: 'until Monday' },
    config: { heldDown: 'it is configured to be down', shutdownText: 'until Monday' },
  },
]

for (const address of ['192.0.2.1', '2001:db8::1']) {
  for (const { name, spec, config } of settings) {
    test(`a peer ${name} (${address})`, () => {
      const made = planOf(nativeOf('BGPPeer', 'p', { address, ...spec }))
      assert.deepEqual(made.problems, [])
      const [peer] = configOf(made).peers
      assert.partialDeepStrictEqual(peer, { name: 'p', address, ...config })
    })
  }
}

test('a peer without more than it must say gives the speaker no optional setting', () => {
  const [peer] = configOf(planOf(nativeOf('BGPPeer', 'p', { address: '192.0.2.1', asn: 65000 }))).peers
  const fields = 'name address port asn passive families ttl timers importRoutes exportLearned'
  assert.deepEqual(Object.keys(peer!).toSorted(), fields.split(' ').toSorted())
})

for (const { spec, field } of [
  { spec: { ...internal, localAs: { asn: 65010 } }, field: 'localAs' },
  { spec: { ...internal, role: { name: 'peer' } }, field: 'role' },
  { spec: { ...internal, removePrivateAs: 'remove' }, field: 'removePrivateAs' },
  { spec: { ...internal, routeServerClient: true }, field: 'routeServerClient' },
  { spec: { ...external, routeReflectorClient: true }, field: 'routeReflectorClient' },
] as const) {
  test(`${field} on the wrong kind of session is a problem and nothing else`, () => {
    const made = planOf(nativeOf('BGPPeer', 'p', { address: 'fd00::1', ...spec }))
    assert.deepEqual(
      made.problems.map((problem) => [problem.rule, problem.field]),
      [['NoEffect', `spec.${field}`]],
    )
    const [peer] = configOf(made).peers
    assert.equal(peer?.[field], undefined)
    assert.equal(peer?.heldDown, undefined)
  })
}

test('a peer gets from its group what it leaves out, timers each by itself', () => {
  const group = nativeOf('BGPPeerGroup', 'tors', {
    asn: 65000,
    importRoutes: true,
    families: ['ipv4/unicast'],
    timers: { holdTimeSeconds: 9, connectRetrySeconds: 5 },
    gracefulRestart: { restartSeconds: 30 },
  })
  const own = nativeOf('BGPPeer', 'p', {
    address: '2001:db8::1',
    group: 'tors',
    families: ['ipv6/unicast'],
    timers: { connectRetrySeconds: 7 },
    gracefulRestart: { enabled: false },
  })
  const made = planOf(group, own)
  assert.deepEqual(made.problems, [])
  assert.partialDeepStrictEqual(configOf(made).peers[0], {
    asn: 65000,
    families: ['ipv6/unicast'],
    timers: { connectRetrySeconds: 7, holdTimeSeconds: 9, keepaliveSeconds: 3 },
    prefixLimits: { 'ipv6/unicast': unlimited },
  })
  assert.equal(configOf(made).peers[0]?.gracefulRestart, undefined)
})

test('what is wrong with a setting of the group names the group', () => {
  const group = nativeOf('BGPPeerGroup', 'tors', {
    ...external,
    passwordSecret: { namespace: 'bgp', name: 'absent' },
  })
  const made = planOf(group, nativeOf('BGPPeer', 'p', { address: '192.0.2.1', group: 'tors' }))
  assert.deepEqual(
    made.problems.map(({ rule, object, field }) => [rule, object?.kind, object?.name, field]),
    [['MissingSecret', 'BGPPeerGroup', 'tors', 'spec.passwordSecret']],
  )
})

for (const { name, group, peer, says } of [
  {
    name: 'that does not exist',
    group: undefined,
    peer: external,
    says: /there is no valid BGPPeerGroup "g"/,
  },
  {
    name: 'that says the other of two',
    group: { asn: 1 },
    peer: { peerAs: 'any' },
    says: /exclude each other/,
  },
  { name: 'without an AS number either', group: {}, peer: {}, says: /neither of the two says the AS number/ },
  {
    name: 'with a shorter hold time than the own keepalive time',
    group: { asn: 1, timers: { holdTimeSeconds: 3 } },
    peer: { timers: { keepaliveSeconds: 10 } },
    says: /keepalive time of 10 is more than the hold time of 3/,
  },
]) {
  test(`a peer of a group ${name} is held down and says why`, () => {
    const groups = group === undefined ? [] : [nativeOf('BGPPeerGroup', 'g', group)]
    const made = planOf(...groups, nativeOf('BGPPeer', 'p', { address: '192.0.2.1', group: 'g', ...peer }))
    assert.deepEqual(
      made.problems.map(({ object, other }) => [object?.name, other?.name]),
      [['p', 'g']],
    )
    assert.match(made.problems[0]!.message, says)
    assert.match(configOf(made).peers[0]?.heldDown ?? '', says)
  })
}

test('a peer that listens is a range by prefix, and gets what a peer gets', () => {
  const made = planOf(
    nativeOf('BGPPeer', 'dynamic', {
      listen: { prefixes: ['192.0.2.0/24', '2001:db8::/64'], limit: 5 },
      peerAs: 'external',
    }),
    nativeOf('BGPAdvertisement', 'own', { prefixes: ['198.51.100.0/24'], peers: ['dynamic'] }),
  )
  assert.deepEqual(made.problems, [])
  const { peers, listenRanges, routes } = configOf(made)
  assert.deepEqual(peers, [])
  const names = ['dynamic/192.0.2.0/24', 'dynamic/2001:db8::/64']
  assert.deepEqual(
    listenRanges?.map(({ prefix, limit, template }) => [prefix, limit, template.name, template.passive]),
    [
      ['192.0.2.0/24', 5, names[0], true],
      ['2001:db8::/64', 5, names[1], true],
    ],
  )
  assert.deepEqual(
    routes.map(({ to }) => to.map(({ peer }) => peer)),
    [names],
  )
})

test('a range of one prefix has the name of its peer', () => {
  const made = planOf(nativeOf('BGPPeer', 'd', { listen: { prefixes: ['192.0.2.0/24'] }, asn: 65000 }))
  assert.equal(configOf(made).listenRanges?.[0]?.template.name, 'd')
})

test('a range is a problem for an instance that does not listen, and for a second object with it', () => {
  const silent = nativeOf('BGPInstance', 'main', { asn: 64512 })
  const range = (name: string, age: number) =>
    nativeOf('BGPPeer', name, { listen: { prefixes: ['2001:db8::/64'] }, asn: 65000 }, { age })
  const made = planNode(
    snapshotOf({ nodes: [nodeOf('n1')], custom: [silent, range('older', 1), range('newer', 2)] }),
    'n1',
    [],
  )
  assert.deepEqual(
    made.problems.map(({ rule, object, field }) => [rule, object?.name, field]),
    [
      ['ConflictingPeer', 'newer', 'spec.listen.prefixes[0]'],
      ['PassiveWithoutPort', 'older', 'spec.listen'],
    ],
  )
})

test('an instance passes on what it says about itself, for a node that overrides it too', () => {
  const speaker = {
    clusterId: '10.9.9.9',
    confederation: { asn: 65500, members: [64513] },
    maxPaths: { external: 4 },
    alwaysCompareMed: true,
    maxSessions: 50,
  }
  const expected = {
    confederation: { id: 65500, members: [64513] },
    maxPaths: { external: 4, internal: 1 },
    alwaysCompareMed: true,
    maxSessions: 50,
  }
  for (const { overrides, clusterId } of [
    { overrides: [], clusterId: '10.9.9.9' },
    { overrides: [{ node: 'n1', clusterId: '10.9.9.1' }], clusterId: '10.9.9.1' },
  ]) {
    const custom = [nativeOf('BGPInstance', 'main', { asn: 64512, ...speaker, overrides })]
    const made = planNode(snapshotOf({ nodes: [nodeOf('n1')], custom }), 'n1', [])
    assert.partialDeepStrictEqual(configOf(made), { ...expected, clusterId })
  }
})

test('a peer with an interface alone is whoever is found there (docs/decisions/0009-unnumbered.md)', () => {
  const made = planOf(
    nativeOf('BGPPeer', 'a', { interface: 'eth1', peerAs: 'external' }),
    nativeOf('BGPPeer', 'b', { interface: 'eth2', peerAs: 'external' }),
    nativeOf('BGPPeer', 'c', { interface: 'eth2', peerAs: 'external' }),
  )
  assert.deepEqual(
    configOf(made).peers.map(({ name, address, interface: by, ttl }) => [name, address, by, ttl]),
    [
      ['a', unnumbered, 'eth1', 1],
      ['b', unnumbered, 'eth2', 1],
    ],
  )
  assert.match(made.problems[0]?.message ?? '', /%eth2 is a neighbour of .* already by the older b/)
})
