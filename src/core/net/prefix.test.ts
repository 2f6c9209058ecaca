import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from './address.ts'
import {
  comparePrefixes,
  covers,
  hostPrefix,
  lengthOf,
  networkOf,
  parsePrefix,
  prefix,
  prefixOf,
} from './prefix.ts'

test('parses prefixes and clears their host bits', () => {
  for (const [text, canonical] of [
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.255/25', '10.1.2.128/25'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['::/0', '::/0'],
    ['2001:DB8::1/33', '2001:db8::/33'],
    ['fd00::1/128', 'fd00::1/128'],
  ] as const) {
    assert.deepEqual(parsePrefix(text), { ok: true, value: canonical }, text)
  }
})

test('refuses what is no prefix, saying what is wrong', () => {
  for (const [text, says] of [
    ['10.0.0.1', /10\.0\.0\.1\/32/],
    ['10.0', /^"10\.0" is not a prefix: "10\.0" is not an IP address/],
    ['fd00::1', /fd00::1\/128/],
    ['10.0.0.300/24', /"10\.0\.0\.300" is not an IP address/],
    ['10.0.0.0/33', /between 0 and 32/],
    ['fd00::/129', /between 0 and 128/],
    ['10.0.0.0/', /between 0 and 32/],
    ['10.0.0.0/-1', /between 0 and 32/],
    ['10.0.0.0/8/8', /between 0 and 32/],
  ] as const) {
    const parsed = parsePrefix(text)
    assert.ok(!parsed.ok && says.test(parsed.error), `${text}: ${JSON.stringify(parsed)}`)
  }
  const strict = parsePrefix('10.1.2.3/8', { strict: true })
  assert.ok(!strict.ok && /did you mean 10\.0\.0\.0\/8\?/.test(strict.error))
})

test('covers addresses and longer prefixes of its own IP version', () => {
  for (const [outer, inner, expected] of [
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.1.0.0/16', '10.0.0.0/8', false],
    ['0.0.0.0/0', '::/0', false],
    ['::/0', '0.0.0.0/0', false],
    ['fd00::/9', 'fd7f::1', true],
    ['fd00::/9', 'fd80::1', false],
    ['10.0.0.1/32', '10.0.0.1', true],
  ] as const) {
    assert.equal(covers(prefix(outer), inner as never), expected, `${outer} ${inner}`)
  }
})

test('takes prefixes apart and puts them together', () => {
  assert.equal(hostPrefix(address('10.0.0.1')), '10.0.0.1/32')
  assert.equal(hostPrefix(address('fd00::1')), 'fd00::1/128')
  assert.equal(prefixOf(address('fd00::ffff'), 113), 'fd00::8000/113')
  assert.deepEqual([networkOf(prefix('10.0.0.0/8')), lengthOf(prefix('10.0.0.0/8'))], ['10.0.0.0', 8])
  const sorted = ['9.0.0.0/8', '10.0.0.0/8', '10.0.0.0/16', '10.1.0.0/16', '::/0', 'fd00::/8'].map(prefix)
  assert.deepEqual(sorted.toReversed().toSorted(comparePrefixes), sorted)
})
