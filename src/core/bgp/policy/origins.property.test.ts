import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers, lengthOf, prefix, type Prefix } from '#core/net/prefix.ts'
import { familyOfPrefix, families } from '../family.ts'
import type { RoaPayload } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { routeOrigin, ValidatedOrigins, type OriginState } from './origins.ts'

const pools: Record<(typeof families)[number], Prefix[]> = {
  'ipv4/unicast': [
    '0.0.0.0/0',
    '10.0.0.0/8',
    '10.0.0.0/16',
    '10.0.0.0/24',
    '10.0.1.0/24',
    '192.0.2.0/24',
  ].map(prefix),
  'ipv6/unicast': ['::/0', '2001:db8::/32', '2001:db8::/48', '2001:db8:0:1::/64', '2001:db8:1::/48'].map(
    prefix,
  ),
}

/** RFC 6811 §2, in its words. */
function naive(payloads: readonly RoaPayload[], route: Prefix, asn: number): OriginState {
  const covering = payloads.filter((payload) => covers(payload.prefix, route))
  if (covering.length === 0) return 'notFound'
  const matched = covering.some(
    (payload) => asn !== 0 && payload.asn === asn && lengthOf(route) <= payload.maxLength,
  )
  return matched ? 'valid' : 'invalid'
}

for (const family of families) {
  const pool = fc.constantFrom(...pools[family])
  const payload = fc
    .record({ prefix: pool, more: fc.constantFrom(0, 0, 8, 16), asn: fc.constantFrom(0, 65001, 65002) })
    .map(({ prefix: network, more, asn }) => ({ prefix: network, maxLength: lengthOf(network) + more, asn }))

  test(`RFC 6811 §2: ${family} routes are valid, invalid or not found as a naive reading says, and changes name what they touch`, () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            added: fc.array(payload, { maxLength: 4 }),
            removed: fc.array(payload, { maxLength: 4 }),
          }),
          {
            maxLength: 10,
          },
        ),
        (changes) => {
          const origins = new ValidatedOrigins()
          const model = new Map<string, RoaPayload>()
          const asked = pools[family].flatMap((route) => [0, 65001, 65002].map((asn) => ({ route, asn })))
          let before: OriginState[] = asked.map(() => 'notFound')
          for (const { added, removed } of changes) {
            const change = origins.apply(added, removed)
            for (const each of removed) model.delete(JSON.stringify(each))
            for (const each of added) model.set(JSON.stringify(each), each)
            const now = asked.map(({ route, asn }) => origins.state(family, encodePrefix(route), 0, asn))
            assert.deepEqual(
              now,
              asked.map(({ route, asn }) => naive([...model.values()], route, asn)),
            )
            for (const [i, { route }] of asked.entries())
              if (now[i] !== before[i]) assert.ok(change.affects(family, encodePrefix(route), 0))
            assert.deepEqual(
              change.families.filter((each) => each !== family),
              [],
            )
            assert.equal(origins.size, model.size)
            before = now
          }
        },
      ),
    )
  })
}

test('RFC 6811 §2: the origin is the last AS of the path, none after a set, the own one of a path within the AS', () => {
  assert.equal(routeOrigin([{ kind: 'sequence', asns: [65001, 65002] }], 65000), 65002)
  assert.equal(
    routeOrigin(
      [
        { kind: 'sequence', asns: [65001] },
        { kind: 'set', asns: [65002] },
      ],
      65000,
    ),
    0,
  )
  assert.equal(routeOrigin([], 65000), 65000)
  assert.equal(routeOrigin([{ kind: 'confedSequence', asns: [65001] }], 65000), 65000)
})

test('payloads that cannot match are ignored, and none of one family touches the other', () => {
  const origins = new ValidatedOrigins()
  const bad = { prefix: prefix('10.0.0.0/16'), maxLength: 8, asn: 65001 }
  assert.deepEqual(origins.apply([bad], [bad]).families, [])
  const change = origins.apply([{ prefix: prefix('::/0'), maxLength: 128, asn: 65001 }], [])
  assert.deepEqual(change.families, ['ipv6/unicast'])
  const route = prefix('10.0.0.0/8')
  assert.equal(origins.state(familyOfPrefix(route), encodePrefix(route), 0, 65001), 'notFound')
})
