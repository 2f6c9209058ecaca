import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { AttributeStore } from './attribute-store.ts'
import { decideReference, type ReferencePath } from './decision.reference.ts'
import { PeerTable, RibTable } from './rib-table.ts'

const nextHop = address('192.0.2.9')

/** Eight neighbours of three ASes, two of them internal; their order by identifier is not that of their slots. */
const neighbours = [5, 2, 7, 1, 8, 3, 6, 4].map((rank, index) => ({
  kind: index < 6 ? ('external' as const) : ('internal' as const),
  asn: index < 6 ? 65002 + (index % 3) : 65001,
  rank,
  routerId: address(`10.0.0.${rank}`),
  address: address(`192.0.2.${rank}`),
}))

const event = fc.record({
  slot: fc.integer({ min: 0, max: neighbours.length }),
  /** Absent: a withdrawal. */
  path: fc.option(
    fc.record({
      first: fc.constantFrom(65002, 65003, 65004, undefined),
      med: fc.constantFrom(0, 1, 2, undefined),
      longer: fc.constantFrom(false, false, false, true),
      egp: fc.constantFrom(false, false, false, true),
      localPref: fc.constantFrom(100, undefined, undefined, 99),
      rejected: fc.constantFrom(false, false, false, true),
    }),
    { freq: 5 },
  ),
})

test('a path is best exactly when the elimination of RFC 4271 §9.1.2 over all paths leaves it, after every event', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 30, maxLength: 60, size: 'max' }), (events) => {
      const store = new AttributeStore(65001, 1)
      const table = new RibTable(4, store, 1)
      for (const [index, { kind, asn, rank }] of neighbours.entries()) {
        const peer = new PeerTable()
        Object.assign(peer, { external: kind === 'external', asn, rank })
        table.peers[index + 1] = peer
      }
      const held = new Map<number, ReferencePath>()
      const id = table.prefixes.idOf(Uint8Array.of(0), 0)
      // Another use of the prefix, so that its id stays.
      table.setPath(8, id, internOf(store, { origin: 'igp', asPath: [], nextHop }), true, 0)
      for (const { slot, path } of events.filter((each) => each.slot !== 8)) {
        held.delete(slot)
        if (path === null) table.setPath(slot, id, 0, false, 0)
        else {
          const { first, med, longer, egp, localPref, rejected } = path
          const asns = [...(first === undefined ? [] : [first]), ...(longer ? [65009] : [])]
          const attributes: PathAttributes = {
            origin: egp ? 'egp' : 'igp',
            asPath: first === undefined ? [{ kind: 'set', asns: [65010] }] : [{ kind: 'sequence', asns }],
            nextHop,
            ...(med === undefined ? {} : { med }),
            ...(localPref === undefined ? {} : { localPref }),
          }
          const set = internOf(store, attributes)
          table.setPath(slot, id, set, rejected, 0)
          store.release(set)
          const from = neighbours[slot - 1]
          if (!rejected) held.set(slot, { attributes, ...(from === undefined ? {} : { from }) })
        }
        const best = decideReference([...held].map(([slot, each]) => ({ ...each, slot })))
        assert.equal(table.best.get(id) - 1, best?.slot ?? -1)
        if (best !== undefined)
          assert.deepEqual(store.attributes(table.bestAttributes.get(id)), best.attributes)
      }
    }),
    { numRuns: 1000 },
  )
})

function internOf(store: AttributeStore, attributes: PathAttributes): number {
  return store.intern(encodeAttributes(attributes), { global: nextHop })
}
