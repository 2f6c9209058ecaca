import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix, type Prefix } from '#core/net/prefix.ts'
import type { Family } from '../family.ts'
import { decodeAttributes, encodeAttributes } from '../wire/attributes.ts'
import { Framer } from '../wire/framer.ts'
import { encodePrefix, nlriPaths } from '../wire/nlri.ts'
import { decodeMessage } from '../wire/wire.ts'
import { AttributeStore } from './attribute-store.ts'
import { allBut, fits, isExcepted, noException, only, Outbox, type Encoding } from './outbox.ts'
import { PrefixTable } from './prefix-table.ts'

interface Case {
  name: string
  family: Family
  nextHop: string
  encoding: Partial<Encoding>
  /** For 2000 routes in two sets. */
  messagesMax: number
}

const cases: Case[] = [
  { name: 'IPv4', family: 'ipv4/unicast', nextHop: '192.0.2.1', encoding: {}, messagesMax: 5 },
  { name: 'IPv6', family: 'ipv6/unicast', nextHop: '2001:db8::1', encoding: {}, messagesMax: 12 },
  {
    name: 'IPv4 with an IPv6 next hop (RFC 8950 §3)',
    family: 'ipv4/unicast',
    nextHop: '2001:db8::1',
    encoding: {},
    messagesMax: 5,
  },
  {
    name: 'IPv4 with path identifiers (RFC 7911 §3)',
    family: 'ipv4/unicast',
    nextHop: '192.0.2.1',
    encoding: { pathIds: true },
    messagesMax: 8,
  },
  {
    name: 'IPv6 with path identifiers, to a two-octet neighbour (RFC 6793 §4.2.2)',
    family: 'ipv6/unicast',
    nextHop: '2001:db8::1',
    encoding: { pathIds: true, fourOctetAsn: false },
    messagesMax: 14,
  },
  {
    name: 'IPv6 in long messages (RFC 8654 §4)',
    family: 'ipv6/unicast',
    nextHop: '2001:db8::1',
    encoding: { maxLength: 65535 },
    messagesMax: 3,
  },
]

for (const { name, family, nextHop, encoding: parts, messagesMax } of cases) {
  test(`packs ${name} by attribute set into full messages, withdrawals first`, () => {
    const encoding = { family, fourOctetAsn: true, maxLength: 4096, pathIds: false, ...parts }
    const { store, prefixes, ids } = tables(family)
    const sets = [1, 2].map((med) =>
      store.intern(
        encodeAttributes({ origin: 'igp', asPath: [{ kind: 'sequence', asns: [4200000000 + med] }], med }),
        { global: address(nextHop) },
      ),
    )
    const outbox = new Outbox()
    for (const [n, id] of ids.entries()) {
      if (n < 10) outbox.withdraw(noException, id, n)
      else outbox.announce(sets[n % 2]!, noException, id, n)
    }
    const order: string[] = []
    const found: string[] = []
    let count = 0
    outbox.write(prefixes, store, encoding, (except, bytes, messages) => {
      assert.equal(except, noException)
      for (const { withdrawn, announced, length } of decoded(bytes, encoding)) {
        count++
        assert.ok(length <= encoding.maxLength)
        order.push(withdrawn.length > 0 ? 'withdrawn' : 'announced')
        found.push(...withdrawn, ...announced)
      }
      assert.ok(messages > 0)
    })
    const expected = ids.map((id, n) => {
      const path = `${prefixes.prefix(id)} ${encoding.pathIds ? n : 0}`
      return n < 10 ? path : `${path} ${1 + (n % 2)} ${4200000001 + (n % 2)} ${nextHop}`
    })
    assert.deepEqual(found.toSorted(), expected.toSorted())
    assert.deepEqual(order.indexOf('announced'), order.filter((each) => each === 'withdrawn').length)
    assert.ok(count <= messagesMax, `${count} messages`)
    outbox.write(prefixes, store, encoding, () => assert.fail('it is empty now'))
  })
}

test('what is kept from different neighbours comes in arrays of its own', () => {
  const family = 'ipv4/unicast'
  const { store, prefixes, ids } = tables(family)
  const set = store.intern(encodeAttributes({ origin: 'igp', asPath: [] }), { global: address('192.0.2.1') })
  const outbox = new Outbox()
  const excepts = [allBut(3, 0), allBut(4, 3), only(5), noException]
  for (const [n, id] of ids.entries()) {
    if (n % 3 === 0) outbox.withdraw(excepts[n % 4]!, id, 0)
    else outbox.announce(set, excepts[n % 4]!, id, 0)
  }
  const got = new Map<number, number>()
  outbox.write(
    prefixes,
    store,
    { family, fourOctetAsn: true, maxLength: 4096, pathIds: false },
    (except, bytes) => {
      for (let slot = 1; slot <= 6; slot++) {
        if (isExcepted(except, slot)) continue
        for (const { withdrawn, announced } of decoded(bytes, {
          family,
          fourOctetAsn: true,
          maxLength: 4096,
          pathIds: false,
        }))
          got.set(slot, (got.get(slot) ?? 0) + withdrawn.length + announced.length)
      }
    },
  )
  const quarter = ids.length / 4
  assert.deepEqual(
    [1, 3, 4, 5].map((slot) => got.get(slot)! / quarter),
    [3, 1, 2, 4],
  )
})

test('tells a set that leaves no room for a prefix (RFC 4271 §9.2)', () => {
  const encoding = { family: 'ipv4/unicast', fourOctetAsn: true, maxLength: 4096, pathIds: false } as const
  assert.equal(fits(new Uint8Array(4000), encoding), true)
  assert.equal(fits(new Uint8Array(4060), encoding), false)
  assert.equal(fits(new Uint8Array(4060), { ...encoding, maxLength: 65535 }), true)
  const long = encodeAttributes({
    origin: 'igp',
    asPath: [0, 1, 2].map(() => ({ kind: 'sequence', asns: Array<number>(250).fill(4200000000) })),
  })
  assert.equal(fits(long, encoding), true)
  // RFC 6793 §4.2.2: AS4_PATH goes beside AS_PATH.
  assert.equal(fits(long, { ...encoding, fourOctetAsn: false }), false)
})

function tables(family: Family) {
  const store = new AttributeStore(0)
  const prefixes = new PrefixTable(family === 'ipv4/unicast' ? 4 : 6, 0)
  const nth = (n: number): Prefix =>
    prefix(family === 'ipv4/unicast' ? `10.${n >> 8}.${n & 255}.1/32` : `2001:db8:${n.toString(16)}::1/128`)
  const ids = Array.from({ length: 2000 }, (_, n) => prefixes.idOf(encodePrefix(nth(n)), 0))
  return { store, prefixes, ids }
}

/** Messages as text: prefix and path identifier, and of what is announced MED, first AS and next hop. */
function decoded(bytes: Uint8Array, { family, fourOctetAsn, maxLength, pathIds }: Encoding) {
  const framer = new Framer()
  framer.setMaxLength(maxLength)
  framer.push(bytes)
  const context = {
    fourOctetAsn,
    kind: 'ibgp',
    families: [family],
    extendedNextHop: [family],
    addPathReceive: pathIds ? [family] : [],
  } as const
  const messages: { withdrawn: string[]; announced: string[]; length: number }[] = []
  while (framer.advance()) {
    const message = decodeMessage(framer.bytes.subarray(framer.start, framer.end), context)
    assert.ok(message.ok && message.value.kind === 'update')
    const { withdrawn, announced, attributes, faults } = message.value
    assert.deepEqual(faults, [])
    messages.push({
      length: framer.end - framer.start,
      withdrawn: withdrawn.flatMap((block) =>
        nlriPaths(block).map(({ prefix, pathId }) => `${prefix} ${pathId}`),
      ),
      announced: announced.flatMap((block) => {
        const { med, asPath, nextHop } = decodeAttributes(attributes, block.nextHop)
        return nlriPaths(block).map(
          ({ prefix, pathId }) => `${prefix} ${pathId} ${med} ${asPath[0]?.asns[0]} ${nextHop}`,
        )
      }),
    })
  }
  return messages
}
