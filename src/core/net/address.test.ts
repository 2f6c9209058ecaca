import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  address,
  addressBytes,
  addressFromBytes,
  addressFromInteger,
  addressToInteger,
  compareAddresses,
  isLinkLocal,
  scopedAddress,
  parseAddress,
  versionOf,
} from './address.ts'

test('parses every form of an address to its canonical text', () => {
  for (const [text, canonical] of [
    ['0.0.0.0', '0.0.0.0'],
    ['172.22.0.5', '172.22.0.5'],
    ['255.255.255.255', '255.255.255.255'],
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['fe80:0::', 'fe80::'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const) {
    assert.deepEqual(parseAddress(text), { ok: true, value: canonical }, text)
  }
})

test('refuses what is no address, naming it', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.-4',
    ' 1.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    '::1.2.3',
    '::1.2.3.4:5',
    '1.2.3.4::',
    'fe80::1%eth0',
  ]) {
    const parsed = parseAddress(text)
    assert.ok(!parsed.ok && parsed.error.includes(`"${text}"`), text)
  }
})

test('bytes, integer and text of an address tell the same', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    // Runs of zeros are where the notation of IPv6 is delicate.
    fc
      .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
      .map((b) => Uint8Array.from(b)),
  )
  fc.assert(
    fc.property(bytes, (b) => {
      const a = addressFromBytes(b)
      assert.deepEqual(addressBytes(a), Uint8Array.from(b))
      assert.deepEqual(parseAddress(a), { ok: true, value: a })
      assert.deepEqual(parseAddress(a.toUpperCase()), { ok: true, value: a })
      assert.equal(addressFromInteger(addressToInteger(a), versionOf(a)), a)
    }),
  )
})

test('orders IPv4 before IPv6 and then by value', () => {
  const sorted = ['9.0.0.1', '10.0.0.0', '10.0.0.1', '::', '::1', '2001:db8::1'].map(address)
  assert.deepEqual(sorted.toReversed().toSorted(compareAddresses), sorted)
  assert.equal(compareAddresses(address('::1'), address('::1')), 0)
})

test('knows link-local addresses', () => {
  const cases = { 'fe80::1': true, 'febf::1': true, 'fec0::1': false, '::1': false, '169.254.0.1': false }
  for (const [text, expected] of Object.entries(cases))
    assert.equal(isLinkLocal(address(text)), expected, text)
})

for (const [text, interfaceName, shown] of [
  ['fe80::1', 'eth1', 'fe80::1%eth1'],
  ['febf::1', 'eth1', 'febf::1%eth1'],
  ['fe80::1', undefined, 'fe80::1'],
  ['::', 'eth1', 'eth1'],
  ['2001:db8::1', 'eth1', '2001:db8::1'],
  ['192.0.2.1', 'eth1', '192.0.2.1'],
] as const)
  test(`RFC 4007 §11: ${text} on ${interfaceName ?? 'no named interface'} is shown as ${shown}`, () => {
    assert.equal(scopedAddress(text, interfaceName), shown)
  })
