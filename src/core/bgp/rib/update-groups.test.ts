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

function session(slot: number, client: boolean): NeighbourSession {
  const from = {
    kind: 'internal',
    name: names.get(slot)!,
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
  }
}
