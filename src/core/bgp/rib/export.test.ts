import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Family } from '../family.ts'
import { exportOutcome, type ExportTarget } from './export.ts'
import type { NeighbourKind } from './path-source.ts'

const v4 = address('192.0.2.1')
const v6 = address('2001:db8::1')
const ebgp: ExportTarget = {
  kind: 'external',
  address: address('192.0.2.2'),
  asn: 65002,
  localAsn: 65001,
  clusterId: address('10.0.0.1'),
  localAddress: v4,
  extendedNextHop: [],
}
const ibgp: ExportTarget = { ...ebgp, kind: 'internal', asn: 65001 }
const peer = { name: 'far', address: address('192.0.2.3'), asn: 65003, routerId: address('10.0.0.3') }
const learned: PathAttributes = {
  origin: 'egp',
  asPath: [{ kind: 'sequence', asns: [65002] }],
  nextHop: address('198.51.100.1'),
  med: 5,
  localPref: 300,
  communities: [1],
}
const own: PathAttributes = { origin: 'igp', asPath: [], nextHop: address('0.0.0.0') }
const own6: PathAttributes = { ...own, nextHop: address('::') }

interface Case {
  name: string
  target: ExportTarget
  family?: Family
  source: NeighbourKind | 'own'
  attributes: PathAttributes
  /** What is sent, or the reason why nothing is. */
  expect: Partial<PathAttributes> | RegExp
}

const cases: Case[] = [
  {
    name: 'to eBGP: own AS in front, next hop self, neither MED nor LOCAL_PREF of others (RFC 4271 §5.1)',
    target: ebgp,
    source: 'external',
    attributes: learned,
    expect: {
      origin: 'egp',
      asPath: [{ kind: 'sequence', asns: [65001, 65002] }],
      nextHop: v4,
      communities: [1],
    },
  },
  {
    name: 'to iBGP: path and next hop unchanged, MED kept, LOCAL_PREF that of import policy (RFC 4271 §5.1.5)',
    target: ibgp,
    source: 'external',
    attributes: learned,
    expect: learned,
  },
  {
    name: 'to iBGP: LOCAL_PREF the default when there is none (RFC 4271 §5.1.5)',
    target: ibgp,
    source: 'external',
    attributes: { ...own, nextHop: v4 },
    expect: { ...own, nextHop: v4, localPref: 100 },
  },
  {
    name: 'own routes to eBGP: their own MED, no LOCAL_PREF',
    target: ebgp,
    source: 'own',
    attributes: { ...own, med: 9, localPref: 50 },
    expect: { origin: 'igp', asPath: [{ kind: 'sequence', asns: [65001] }], nextHop: v4, med: 9 },
  },
  {
    name: 'own routes to iBGP: an empty path and their own LOCAL_PREF',
    target: ibgp,
    source: 'own',
    attributes: { ...own, localPref: 50 },
    expect: { ...own, nextHop: v4, localPref: 50 },
  },
  {
    name: 'a set in front gets a new sequence before it (RFC 4271 §5.1.2)',
    target: ebgp,
    source: 'external',
    attributes: { ...own, nextHop: v4, asPath: [{ kind: 'set', asns: [65002] }] },
    expect: {
      ...own,
      nextHop: v4,
      asPath: [
        { kind: 'sequence', asns: [65001] },
        { kind: 'set', asns: [65002] },
      ],
    },
  },
  {
    name: 'a full sequence in front gets a new one before it (RFC 4271 §5.1.2)',
    target: ebgp,
    source: 'external',
    attributes: { ...own, asPath: [{ kind: 'sequence', asns: Array<number>(255).fill(65002) }] },
    expect: {
      ...own,
      nextHop: v4,
      asPath: [
        { kind: 'sequence', asns: [65001] },
        { kind: 'sequence', asns: Array<number>(255).fill(65002) },
      ],
    },
  },
  {
    name: 'IPv6 over an IPv4 session: the next hop is the IPv6 address of the interface',
    target: { ...ebgp, localAddressOtherVersion: v6 },
    family: 'ipv6/unicast',
    source: 'own',
    attributes: own6,
    expect: { ...own6, nextHop: v6, asPath: [{ kind: 'sequence', asns: [65001] }] },
  },
  {
    name: 'IPv4 over an IPv6 session: the next hop is the IPv4 address of the interface',
    target: { ...ebgp, localAddress: v6, localAddressOtherVersion: v4 },
    source: 'own',
    attributes: own,
    expect: { ...own, nextHop: v4, asPath: [{ kind: 'sequence', asns: [65001] }] },
  },
  {
    name: 'IPv4 over an IPv6 session without an IPv4 address: an IPv6 next hop if negotiated (RFC 8950)',
    target: { ...ibgp, localAddress: v6, extendedNextHop: ['ipv4/unicast'] },
    source: 'own',
    attributes: own,
    expect: { ...own, nextHop: v6, localPref: 100 },
  },
  {
    name: 'IPv6 over an IPv4 session without an IPv6 address',
    target: ebgp,
    family: 'ipv6/unicast',
    source: 'own',
    attributes: own6,
    expect: /no IPv6 address on the interface of 192\.0\.2\.1/,
  },
  {
    name: 'an own route with a next hop of its own',
    target: ebgp,
    source: 'own',
    attributes: { ...own, nextHop: address('203.0.113.1') },
    expect: { ...own, nextHop: address('203.0.113.1'), asPath: [{ kind: 'sequence', asns: [65001] }] },
  },
  {
    name: 'an own route with a next hop of the wrong version',
    target: ebgp,
    source: 'own',
    attributes: { ...own, nextHop: v6 },
    expect: /2001:db8::1 is not an IPv4 address/,
  },
  {
    name: 'iBGP to iBGP (RFC 4271 §9.2)',
    target: ibgp,
    source: 'internal',
    attributes: learned,
    expect: /not passed on over iBGP/,
  },
  {
    name: 'NO_EXPORT to eBGP',
    target: ebgp,
    source: 'external',
    attributes: { ...learned, communities: [0xffffff01] },
    expect: /NO_EXPORT /,
  },
  {
    name: 'NO_EXPORT to iBGP',
    target: ibgp,
    source: 'external',
    attributes: { ...learned, communities: [0xffffff01] },
    expect: { ...learned, communities: [0xffffff01] },
  },
  {
    name: 'NO_ADVERTISE',
    target: ibgp,
    source: 'external',
    attributes: { ...learned, communities: [0xffffff02] },
    expect: /NO_ADVERTISE/,
  },
  {
    name: 'NO_EXPORT_SUBCONFED to eBGP',
    target: ebgp,
    source: 'internal',
    attributes: { ...learned, communities: [0xffffff03] },
    expect: /NO_EXPORT_SUBCONFED/,
  },
  {
    name: 'own routes with NO_EXPORT go out with it: it binds their receiver (RFC 1997)',
    target: ebgp,
    source: 'own',
    attributes: { ...own, communities: [0xffffff01] },
    expect: {
      ...own,
      nextHop: v4,
      asPath: [{ kind: 'sequence', asns: [65001] }],
      communities: [0xffffff01],
    },
  },
  {
    name: 'unknown attributes: transitive ones go on as Partial, others stop (RFC 4271 §5)',
    target: ibgp,
    source: 'external',
    attributes: {
      ...own,
      nextHop: v4,
      unknown: [
        { flags: 0xc0, type: 99, value: Uint8Array.of(1) },
        { flags: 0x80, type: 100, value: Uint8Array.of(2) },
      ],
    },
    expect: {
      ...own,
      nextHop: v4,
      localPref: 100,
      unknown: [{ flags: 0xe0, type: 99, value: Uint8Array.of(1) }],
    },
  },
]

for (const { name, target, family = 'ipv4/unicast', source, attributes, expect } of cases) {
  test(`sends or withholds: ${name}`, () => {
    const from = source === 'own' ? { kind: source } : { ...peer, kind: source }
    const outcome = exportOutcome(target, family, from, attributes)
    if (expect instanceof RegExp) {
      assert.equal(outcome.kind, 'reject')
      assert.match(outcome.kind === 'reject' ? outcome.reason : '', expect)
    } else assert.deepEqual(outcome.kind === 'accept' ? outcome.attributes : outcome, expect)
  })
}
