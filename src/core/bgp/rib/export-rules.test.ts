import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { linkBandwidthCommunity } from '#core/net/extended-community.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Role } from '../config.ts'
import { families, type Family } from '../family.ts'
import type { Outcome } from '../policy/outcome.ts'
import { exportOutcome, pathSourceKey, targetKey, type ExportTarget } from './export.ts'
import type { LearnedFrom, NeighbourKind, PathSource } from './path-source.ts'

const addresses = {
  'ipv4/unicast': { self: '192.0.2.1', far: '198.51.100.1', peer: '192.0.2.2' },
  'ipv6/unicast': { self: '2001:db8::1', far: '2001:db8:ffff::1', peer: '2001:db8::2' },
} as const
const linkLocal = address('fe80::1')
const gshut = 0xffff0000

for (const family of families) {
  const self = address(addresses[family].self)
  const far = address(addresses[family].far)
  const target = (kind: NeighbourKind, more: Partial<ExportTarget> = {}): ExportTarget => ({
    kind,
    address: address(addresses[family].peer),
    asn: kind === 'internal' ? 65001 : 65002,
    localAsn: 65001,
    clusterId: address('10.0.0.1'),
    localAddress: self,
    extendedNextHop: [],
    ...more,
  })
  const from = (kind: NeighbourKind, more: Partial<LearnedFrom> = {}): LearnedFrom => ({
    kind,
    name: 'far',
    address: far,
    asn: 65003,
    routerId: address('10.0.0.3'),
    ...more,
  })
  const learned: PathAttributes = {
    origin: 'egp',
    asPath: [{ kind: 'sequence', asns: [65003] }],
    nextHop: far,
    med: 5,
    localPref: 300,
  }
  const outcome = (to: ExportTarget, source: PathSource, attributes: PathAttributes): Outcome =>
    exportOutcome(to, family, source, attributes)
  const sent = (to: ExportTarget, source: PathSource, attributes: PathAttributes): PathAttributes => {
    const result = outcome(to, source, attributes)
    assert.equal(result.kind, 'accept', result.kind === 'reject' ? result.reason : '')
    return result.kind === 'accept' ? result.attributes : attributes
  }
  const reason = (to: ExportTarget, source: PathSource, attributes: PathAttributes): string => {
    const result = outcome(to, source, attributes)
    return result.kind === 'reject' ? result.reason : result.kind
  }
  const asns = (attributes: PathAttributes) =>
    attributes.asPath.map(({ kind, asns: list }) => [kind, ...list])
  const own: PathAttributes = {
    origin: 'igp',
    asPath: [],
    nextHop: address(family === 'ipv4/unicast' ? '0.0.0.0' : '::'),
  }
  const named = (name: string, body: () => void): void => {
    void test(`${family}: ${name}`, body)
  }

  named('RFC 4456 §6: what a client sent goes to all, what another sent to clients only', () => {
    const client = target('internal', { routeReflectorClient: true })
    const other = target('internal')
    const table = [
      [client, from('internal', { client: true }), true],
      [other, from('internal', { client: true }), true],
      [client, from('internal'), true],
      [other, from('internal'), false],
      [client, from('external'), true],
      [other, from('external'), true],
    ] as const
    for (const [to, source, goes] of table)
      assert.equal(outcome(to, source, learned).kind, goes ? 'accept' : 'reject')
  })

  named('RFC 4456 §8: a reflector adds the originator and its own cluster, and leaves the rest alone', () => {
    const client = target('internal', { routeReflectorClient: true })
    assert.deepEqual(sent(client, from('internal'), learned), {
      ...learned,
      originatorId: address('10.0.0.3'),
      clusterList: [address('10.0.0.1')],
    })
    const reflected = { ...learned, originatorId: address('10.0.0.9'), clusterList: [address('10.0.0.7')] }
    assert.deepEqual(sent(client, from('internal'), reflected), {
      ...reflected,
      clusterList: [address('10.0.0.1'), address('10.0.0.7')],
    })
    const outside = sent(target('external'), from('internal'), reflected)
    assert.deepEqual([outside.originatorId, outside.clusterList], [undefined, undefined])
    assert.equal(sent(client, from('external'), learned).originatorId, undefined)
  })

  const confederation = { id: 100, members: [65001, 65002] }
  const confedPath: PathAttributes = {
    ...learned,
    asPath: [
      { kind: 'confedSequence', asns: [65002] },
      { kind: 'sequence', asns: [65003] },
    ],
  }

  named(
    'RFC 5065 §4.1: the own member AS goes in front of the confederation sequence, next hop and preference stay',
    () => {
      const member = target('confed', { confederation })
      assert.deepEqual(sent(member, from('confed'), confedPath), {
        ...confedPath,
        asPath: [
          { kind: 'confedSequence', asns: [65001, 65002] },
          { kind: 'sequence', asns: [65003] },
        ],
      })
      assert.deepEqual(asns(sent(member, { kind: 'own' }, own)), [['confedSequence', 65001]])
      assert.deepEqual(asns(sent(target('internal', { confederation }), from('confed'), confedPath)), [
        ['confedSequence', 65002],
        ['sequence', 65003],
      ])
    },
  )

  named('RFC 5065 §4.1: the world sees the confederation as one AS, without preference or MED', () => {
    assert.deepEqual(sent(target('external', { confederation }), from('confed'), confedPath), {
      origin: 'egp',
      asPath: [{ kind: 'sequence', asns: [100, 65003] }],
      nextHop: self,
    })
  })

  named('RFC 1997: NO_EXPORT stays in the confederation, NO_EXPORT_SUBCONFED in the member AS', () => {
    const member = target('confed', { confederation })
    assert.equal(outcome(member, from('external'), { ...learned, communities: [0xffffff01] }).kind, 'accept')
    assert.match(
      reason(member, from('external'), { ...learned, communities: [0xffffff03] }),
      /NO_EXPORT_SUBCONFED/,
    )
  })

  named('RFC 7947 §2.2: a route server leaves path, next hop and MED as they are', () => {
    const client = target('external', { routeServerClient: true })
    const { localPref: _, ...unchanged } = learned
    assert.deepEqual(sent(client, from('external'), learned), unchanged)
    assert.deepEqual(asns(sent(client, { kind: 'own' }, own)), [['sequence', 65001]])
  })

  named('RFC 7705 §3.2: local-as goes in front, with replace-as instead of the own AS', () => {
    const localAs = { asn: 64999, noPrepend: false, replaceAs: false }
    assert.deepEqual(asns(sent(target('external', { localAs }), from('external'), learned)), [
      ['sequence', 64999, 65001, 65003],
    ])
    const replaced = target('external', { localAs: { ...localAs, replaceAs: true } })
    assert.deepEqual(asns(sent(replaced, from('external'), learned)), [['sequence', 64999, 65003]])
  })

  named("RFC 6996 §5: private AS numbers are taken out or replaced, but the neighbour's own", () => {
    const mixed: PathAttributes = {
      ...learned,
      asPath: [
        { kind: 'sequence', asns: [64512, 3356, 65002, 65534, 65535] },
        { kind: 'set', asns: [4_200_000_000, 4_294_967_294] },
      ],
    }
    assert.deepEqual(asns(sent(target('external', { removePrivateAs: 'remove' }), from('external'), mixed)), [
      ['sequence', 65001, 3356, 65002, 65535],
    ])
    assert.deepEqual(
      asns(sent(target('external', { removePrivateAs: 'replace' }), from('external'), mixed)),
      [
        ['sequence', 65001, 65001, 3356, 65002, 65001, 65535],
        ['set', 65001, 65001],
      ],
    )
    assert.deepEqual(
      sent(target('internal', { removePrivateAs: 'remove' }), from('external'), mixed).asPath,
      mixed.asPath,
    )
  })

  named('RFC 4271 §5.1.3: next hop self and keep are taken literally', () => {
    assert.equal(sent(target('internal', { nextHop: 'self' }), from('external'), learned).nextHop, self)
    assert.equal(sent(target('external', { nextHop: 'keep' }), from('external'), learned).nextHop, far)
    assert.equal(sent(target('external', { nextHop: 'keep' }), { kind: 'own' }, own).nextHop, self)
    assert.equal(sent(target('internal'), from('external'), learned).nextHop, far)
  })

  named(
    'RFC 2545 §3: on a shared link the link-local next hop goes beside the global one, and not beyond it',
    () => {
      const received = { ...learned, linkLocalNextHop: address('fe80::9') }
      const onLink = sent(target('external', { localLinkLocal: linkLocal }), from('external'), received)
      assert.equal(onLink.linkLocalNextHop, family === 'ipv6/unicast' ? linkLocal : undefined)
      assert.equal(sent(target('internal'), from('external'), received).linkLocalNextHop, undefined)
    },
  )

  named('RFC 8950 §3: a session between link-local addresses sends its link-local address', () => {
    const unnumbered = target('external', {
      localAddress: linkLocal,
      localLinkLocal: linkLocal,
      extendedNextHop: ['ipv4/unicast'],
    })
    const result = sent(unnumbered, from('external'), learned)
    assert.deepEqual([result.nextHop, result.linkLocalNextHop], [linkLocal, undefined])
    const beyond = { ...learned, nextHop: address('fe80::9') }
    assert.equal(sent(target('internal'), from('external'), beyond).nextHop, self)
  })

  const roles: { role: Role; sends: boolean; marks: boolean }[] = [
    { role: 'provider', sends: true, marks: true },
    { role: 'rs', sends: true, marks: true },
    { role: 'customer', sends: false, marks: false },
    { role: 'rs-client', sends: false, marks: false },
    { role: 'peer', sends: false, marks: true },
  ]
  for (const { role, sends, marks } of roles) {
    named(
      `RFC 9234 §5: as ${role}, ONLY_TO_CUSTOMER ${sends ? 'goes on' : 'stays'} and is ${marks ? '' : 'not '}added`,
      () => {
        const to = target('external', { role })
        const result = outcome(to, from('external'), { ...learned, otc: 7 })
        assert.equal(result.kind === 'accept' ? result.attributes.otc : result.kind, sends ? 7 : 'reject')
        assert.equal(sent(to, from('external'), learned).otc, marks ? 65001 : undefined)
        assert.equal(sent(to, { kind: 'own' }, own).otc, marks ? 65001 : undefined)
        assert.equal(sent(target('internal', { role }), from('external'), learned).otc, undefined)
      },
    )
  }

  named('RFC 9234 §5: a confederation marks with its own number', () => {
    const to = target('external', { role: 'provider', confederation })
    assert.equal(sent(to, from('confed'), confedPath).otc, 100)
  })

  named('RFC 8326 §4.2: routes to a neighbour that is to be left carry GRACEFUL_SHUTDOWN', () => {
    const out = sent(
      target('external', { gracefulShutdown: true }),
      { kind: 'own' },
      { ...own, communities: [5] },
    )
    assert.deepEqual([out.communities, out.localPref, out.partial], [[5, gshut], undefined, undefined])
    const inside = sent(target('internal', { gracefulShutdown: true }), from('external'), learned)
    assert.deepEqual([inside.communities, inside.localPref, inside.partial], [[gshut], 0, [8]])
  })

  named('RFC 3765 §2: NOPEER does not go to peers', () => {
    const marked = { ...learned, communities: [0xffffff04] }
    assert.match(reason(target('external', { role: 'peer' }), from('external'), marked), /NOPEER/)
    assert.equal(outcome(target('external', { role: 'provider' }), from('external'), marked).kind, 'accept')
  })

  named('RFC 9494 §4.3: stale paths go only to neighbours that know of long-lived restarts', () => {
    const stale = { ...learned, communities: [0xffff0006] }
    assert.match(reason(target('external'), from('external'), stale), /long-lived stale/)
    assert.equal(outcome(target('external', { longLived: [family] }), from('external'), stale).kind, 'accept')
  })

  named('RFC 7311 §3.3: AIGP goes where it is on, and grows when the next hop changes', () => {
    const with10 = { ...learned, aigp: 10n }
    assert.equal(sent(target('external'), from('external'), with10).aigp, undefined)
    assert.equal(sent(target('external', { aigp: true }), from('external'), with10).aigp, 11n)
    assert.equal(sent(target('internal', { aigp: true }), from('external'), with10).aigp, 10n)
  })

  named('RFC 7311 §3: other TLVs of AIGP go along unchanged', () => {
    const others = { ...learned, aigp: 10n, aigpOthers: '070004ab' }
    assert.equal(sent(target('external', { aigp: true }), from('external'), others).aigpOthers, '070004ab')
    assert.equal(sent(target('external'), from('external'), others).aigpOthers, undefined)
    const most = { ...others, aigp: 0xffff_ffff_ffff_fffen }
    assert.equal(sent(target('external', { aigp: true }), from('external'), most).aigpOthers, undefined)
  })

  named('RFC 7311 §3.2: AIGP that would reach its maximum is not sent, since nobody takes it', () => {
    const most = { ...learned, aigp: 0xffff_ffff_ffff_fffen }
    assert.equal(sent(target('external', { aigp: true }), from('external'), most).aigp, undefined)
    assert.equal(sent(target('internal', { aigp: true }), from('external'), most).aigp, most.aigp)
  })

  named(
    "draft-ietf-idr-link-bandwidth §2: the own bandwidth goes beside next hop self, another's does not",
    () => {
      const received = {
        ...learned,
        extendedCommunities: ['0002fde800000064', linkBandwidthCommunity(65003, 1000)],
      }
      const to = target('external', { linkBandwidth: 125_000_000 })
      assert.deepEqual(sent(to, from('external'), received).extendedCommunities, [
        '0002fde800000064',
        linkBandwidthCommunity(65001, 125_000_000),
      ])
      assert.deepEqual(
        sent(target('internal'), from('external'), received).extendedCommunities,
        received.extendedCommunities,
      )
      const large = { ...to, localAsn: 4_200_000_001 }
      assert.deepEqual(sent(large, { kind: 'own' }, own).extendedCommunities, [
        linkBandwidthCommunity(23456, 125_000_000),
      ])
    },
  )

  named('RFC 4360 §6: extended communities that are not transitive stay in the AS', () => {
    const received = { ...learned, extendedCommunities: ['4002fde800000064'] }
    assert.equal(sent(target('external'), from('external'), received).extendedCommunities, undefined)
    assert.deepEqual(
      sent(target('internal'), from('external'), received).extendedCommunities,
      received.extendedCommunities,
    )
  })

  named('weight never leaves the speaker', () => {
    for (const kind of ['external', 'internal', 'confed'] as const)
      assert.equal(sent(target(kind), from('external'), { ...learned, weight: 9 }).weight, undefined)
  })

  named('targets and sources with equal keys get equal outcomes', () => {
    const targets = [
      target('internal', { routeReflectorClient: true }),
      target('internal', { routeReflectorClient: true, address: far }),
      target('internal'),
      target('external', { role: 'peer' }),
      target('external', { removePrivateAs: 'remove' }),
      target('external', { removePrivateAs: 'remove', asn: 65003 }),
    ]
    const sources: PathSource[] = [
      { kind: 'own' },
      from('external'),
      from('external', { name: 'other', routerId: address('10.0.0.4') }),
      from('internal'),
      from('internal', { routerId: address('10.0.0.4') }),
      from('internal', { client: true }),
    ]
    const seen = new Map<string, Outcome>()
    for (const to of targets)
      for (const source of sources) {
        const key = `${targetKey(to)} ${pathSourceKey(to, source)}`
        const result = outcome(to, source, learned)
        const same = seen.get(key)
        if (same !== undefined) assert.deepEqual(result, same)
        seen.set(key, result)
      }
    assert.ok(seen.size < targets.length * sources.length)
    assert.equal(targetKey(targets[0]!), targetKey(targets[1]!))
    assert.notEqual(targetKey(targets[4]!), targetKey(targets[5]!))
    assert.equal(pathSourceKey(targets[3]!, sources[1]!), pathSourceKey(targets[3]!, sources[2]!))
    assert.notEqual(pathSourceKey(targets[0]!, sources[3]!), pathSourceKey(targets[0]!, sources[4]!))
  })
}

test('RFC 8950: an IPv4 route keeps an IPv6 next hop only for a neighbour that takes it', () => {
  const to: ExportTarget = {
    kind: 'internal',
    address: address('192.0.2.2'),
    asn: 65001,
    localAsn: 65001,
    clusterId: address('10.0.0.1'),
    localAddress: address('192.0.2.1'),
    extendedNextHop: [],
  }
  const source: PathSource = {
    kind: 'external',
    name: 'far',
    address: address('2001:db8::9'),
    asn: 65009,
    routerId: address('10.0.0.9'),
  }
  const path: PathAttributes = { origin: 'igp', asPath: [], nextHop: address('2001:db8::9') }
  const family: Family = 'ipv4/unicast'
  assert.equal(exportOutcome(to, family, source, path).kind, 'reject')
  assert.equal(exportOutcome({ ...to, extendedNextHop: [family] }, family, source, path).kind, 'accept')
})
