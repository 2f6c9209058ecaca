import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefix, type Prefix } from '#core/net/prefix.ts'
import type { Family } from '../family.ts'
import type { RoaPayload } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { OriginValidation } from './validation.ts'

const cases: {
  family: Family
  other: Family
  payload: (i: number) => RoaPayload
  inside: Prefix
  outside: Prefix
}[] = [
  {
    family: 'ipv4/unicast',
    other: 'ipv6/unicast',
    payload: (i) => ({ prefix: prefix(`10.${i >> 8}.${i & 255}.0/24`), maxLength: 24, asn: 65001 }),
    inside: prefix('10.0.7.0/25'),
    outside: prefix('10.200.0.0/24'),
  },
  {
    family: 'ipv6/unicast',
    other: 'ipv4/unicast',
    payload: (i) => ({ prefix: prefix(`2001:db8:${i.toString(16)}::/48`), maxLength: 48, asn: 65001 }),
    inside: prefix('2001:db8:7:1::/64'),
    outside: prefix('2001:db9::/32'),
  },
]

for (const { family, other, payload, inside, outside } of cases) {
  test(`${family}: a small change names what it touches, a large one comes in slices and touches everything`, () => {
    const validation = new OriginValidation()
    assert.equal(validation.run(), undefined)
    validation.feed([payload(7)], [])
    const small = validation.run()!
    assert.deepEqual(small.families, [family])
    assert.equal(small.affects(family, encodePrefix(inside), 0), true)
    assert.equal(small.affects(family, encodePrefix(outside), 0), false)
    assert.equal(small.affects(other, Uint8Array.of(0), 0), false)
    validation.feed(
      Array.from({ length: 30_000 }, (_, i) => payload(i)),
      [payload(7)],
    )
    let runs = 1
    let large = validation.run()
    for (; validation.waiting; large = validation.run()) {
      assert.equal(large, undefined)
      runs++
    }
    assert.ok(runs > 4)
    assert.equal(large?.affects(family, encodePrefix(outside), 0), true)
    assert.equal(validation.origins.size, 30_000)
    assert.equal(validation.run(), undefined)
  })

  test(`${family}: payloads that are already there, or never were, change nothing`, () => {
    const validation = new OriginValidation()
    validation.feed([payload(1)], [])
    assert.ok(validation.run() !== undefined)
    validation.feed([payload(1)], [payload(2)])
    assert.equal(validation.run(), undefined)
  })
}
