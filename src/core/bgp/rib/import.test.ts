import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Role } from '../config.ts'
import { families } from '../family.ts'
import { importOutcome, sourceKey, type ImportSource } from './import.ts'
import type { NeighbourKind } from './path-source.ts'

const addresses = {
  'ipv4/unicast': { self: '192.0.2.1', peer: '192.0.2.9' },
  'ipv6/unicast': { self: '2001:db8::1', peer: '2001:db8::9' },
} as const
const [gshut, blackhole, noExport, noAdvertise] = [0xffff0000, 0xffff029a, 0xffffff01, 0xffffff02]

for (const family of families) {
  const peer = address(addresses[family].peer)
  const sourceOf = (kind: NeighbourKind, more: Partial<ImportSource> = {}): ImportSource => ({
    from: {
      kind,
      name: 'far',
      address: peer,
      asn: kind === 'internal' ? 65001 : 65002,
      routerId: address('10.0.0.9'),
    },
    localAsn: 65001,
    localRouterId: address('10.0.0.1'),
    clusterId: address('10.0.0.2'),
    localAddress: address(addresses[family].self),
    importRoutes: true,
    enforceFirstAs: true,
    honourGracefulShutdown: true,
    aigp: false,
    ...more,
  })
  const external = sourceOf('external')
  const internal = sourceOf('internal')
  const path: PathAttributes = {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [65002, 65003] }],
    nextHop: peer,
  }
  const taken = (source: ImportSource, attributes: PathAttributes): PathAttributes => {
    const outcome = importOutcome(source, family, attributes)
    assert.equal(outcome.kind, 'accept', outcome.kind === 'reject' ? outcome.reason : '')
    return outcome.kind === 'accept' ? outcome.attributes : attributes
  }
  const reason = (source: ImportSource, attributes: PathAttributes): string => {
    const outcome = importOutcome(source, family, attributes)
    return outcome.kind === 'reject' ? outcome.reason : outcome.kind
  }
  const pathOf = (...asns: number[]): PathAttributes => ({ ...path, asPath: [{ kind: 'sequence', asns }] })
  const named = (name: string, body: () => void): void => {
    void test(`${family}: ${name}`, body)
  }

  named('a path is taken in as it is', () => {
    assert.equal(taken(external, path), path)
    assert.equal(taken(internal, path), path)
  })

  named('RFC 4271 §9.1.2: a path with the own AS is rejected, unless so many times are allowed', () => {
    assert.match(reason(external, pathOf(65002, 65001)), /own AS 65001 \(RFC 4271 §9\.1\.2\)/)
    assert.match(reason(internal, pathOf(65001)), /own AS 65001/)
    const allowing = sourceOf('external', { allowOwnAs: 1 })
    assert.equal(reason(allowing, pathOf(65002, 65001)), 'accept')
    assert.match(reason(allowing, pathOf(65002, 65001, 65003, 65001)), /own AS/)
  })

  named('RFC 5065 §4: the number of the confederation is an own AS, and so is that of local-as', () => {
    const confederation = { id: 100, members: [65001, 65002] }
    assert.match(reason(sourceOf('confed', { confederation }), pathOf(65003, 100)), /own AS 100/)
    const looped: PathAttributes = { ...path, asPath: [{ kind: 'confedSequence', asns: [65002, 65001] }] }
    assert.match(reason(sourceOf('confed', { confederation }), looped), /own AS 65001/)
    // Another AS may use the number of a member, which is private.
    assert.equal(reason(sourceOf('confed', { confederation }), pathOf(65003, 65001)), 'accept')
    const localAs = { asn: 64999, noPrepend: true, replaceAs: false }
    assert.match(reason(sourceOf('external', { localAs }), pathOf(65002, 64999)), /own AS 64999/)
  })

  named('RFC 4271 §5.1.3: a path that points here is rejected', () => {
    assert.match(reason(external, { ...path, nextHop: external.localAddress }), /is this speaker/)
    const other = sourceOf('external', { localAddressOtherVersion: address('198.51.100.7') })
    assert.match(reason(other, { ...path, nextHop: address('198.51.100.7') }), /is this speaker/)
  })

  named('RFC 8212 §3: nothing is taken where nobody asked for it', () => {
    assert.match(reason(sourceOf('external', { importRoutes: false }), path), /not imported/)
  })

  named('RFC 4456 §8: a path with the own identifier or cluster ID is rejected', () => {
    assert.match(reason(internal, { ...path, originatorId: internal.localRouterId }), /ORIGINATOR_ID/)
    assert.match(
      reason(internal, { ...path, clusterList: [address('10.0.0.7'), internal.clusterId] }),
      /CLUSTER_LIST/,
    )
    assert.equal(
      reason(internal, { ...path, originatorId: address('10.0.0.7'), clusterList: [address('10.0.0.7')] }),
      'accept',
    )
  })

  named("RFC 4271 §6.3: an external path begins with the neighbour's AS, if that is asked for", () => {
    assert.match(reason(external, pathOf(65003)), /begin with AS 65002/)
    assert.match(reason(external, { ...path, asPath: [] }), /begin with AS 65002/)
    assert.match(
      reason(external, { ...path, asPath: [{ kind: 'set', asns: [65002] }] }),
      /begin with AS 65002/,
    )
    assert.equal(reason(sourceOf('external', { enforceFirstAs: false }), pathOf(65003)), 'accept')
    assert.equal(reason(internal, pathOf(65003)), 'accept')
  })

  const roles: { role: Role; leaks: boolean; leaksOfPeer: boolean; marks: boolean }[] = [
    { role: 'provider', leaks: true, leaksOfPeer: true, marks: false },
    { role: 'rs', leaks: true, leaksOfPeer: true, marks: false },
    { role: 'customer', leaks: false, leaksOfPeer: false, marks: true },
    { role: 'rs-client', leaks: false, leaksOfPeer: false, marks: true },
    { role: 'peer', leaks: true, leaksOfPeer: false, marks: true },
  ]
  for (const { role, leaks, leaksOfPeer, marks } of roles) {
    named(`RFC 9234 §5: as ${role}, a path with ONLY_TO_CUSTOMER is ${leaks ? 'a leak' : 'taken'}`, () => {
      const source = sourceOf('external', { role })
      assert.equal(reason(source, { ...path, otc: 7 }).includes('leak'), leaks)
      assert.equal(reason(source, { ...path, otc: 65002 }).includes('leak'), leaksOfPeer)
      const outcome = taken(source, path)
      assert.deepEqual([outcome.otc, outcome.partial], marks ? [65002, [35]] : [undefined, undefined])
    })
  }

  named('RFC 4271 §5.1.5: LOCAL_PREF counts from inside only (RFC 5065 §5.2: from member ASes too)', () => {
    const preferred = { ...path, localPref: 300 }
    assert.equal(taken(external, preferred).localPref, undefined)
    assert.equal(taken(internal, preferred).localPref, 300)
    assert.equal(taken(sourceOf('confed'), preferred).localPref, 300)
  })

  named('RFC 7311 §3.3: AIGP is taken only where it is on', () => {
    assert.equal(taken(external, { ...path, aigp: 5n }).aigp, undefined)
    assert.equal(taken(sourceOf('external', { aigp: true }), { ...path, aigp: 5n }).aigp, 5n)
    assert.equal(taken(external, { ...path, aigp: 5n, aigpOthers: '070004ab' }).aigpOthers, undefined)
  })

  named('RFC 8326 §4.1: GRACEFUL_SHUTDOWN from outside lowers the preference to 0', () => {
    const leaving = { ...path, communities: [gshut] }
    assert.equal(taken(external, leaving).localPref, 0)
    assert.equal(taken(sourceOf('external', { honourGracefulShutdown: false }), leaving).localPref, undefined)
    assert.equal(taken(internal, { ...leaving, localPref: 50 }).localPref, 50)
  })

  named('RFC 7999 §3.2: BLACKHOLE from outside goes no further', () => {
    assert.deepEqual(taken(external, { ...path, communities: [blackhole] }).communities, [
      blackhole,
      noExport,
    ])
    for (const bound of [noExport, noAdvertise]) {
      const marked = { ...path, communities: [blackhole, bound] }
      assert.equal(taken(external, marked), marked)
    }
  })

  named(
    'RFC 7705 §3.1: local-as goes in front of what was received, unless no-prepend says otherwise',
    () => {
      const localAs = { asn: 64999, noPrepend: false, replaceAs: false }
      assert.deepEqual(taken(sourceOf('external', { localAs }), path).asPath, [
        { kind: 'sequence', asns: [64999, 65002, 65003] },
      ])
      assert.equal(taken(sourceOf('external', { localAs: { ...localAs, noPrepend: true } }), path), path)
    },
  )

  named('weight is nothing that a neighbour can say', () => {
    assert.equal(taken(external, { ...path, weight: 9 }).weight, undefined)
  })

  named('sources with equal keys get equal outcomes', () => {
    const other = { ...external, from: { ...external.from, name: 'other', address: address('192.0.2.77') } }
    assert.equal(sourceKey(external), sourceKey(other))
    assert.notEqual(sourceKey(external), sourceKey({ ...other, from: { ...other.from, asn: 65077 } }))
    assert.notEqual(sourceKey(external), sourceKey(internal))
    assert.notEqual(sourceKey(external), sourceKey(sourceOf('external', { role: 'peer' })))
  })
}
