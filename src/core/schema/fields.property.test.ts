/** The patterns of OpenAPI accept whatever the exact checks accept: an API server never refuses what Herald takes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { standardCommunityField, largeCommunityField } from './bgp-advertisement.ts'
import { patterns } from './fields.ts'

const ipv4 = fc.ipV4()
const ipv6 = fc.ipV6()
const length = (max: number) => fc.integer({ min: 0, max })

const cases: { name: string; pattern: string; texts: fc.Arbitrary<string> }[] = [
  { name: 'addresses', pattern: patterns.address, texts: fc.oneof(ipv4, ipv6) },
  {
    name: 'prefixes',
    pattern: patterns.prefix,
    texts: fc.oneof(
      fc.tuple(ipv4, length(32)).map(([a, n]) => `${a}/${n}`),
      fc.tuple(ipv6, length(128)).map(([a, n]) => `${a}/${n}`),
    ),
  },
  {
    name: 'host prefixes',
    pattern: patterns.hostPrefix,
    texts: fc.oneof(
      ipv4.map((a) => `${a}/32`),
      ipv6.map((a) => `${a}/128`),
    ),
  },
  {
    name: 'ranges',
    pattern: patterns.range,
    texts: fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6)).map(([a, b]) => `${a}-${b}`),
  },
]

for (const { name, pattern, texts } of cases) {
  test(`the pattern accepts all ${name}`, () => {
    const regex = new RegExp(pattern)
    fc.assert(fc.property(texts, (text) => regex.test(text)))
  })
}

test('the patterns refuse octets, lengths and networks out of bounds', () => {
  for (const text of ['10.0.0.300/24', '10.0.0.0/33', 'fd00::/129', '10.0.0.0', '10.0.0/8']) {
    assert.doesNotMatch(text, new RegExp(patterns.prefix))
  }
  for (const text of ['10.0.0.1', '10.0.0.0/24', 'fd00::1', 'fd00::1/64', '10.0.0.256/32']) {
    assert.doesNotMatch(text, new RegExp(patterns.hostPrefix))
  }
})

test('communities are accepted exactly up to their bounds', () => {
  const n32 = fc.integer({ min: 0, max: 4294967295 })
  const n16 = fc.integer({ min: 0, max: 65535 })
  fc.assert(fc.property(n32, n32, n32, (a, b, c) => largeCommunityField.safeParse(`${a}:${b}:${c}`).success))
  fc.assert(fc.property(n16, n16, (a, b) => standardCommunityField.safeParse(`${a}:${b}`).success))
  fc.assert(fc.property(n32, (a) => standardCommunityField.safeParse(String(a)).success))
  const above = fc.integer({ min: 65536, max: 999999 })
  fc.assert(fc.property(above, (a) => !standardCommunityField.safeParse(`${a}:1`).success))
  assert.ok(!standardCommunityField.safeParse('4294967296').success)
})
