import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PolicyActions, PolicyMatch } from '#core/bgp/policy/policy.ts'
import { nativeOf, nodeOf, snapshotOf } from '#core/schema/cluster.testing.ts'
import type { KubeObject } from '#core/schema/object.ts'
import type { NodePlan } from './node-plan.ts'
import { planNode } from './plan-node.ts'

const instance = nativeOf('BGPInstance', 'main', { asn: 64512 })

function planOf(...custom: KubeObject[]): NodePlan {
  return planNode(snapshotOf({ nodes: [nodeOf('n1')], custom: [instance, ...custom] }), 'n1', [])
}

const peer = (spec: object, address = '192.0.2.1') =>
  nativeOf('BGPPeer', 'p', { address, asn: 65000, ...spec })
const policy = (name: string, spec: object) => nativeOf('RoutePolicy', name, spec)
const acceptAll = { statements: [{}] }

function chainsOf(made: NodePlan) {
  const found = made.instances[0]!.config.peers[0]!
  return {
    importRoutes: found.importRoutes,
    importPolicy: found.importPolicy,
    exportPolicy: found.exportPolicy,
  }
}

for (const { name, spec, expected } of [
  {
    name: 'import policies alone import, and reject what none of them decides',
    spec: { importPolicies: ['a', 'b'] },
    expected: {
      importRoutes: true,
      importPolicy: { policies: ['a', 'b'], otherwise: 'reject' },
      exportPolicy: undefined,
    },
  },
  {
    name: 'import policies of a peer that imports nothing are kept for later',
    spec: { importRoutes: false, importPolicies: ['a'] },
    expected: {
      importRoutes: false,
      importPolicy: { policies: ['a'], otherwise: 'reject' },
      exportPolicy: undefined,
    },
  },
  {
    name: 'export policies with a default',
    spec: { exportPolicies: ['a'], exportDefault: 'accept' },
    expected: {
      importRoutes: false,
      importPolicy: undefined,
      exportPolicy: { policies: ['a'], otherwise: 'accept' },
    },
  },
  {
    name: 'a default alone',
    spec: { importDefault: 'accept', exportDefault: 'reject' },
    expected: {
      importRoutes: false,
      importPolicy: undefined,
      exportPolicy: { policies: [], otherwise: 'reject' },
    },
  },
]) {
  for (const address of ['192.0.2.1', '2001:db8::1']) {
    test(`${name} (${address})`, () => {
      const made = planOf(peer(spec, address), policy('a', acceptAll), policy('b', acceptAll))
      assert.deepEqual(made.problems, [])
      assert.deepEqual(chainsOf(made), expected)
    })
  }
}

test('only policies that a neighbour names reach the speaker, of a group and of a range too', () => {
  const made = planOf(
    nativeOf('BGPPeerGroup', 'g', { exportPolicies: ['b'] }),
    peer({ group: 'g', importPolicies: ['a'] }),
    nativeOf('BGPPeer', 'd', { listen: { prefixes: ['2001:db8::/64'] }, asn: 1, importPolicies: ['c'] }),
    ...['a', 'b', 'c', 'unused'].map((name) => policy(name, acceptAll)),
  )
  assert.deepEqual(
    made.instances[0]!.config.policies?.map(({ name }) => name),
    ['a', 'b', 'c'],
  )
})

for (const [field, says] of [
  ['importPolicies', /no route is used/],
  ['exportPolicies', /nothing is announced/],
] as const) {
  test(`a policy in ${field} that does not exist holds routes back, and the problem names both`, () => {
    const made = planOf(peer({ [field]: ['a', 'absent'] }), policy('a', acceptAll))
    assert.deepEqual(
      made.problems.map(({ object, field: at, other }) => [object?.kind, object?.name, at, other?.name]),
      [['BGPPeer', 'p', `spec.${field}[1]`, 'absent']],
    )
    assert.match(made.problems[0]!.message, says)
    const chains = chainsOf(made)
    const chain = field === 'importPolicies' ? chains.importPolicy : chains.exportPolicy
    assert.deepEqual(chain, { policies: ['absent'], otherwise: 'reject' })
    assert.deepEqual(made.instances[0]!.config.policies, [
      { name: 'absent', statements: [{ name: 'the policy does not exist', match: {}, then: 'reject' }] },
    ])
  })
}

const sets = {
  prefixes: [
    {
      name: 'ours',
      entries: [
        { prefix: '10.0.0.0/8', maxLength: 24 },
        { prefix: 'fd00::/8', minLength: 48 },
      ],
    },
  ],
  neighbours: [{ name: 'tors', entries: ['192.0.2.1', '2001:db8::/64'] }],
  communities: [{ name: 'marks', entries: ['65000:1', '4294967041'], regexes: ['^65001:'] }],
  largeCommunities: [{ name: 'big', entries: ['65000:1:2'] }],
  asPaths: [{ name: 'short', entries: [{ regex: '^65000$' }, { originatedBy: [65001] }] }],
}

const matches: { name: string; match: object; expected: PolicyMatch }[] = [
  { name: 'nothing', match: {}, expected: {} },
  {
    name: 'prefixes of a set and of its own',
    match: { prefixes: { set: 'ours', entries: [{ prefix: '192.0.2.0/24' }] } },
    expected: {
      prefixes: {
        mode: 'any',
        entries: [
          { prefix: '10.0.0.0/8', minLength: 8, maxLength: 24 },
          { prefix: 'fd00::/8', minLength: 48, maxLength: 128 },
          { prefix: '192.0.2.0/24', minLength: 24, maxLength: 24 },
        ] as NonNullable<PolicyMatch['prefixes']>['entries'],
      },
    },
  },
  {
    name: 'neighbours',
    match: { neighbours: { mode: 'none', set: 'tors' } },
    expected: {
      neighbours: {
        mode: 'none',
        entries: ['192.0.2.1/32', '2001:db8::/64'] as NonNullable<PolicyMatch['neighbours']>['entries'],
      },
    },
  },
  {
    name: 'communities, in the form of tables',
    match: { communities: { mode: 'all', set: 'marks', entries: ['no-advertise'] } },
    expected: {
      communities: {
        mode: 'all',
        entries: [
          { kind: 'text', text: '65000:1' },
          { kind: 'text', text: 'no-export' },
          { kind: 'regex', source: '^65001:' },
          { kind: 'text', text: 'no-advertise' },
        ],
      },
    },
  },
  {
    name: 'large communities',
    match: { largeCommunities: { set: 'big', regexes: [':9$'] } },
    expected: {
      largeCommunities: {
        mode: 'any',
        entries: [
          { kind: 'text', text: '65000:1:2' },
          { kind: 'regex', source: ':9$' },
        ],
      },
    },
  },
  {
    name: 'extended communities',
    match: { extendedCommunities: { mode: 'none', entries: ['target:65000:1', '0x0002fde800000002'] } },
    expected: {
      extendedCommunities: {
        mode: 'none',
        entries: [
          { kind: 'text', text: 'rt:65000:1' },
          { kind: 'text', text: 'rt:65000:2' },
        ],
      },
    },
  },
  {
    name: 'AS paths',
    match: { asPath: { set: 'short', entries: [{ startsWith: [1, 2] }, { contains: [3] }] } },
    expected: {
      asPath: {
        mode: 'any',
        entries: [
          { kind: 'regex', source: '^65000$' },
          { kind: 'origin', asns: [65001] },
          { kind: 'first', asns: [1, 2] },
          { kind: 'contains', asns: [3] },
        ],
      },
    },
  },
  {
    name: 'what needs no translation',
    match: {
      families: ['ipv6/unicast'],
      neighbourAsns: [65000],
      asPathLength: { operator: 'le', value: 3 },
      communityCount: { value: 0 },
      nextHops: ['192.0.2.1', '2001:db8::/32'],
      med: { operator: 'ge', value: 10 },
      localPref: { value: 100 },
      origins: ['igp'],
      sources: ['own', 'internal'],
      learnedFrom: ['q'],
      rpki: ['invalid'],
    },
    expected: {
      families: ['ipv6/unicast'],
      neighbourAsns: [65000],
      asPathLength: { operator: 'le', value: 3 },
      communityCount: { operator: 'eq', value: 0 },
      nextHops: ['192.0.2.1/32', '2001:db8::/32'] as NonNullable<PolicyMatch['nextHops']>,
      med: { operator: 'ge', value: 10 },
      localPref: { operator: 'eq', value: 100 },
      origins: ['igp'],
      sources: ['own', 'internal'],
      learnedFrom: ['q'],
      rpki: ['invalid'],
    },
  },
]

for (const { name, match, expected } of matches) {
  test(`a statement matches ${name}`, () => {
    const made = planOf(
      peer({ importPolicies: ['a'] }),
      policy('a', { sets, statements: [{ match, then: 'reject' }] }),
    )
    assert.deepEqual(made.problems, [])
    assert.deepEqual(made.instances[0]!.config.policies?.[0]?.statements, [
      { match: expected, then: 'reject' },
    ])
  })
}

const actions: { name: string; set: object; expected: object }[] = [
  { name: 'the MED', set: { med: { set: 5 } }, expected: { med: { kind: 'set', value: 5 } } },
  {
    name: 'the MED by a difference',
    set: { med: { add: -5 } },
    expected: { med: { kind: 'add', value: -5 } },
  },
  { name: 'no MED', set: { med: { remove: true } }, expected: { med: { kind: 'remove' } } },
  {
    name: 'its own AS number twice',
    set: { prepend: { count: 2 } },
    expected: { prepend: { asn: 'own', count: 2 } },
  },
  {
    name: "the path's first AS number",
    set: { prepend: { as: 'first' } },
    expected: { prepend: { asn: 'first', count: 1 } },
  },
  {
    name: 'an AS number',
    set: { prepend: { asn: 7, count: 3 } },
    expected: { prepend: { asn: 7, count: 3 } },
  },
  { name: 'the next hop self', set: { nextHop: 'self' }, expected: { nextHop: { kind: 'self' } } },
  {
    name: 'an IPv6 next hop',
    set: { nextHop: '2001:DB8::1' },
    expected: { nextHop: { kind: 'address', address: '2001:db8::1' } },
  },
  {
    name: 'communities',
    set: {
      communities: { replace: ['1:2'], add: ['no-export'], remove: ['blackhole'], removeRegexes: ['^1:'] },
    },
    expected: {
      communities: {
        replace: [0x1_0002],
        remove: [
          { kind: 'text', text: 'blackhole' },
          { kind: 'regex', source: '^1:' },
        ],
        add: [0xffff_ff01],
      },
    },
  },
  {
    name: 'large communities',
    set: { largeCommunities: { add: ['1:2:3'] } },
    expected: { largeCommunities: { add: [[1, 2, 3]] } },
  },
  {
    name: 'extended communities',
    set: { extendedCommunities: { replace: ['rt:65000:1'] } },
    expected: { extendedCommunities: { replace: ['0002fde800000001'] } },
  },
  {
    name: 'preferences',
    set: { localPref: 200, weight: 10, origin: 'incomplete' },
    expected: { localPref: 200, weight: 10, origin: 'incomplete' } satisfies PolicyActions,
  },
]

for (const { name, set, expected } of actions) {
  test(`a statement sets ${name}`, () => {
    const made = planOf(peer({ exportPolicies: ['a'] }), policy('a', { statements: [{ name: 's', set }] }))
    assert.deepEqual(made.problems, [])
    assert.deepEqual(made.instances[0]!.config.policies?.[0]?.statements, [
      { name: 's', match: {}, set: expected, then: 'accept' },
    ])
  })
}

test('a policy that cannot be used is a problem that names the field', () => {
  const match = { asPath: { entries: [{ regex: '_{999}' }] } }
  const made = planOf(
    peer({ importPolicies: ['a'] }),
    policy('a', { statements: [{ then: 'next' }, { match }] }),
  )
  assert.deepEqual(
    made.problems.map(({ rule, object, field }) => [rule, object?.name, field]),
    [['InvalidValue', 'a', 'spec.statements[1].match.asPath']],
  )
  assert.match(made.problems[0]!.message, /so no route passes this policy$/)
})
