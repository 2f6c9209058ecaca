import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import { AttributeStore } from './attribute-store.ts'
import { decideReference, type ReferencePath } from './decision.reference.ts'
import { cellOf, PeerTable, RibTable } from './rib-table.ts'

const nextHop = address('192.0.2.9')

/**
 * Eight neighbours of three ASes, one of them internal and one of another member AS; their order by identifier is not that of
 * their slots.
 */
const neighbours = [5, 2, 7, 1, 8, 3, 6, 4].map((rank, index) => ({
  kind: index < 6 ? ('external' as const) : index < 7 ? ('internal' as const) : ('confed' as const),
  asn: index < 6 ? 65002 + (index % 3) : 65001 + 100 * (index - 6),
  rank,
  routerId: address(`10.0.0.${rank}`),
  address: address(`192.0.2.${rank}`),
}))

const event = fc.record({
  slot: fc.integer({ min: 0, max: neighbours.length }),
  /** Several paths of a neighbour are told apart by it; 0: the neighbour has but one. */
  pathId: fc.constantFrom(0, 0, 0, 1, 2),
  /** Absent: a withdrawal. */
  path: fc.option(
    fc.record({
      first: fc.constantFrom(65002, 65003, 65004, undefined),
      med: fc.constantFrom(0, 1, 2, undefined),
      longer: fc.constantFrom(false, false, false, true),
      egp: fc.constantFrom(false, false, false, true),
      localPref: fc.constantFrom(100, undefined, undefined, 99),
      rejected: fc.constantFrom(false, false, false, true),
      rare: fc.constantFrom<Partial<PathAttributes>>(
        {},
        {},
        {},
        {},
        {},
        {},
        { weight: 1 },
        { aigp: 1n },
        { aigp: 2n ** 60n },
        { communities: [0xffff0006] },
        { originatorId: address('10.0.0.2') },
        { originatorId: address('10.0.0.2'), clusterList: [address('10.0.0.9')] },
      ),
    }),
    { freq: 5 },
  ),
})

for (const alwaysCompareMed of [false, true])
  test(`a path is best exactly when the elimination of RFC 4271 §9.1.2 over all paths leaves it, ${alwaysCompareMed ? 'with MED always compared' : 'after every event'}`, () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 30, maxLength: 60, size: 'max' }), (events) =>
        play(events, alwaysCompareMed),
      ),
      { numRuns: 600 },
    )
  })

/** So many paths that are equal until MED that they are not compared each with each. */
const crowdEvent = fc.record({
  slot: fc.integer({ min: 5, max: neighbours.length }),
  pathId: fc.integer({ min: 0, max: 9 }),
  path: fc.option(
    fc.record({
      first: fc.constantFrom(65002, 65003, 65004),
      med: fc.integer({ min: 0, max: 9 }),
      longer: fc.constant(false),
      egp: fc.constant(false),
      localPref: fc.constant(undefined),
      rejected: fc.constant(false),
      rare: fc.constant({}),
    }),
    { freq: 9 },
  ),
})

for (const alwaysCompareMed of [false, true])
  test(`RFC 4271 §9.1.2.2 c: of many paths MED leaves the same as of few, ${alwaysCompareMed ? 'always compared' : 'by neighbouring AS'}`, () => {
    fc.assert(
      fc.property(fc.array(crowdEvent, { minLength: 40, maxLength: 60, size: 'max' }), (events) =>
        play(events, alwaysCompareMed),
      ),
      { numRuns: 100 },
    )
  })

interface Event {
  slot: number
  pathId: number
  path: {
    first: number | undefined
    med: number | undefined
    longer: boolean
    egp: boolean
    localPref: number | undefined
    rejected: boolean
    rare: Partial<PathAttributes>
  } | null
}

function play(events: readonly Event[], alwaysCompareMed: boolean): void {
  const store = new AttributeStore(1)
  const table = new RibTable(4, store, { alwaysCompareMed }, 1)
  for (const [index, { kind, asn, rank }] of neighbours.entries()) {
    const peer = new PeerTable()
    Object.assign(peer, {
      external: kind === 'external',
      // RFC 5065 §5.3: whoever is inside is of the local AS.
      asn: kind === 'external' ? asn : 0,
      routerId: 0x0a000000 + rank,
      addressRank: rank,
    })
    table.peers[index + 1] = peer
  }
  const held = new Map<string, ReferencePath & { slot: number }>()
  const id = table.prefixes.idOf(Uint8Array.of(0), 0)
  table.hold(id)
  for (const { slot, pathId, path } of events) {
    // Slots 5 and up have several paths, others one.
    const several = slot >= 5
    const key = `${slot} ${several ? pathId : 0}`
    held.delete(key)
    let cell = 0
    if (path !== null) {
      const { first, med, longer, egp, localPref, rejected, rare } = path
      const asns = [...(first === undefined ? [] : [first]), ...(longer ? [65009] : [])]
      const attributes: PathAttributes = {
        origin: egp ? 'egp' : 'igp',
        asPath: first === undefined ? [{ kind: 'set', asns: [65010] }] : [{ kind: 'sequence', asns }],
        nextHop,
        ...(med === undefined ? {} : { med }),
        ...(localPref === undefined ? {} : { localPref }),
        ...rare,
      }
      const set = store.internTransient(attributes)
      cell = cellOf(rejected ? 0 : set, set, 0)
      const from = neighbours[slot - 1]
      if (!rejected)
        held.set(key, {
          slot,
          attributes,
          pathId: several ? pathId : 0,
          ...(from === undefined ? {} : { from }),
        })
    }
    if (several) table.setChainedPath(slot, pathId, id, cell, 0, 0)
    else table.setPath(slot, id, cell, 0, 0)
    store.releaseTransient()
    const best = decideReference([...held.values()], { alwaysCompareMed })
    const path0 = table.best.get(id) - 1
    assert.equal(path0 < 0 ? -1 : table.slotOf(path0), best?.slot ?? -1)
    if (best !== undefined) assert.deepEqual(store.attributes(table.bestSet.get(id)), best.attributes)
  }
}
