import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import type { Family } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { encodePrefix, nlriPrefixes } from '../wire/nlri.ts'
import { encodeUpdates } from '../wire/update-encode.ts'
import { AttributeStore } from './attribute-store.ts'
import { endOfRib, fits, Outbox, packUpdates } from './pack.ts'
import { PrefixTable } from './prefix-table.ts'

const cases: { family: Family; nth: (n: number) => string; nextHop: string; messagesMax: number }[] = [
  {
    family: 'ipv4/unicast',
    nth: (n) => `10.${n >> 8}.${n & 255}.1/32`,
    nextHop: '192.0.2.1',
    messagesMax: 4,
  },
  {
    family: 'ipv6/unicast',
    nth: (n) => `2001:db8:${n.toString(16)}::1/128`,
    nextHop: '2001:db8::1',
    messagesMax: 12,
  },
]

for (const { family, nth, nextHop, messagesMax } of cases) {
  test(`packs ${family} by attribute set into full messages, withdrawals first`, () => {
    const store = new AttributeStore(65001, 0)
    const prefixes = new PrefixTable(family === 'ipv4/unicast' ? 4 : 6, 0)
    const sets = [1, 2].map((med) =>
      store.intern(encodeAttributes({ origin: 'igp', asPath: [], med }), { global: address(nextHop) }),
    )
    const outbox = new Outbox()
    const ids = Array.from({ length: 2000 }, (_, n) => prefixes.idOf(encodePrefix(prefix(nth(n))), 0))
    for (const [n, id] of ids.entries()) {
      if (n < 10) outbox.withdrawn.push(id)
      else outbox.announce(sets[n % 2]!, id)
    }
    const updates = packUpdates(outbox, family, prefixes, store, 4096)
    assert.equal(updates[0]!.withdrawn.length, 1)
    assert.ok(updates.slice(1).every((update) => update.withdrawn.length === 0))
    const announced = updates.flatMap((update) =>
      update.announced.flatMap((block) => {
        assert.equal(block.nextHop.global, nextHop)
        const med = update.attributes.at(-1)
        return nlriPrefixes(block).map((each) => `${each} ${med}`)
      }),
    )
    const expected = ids.slice(10).map((_, n) => `${nth(n + 10)} ${1 + (n % 2)}`)
    assert.deepEqual(announced.toSorted(), expected.toSorted())
    assert.ok(updates.length <= messagesMax + 1, `${updates.length} messages`)
    for (const update of updates) {
      const messages = encodeUpdates(update, { fourOctetAsn: true })
      assert.equal(messages.length, 1, 'the encoder need not cut')
      assert.ok(messages[0]!.length <= 4096)
    }
  })
}

test('tells a set that leaves no room for a prefix', () => {
  assert.equal(fits(new Uint8Array(4000), 'ipv4/unicast', 4096), true)
  assert.equal(fits(new Uint8Array(4060), 'ipv4/unicast', 4096), false)
  assert.equal(fits(new Uint8Array(4060), 'ipv4/unicast', 65535), true)
})

test('End-of-RIB carries nothing but its family (RFC 4724 §2)', () => {
  const { endOfRib: ends, announced, withdrawn } = endOfRib('ipv6/unicast')
  assert.deepEqual({ ends, announced, withdrawn }, { ends: ['ipv6/unicast'], announced: [], withdrawn: [] })
})
