import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { addressFromBytes } from '#core/net/address.ts'
import { covers, lengthOf, prefixOf, type Prefix } from '#core/net/prefix.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { PrefixTrie } from './prefix-trie.ts'

for (const octets of [4, 16] as const) {
  // Few bits differ, so that prefixes often cover one another.
  const some = fc
    .tuple(
      fc.array(fc.constantFrom(0, 0, 128, 255, 10), { minLength: octets, maxLength: octets }),
      fc.nat(8 * octets),
    )
    .map(([bytes, length]) => prefixOf(addressFromBytes(Uint8Array.from(bytes)), length))
  const step = fc.record({ prefix: some, value: fc.nat(3) })

  test(`IPv${octets === 4 ? 4 : 6}: knows the members that cover a prefix, whatever came and went`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.array(some, { maxLength: 10 }), (steps, asked) => {
        const trie = new PrefixTrie(octets)
        const model = new Map<Prefix, number>()
        for (const { prefix, value } of steps) {
          trie.set(encodePrefix(prefix), 0, value)
          if (value === 0) model.delete(prefix)
          else model.set(prefix, value)
        }
        for (const prefix of [...asked, ...steps.map((each) => each.prefix)]) {
          const expected = [...model]
            .filter(([member]) => covers(member, prefix))
            .map(([member, value]) => [value, lengthOf(member)] as const)
            .sort((a, b) => a[1] - b[1])
          const seen: [number, number][] = []
          const all = trie.eachCovering(encodePrefix(prefix), 0, (value, length) => {
            seen.push([value, length])
            return false
          })
          assert.deepEqual(seen, expected)
          assert.equal(all, false)
          assert.equal(trie.get(encodePrefix(prefix), 0), model.get(prefix) ?? 0)
          if (expected.length > 0)
            assert.equal(
              trie.eachCovering(encodePrefix(prefix), 0, () => true),
              true,
            )
        }
      }),
    )
  })
}
