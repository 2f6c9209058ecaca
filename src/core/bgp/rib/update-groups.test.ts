import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { families } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { Framer } from '../wire/framer.ts'
import { nlriPrefixes } from '../wire/nlri.ts'
import { decodeUpdate } from '../wire/update-decode.ts'
import { queryRoutes } from './query.ts'
import { Rib, type NeighbourSession } from './rib.ts'
import type { RibSink } from './update-groups.ts'

const context = { fourOctetAsn: true, kind: 'ibgp', families, extendedNextHop: [] } as const
const ownPrefix = prefix('203.0.113.0/24')
const quiet = { send() {}, refreshBorder() {}, bestChanged() {} }
const names = new Map([
  [1, 'a'],
  [2, 'b'],
  [3, 'c'],
])

test('RFC 4456 §6: routes of a neighbour that becomes a client are reflected, and no longer when it is none again', () => {
  const rib = new Rib({ seed: 1 })
  for (const slot of names.keys()) {
    rib.addNeighbour({ importRoutes: true, exportLearned: true })
    rib.sessionUp(slot, session(slot, false))
  }
  const announced = [
    {
      family: 'ipv4/unicast' as const,
      nlri: Uint8Array.of(8, 10),
      nextHop: { global: address('192.0.2.1') },
    },
  ]
  const attributes = encodeAttributes({ origin: 'igp', asPath: [] })
  rib.receive(1, { kind: 'update', withdrawn: [], announced, attributes, endOfRib: [], faults: [] }, 0)
  const sentToB = () => {
    rib.run(0, quiet)
    return queryRoutes(rib, 'adjRibOut', { slot: 2 }, names).map(({ prefix }) => prefix)
  }
  assert.deepEqual(sentToB(), [])
  rib.changeSession(1, session(1, true))
  assert.deepEqual(sentToB(), ['10.0.0.0/8'])
  rib.changeSession(1, session(1, false))
  assert.deepEqual(sentToB(), [])
})

/**
 * What the third neighbour is told when it comes up while so many routes of the first one are on their way that they are
 * gathered; `own`: slots that get the own route.
 */
function toldToThird(own: readonly number[]): string[] {
  const rib = new Rib({ seed: 1 })
  for (const _ of names) rib.addNeighbour({ importRoutes: true, exportLearned: true })
  const med = { med: 7 }
  const to = own.map((slot) => ({ slot, attributes: med }))
  rib.setOwnRoutes([{ prefix: ownPrefix, attributes: med, to }], 0)
  rib.sessionUp(1, session(1, true))
  rib.sessionUp(2, session(2, true))
  rib.run(0, quiet)
  const nlri = Uint8Array.from(Array.from({ length: 2000 }, (_, i) => [24, 10, i >> 8, i & 255]).flat())
  const announced = [{ family: 'ipv4/unicast' as const, nlri, nextHop: { global: address('192.0.2.1') } }]
  const attributes = encodeAttributes({ origin: 'igp', asPath: [] })
  rib.receive(1, { kind: 'update', withdrawn: [], announced, attributes, endOfRib: [], faults: [] }, 1000)
  rib.sessionUp(3, session(3, true))
  const told: string[] = []
  const send = (slot: number, bytes: Uint8Array) => {
    if (slot !== 3) return
    const framer = new Framer()
    framer.push(bytes)
    while (framer.advance()) {
      const message = framer.bytes.subarray(framer.start, framer.end)
      const decoded = decodeUpdate(message.subarray(19), context)
      assert.ok(decoded.ok)
      for (const family of decoded.value.endOfRib) told.push(`end of ${family}`)
      for (const block of decoded.value.announced) told.push(...nlriPrefixes(block))
    }
  }
  for (let now = 1000; now < 1100; now = Math.max(now + 1, rib.nextRunAt())) rib.run(now, { ...quiet, send })
  return told
}

test('RFC 4724 §2: End-of-RIB comes after all own routes, though much else is on its way', () => {
  const told = toldToThird([2, 3])
  assert.equal(told.length, 2003)
  assert.ok(told.includes(ownPrefix))
  assert.equal(told.at(-1), 'end of ipv4/unicast')
})

test('an own route that is for the others of its group alone is never told to who joins them', () => {
  const told = toldToThird([1, 2])
  assert.equal(told.length, 2002)
  assert.ok(!told.includes(ownPrefix))
})

const tableSize = 20_000

/** A table from the first neighbour, and a RIB that knows `count` neighbours beside it. */
function full(count: number): Rib {
  const rib = new Rib({ seed: 1 })
  for (let slot = 1; slot <= 1 + count; slot++) rib.addNeighbour({ importRoutes: true, exportLearned: true })
  rib.sessionUp(1, session(1, true))
  announceAll(rib, 0)
  settle(rib, quiet)
  return rib
}

function announceAll(rib: Rib, med: number): void {
  for (let first = 0; first < tableSize; first += 200) {
    const nlri = Uint8Array.from(
      Array.from({ length: 200 }, (_, i) => [24, 10, (first + i) >> 8, (first + i) & 255]).flat(),
    )
    const announced = [
      { family: 'ipv4/unicast' as const, nlri, nextHop: { global: address('198.51.100.1') } },
    ]
    const attributes = encodeAttributes({ origin: 'igp', asPath: [], med: med + first })
    rib.receive(1, { kind: 'update', withdrawn: [], announced, attributes, endOfRib: [], faults: [] }, 0)
  }
}

function settle(rib: Rib, sink: RibSink): void {
  for (let i = 0; i < 10_000 && rib.nextRunAt() < Infinity; i++) rib.run(1_000_000, sink)
}

/** What each neighbour is sent, and how many octets were made for all of them. */
function sent(run: (sink: RibSink) => void): { to: Map<number, number>; made: number } {
  const to = new Map<number, number>()
  const arrays = new Set<Uint8Array>()
  run({
    ...quiet,
    send(slot, bytes) {
      to.set(slot, (to.get(slot) ?? 0) + bytes.length)
      arrays.add(bytes)
    },
  })
  return { to, made: [...arrays].reduce((sum, { length }) => sum + length, 0) }
}

for (const [what, paths] of [
  ['one path', 0],
  ['several paths', 2],
] as const)
  test(`neighbours that take ${what} and come up together are sent the same arrays`, () => {
    const rib = full(11)
    // The group is there already.
    rib.sessionUp(12, session(12, true, paths))
    settle(rib, quiet)
    const { to, made } = sent((sink) => {
      for (let slot = 2; slot <= 11; slot++) rib.sessionUp(slot, session(slot, true, paths))
      settle(rib, sink)
    })
    const octets = new Set(to.values())
    assert.equal(to.size, 10)
    assert.equal(octets.size, 1)
    const [each = 0] = octets
    assert.ok(each > tableSize)
    assert.ok(made < 1.2 * each, `${made} octets were made for ten times ${each}`)
  })

test('neighbours that fell behind together and take bytes again one after the other are sent the same arrays', () => {
  const rib = full(4)
  for (let slot = 2; slot <= 5; slot++) rib.sessionUp(slot, session(slot, true))
  settle(rib, quiet)
  for (let slot = 2; slot <= 5; slot++) rib.setCongested(slot, true)
  announceAll(rib, 1)
  settle(rib, quiet)
  const { to, made } = sent((sink) => {
    for (let slot = 2; slot <= 5; slot++) {
      rib.setCongested(slot, false)
      settle(rib, sink)
    }
  })
  assert.equal(new Set(to.values()).size, 1)
  assert.ok(made < 1.2 * to.get(2)!, `${made} octets were made for four times ${to.get(2)}`)
})

test('a neighbour whose socket is full holds up nobody, and is sent all when it takes bytes again', () => {
  const rib = full(3)
  for (let slot = 2; slot <= 4; slot++) rib.sessionUp(slot, session(slot, true))
  const { to } = sent((sink) => {
    for (let i = 0; i < 2; i++) rib.run(1_000_000, sink)
    rib.setCongested(3, true)
    settle(rib, sink)
  })
  assert.equal(to.get(2), to.get(4))
  assert.ok((to.get(3) ?? 0) < to.get(2)!)
  const rest = sent((sink) => {
    rib.setCongested(3, false)
    settle(rib, sink)
  })
  assert.equal(rib.tables['ipv4/unicast'].peers[3]!.advertised, tableSize)
  assert.equal(rest.to.size, 1)
})

for (const several of [false, true])
  test(`a neighbour that changes groups is told only what is another thing there${several ? ', of several paths, too' : ''}`, () => {
    const rib = full(3)
    for (let slot = 2; slot <= 4; slot++) rib.sessionUp(slot, session(slot, true, several ? 2 : 0))
    settle(rib, quiet)
    const { to } = sent((sink) => {
      // It is no longer reflected to: routes of clients go on to it.
      rib.changeSession(3, session(3, false, several ? 2 : 0))
      settle(rib, sink)
    })
    assert.deepEqual([...to], [])
    rib.setPolicy(3, { importRoutes: true, exportLearned: false })
    const withdrawn = sent((sink) => settle(rib, sink))
    assert.deepEqual([...withdrawn.to.keys()], [3])
    assert.equal(rib.tables['ipv4/unicast'].peers[3]!.advertised, 0)
  })

function session(slot: number, client: boolean, paths = 0): NeighbourSession {
  const from = {
    kind: 'internal',
    name: names.get(slot) ?? String(slot),
    address: address(`192.0.2.${slot}`),
    asn: 65000,
    routerId: address(`10.0.0.${slot}`),
    ...(client ? { client } : {}),
  } as const
  const own = { localAsn: 65000, clusterId: address('10.0.0.9'), localAddress: address('192.0.2.9') }
  return {
    from,
    source: {
      from,
      ...own,
      localRouterId: address('10.0.0.9'),
      importRoutes: true,
      enforceFirstAs: false,
      honourGracefulShutdown: true,
      aigp: true,
    },
    target: {
      kind: 'internal',
      address: from.address,
      asn: 65000,
      ...own,
      extendedNextHop: [],
      ...(client ? { routeReflectorClient: true } : {}),
    },
    families,
    fourOctetAsn: true,
    maxLength: 4096,
    ...(paths > 0 ? { addPathSend: { 'ipv4/unicast': paths } } : {}),
  }
}
