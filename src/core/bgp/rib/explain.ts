/** Why a neighbour does not get a route: asked by people, so derived anew from the tables and never stored. */
import type { Prefix } from '#core/net/prefix.ts'
import { families, type Family } from '../family.ts'
import type { Rib } from './rib.ts'

/** Every best path, or own route, that this neighbour is meant to get and does not. Nothing while its session is down. */
export function withheldFrom(
  rib: Rib,
  slot: number,
  of: 'all' | 'own',
): { prefix: Prefix; reason: string }[] {
  const found: { prefix: Prefix; reason: string }[] = []
  for (const family of families) {
    const { prefixes, peers } = rib.tables[family]
    const { own } = peers[slot]!
    for (let id = 0; id < prefixes.top; id++) {
      // Segments without own routes of its are passed over.
      if (of === 'own') id = own.present(id)
      if (id >= prefixes.top) break
      if (of === 'own' && own.get(id) === 0) continue
      const reason = prefixes.isFree(id) ? undefined : withheldReason(rib, slot, family, id)
      if (reason !== undefined) found.push({ prefix: prefixes.prefix(id), reason })
    }
  }
  return found
}

/** Undefined if the neighbour gets the best path to this prefix, is not meant to get it, or there is none. */
function withheldReason(rib: Rib, slot: number, family: Family, prefix: number): string | undefined {
  const { session, policy } = rib.neighbours[slot] ?? {}
  const table = rib.tables[family]
  const best = table.best.get(prefix)
  if (session === undefined || best === 0) return undefined
  const from = table.slotOf(best - 1)
  const set = from === 0 ? table.peers[slot]!.own.get(prefix) : table.bestSet.get(prefix)
  // Never back to where it came from.
  if (set === 0 || from === slot || (from !== 0 && policy?.exportLearned !== true)) return undefined
  if (!session.families.includes(family)) return `the session does not carry ${family}`
  const group = rib.groupOf(slot, family)
  if (group === undefined || group.setFor(slot, prefix) !== 0 || group.pathsFor(slot, prefix).length > 0)
    return undefined
  const reason = group.reasonAgainst(set, from, prefix)
  if (reason !== undefined) return reason
  const { nextHop, fits } = group.exportedFor(set, from, prefix)
  if (nextHop === session.target.address)
    return `its next hop ${nextHop} is the neighbour itself (RFC 4271 §5.1.3)`
  return fits ? undefined : 'its attributes do not fit into a message (RFC 4271 §9.2)'
}
