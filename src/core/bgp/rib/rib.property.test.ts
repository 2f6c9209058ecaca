import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { address, type Address } from '#core/net/address.ts'
import { prefix, type Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import type { OriginatedAttributes } from '../config.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import { decodeAttributes, encodeAttributes } from '../wire/attributes.ts'
import type { Update } from '../wire/message.ts'
import { encodePrefix, nlriPrefixes } from '../wire/nlri.ts'
import { queryRoutes } from './query.ts'
import { referenceAdjRibOut, referenceLocRib, type ReferenceRib } from './rib.reference.ts'
import { Rib, type NeighbourSession } from './rib.ts'

const prefixes = [
  '0.0.0.0/0',
  '10.0.0.0/8',
  '10.0.0.0/9',
  '192.0.2.1/32',
  '::/0',
  '2001:db8::/32',
  '2001:db8::1/128',
].map(prefix)

/** Neighbours of all kinds; AS 65002 twice, so that MED counts, and two sessions to one router. */
const neighbours = [
  { asn: 65002, routerId: '10.9.0.4', address: '192.0.2.2' },
  { asn: 65002, routerId: '10.9.0.3', address: '192.0.2.3' },
  { asn: 65003, routerId: '10.9.0.2', address: '192.0.2.4' },
  { asn: 65003, routerId: '10.9.0.2', address: '2001:db8:f::4' },
  { asn: 65001, routerId: '10.9.0.1', address: '192.0.2.5' },
  { asn: 65001, routerId: '10.9.0.5', address: '2001:db8:f::5' },
].map((each) => ({ asn: each.asn, routerId: address(each.routerId), address: address(each.address) }))

const localAsn = 65001

function sessionOf(index: number, otherVersion: boolean): NeighbourSession {
  const neighbour = neighbours[index]!
  const [v4, v6] = [address('192.0.2.1'), address('2001:db8:f::1')]
  const is6 = neighbour.address.includes(':')
  const localAddress = is6 ? v6 : v4
  const other = otherVersion ? { localAddressOtherVersion: is6 ? v4 : v6 } : {}
  const kind = neighbour.asn === localAsn ? 'internal' : 'external'
  const from = { ...neighbour, kind, name: `peer ${index}` } as const
  const clusterId = address('10.9.0.9')
  return {
    from,
    source: {
      from,
      localAsn,
      localRouterId: clusterId,
      clusterId,
      localAddress,
      ...other,
      importRoutes: true,
      enforceFirstAs: false,
      honourGracefulShutdown: true,
      aigp: false,
    },
    target: {
      kind,
      address: neighbour.address,
      asn: neighbour.asn,
      localAsn,
      clusterId,
      localAddress,
      ...other,
      extendedNextHop: [],
    },
    families,
    maxLength: 4096,
  }
}

type BlockAttributes = Omit<PathAttributes, 'nextHop'>

type Event =
  | { kind: 'announce'; peer: number; prefixes: number[]; attributes: BlockAttributes }
  | { kind: 'withdraw'; peer: number; prefixes: number[] }
  | { kind: 'down'; peer: number }
  | { kind: 'refresh'; peer: number }
  | { kind: 'up'; peer: number; otherVersion: boolean }
  | { kind: 'policy'; peer: number; importRoutes: boolean; exportLearned: boolean }
  | { kind: 'own'; prefix: number; to: { peer: number; attributes: OriginatedAttributes }[] }
  | { kind: 'flush' }

const peer = fc.nat({ max: neighbours.length - 1 })
const somePrefixes = fc.uniqueArray(fc.nat({ max: prefixes.length - 1 }), { minLength: 1, maxLength: 3 })
const asPath = fc
  .array(
    fc.record({
      kind: fc.constantFrom('sequence' as const, 'sequence' as const, 'set' as const),
      asns: fc.array(fc.constantFrom(65002, 65003, 65004, 65001), { minLength: 1, maxLength: 2 }),
    }),
    { maxLength: 2 },
  )
  .map((path) => path.map((segment) => ({ ...segment, asns: segment.asns })))
const communities = fc.constantFrom(undefined, [0xffffff01], [0xffffff02], [0xffffff03], [6500100])
const attributes = fc
  .record({
    origin: fc.constantFrom('igp' as const, 'igp' as const, 'egp' as const, 'incomplete' as const),
    asPath,
    med: fc.constantFrom(undefined, 0, 1, 2),
    localPref: fc.constantFrom(undefined, undefined, 50, 200),
    communities,
  })
  .map((each) => withoutUndefined(each) as BlockAttributes)
const originated = fc
  .record({
    med: fc.constantFrom(undefined, 7),
    localPref: fc.constantFrom(undefined, 300),
    communities: fc.constantFrom(undefined, [0xffffff01]),
    nextHop: fc.constantFrom(undefined, undefined, address('192.0.2.2'), address('2001:db8:f::9')),
  })
  .map((each): OriginatedAttributes => withoutUndefined(each))
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('announce'), peer, prefixes: somePrefixes, attributes }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('withdraw'), peer, prefixes: somePrefixes }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('down'), peer }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refresh'), peer }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('up'), peer, otherVersion: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('policy'),
      peer,
      importRoutes: fc.boolean(),
      exportLearned: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('own'),
      prefix: fc.nat({ max: prefixes.length - 1 }),
      to: fc.uniqueArray(fc.record({ peer, attributes: originated }), {
        selector: (to) => to.peer,
        maxLength: 3,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('flush') }) },
)

test('any order of events leads to the tables that the reference computes from their sum', () => {
  fc.assert(
    fc.property(fc.array(event, { minLength: 20, maxLength: 80, size: 'max' }), (events) => run(events)),
    { numRuns: 400 },
  )
})

/** Plays the events on the RIB and on the reference, and keeps what each neighbour was told, as it would. */
function run(events: Event[]): void {
  const rib = new Rib({ localAsn, seed: 1 })
  const model: ReferenceRib = { localAsn, neighbours: new Map(), own: new Map() }
  const told = new Map<number, Map<Prefix, PathAttributes>>()
  const slots = neighbours.map(() => {
    const policy = { importRoutes: true, exportLearned: true }
    const slot = rib.addNeighbour(policy)
    model.neighbours.set(slot, { policy, sent: new Map() })
    told.set(slot, new Map())
    return slot
  })
  for (const each of [...events, { kind: 'flush' } as const]) {
    if (each.kind === 'flush') {
      for (const { slot, updates } of rib.flush())
        for (const update of updates) if (update.kind === 'update') learn(told.get(slot)!, update)
      compare(rib, model, told)
      continue
    }
    if (each.kind === 'own') {
      const to = each.to.map((target) => ({ slot: slots[target.peer]!, attributes: target.attributes }))
      if (to.length === 0) model.own.delete(prefixes[each.prefix]!)
      else
        model.own.set(prefixes[each.prefix]!, new Map(to.map(({ slot, attributes }) => [slot, attributes])))
      const routes = [...model.own].map(([prefix, targets]) => ({
        prefix,
        to: [...targets].map(([slot, attributes]) => ({ slot, attributes })),
      }))
      rib.setOwnRoutes(routes, 0)
      continue
    }
    const slot = slots[each.peer]!
    const neighbour = model.neighbours.get(slot)!
    if (each.kind === 'policy') {
      neighbour.policy = { importRoutes: each.importRoutes, exportLearned: each.exportLearned }
      rib.setPolicy(slot, neighbour.policy)
    } else if (each.kind === 'up') {
      if (neighbour.session !== undefined) continue
      neighbour.session = sessionOf(each.peer, each.otherVersion)
      rib.sessionUp(slot, neighbour.session)
    } else if (neighbour.session === undefined) continue
    else if (each.kind === 'down') {
      delete neighbour.session
      neighbour.sent.clear()
      told.get(slot)!.clear()
      rib.sessionDown(slot)
    } else if (each.kind === 'refresh') {
      for (const family of families) rib.refresh(slot, family)
    } else if (each.kind === 'announce') {
      for (const family of families) {
        const mine = each.prefixes.map((i) => prefixes[i]!).filter((p) => familyOfPrefix(p) === family)
        const nextHop = nextHopOf(neighbour.session.from.address, family)
        if (mine.length > 0) rib.receive(slot, announcement(family, mine, each.attributes, nextHop), 0)
        for (const prefix of mine) neighbour.sent.set(prefix, { ...each.attributes, nextHop })
      }
    } else {
      for (const i of each.prefixes) neighbour.sent.delete(prefixes[i]!)
      for (const family of families) {
        const mine = each.prefixes.map((i) => prefixes[i]!).filter((p) => familyOfPrefix(p) === family)
        if (mine.length > 0) rib.receive(slot, { ...empty, withdrawn: [{ family, nlri: wireForm(mine) }] }, 0)
      }
    }
  }
  for (const slot of slots) rib.removeNeighbour(slot)
  rib.setOwnRoutes([], 0)
  rib.flush()
  for (const family of families) assert.equal(rib.tables[family].prefixes.size, 0, 'no prefix leaks')
  assert.equal(rib.store.size, 0, 'no attribute set leaks')
}

/** What a neighbour makes of an UPDATE. A withdrawal of what it does not have, or twice the same, is a fault of the sender. */
function learn(table: Map<Prefix, PathAttributes>, update: Update): void {
  for (const block of update.withdrawn)
    for (const prefix of nlriPrefixes(block))
      assert.ok(table.delete(prefix), `${prefix} was announced before`)
  for (const block of update.announced)
    for (const prefix of nlriPrefixes(block))
      table.set(prefix, decodeAttributes(update.attributes, block.nextHop))
}

function compare(rib: Rib, model: ReferenceRib, told: Map<number, Map<Prefix, PathAttributes>>): void {
  const names = new Map([...told.keys()].map((slot) => [slot, String(slot)]))
  const locRib = queryRoutes(rib, 'locRib', {}, names)
  const expected = referenceLocRib(model)
  assert.deepEqual(
    new Map(locRib.map((route) => [route.prefix, { from: route.peer ?? '0', attributes: route.attributes }])),
    new Map(
      [...expected].map(([prefix, { slot, attributes }]) => [prefix, { from: String(slot), attributes }]),
    ),
  )
  for (const [slot, table] of told) {
    assert.deepEqual(table, referenceAdjRibOut(model, slot), `what ${slot} was told`)
    const recorded = queryRoutes(rib, 'adjRibOut', { slot }, names)
    assert.deepEqual(new Map(recorded.map((route) => [route.prefix, route.attributes])), table)
    const { sent } = model.neighbours.get(slot)!
    const received = queryRoutes(rib, 'adjRibIn', { slot }, names)
    assert.deepEqual(new Map(received.map((route) => [route.prefix, route.attributes])), sent)
    for (const family of families) {
      const counts = rib.tables[family].peers[slot]!
      const ofFamily = (prefix: Prefix) => familyOfPrefix(prefix) === family
      assert.equal(counts.advertised, [...table.keys()].filter(ofFamily).length)
      assert.equal(counts.received, [...sent.keys()].filter(ofFamily).length)
      const usable = received.filter((route) => ofFamily(route.prefix) && route.rejected === undefined)
      assert.equal(counts.accepted, usable.length)
    }
  }
}

const empty: Update = {
  kind: 'update',
  withdrawn: [],
  announced: [],
  attributes: new Uint8Array(0),
  endOfRib: [],
  faults: [],
}

function announcement(
  family: Family,
  prefixes: Prefix[],
  attributes: BlockAttributes,
  nextHop: Address,
): Update {
  return {
    ...empty,
    announced: [{ family, nlri: wireForm(prefixes), nextHop: { global: nextHop } }],
    attributes: encodeAttributes({ ...attributes, nextHop }),
  }
}

function wireForm(prefixes: Prefix[]): Uint8Array {
  return Uint8Array.from(prefixes.flatMap((prefix) => [...encodePrefix(prefix)]))
}

function nextHopOf(neighbour: Address, family: Family): Address {
  if (neighbour.includes(':') === (family === 'ipv6/unicast')) return neighbour
  return address(family === 'ipv4/unicast' ? '198.51.100.9' : '2001:db8:f::99')
}

function withoutUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined))
}
