import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hex } from '#core/lib/bytes.ts'
import {
  extendedCommunityText,
  isTransitiveCommunity,
  linkBandwidthCommunity,
  linkBandwidthOf,
  parseExtendedCommunity,
} from './extended-community.ts'

const forms = [
  { name: 'RFC 4360 §4: a route target of a two-octet AS', text: 'rt:65000:100', octets: '0002fde800000064' },
  {
    name: 'RFC 5668 §2: a route target of a four-octet AS',
    text: 'rt:70000:100',
    octets: '0202000111700064',
  },
  {
    name: 'RFC 5668 §2: a small AS number in four octets',
    text: 'rt:65000L:100',
    octets: '02020000fde80064',
  },
  {
    name: 'RFC 4360 §4: a route target of an IPv4 address',
    text: 'rt:192.0.2.1:7',
    octets: '0102c00002010007',
  },
  { name: 'RFC 4360 §5: a route origin', text: 'ro:65000:4294967295', octets: '0003fde8ffffffff' },
  {
    name: 'draft-ietf-idr-link-bandwidth §2: link bandwidth',
    text: 'lb:65000:125000000',
    octets: '4004fde84cee6b28',
  },
  { name: 'RFC 9012 §4.3: a color', text: 'color:100', octets: '030b000000000064' },
  { name: 'RFC 8097 §2: an origin validation state', text: 'ovs:invalid', octets: '4300000000000002' },
  { name: 'what has no form of its own', text: '0x80060000000000ff', octets: '80060000000000ff' },
  {
    name: 'RFC 5701 §2: a route target of an IPv6 address',
    text: 'rt:[2001:db8::1]:100',
    octets: '000220010db80000000000000000000000010064',
  },
]

for (const { name, text, octets } of forms) {
  test(`${name} is written ${text}`, () => {
    assert.equal(extendedCommunityText(octets), text)
    assert.deepEqual(parseExtendedCommunity(text), { ok: true, value: octets })
  })
}

test('understands the names of other daemons', () => {
  assert.deepEqual(parseExtendedCommunity('soo:65000:1'), parseExtendedCommunity('ro:65000:1'))
  assert.deepEqual(parseExtendedCommunity('target:65000:1'), parseExtendedCommunity('rt:65000:1'))
})

test('any octets survive their text', () => {
  const octets = fc.oneof(
    fc.uint8Array({ minLength: 8, maxLength: 8 }),
    fc
      .tuple(
        fc.constantFrom(0, 1, 2, 3, 0x40, 0x43),
        fc.constantFrom(0, 2, 3, 4, 11),
        fc.uint8Array({ minLength: 6, maxLength: 6 }),
      )
      .map(([type, subtype, rest]) => Uint8Array.of(type, subtype, ...rest)),
    fc.uint8Array({ minLength: 18, maxLength: 18 }).map((rest) => Uint8Array.of(0, 2, ...rest)),
  )
  fc.assert(
    fc.property(octets, (bytes) => {
      const community = hex(bytes)
      assert.deepEqual(parseExtendedCommunity(extendedCommunityText(community)), {
        ok: true,
        value: community,
      })
    }),
  )
})

test('refuses what is no extended community, naming it', () => {
  for (const text of [
    '',
    'rt',
    'rt:1',
    'rt:65000:x',
    'rt:70000:65536',
    'lb:1:-1',
    'lb:70000:1',
    '0x12',
    'xx:1:2',
    'constructor:1:2',
    'rt:[192.0.2.1]:1',
  ]) {
    const parsed = parseExtendedCommunity(text)
    assert.ok(!parsed.ok && parsed.error.includes(`"${text}"`), text)
  }
})

test('link bandwidth says its bytes per second and does not leave the AS (draft-ietf-idr-link-bandwidth §2)', () => {
  const community = linkBandwidthCommunity(65000, 1_250_000_000)
  assert.equal(linkBandwidthOf(community), 1_250_000_000)
  assert.equal(isTransitiveCommunity(community), false)
  assert.equal(isTransitiveCommunity('0002fde800000064'), true)
  assert.equal(linkBandwidthOf('0002fde800000064'), undefined)
  assert.equal(linkBandwidthOf('4004fde8ffffffff'), undefined)
})
