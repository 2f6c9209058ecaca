import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from '#core/net/address.ts'
import { families } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { queryRoutes } from './query.ts'
import { Rib, type NeighbourSession } from './rib.ts'

const quiet = { send() {}, refreshBorder() {}, bestChanged() {} }
const names = new Map([
  [1, 'a'],
  [2, 'b'],
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
