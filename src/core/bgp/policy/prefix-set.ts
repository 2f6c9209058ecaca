/** Sets of prefixes with ranges of lengths, made ready to be asked about a route in as many steps as its prefix has bits. */
import { addressBits } from '#core/net/address.ts'
import { lengthOf, prefixVersion } from '#core/net/prefix.ts'
import type { Family } from '../family.ts'
import { encodePrefix } from '../wire/nlri.ts'
import type { PrefixTest } from './outcome.ts'
import type { PrefixEntry } from './policy.ts'
import { PrefixTrie } from './prefix-trie.ts'

export interface PrefixSetTest extends PrefixTest {
  /** Of the family. */
  readonly entries: readonly PrefixEntry[]
  /** Most routes of a full table are outside of it. */
  readonly narrow: boolean
}

/** Shorter prefixes hold a good part of a full table. */
const narrowBits = { 'ipv4/unicast': 8, 'ipv6/unicast': 24 } as const satisfies Record<Family, number>

/** Whether some entry holds the prefix. Undefined: no entry is of this family, so none does. */
export function compilePrefixSet(family: Family, entries: readonly PrefixEntry[]): PrefixSetTest | undefined {
  const version = family === 'ipv4/unicast' ? 4 : 6
  const mine = entries.filter(({ prefix }) => prefixVersion(prefix) === version)
  if (mine.length === 0) return undefined
  const trie = new PrefixTrie(version === 4 ? 4 : 16)
  /** By value in the trie, the ranges of lengths that entries of one prefix allow. */
  const ranges: [min: number, max: number][][] = [[]]
  for (const { prefix, minLength, maxLength } of mine) {
    const nlri = encodePrefix(prefix)
    let value = trie.get(nlri, 0)
    if (value === 0) {
      value = ranges.push([]) - 1
      trie.set(nlri, 0, value)
    }
    ranges[value]!.push([minLength, Math.min(maxLength, addressBits(version))])
  }
  return {
    rpki: false,
    entries: mine,
    narrow: mine.every(({ prefix }) => lengthOf(prefix) >= narrowBits[family]),
    matches(nlri, at) {
      const length = nlri[at]!
      return trie.eachCovering(nlri, at, (value) =>
        ranges[value]!.some(([min, max]) => length >= min && length <= max),
      )
    },
  }
}
