/** Why a neighbour does not get a route: asked by people, so derived anew from the tables and never stored. */
import type { Prefix } from '#core/net/prefix.ts'
import { families, type Family } from '../family.ts'
import { encodeAttributes } from '../wire/attributes.ts'
import { exportPath } from './export.ts'
import { fits } from './pack.ts'
import type { Rib } from './rib.ts'

/** Every best path that this neighbour is meant to get and does not. Nothing while its session is down. */
export function withheldFrom(rib: Rib, slot: number): { prefix: Prefix; reason: string }[] {
  const found: { prefix: Prefix; reason: string }[] = []
  for (const family of families) {
    const { prefixes } = rib.tables[family]
    for (let id = 0; id < prefixes.top; id++) {
      const reason = withheldReason(rib, slot, family, id)
      if (reason !== undefined) found.push({ prefix: prefixes.prefix(id), reason })
    }
  }
  return found
}

/** Undefined if the neighbour gets the best path to this prefix, is not meant to get it, or there is none. */
function withheldReason(rib: Rib, slot: number, family: Family, prefix: number): string | undefined {
  const session = rib.neighbours[slot]?.session
  const offer = session === undefined ? 0 : rib.offerTo(slot, rib.tables[family], prefix)
  if (session === undefined || offer === 0) return undefined
  if (!session.families.includes(family)) return `the session does not carry ${family}`
  const { set, source } = rib.offered(offer)
  const { target } = session
  const verdict = exportPath(target, family, source, rib.store.attributes(set))
  if (verdict.kind === 'withhold') return verdict.reason
  if (verdict.nextHop.global === target.address)
    return `its next hop ${target.address} is the neighbour itself (RFC 4271 §5.1.3)`
  return fits(encodeAttributes(verdict.attributes), family, session.maxLength)
    ? undefined
    : 'its attributes do not fit into a message (RFC 4271 §9.2)'
}
