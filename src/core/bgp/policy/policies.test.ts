import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix, type Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import { familyOfPrefix, type Family } from '../family.ts'
import { encodePrefix } from '../wire/nlri.ts'
import type { PolicyRoute } from './chain.ts'
import { ValidatedOrigins } from './origins.ts'
import type { Outcome } from './outcome.ts'
import { Policies, policyFaults } from './policies.ts'
import type { PolicyChain, PolicyStatement, RoutePolicy } from './policy.ts'

const path: PathAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [65002, 65003] }],
  nextHop: address('192.0.2.9'),
}
const peer = {
  kind: 'external',
  address: address('192.0.2.9'),
  asn: 65002,
  routerId: address('10.0.0.2'),
} as const

function routeOf(family: Family): PolicyRoute {
  const source = { name: 'far', ...peer }
  return { direction: 'import', family, neighbour: peer, source, ownAsn: 65001 }
}

function made(...policies: RoutePolicy[]): Policies {
  const compiled = new Policies(new ValidatedOrigins())
  compiled.configure(policies)
  return compiled
}

function policy(name: string, ...statements: PolicyStatement[]): RoutePolicy {
  return { name, statements }
}

function decide(
  policies: Policies,
  chain: PolicyChain,
  family: Family = 'ipv4/unicast',
  attributes = path,
): Outcome {
  return policies
    .chain(chain)
    .decide(routeOf(family), attributes, (accepted) => ({ kind: 'accept', attributes: accepted.attributes }))
}

function resolved(outcome: Outcome, about: Prefix): Outcome {
  while (outcome.kind === 'choice')
    outcome = outcome.test.matches(encodePrefix(about), 0, 65003) ? outcome.yes() : outcome.no()
  return outcome
}

function reasonOf(outcome: Outcome): string {
  return outcome.kind === 'reject' ? outcome.reason : outcome.kind
}

test('reasons name policy and statement, or what was left to the default', () => {
  const policies = made(
    policy(
      'tor-in',
      { match: {}, then: 'next' },
      { name: 'no-bogons', match: { origins: ['igp'] }, then: 'reject' },
    ),
    policy('plain', { match: { origins: ['igp'] }, then: 'reject' }),
    policy('egp', { match: { origins: ['egp'] }, then: 'accept' }),
  )
  const reason = (names: string[]) => reasonOf(decide(policies, { policies: names, otherwise: 'reject' }))
  assert.equal(reason(['tor-in']), 'rejected by policy tor-in, statement 2 (no-bogons)')
  assert.equal(reason(['plain']), 'rejected by policy plain, statement 1')
  assert.equal(reason(['egp']), 'no statement of egp accepts it, and the default is to reject')
  assert.equal(reason([]), 'no statement of any policy accepts it, and the default is to reject')
  assert.equal(reason(['absent']), 'rejected by policy absent, which cannot be used: there is no such policy')
})

test('a policy with a mistake lets nothing pass, and the mistake is named', () => {
  const bad = policy(
    'bad',
    { match: {}, then: 'next' },
    {
      name: 'marks',
      match: { asPath: { mode: 'any', entries: [{ kind: 'regex', source: '(' }] } },
      set: { communities: { remove: [{ kind: 'text', text: 'no-such' }] } },
      then: 'accept',
    },
  )
  assert.deepEqual(policyFaults(bad), [
    {
      policy: 'bad',
      statement: 2,
      name: 'marks',
      field: 'match.asPath',
      message: '"(" is not a regular expression: a "(" without ")" at character 2',
    },
    {
      policy: 'bad',
      statement: 2,
      name: 'marks',
      field: 'set.communities',
      message: '"no-such" is not a community: write high:low (0..65535 each) or a well-known name',
    },
  ])
  const reason = reasonOf(decide(made(bad), { policies: ['bad'], otherwise: 'accept' }))
  assert.match(reason, /^rejected by policy bad, which cannot be used: statement 2, match\.asPath: /)
})

test('a route that nothing changes keeps its attributes as the same object', () => {
  const policies = made(policy('all', { match: {}, then: 'next' }))
  const outcome = decide(policies, { policies: ['all'], otherwise: 'accept' })
  assert.ok(outcome.kind === 'accept' && outcome.attributes === path)
})

const entry = { prefix: prefix('10.0.0.0/8'), minLength: 8, maxLength: 24 }

test('equal tests of prefixes are one object, across policies and configurations', () => {
  const matching = (then: 'accept' | 'reject'): PolicyStatement => ({
    match: { prefixes: { mode: 'any', entries: [entry] } },
    then,
  })
  const policies = made(policy('a', matching('accept')), policy('b', matching('reject')))
  const testOf = (name: string) => {
    const outcome = decide(policies, { policies: [name], otherwise: 'accept' })
    return outcome.kind === 'choice' ? outcome.test : undefined
  }
  const first = testOf('a')
  assert.ok(first !== undefined && first === testOf('b'))
  policies.configure([policy('a', matching('accept')), policy('b', matching('accept'))])
  assert.equal(testOf('b'), first)
  policies.configure([])
  policies.configure([policy('a', matching('accept'))])
  assert.notEqual(testOf('a'), first)
})

test('the key of a chain changes exactly when what it says may have changed', () => {
  const policies = made(
    policy('a', { match: {}, then: 'accept' }),
    policy('b', { match: {}, then: 'accept' }),
  )
  const key = (chain: PolicyChain) => policies.chain(chain).key
  const both: PolicyChain = { policies: ['a', 'b'], otherwise: 'reject' }
  const before = key(both)
  assert.notEqual(before, key({ ...both, otherwise: 'accept' }))
  assert.notEqual(before, key({ ...both, policies: ['b', 'a'] }))
  policies.configure([policy('b', { match: {}, then: 'accept' }), policy('a', { match: {}, then: 'accept' })])
  assert.equal(key(both), before)
  policies.configure([policy('a', { match: {}, then: 'reject' }), policy('b', { match: {}, then: 'accept' })])
  assert.notEqual(key(both), before)
})

test('a chain says whether it looks at the neighbour or at the peer that a route was learned from', () => {
  const policies = made(
    policy('plain', { match: { origins: ['igp'] }, then: 'accept' }),
    policy('asn', { match: { neighbourAsns: [65002] }, then: 'accept' }),
    policy('from', { match: { learnedFrom: ['far'] }, then: 'accept' }),
  )
  const reads = (...names: string[]) => {
    const { readsNeighbour, readsSource } = policies.chain({ policies: names, otherwise: 'reject' })
    return [readsNeighbour, readsSource]
  }
  assert.deepEqual(reads('plain'), [false, false])
  assert.deepEqual(reads('plain', 'asn'), [true, false])
  assert.deepEqual(reads('from'), [false, true])
})

for (const { family, network, inside, outside } of [
  { family: 'ipv4/unicast', network: '10.0.0.0/8', inside: '10.1.0.0/16', outside: '11.0.0.0/16' },
  { family: 'ipv6/unicast', network: '2001:db8::/32', inside: '2001:db8:1::/48', outside: '2001:db9::/48' },
] as const) {
  test(`${family}: a set without entries of the family needs no test, one with them is asked per prefix`, () => {
    const other = prefix(family === 'ipv4/unicast' ? '::/0' : '0.0.0.0/0')
    const statement = (mode: 'any' | 'none', about: Prefix): PolicyStatement => ({
      match: { prefixes: { mode, entries: [{ prefix: about, minLength: 0, maxLength: 128 }] } },
      then: 'reject',
    })
    const policies = made(
      policy('any-other', statement('any', other)),
      policy('none-other', statement('none', other)),
      policy('any', statement('any', prefix(network))),
      policy('none', statement('none', prefix(network))),
    )
    const said = (name: string) => decide(policies, { policies: [name], otherwise: 'accept' }, family)
    assert.equal(said('any-other').kind, 'accept')
    assert.equal(said('none-other').kind, 'reject')
    assert.equal(said('any').kind, 'choice')
    assert.equal(resolved(said('any'), prefix(inside)).kind, 'reject')
    assert.equal(resolved(said('any'), prefix(outside)).kind, 'accept')
    assert.equal(resolved(said('none'), prefix(inside)).kind, 'accept')
    assert.equal(resolved(said('none'), prefix(outside)).kind, 'reject')
  })

  test(`${family}: the origin validation state is asked of what is known now (RFC 6811 §4)`, () => {
    const origins = new ValidatedOrigins()
    const policies = new Policies(origins)
    policies.configure([policy('roa', { name: 'invalid', match: { rpki: ['invalid'] }, then: 'reject' })])
    const outcome = decide(policies, { policies: ['roa'], otherwise: 'accept' }, family)
    assert.ok(outcome.kind === 'choice' && outcome.test.rpki)
    assert.equal(resolved(outcome, prefix(inside)).kind, 'accept')
    origins.apply([{ prefix: prefix(network), maxLength: 64, asn: 65009 }], [])
    assert.equal(reasonOf(resolved(outcome, prefix(inside))), 'rejected by policy roa, statement 1 (invalid)')
    assert.equal(resolved(outcome, prefix(outside)).kind, 'accept')
    assert.equal(familyOfPrefix(prefix(inside)), family)
  })
}

test('a route that is in none of many narrow sets is asked about them once', () => {
  const statements = Array.from({ length: 10 }, (_, i): PolicyStatement => ({
    match: { prefixes: { mode: 'any', entries: [{ ...entry, prefix: prefix(`192.168.${i}.0/24`) }] } },
    then: 'reject',
  }))
  const outcome = decide(made(policy('many', ...statements)), { policies: ['many'], otherwise: 'accept' })
  assert.ok(outcome.kind === 'choice' && outcome.no().kind === 'accept')
  assert.equal(reasonOf(resolved(outcome, prefix('192.168.7.0/24'))), 'rejected by policy many, statement 8')
  assert.equal(resolved(outcome, prefix('192.168.77.0/24')).kind, 'accept')
})

test('a set of ten thousand prefixes is asked in as many steps as a prefix has bits', () => {
  const entries = Array.from({ length: 10_000 }, (_, i) => ({
    prefix: prefix(`10.${i >> 8}.${i & 255}.0/24`),
    minLength: 24,
    maxLength: 32,
  }))
  const policies = made(policy('many', { match: { prefixes: { mode: 'any', entries } }, then: 'reject' }))
  const outcome = decide(policies, { policies: ['many'], otherwise: 'accept' })
  assert.equal(resolved(outcome, prefix('10.39.15.7/32')).kind, 'reject')
  assert.equal(resolved(outcome, prefix('10.39.16.0/24')).kind, 'accept')
  assert.equal(resolved(outcome, prefix('10.0.0.0/23')).kind, 'accept')
})

for (const { name, kind, expected } of [
  {
    name: 'to the world, where the way through the confederation is not shown (RFC 5065 §4.1)',
    kind: 'external' as const,
    expected: [
      { kind: 'sequence', asns: [65001, 65001] },
      { kind: 'confedSequence', asns: [64601] },
      { kind: 'sequence', asns: [65002] },
    ],
  },
  {
    name: 'from member to member (RFC 5065 §4.1)',
    kind: 'confed' as const,
    expected: [
      { kind: 'confedSequence', asns: [65001, 65001, 64601] },
      { kind: 'sequence', asns: [65002] },
    ],
  },
])
  test(`puts the own AS in front ${name}`, () => {
    const policies = made(
      policy('long', { match: {}, set: { prepend: { asn: 'own', count: 2 } }, then: 'accept' }),
    )
    const asPath = [
      { kind: 'confedSequence' as const, asns: [64601] },
      { kind: 'sequence' as const, asns: [65002] },
    ]
    const chain = policies.chain({ policies: ['long'], otherwise: 'reject' })
    const route: PolicyRoute = {
      ...routeOf('ipv4/unicast'),
      direction: 'export',
      neighbour: { ...peer, kind },
    }
    const outcome = chain.decide(route, { ...path, asPath }, ({ attributes }) => ({
      kind: 'accept',
      attributes,
    }))
    assert.ok(outcome.kind === 'accept')
    assert.deepEqual(outcome.attributes.asPath, expected)
  })
