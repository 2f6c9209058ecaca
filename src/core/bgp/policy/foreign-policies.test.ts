/** One RoutePolicy for each thing that policies of other projects can say (translating them is `core/dialect`'s business). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { lengthOf, prefix, type Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import { familyOfPrefix } from '../family.ts'
import { exportOutcome, type ExportTarget } from '../rib/export.ts'
import { importOutcome, type ImportSource } from '../rib/import.ts'
import type { LearnedFrom, PathSource } from '../rib/path-source.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { routeOrigin, ValidatedOrigins } from './origins.ts'
import type { Outcome } from './outcome.ts'
import { Policies } from './policies.ts'
import type { PolicyChain, PolicyMatch, PolicyStatement, PrefixEntry } from './policy.ts'

const noExport = 0xffffff01
const from: LearnedFrom = {
  kind: 'external',
  name: 'tor',
  address: address('192.0.2.9'),
  asn: 65002,
  routerId: address('10.0.0.2'),
}
const own: PathSource = { kind: 'own' }
const learned: PathAttributes = {
  origin: 'igp',
  asPath: [{ kind: 'sequence', asns: [65002, 65003] }],
  nextHop: address('192.0.2.9'),
  med: 10,
  communities: [0xfdea_0001],
  largeCommunities: [[65002, 1, 1]],
  extendedCommunities: ['0002fdea00000064'],
}
const originated: PathAttributes = { origin: 'igp', asPath: [], nextHop: address('0.0.0.0') }

const origins = new ValidatedOrigins()
origins.apply([{ prefix: prefix('10.0.0.0/8'), maxLength: 8, asn: 65001 }], [])

interface Case {
  name: string
  direction: 'import' | 'export'
  statement: PolicyStatement
  /** Absent: reject. */
  otherwise?: PolicyChain['otherwise']
  /** Of the route; absent: learned from an external neighbour. */
  source?: PathSource
  prefix?: string
  /** Absent: an external neighbour. */
  kind?: ExportTarget['kind']
  /** What the attributes become, or that the route is refused. */
  expect: Partial<PathAttributes> | 'reject'
}

const within = (text: string, minLength?: number, maxLength?: number): PrefixEntry => ({
  prefix: prefix(text),
  minLength: minLength ?? lengthOf(prefix(text)),
  maxLength: maxLength ?? (text.includes(':') ? 128 : 32),
})
const accepts = (match: PolicyMatch, set?: PolicyStatement['set']): PolicyStatement =>
  set === undefined ? { match, then: 'accept' } : { match, set, then: 'accept' }
const rejects = (match: PolicyMatch): PolicyStatement => ({ match, then: 'reject' })
const text = (...texts: string[]) => ({
  mode: 'any' as const,
  entries: texts.map((each) => ({ kind: 'text' as const, text: each })),
})
const regex = (source: string) => ({ mode: 'any' as const, entries: [{ kind: 'regex' as const, source }] })

const cases: Case[] = [
  // Calico BGPFilter
  {
    name: 'Calico: cidr with matchOperator Equal',
    direction: 'export',
    statement: accepts({ prefixes: { mode: 'any', entries: [within('10.0.0.0/8', 8, 8)] } }),
    prefix: '10.1.0.0/16',
    expect: 'reject',
  },
  {
    name: 'Calico: cidr with matchOperator In',
    direction: 'export',
    statement: accepts({ prefixes: { mode: 'any', entries: [within('10.0.0.0/8')] } }),
    prefix: '10.1.0.0/16',
    expect: {},
  },
  {
    name: 'Calico: cidr with matchOperator NotIn',
    direction: 'export',
    statement: rejects({ prefixes: { mode: 'none', entries: [within('2001:db8::/32')] } }),
    otherwise: 'accept',
    prefix: '2001:db9::/48',
    expect: 'reject',
  },
  {
    name: 'Calico: prefixLength',
    direction: 'import',
    statement: accepts({ prefixes: { mode: 'any', entries: [within('2001:db8::/32', 40, 48)] } }),
    prefix: '2001:db8:1::/64',
    expect: 'reject',
  },
  {
    name: 'Calico: source RemotePeers',
    direction: 'export',
    statement: rejects({ sources: ['internal', 'external'] }),
    otherwise: 'accept',
    expect: 'reject',
  },
  {
    name: 'Calico: peerType and asPathPrefix',
    direction: 'import',
    statement: accepts({
      sources: ['external'],
      asPath: { mode: 'any', entries: [{ kind: 'first', asns: [65002, 65003] }] },
    }),
    expect: {},
  },
  {
    name: 'Calico: priority as local preference, communities and prepended AS',
    direction: 'import',
    statement: accepts(
      { communities: text('65002:1') },
      { localPref: 200, communities: { add: [noExport] }, prepend: { asn: 65009, count: 1 } },
    ),
    expect: {
      localPref: 200,
      communities: [0xfdea_0001, noExport],
      asPath: [{ kind: 'sequence', asns: [65009, 65002, 65003] }],
    },
  },
  // GoBGP and loxilb
  {
    name: 'GoBGP: prefix-set with masklength-range, matched by any',
    direction: 'import',
    statement: accepts({ prefixes: { mode: 'any', entries: [within('10.0.0.0/8', 16, 24)] } }),
    prefix: '10.1.2.0/24',
    expect: {},
  },
  {
    name: 'GoBGP: prefix-set inverted',
    direction: 'import',
    statement: accepts({ prefixes: { mode: 'none', entries: [within('10.0.0.0/8', 16, 24)] } }),
    prefix: '10.1.2.0/24',
    expect: 'reject',
  },
  {
    name: 'GoBGP: neighbor-set',
    direction: 'import',
    statement: accepts({ neighbours: { mode: 'any', entries: [prefix('192.0.2.0/24')] } }),
    expect: {},
  },
  {
    name: 'GoBGP: community-set by regular expression, all',
    direction: 'import',
    statement: accepts({ communities: { ...regex('^65002:.$'), mode: 'all' } }),
    expect: {},
  },
  {
    name: 'GoBGP: ext-community-set',
    direction: 'import',
    statement: accepts({ extendedCommunities: text('rt:65002:100') }),
    expect: {},
  },
  {
    name: 'GoBGP: large-community-set',
    direction: 'import',
    statement: accepts({ largeCommunities: regex('^65002:') }),
    expect: {},
  },
  {
    name: 'GoBGP: as-path-set',
    direction: 'import',
    statement: rejects({ asPath: { mode: 'any', entries: [{ kind: 'regex', source: '_65003$' }] } }),
    otherwise: 'accept',
    expect: 'reject',
  },
  {
    name: 'GoBGP: as-path-length and community-count',
    direction: 'import',
    statement: accepts({
      asPathLength: { operator: 'le', value: 2 },
      communityCount: { operator: 'eq', value: 1 },
    }),
    expect: {},
  },
  {
    name: 'GoBGP: afi-safi-in, next-hop-in-list, origin and route-type',
    direction: 'export',
    statement: accepts({
      families: ['ipv4/unicast'],
      nextHops: [prefix('192.0.2.9/32')],
      origins: ['igp'],
      sources: ['external'],
    }),
    expect: {},
  },
  {
    name: 'GoBGP: route-type local',
    direction: 'export',
    statement: accepts({ sources: ['own'] }),
    source: own,
    expect: { asPath: [{ kind: 'sequence', asns: [65001] }] },
  },
  {
    name: 'GoBGP: rpki-validation-result',
    direction: 'import',
    statement: rejects({ rpki: ['invalid'] }),
    otherwise: 'accept',
    prefix: '10.1.0.0/16',
    expect: 'reject',
  },
  {
    name: 'GoBGP: local-pref-eq and med-eq',
    direction: 'import',
    statement: accepts({ localPref: { operator: 'eq', value: 100 }, med: { operator: 'eq', value: 10 } }),
    expect: {},
  },
  {
    name: 'GoBGP: set-med, also by a difference, and it leaves the AS',
    direction: 'export',
    statement: accepts({}, { med: { kind: 'add', value: -3 } }),
    expect: { med: 7 },
  },
  {
    name: 'GoBGP: set-local-pref towards an internal neighbour',
    direction: 'export',
    kind: 'internal',
    statement: accepts({}, { localPref: 300 }),
    expect: { localPref: 300, med: 10 },
  },
  {
    name: 'GoBGP: set-next-hop to an address, and it stays that towards an external neighbour',
    direction: 'export',
    statement: accepts({}, { nextHop: { kind: 'address', address: address('203.0.113.1') } }),
    expect: { nextHop: address('203.0.113.1') },
  },
  {
    name: 'GoBGP: set-next-hop self towards an internal neighbour',
    direction: 'export',
    kind: 'internal',
    statement: accepts({}, { nextHop: { kind: 'self' } }),
    expect: { nextHop: address('192.0.2.1'), localPref: 100, med: 10 },
  },
  {
    name: 'GoBGP: set-next-hop unchanged',
    direction: 'export',
    statement: accepts({}, { nextHop: { kind: 'keep' } }),
    expect: { nextHop: address('192.0.2.9') },
  },
  {
    name: 'GoBGP: set-next-hop peer-address',
    direction: 'import',
    statement: accepts({}, { nextHop: { kind: 'peer' } }),
    expect: { nextHop: from.address },
  },
  {
    name: 'GoBGP: set-community REPLACE',
    direction: 'export',
    statement: accepts({}, { communities: { replace: [1] } }),
    expect: { communities: [1] },
  },
  {
    name: 'GoBGP: set-community REMOVE by regular expression, set-ext-community and set-large-community ADD',
    direction: 'import',
    statement: accepts(
      {},
      {
        communities: { remove: [{ kind: 'regex', source: '^65002:' }] },
        extendedCommunities: { add: ['0003fdea00000001'] },
        largeCommunities: { add: [[65001, 2, 3]] },
      },
    ),
    expect: {
      communities: undefined,
      extendedCommunities: ['0002fdea00000064', '0003fdea00000001'],
      largeCommunities: [
        [65001, 2, 3],
        [65002, 1, 1],
      ],
    },
  },
  {
    name: 'GoBGP: set-as-path-prepend of last-as and set-route-origin',
    direction: 'import',
    statement: accepts({}, { prepend: { asn: 'first', count: 2 }, origin: 'incomplete' }),
    expect: { asPath: [{ kind: 'sequence', asns: [65002, 65002, 65002, 65003] }], origin: 'incomplete' },
  },
  // MetalLB, Cilium, kube-router
  {
    name: 'MetalLB: communities, large ones too, and localPref of an advertisement',
    direction: 'export',
    kind: 'internal',
    source: own,
    statement: accepts(
      { sources: ['own'], prefixes: { mode: 'any', entries: [within('10.0.0.0/8', 32, 32)] } },
      { communities: { add: [noExport] }, largeCommunities: { add: [[65001, 1, 1]] }, localPref: 150 },
    ),
    prefix: '10.0.0.1/32',
    expect: { communities: [noExport], largeCommunities: [[65001, 1, 1]], localPref: 150 },
  },
  {
    name: "Cilium: well-known communities and local preference of a peer's advertisement",
    direction: 'export',
    kind: 'internal',
    source: own,
    statement: accepts({ families: ['ipv6/unicast'] }, { communities: { add: [0xffffff02] }, localPref: 50 }),
    prefix: '2001:db8::1/128',
    expect: { communities: [0xffffff02], localPref: 50 },
  },
  {
    name: 'Cilium: nothing is imported',
    direction: 'import',
    statement: rejects({}),
    otherwise: 'accept',
    expect: 'reject',
  },
  {
    name: 'FRR: weight, and routes of one peer only',
    direction: 'import',
    statement: accepts({ learnedFrom: ['tor'], neighbourAsns: [65002] }, { weight: 500 }),
    expect: { weight: 500 },
  },
]

for (const each of cases) {
  const { name, direction, statement, otherwise = 'reject', source = from, kind = 'external', expect } = each
  test(`can be said: ${name}`, () => {
    const policies = new Policies(origins)
    policies.configure([{ name: 'p', statements: [statement] }])
    const policy = policies.chain({ policies: ['p'], otherwise })
    const about = prefix(each.prefix ?? '10.1.0.0/16')
    const family = familyOfPrefix(about)
    const ipv6 = family === 'ipv6/unicast'
    const given: PathAttributes =
      source.kind === 'own' ? { ...originated, nextHop: address(ipv6 ? '::' : '0.0.0.0') } : learned
    const common = {
      localAsn: 65001,
      clusterId: address('10.0.0.1'),
      localAddress: address(ipv6 ? '2001:db8::1' : '192.0.2.1'),
    }
    const importer: ImportSource = {
      ...common,
      from,
      localRouterId: address('10.0.0.1'),
      importRoutes: true,
      enforceFirstAs: true,
      honourGracefulShutdown: true,
      aigp: false,
      policy,
    }
    const target: ExportTarget = {
      ...common,
      kind,
      address: address('192.0.2.7'),
      asn: 65007,
      extendedNextHop: [family],
      policy,
    }
    const outcome =
      direction === 'import'
        ? importOutcome(importer, family, given)
        : exportOutcome(target, family, source, given)
    const result = resolved(outcome, about, given)
    if (expect === 'reject') {
      assert.equal(result.kind, 'reject')
      return
    }
    assert.ok(result.kind === 'accept', result.kind === 'reject' ? result.reason : '')
    for (const field of Object.keys(expect) as (keyof PathAttributes)[])
      assert.deepEqual(result.attributes[field], expect[field], field)
  })
}

function resolved(outcome: Outcome, about: Prefix, { asPath }: PathAttributes): Outcome {
  while (outcome.kind === 'choice') {
    const holds = outcome.test.matches(encodePrefix(about), 0, routeOrigin(asPath, 65001))
    outcome = holds ? outcome.yes() : outcome.no()
  }
  return outcome
}
