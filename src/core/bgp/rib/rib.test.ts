import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { families, type Family } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { queryRoutes } from './query.ts'
import { Rib, type NeighbourSession } from './rib.ts'

const quiet = { send() {}, refreshBorder() {}, bestChanged() {} }
const names = new Map([1, 2, 3, 4].map((slot) => [slot, String(slot)]))

const cases = families.flatMap((family) => [false, true].map((pathIds) => ({ family, pathIds })))

for (const { family, pathIds } of cases) {
  const label = `${family}, ${pathIds ? 'with' : 'without'} path identifiers`

  test(`RFC 4271 §9.1.2.2 f: who comes back as another router and says the same is compared anew (${label})`, () => {
    const rib = started(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'], (slot) => slot === 4)
    say(rib, 1, family, pathIds)
    say(rib, 2, family)
    say(rib, 3, family)
    settle(rib)
    const bestOf = () => queryRoutes(rib, 'locRib', {}, names).map(({ peer }) => peer)
    const sentTo4 = () =>
      queryRoutes(rib, 'adjRibOut', { slot: 4 }, names).map(({ attributes }) => attributes.nextHop)
    assert.deepEqual(bestOf(), ['1'])
    // Whatever comes first: what it says, or the turn of what it left.
    rib.sessionDown(1, families)
    rib.sessionUp(1, session(1, '10.0.0.9'))
    say(rib, 1, family, pathIds)
    settle(rib)
    assert.deepEqual(bestOf(), ['2'])
    assert.deepEqual(sentTo4().toSorted(), [nextHopOf(2, family), nextHopOf(3, family)])
    assert.equal(queryRoutes(rib, 'adjRibIn', { slot: 1 }, names).length, 1)
  })

  test(`RFC 4456 §8: who comes back as another router is the originator of what it says again (${label})`, () => {
    const rib = started(['10.0.0.1', '10.0.0.2', '10.0.0.3'], () => false, true)
    say(rib, 1, family, pathIds)
    settle(rib)
    const originators = () =>
      queryRoutes(rib, 'adjRibOut', { slot: 2 }, names).map(({ attributes }) => attributes.originatorId)
    assert.deepEqual(originators(), ['10.0.0.1'])
    rib.sessionDown(1, families)
    rib.sessionUp(1, session(1, '10.0.0.9', false, true))
    say(rib, 1, family, pathIds)
    settle(rib)
    assert.deepEqual(originators(), ['10.0.0.9'])
  })

  test(`RFC 9494 §4.2: what is left of any number of consecutive restarts is kept (${label})`, () => {
    const rib = started(['10.0.0.1'], () => false)
    for (let i = 0; i < 20; i++) {
      say(rib, 1, family, pathIds, i)
      settle(rib)
      rib.sessionDown(1, families, i === 0 ? [] : families)
      settle(rib)
      assert.equal(queryRoutes(rib, 'locRib', {}, names).length, i + 1)
      rib.sessionUp(1, session(1, '10.0.0.1'))
    }
    // What comes again stays, and nothing else.
    say(rib, 1, family, pathIds, 7)
    rib.sweepStale(1, family)
    settle(rib)
    assert.equal(queryRoutes(rib, 'locRib', {}, names).length, 1)
  })

  test(`RFC 9494 §4.2: once nothing is kept, nothing is long-lived stale (${label})`, () => {
    const rib = started(['10.0.0.1'], () => false)
    rib.toLongLived(1, family)
    rib.sessionDown(1)
    rib.sessionUp(1, session(1, '10.0.0.1'))
    say(rib, 1, family, pathIds)
    rib.sessionDown(1, families, families)
    settle(rib)
    const [kept] = queryRoutes(rib, 'locRib', {}, names)
    assert.deepEqual([kept?.stale, kept?.attributes.communities], [true, undefined])
  })
}

test('a neighbour that asks for all again on its way between groups leaves nothing of the first one behind', () => {
  const rib = started(['10.0.0.1', '10.0.0.2', '10.0.0.3'], () => false)
  settle(rib)
  rib.setCongested(1, true)
  const { target, ...others } = session(1, '10.0.0.1')
  rib.changeSession(1, { ...others, target: { ...target, nextHop: 'self' } })
  settle(rib)
  for (const family of families) rib.refresh(1, family)
  rib.setCongested(1, false)
  settle(rib)
  for (const family of families) say(rib, 3, family)
  settle(rib)
  for (const slot of [1, 2, 3]) rib.removeNeighbour(slot)
  settle(rib)
  for (const family of families) {
    assert.equal(rib.tables[family].prefixes.size, 0)
    assert.equal(rib.tables[family].companions.size, 0)
  }
})

test('routes of a neighbour that was taken out are shown as its own until they are gone', () => {
  const rib = started(['10.0.0.1', '10.0.0.2'], () => false)
  for (const family of families) say(rib, 1, family)
  settle(rib)
  rib.removeNeighbour(1)
  const shown = queryRoutes(rib, 'locRib', {}, new Map([[2, '2']])).map(({ peer }) => peer)
  assert.deepEqual(shown, ['1', '1'])
})

/** Neighbours with these router IDs, which are up; `several`: takes two paths per prefix. */
function started(routerIds: string[], several: (slot: number) => boolean, internal = false): Rib {
  const rib = new Rib({ seed: 1 })
  for (const [i, routerId] of routerIds.entries()) {
    const slot = rib.addNeighbour({ importRoutes: true, exportLearned: true })
    assert.equal(slot, i + 1)
    rib.sessionUp(slot, session(slot, routerId, several(slot), internal))
  }
  return rib
}

function settle(rib: Rib): void {
  do rib.run(1000, quiet)
  while (rib.nextRunAt() < Infinity)
}

/** A route to prefix number `index`, always with the same attributes but for the next hop. */
function say(rib: Rib, slot: number, family: Family, withId = false, index = 0): void {
  const prefix = family === 'ipv4/unicast' ? [16, 10, index] : [24, 0x20, 0x01, index]
  const nlri = Uint8Array.from(withId ? [0, 0, 0, 1, ...prefix] : prefix)
  const pathIds = withId ? { pathIds: true as const } : {}
  const announced = [{ family, nlri, nextHop: { global: nextHopOf(slot, family) }, ...pathIds }]
  const asPath = [{ kind: 'sequence' as const, asns: [64999] }]
  const attributes = encodeAttributes({ origin: 'igp', asPath })
  rib.receive(slot, { kind: 'update', withdrawn: [], announced, attributes, endOfRib: [], faults: [] }, 0)
}

function nextHopOf(slot: number, family: Family) {
  return address(family === 'ipv4/unicast' ? `198.51.100.${slot}` : `2001:db8::${slot}`)
}

function session(slot: number, routerId: string, several = false, internal = false): NeighbourSession {
  const from = {
    kind: internal ? 'internal' : 'external',
    name: String(slot),
    address: address(`192.0.2.${slot}`),
    asn: internal ? 65000 : 65000 + slot,
    routerId: address(routerId),
    ...(internal ? { client: true as const } : {}),
  } as const
  const localRouterId = address('10.0.0.99')
  const own = {
    localAsn: 65000,
    clusterId: localRouterId,
    localAddress: address('192.0.2.99'),
    localAddressOtherVersion: address('2001:db8::99'),
  }
  return {
    from,
    source: {
      from,
      ...own,
      localRouterId,
      importRoutes: true,
      enforceFirstAs: false,
      honourGracefulShutdown: true,
      aigp: false,
    },
    target: {
      kind: from.kind,
      address: from.address,
      asn: from.asn,
      ...own,
      extendedNextHop: [],
      // So that who sent a path shows.
      nextHop: 'keep',
      ...(internal ? { routeReflectorClient: true as const } : {}),
    },
    families,
    fourOctetAsn: true,
    maxLength: 4096,
    ...(several ? { addPathSend: Object.fromEntries(families.map((family) => [family, 2])) } : {}),
  }
}
