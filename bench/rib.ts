/**
 * What a route costs in the RIB, by stage: `npm run bench -- rib [routes]`. UPDATEs are prepared before the clock starts,
 * with six routes each on average, prefix lengths as on the Internet and 5000 attribute sets per neighbour. For work on
 * the RIB: it prints, and writes no page.
 */
import { Prng } from '#core/lib/prng.ts'
import { address } from '#core/net/address.ts'
import { families, type Family } from '#core/bgp/family.ts'
import { Rib, type NeighbourSession } from '#core/bgp/rib/rib.ts'
import { encodeAttributes } from '#core/bgp/wire/attributes.ts'
import type { Update } from '#core/bgp/wire/message.ts'

const attributeSets = 5000

/** `routes`: of each neighbour and family. */
export function run(routes: number): void {
  for (const family of families) for (let seed = 0; seed < 3; seed++) runOnce(family, routes, seed)
}

function runOnce(family: Family, routes: number, seed: number): void {
  const rib = new Rib({ localAsn: 65000, seed })
  const [first, second, receiver] = [2, 3, 4].map((n) => {
    const slot = rib.addNeighbour({ importRoutes: true, exportLearned: true })
    rib.sessionUp(slot, session(n))
    return slot
  }) as [number, number, number]
  rib.flush()
  const fromFirst = updates(family, routes, 2)
  const fromSecond = updates(family, routes, 3)
  const rows = [
    measure(routes, 'ingest', () => fromFirst.forEach((update) => rib.receive(first, update, 0))),
    measure(routes, 'flush to two', () => rib.flush()),
    measure(routes, 'ingest the same from another', () =>
      fromSecond.forEach((update) => rib.receive(second, update, 0)),
    ),
    measure(routes, 'flush what changed', () => rib.flush()),
    measure(routes, 'announce again', () => fromSecond.forEach((update) => rib.receive(second, update, 0))),
    measure(routes, 'lose one neighbour', () => rib.sessionDown(first)),
    measure(routes, 'flush what changed', () => rib.flush()),
  ]
  const { advertised } = rib.tables[family].peers[receiver]!
  console.log(`${family}, ${routes} routes, run ${seed + 1}, ${advertised} advertised`)
  for (const row of rows) console.log(`  ${row}`)
}

function measure(routes: number, what: string, action: () => unknown): string {
  const start = process.hrtime.bigint()
  action()
  const ns = Number(process.hrtime.bigint() - start)
  return `${what.padEnd(30)} ${(ns / routes).toFixed(0).padStart(6)} ns/route ${(ns / 1e6).toFixed(0).padStart(6)} ms`
}

function session(n: number): NeighbourSession {
  const [localAddress, localAddressOtherVersion] = [address('192.0.2.1'), address('2001:db8::1')]
  const [asn, peer, clusterId] = [65000 + n, address(`192.0.2.${n}`), address('10.0.0.1')]
  const from = {
    kind: 'external',
    name: `peer ${n}`,
    address: peer,
    asn,
    routerId: address(`10.0.0.${n}`),
  } as const
  const local = { localAsn: 65000, clusterId, localAddress, localAddressOtherVersion }
  const rules = { importRoutes: true, enforceFirstAs: true, honourGracefulShutdown: true, aigp: false }
  return {
    from,
    source: { ...local, ...rules, from, localRouterId: clusterId },
    target: { ...local, kind: 'external', address: peer, asn, extendedNextHop: [] },
    families,
    maxLength: 4096,
  }
}

/** The same prefixes for every neighbour, with attributes of its own. */
function updates(family: Family, routes: number, neighbour: number): Update[] {
  const prefixes = new Prng(1)
  const random = new Prng(neighbour)
  const nextHop = address(family === 'ipv4/unicast' ? `192.0.2.${neighbour}` : `2001:db8::${neighbour}`)
  const blocks = Array.from({ length: attributeSets }, () => {
    const asns = Array.from({ length: 3 + random.below(4) }, () => 1 + random.below(400_000))
    return encodeAttributes({
      origin: 'igp',
      asPath: [{ kind: 'sequence', asns: [65000 + neighbour, ...asns] }],
      communities: Array.from({ length: random.below(6) }, () => random.u32()),
    })
  })
  const lengths =
    family === 'ipv4/unicast' ? [24, 24, 24, 24, 24, 22, 23, 20, 19, 16] : [48, 48, 48, 32, 36, 40, 44]
  const list: Update[] = []
  for (let left = routes; left > 0;) {
    const count = Math.min(left, 1 + prefixes.below(11))
    left -= count
    const nlri: number[] = []
    for (let i = 0; i < count; i++) {
      const length = prefixes.pick(lengths)
      nlri.push(length)
      for (let octet = 0; octet < (length + 7) >> 3; octet++) nlri.push(prefixes.below(256))
    }
    list.push({
      kind: 'update',
      withdrawn: [],
      announced: [{ family, nlri: Uint8Array.from(nlri), nextHop: { global: nextHop } }],
      attributes: random.pick(blocks),
      endOfRib: [],
      faults: [],
    })
  }
  return list
}
