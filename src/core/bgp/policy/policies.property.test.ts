import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import type { LargeCommunity } from '#core/net/community.ts'
import { lengthOf, prefix, type Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import { familyOfPrefix } from '../family.ts'
import type { PathSource } from '../rib/path-source.ts'
import { encodePrefix } from '../wire/nlri.ts'
import type { Accepted, PolicyRoute } from './chain.ts'
import { routeOrigin, ValidatedOrigins } from './origins.ts'
import type { Outcome } from './outcome.ts'
import { Policies } from './policies.ts'
import { decideReference } from './policy.reference.ts'
import type { PolicyMatch, PolicyStatement, RoutePolicy } from './policy.ts'

const prefixes = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.2.0/24',
  '192.0.2.1/32',
  '::/0',
  '2001:db8::/32',
  '2001:db8:1::/48',
  '2001:db8:1::1/128',
].map(prefix)
const addresses = ['192.0.2.9', '10.1.2.3', '2001:db8::9', '2001:db8:1::1'].map(address)
const somePrefix = fc.constantFrom(...prefixes)
const someAddress = fc.constantFrom(...addresses)
const asn = fc.constantFrom(65001, 65002, 65003, 4_200_000_000)
const community = fc.constantFrom(0xfde90001, 0xfde90002, 0xfdea0001, 0xffffff01, 0xffff029a)
const largeCommunity: fc.Arbitrary<LargeCommunity> = fc.tuple(
  fc.constantFrom(65001, 65002),
  fc.constantFrom(1, 2),
  fc.constantFrom(1, 2),
)
const extendedCommunity = fc.constantFrom(
  '0002fde800000064',
  '0002fde800000065',
  '4004fde84cee6b28',
  '000220010db80000000000000000000000010064',
)
const few = { maxLength: 3 }
const number = fc.constantFrom(0, 1, 50, 100, 200, 4_294_967_295)
const comparison = fc.record({
  operator: fc.constantFrom('eq', 'ge', 'le'),
  value: fc.constantFrom(0, 1, 2, 50, 100),
})
const mode = fc.constantFrom('any', 'all', 'none')
const plain = { noNullPrototype: true, requiredKeys: [] as never[] }

const texts = (...each: string[]) =>
  fc.oneof(
    fc.constantFrom(...each).map((text) => ({ kind: 'text' as const, text })),
    fc
      .constantFrom('^6500[12]:', ':1$', '', '.*0[12]', 'no-', 'rt:', '1:2')
      .map((source) => ({ kind: 'regex' as const, source })),
  )
const standardPattern = texts('65001:1', '65001:2', 'no-export', '65535:666')
const largePattern = texts('65001:1:1', '65002:2:1')
const extendedPattern = texts(
  'rt:65000:100',
  '0x0002fde800000065',
  'lb:65000:125000000',
  'rt:[2001:db8::1]:100',
)
const asPathPattern = fc.oneof(
  fc
    .constantFrom('^65001', '_65002_', '65003$', '^$', '[{ ]', '_6500[13]_', '^(65001_)+')
    .map((source) => ({ kind: 'regex' as const, source })),
  fc.record({ kind: fc.constantFrom('first', 'origin', 'contains'), asns: fc.array(asn, { maxLength: 2 }) }),
)
const prefixEntry = fc
  .record({ prefix: somePrefix, longer: fc.nat(24), range: fc.nat(24) })
  .map(({ prefix: network, longer, range }) => ({
    prefix: network,
    minLength: lengthOf(network) + longer,
    maxLength: lengthOf(network) + longer + range,
  }))
const set = <T, M>(entries: fc.Arbitrary<T>, modes: fc.Arbitrary<M>) =>
  fc.record({ mode: modes, entries: fc.array(entries, few) }, { noNullPrototype: true })

/** Most statements have few conditions, so that they match often enough. */
const condition = fc.oneof(
  fc.record({ families: fc.array(fc.constantFrom('ipv4/unicast', 'ipv6/unicast'), few) }),
  fc.record({ prefixes: set(prefixEntry, fc.constantFrom('any', 'none')) }),
  fc.record({ prefixes: set(prefixEntry, fc.constantFrom('any', 'none')) }),
  fc.record({ rpki: fc.array(fc.constantFrom('valid', 'invalid', 'notFound'), few) }),
  fc.record({ neighbours: set(somePrefix, fc.constantFrom('any', 'none')) }),
  fc.record({ neighbourAsns: fc.array(asn, few) }),
  fc.record({ communities: set(standardPattern, mode) }),
  fc.record({ largeCommunities: set(largePattern, mode) }),
  fc.record({ extendedCommunities: set(extendedPattern, mode) }),
  fc.record({ asPath: set(asPathPattern, mode) }),
  fc.record({ asPathLength: comparison }),
  fc.record({ communityCount: comparison }),
  fc.record({ nextHops: fc.array(somePrefix, few) }),
  fc.record({ med: comparison }),
  fc.record({ localPref: comparison }),
  fc.record({ origins: fc.array(fc.constantFrom('igp', 'egp', 'incomplete'), few) }),
  fc.record({ sources: fc.array(fc.constantFrom('own', 'internal', 'external'), few) }),
  fc.record({ learnedFrom: fc.array(fc.constantFrom('a', 'b'), few) }),
)
const match = fc
  .array(condition, { maxLength: 2 })
  .map((conditions) => Object.assign({}, ...conditions) as PolicyMatch)

const change = <T, P>(member: fc.Arbitrary<T>, pattern: fc.Arbitrary<P>) =>
  fc.record(
    { replace: fc.array(member, few), remove: fc.array(pattern, few), add: fc.array(member, few) },
    plain,
  )
const actions = fc.record(
  {
    localPref: number,
    weight: number,
    origin: fc.constantFrom('igp', 'egp', 'incomplete'),
    med: fc.oneof(
      fc.record({ kind: fc.constantFrom('set'), value: number }),
      fc.record({ kind: fc.constantFrom('add'), value: fc.constantFrom(-100, 1, 4_294_967_295) }),
      fc.constant({ kind: 'remove' }),
    ),
    prepend: fc.record({ asn: fc.oneof(asn, fc.constantFrom('own', 'first')), count: fc.nat(3) }),
    nextHop: fc.oneof(
      fc.record({ kind: fc.constantFrom('self', 'keep', 'peer') }),
      fc.record({ kind: fc.constant('address'), address: someAddress }),
    ),
    communities: change(community, standardPattern),
    largeCommunities: change(largeCommunity, largePattern),
    extendedCommunities: change(extendedCommunity, extendedPattern),
  },
  plain,
)
const statement = fc
  .record(
    {
      match,
      set: fc.option(actions, { nil: undefined, freq: 2 }),
      then: fc.constantFrom('accept', 'reject', 'next', 'next'),
    },
    { noNullPrototype: true },
  )
  .map((each) => (each.set === undefined ? { match: each.match, then: each.then } : each) as PolicyStatement)
const policies: fc.Arbitrary<RoutePolicy[]> = fc
  .array(fc.array(statement, { maxLength: 4 }), { minLength: 1, maxLength: 3 })
  .map((list) => list.map((statements, index) => ({ name: `p${index}`, statements })))

const unique = { selector: String, ...few }
const attributes = fc
  .record(
    {
      origin: fc.constantFrom('igp', 'egp', 'incomplete'),
      asPath: fc.array(
        fc.record({
          kind: fc.constantFrom('sequence', 'sequence', 'set', 'confedSequence', 'confedSet'),
          asns: fc.array(asn, { minLength: 1, maxLength: 3 }),
        }),
        few,
      ),
      nextHop: someAddress,
      linkLocalNextHop: fc.constant(address('fe80::1')),
      med: number,
      localPref: number,
      communities: fc.uniqueArray(community, unique).map((list) => list.sort((a, b) => a - b)),
      largeCommunities: fc.uniqueArray(largeCommunity, unique),
      extendedCommunities: fc.uniqueArray(
        extendedCommunity.filter(({ length }) => length === 16),
        unique,
      ),
    },
    { noNullPrototype: true, requiredKeys: ['origin', 'asPath', 'nextHop'] },
  )
  .map((each) => structuredClone(each) as PathAttributes)
const peer = { address: address('192.0.2.9'), asn: 65002, routerId: address('10.0.0.2') }
const sources: PathSource[] = [
  { kind: 'own' },
  { kind: 'external', name: 'a', ...peer },
  { kind: 'internal', name: 'b', ...peer },
  { kind: 'confed', name: 'c', ...peer },
]
const route = fc.record({
  direction: fc.constantFrom('import', 'export'),
  neighbour: fc.record({
    kind: fc.constantFrom('external', 'internal', 'confed'),
    address: someAddress,
    asn,
  }),
  source: fc.constantFrom(...sources),
  ownAsn: asn,
})

const origins = new ValidatedOrigins()
origins.apply(
  [
    { prefix: prefix('10.1.0.0/16'), maxLength: 24, asn: 65001 },
    { prefix: prefix('2001:db8::/32'), maxLength: 48, asn: 65002 },
  ],
  [],
)

/** What the outcome comes to for this prefix. Fails when a test is asked twice. */
function resolved(outcome: Outcome, nlri: Uint8Array, originAsn: number): Outcome {
  const asked = new Set<unknown>()
  for (;;) {
    if (outcome.kind !== 'choice') return outcome
    assert.ok(!asked.has(outcome.test))
    asked.add(outcome.test)
    outcome = outcome.test.matches(nlri, 0, originAsn) ? outcome.yes() : outcome.no()
  }
}

test('a compiled chain says of every route what reading the policies one by one says', () => {
  fc.assert(
    fc.property(
      policies,
      fc.constantFrom('accept' as const, 'reject' as const),
      route,
      attributes,
      fc.array(somePrefix, { minLength: 1, maxLength: 4 }),
      (list, otherwise, about, received, asked) => {
        const compiled = new Policies(origins)
        compiled.configure(list)
        const chain = { policies: list.map(({ name }) => name), otherwise }
        const before = structuredClone(received)
        for (const each of asked) check(compiled, list, chain, about, received, each)
        assert.deepEqual(received, before)
      },
    ),
    { numRuns: 3000 },
  )
})

function check(
  compiled: Policies,
  list: RoutePolicy[],
  chain: { policies: string[]; otherwise: 'accept' | 'reject' },
  about: Omit<PolicyRoute, 'family'>,
  received: PathAttributes,
  each: Prefix,
): void {
  const family = familyOfPrefix(each)
  const nlri = encodePrefix(each)
  const originAsn = routeOrigin(received.asPath, about.ownAsn)
  let accepted: Accepted | undefined
  const outcome = resolved(
    compiled.chain(chain).decide({ ...about, family }, received, (candidate) => {
      accepted = candidate
      return { kind: 'accept', attributes: candidate.attributes }
    }),
    nlri,
    originAsn,
  )
  const rpki = origins.state(family, nlri, 0, originAsn)
  const expected = decideReference(list, chain, { ...about, family, prefix: each, rpki }, received)
  if (expected.kind === 'accept') {
    assert.equal(outcome.kind, 'accept')
    assert.deepEqual(accepted?.attributes, expected.attributes)
    assert.deepEqual([accepted?.nextHop, accepted?.medSet === true], [expected.nextHop, expected.medSet])
  } else {
    assert.equal(outcome.kind, 'reject')
    const reason = outcome.kind === 'reject' ? outcome.reason : ''
    if (expected.policy === undefined) assert.match(reason, /the default is to reject/)
    else assert.equal(reason, `rejected by policy ${expected.policy}, statement ${expected.statement}`)
  }
}
