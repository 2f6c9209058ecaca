import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from './address.ts'
import { parseRange, rangeContains, rangeSize, rangesOverlap, showRange, type AddressRange } from './range.ts'

function range(text: string): AddressRange {
  const parsed = parseRange(text)
  assert.ok(parsed.ok, text)
  return parsed.value
}

test('parses prefixes, ranges and single addresses', () => {
  for (const [text, shown, size] of [
    ['10.0.0.0/24', '10.0.0.0-10.0.0.255', 256n],
    ['10.0.0.10-10.0.0.20', '10.0.0.10-10.0.0.20', 11n],
    ['10.0.0.10 - 10.0.0.20', '10.0.0.10-10.0.0.20', 11n],
    ['10.0.0.1', '10.0.0.1', 1n],
    ['0.0.0.0/0', '0.0.0.0-255.255.255.255', 1n << 32n],
    ['fd00::/64', 'fd00::-fd00::ffff:ffff:ffff:ffff', 1n << 64n],
    ['fd00::1-fd00::2', 'fd00::1-fd00::2', 2n],
  ] as const) {
    assert.deepEqual([showRange(range(text)), rangeSize(range(text))], [shown, size], text)
  }
})

test('refuses what is no range, saying what is wrong', () => {
  for (const [text, says] of [
    ['10.0.0.20-10.0.0.10', /ends .* before it starts/],
    ['10.0.0.1-fd00::1', /different IP versions/],
    ['10.0.0.300/24', /10\.0\.0\.300/],
    ['10.0.0.1-', /not an IP address/],
  ] as const) {
    const parsed = parseRange(text)
    assert.ok(!parsed.ok && says.test(parsed.error), text)
  }
})

test('knows what it contains and what it overlaps', () => {
  const pool = range('10.0.0.10-10.0.0.20')
  for (const [text, inside] of [
    ['10.0.0.9', false],
    ['10.0.0.10', true],
    ['10.0.0.20', true],
    ['10.0.0.21', false],
    ['fd00::1', false],
  ] as const) {
    assert.equal(rangeContains(pool, address(text)), inside, text)
  }
  for (const [text, overlaps] of [
    ['10.0.0.0/24', true],
    ['10.0.0.20-10.0.0.30', true],
    ['10.0.0.21-10.0.0.30', false],
    ['0.0.0.0-10.0.0.9', false],
    ['10.0.0.15', true],
    ['::/0', false],
  ] as const) {
    assert.equal(rangesOverlap(pool, range(text)), overlaps, text)
    assert.equal(rangesOverlap(range(text), pool), overlaps, text)
  }
})
