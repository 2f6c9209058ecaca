/** RIBs with some neighbours that have said something, to ask questions about. */
import { address, type Address } from '#core/net/address.ts'
import { prefix, type Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from '../attributes.ts'
import { families, familyOfPrefix } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import type { NlriBlock, Update } from '../wire/message.ts'
import { encodePaths, encodePrefix, nlriBlock } from '../wire/nlri.ts'
import { Rib, type NeighbourSession } from './rib.ts'

export const names = new Map([
  [1, 'a'],
  [2, 'b'],
  [3, 'c'],
])

export const quiet = { send() {}, refreshBorder() {}, bestChanged() {} }

/** Three eBGP neighbours; what each says, by prefix. */
export function ribWith(said: Record<number, Record<string, Partial<PathAttributes>>>): Rib {
  const rib = new Rib({ seed: 1 })
  for (const slot of names.keys()) {
    rib.addNeighbour({ importRoutes: true, exportLearned: true })
    rib.sessionUp(slot, sessionOf(slot))
    for (const [text, attributes] of Object.entries(said[slot] ?? {}))
      say(rib, slot, prefix(text), attributes)
    rib.run(0, quiet)
  }
  return rib
}

/** `pathId`: of one of several paths (RFC 7911). */
export function say(
  rib: Rib,
  slot: number,
  text: Prefix,
  attributes: Partial<PathAttributes>,
  pathId?: number,
): void {
  const family = familyOfPrefix(text)
  const nextHop = address(family === 'ipv4/unicast' ? `192.0.2.${slot}` : `2001:db8::${slot}`)
  const path: PathAttributes = {
    origin: 'igp',
    asPath: [{ kind: 'sequence', asns: [65000 + slot] }],
    nextHop,
    ...attributes,
  }
  const announced = [{ ...blockOf(text, pathId), nextHop: { global: nextHop } }]
  rib.receive(slot, update({ announced, attributes: encodeAttributes(path) }), 0)
}

export function unsay(rib: Rib, slot: number, text: Prefix, pathId?: number): void {
  rib.receive(slot, update({ withdrawn: [blockOf(text, pathId)] }), 0)
}

function blockOf(text: Prefix, pathId: number | undefined): NlriBlock {
  const nlri = pathId === undefined ? encodePrefix(text) : encodePaths([{ prefix: text, pathId }])
  return nlriBlock(familyOfPrefix(text), nlri, pathId !== undefined)
}

function update(fields: Partial<Update>): Update {
  return {
    kind: 'update',
    withdrawn: [],
    endOfRib: [],
    faults: [],
    announced: [],
    attributes: new Uint8Array(0),
    ...fields,
  }
}

export function sessionOf(slot: number): NeighbourSession {
  const from = {
    kind: 'external',
    name: names.get(slot)!,
    address: address(`192.0.2.${slot}`),
    asn: 65000 + slot,
    routerId: address(`10.0.0.${slot}`),
  } as const
  const own = { localAsn: 65000, clusterId: address('10.0.0.9'), localAddress: address('192.0.2.9') }
  return {
    from,
    source: {
      from,
      ...own,
      localRouterId: address('10.0.0.9') satisfies Address,
      importRoutes: true,
      enforceFirstAs: false,
      honourGracefulShutdown: true,
      aigp: true,
    },
    target: { kind: 'external', address: from.address, asn: from.asn, ...own, extendedNextHop: [] },
    families,
    fourOctetAsn: true,
    maxLength: 4096,
  }
}
