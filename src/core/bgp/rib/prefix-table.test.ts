import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressFromBytes, type IpVersion } from '#core/net/address.ts'
import { comparePrefixes, prefix, prefixOf, type Prefix } from '#core/net/prefix.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { PrefixTable } from './prefix-table.ts'

const anyPrefix = (version: IpVersion) =>
  fc
    .tuple(
      fc.uint8Array({
        minLength: version === 4 ? 4 : 16,
        maxLength: version === 4 ? 4 : 16,
      }),
      fc.nat({ max: version === 4 ? 32 : 128 }),
    )
    .map(([bytes, length]) => prefixOf(addressFromBytes(bytes), length))

for (const version of [4, 6] as const) {
  test(`IPv${version} prefixes keep their ids, as in a map, while others come and go`, () => {
    const few = fc.array(anyPrefix(version), { minLength: 1, maxLength: 200, size: 'max' })
    const picks = fc.array(fc.tuple(fc.nat({ max: 1000 }), fc.boolean()), { maxLength: 600, size: 'max' })
    fc.assert(
      fc.property(few, picks, fc.integer(), (prefixes, steps, seed) => {
        const table = new PrefixTable(version, seed)
        const ids = new Map<Prefix, number>()
        for (const [pick, keep] of steps) {
          const each = prefixes[pick % prefixes.length]!
          const nlri = encodePrefix(each)
          const known = ids.get(each)
          assert.equal(table.find(nlri, 0), known ?? -1)
          if (keep) {
            const id = table.idOf(nlri, 0)
            if (known === undefined) assert.ok(![...ids.values()].includes(id), 'an id has one prefix')
            else assert.equal(id, known)
            ids.set(each, id)
          } else if (known !== undefined) {
            table.release(known)
            ids.delete(each)
          }
        }
        assert.equal(table.size, ids.size)
        for (const [each, id] of ids) {
          assert.equal(table.prefix(id), each)
          assert.equal(table.find(encodePrefix(each), 0), id)
          const written = new Uint8Array(table.nlriLength(id))
          assert.equal(table.writeNlri(id, written, 0), written.length)
          assert.deepEqual(written, encodePrefix(each))
        }
        const ordered = [...ids.values()].toSorted((a, b) => table.compare(a, b))
        assert.deepEqual(
          ordered.map((id) => table.prefix(id)),
          [...ids.keys()].toSorted(comparePrefixes),
        )
      }),
      { numRuns: 60 },
    )
  })

  test(`gives freed ids of IPv${version} prefixes to new ones`, () => {
    const table = new PrefixTable(version, 7)
    const nth = (n: number) =>
      encodePrefix(prefix(version === 4 ? `10.${n >> 8}.${n & 255}.0/24` : `2001:db8:${n.toString(16)}::/48`))
    for (let round = 0; round < 5; round++) {
      const ids = Array.from({ length: 1000 }, (_, n) => table.idOf(nth(n + 1 + 1000 * round), 0))
      assert.equal(new Set(ids).size, 1000)
      assert.ok(table.top <= 4096)
      for (const id of ids) table.release(id)
      assert.equal(table.size, 0)
    }
  })
}

test('the default routes of both versions are prefixes like any other', () => {
  for (const [version, text] of [
    [4, '0.0.0.0/0'],
    [6, '::/0'],
  ] as const) {
    const table = new PrefixTable(version, 0)
    const id = table.idOf(Uint8Array.of(0), 0)
    assert.equal(table.prefix(id), text)
    assert.notEqual(table.idOf(Uint8Array.of(8, 0), 0), id)
    assert.equal(table.find(Uint8Array.of(0), 0), id)
  }
})

test('ignores host bits on the wire (RFC 4271 §4.3)', () => {
  const table = new PrefixTable(4, 0)
  assert.equal(table.idOf(Uint8Array.of(12, 10, 31), 0), table.idOf(Uint8Array.of(12, 10, 16), 0))
})
