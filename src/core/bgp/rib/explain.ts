/** Why a neighbour does not get a route: asked by people, so derived anew from the tables and never stored. */
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { WithheldFilter, WithheldPage } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import type { Rib } from './rib.ts'

/** What a page may cost, in prefixes looked at. */
const pageCost = 8_000
/** Rules and policies are asked for the reason. */
const reasonCost = 100
/** Ids are below this. */
const cursorBase = 2 ** 25

/**
 * A page of the best paths, or own routes, that this neighbour is meant to get and does not; none while its session is down.
 * `cursor`, `effort`: as of `queryPage`.
 */
export function withheldPage(
  rib: Rib,
  slot: number,
  { of, prefix }: WithheldFilter,
  cursor: number,
  effort = 1,
): WithheldPage {
  const entries: WithheldPage['entries'] = []
  const costMax = effort * pageCost
  let cost = 0
  const look = (family: Family, id: number) => {
    cost++
    if (of === 'own' && rib.tables[family].peers[slot]!.own.get(id) === 0) return
    const reason = withheldReason(rib, slot, family, id)
    if (reason === undefined) return
    cost += reasonCost
    entries.push({ prefix: rib.tables[family].prefixes.prefix(id), reason })
  }
  if (prefix !== undefined) {
    const family = familyOfPrefix(prefix)
    const id = rib.tables[family].prefixes.find(encodePrefix(prefix), 0)
    if (id >= 0) look(family, id)
    return { entries }
  }
  const start = Math.floor(cursor / cursorBase)
  for (const [index, family] of families.entries()) {
    if (index < start) continue
    const { prefixes, peers } = rib.tables[family]
    const { own } = peers[slot]!
    for (let id = index === start ? cursor % cursorBase : 0; id < prefixes.top; id++) {
      if (of === 'own') {
        // Segments without own routes for it are passed over.
        id = own.present(id)
        if (id >= prefixes.top) break
      }
      if (cost >= costMax) return { entries, next: index * cursorBase + id }
      if (prefixes.isFree(id)) cost++
      else look(family, id)
    }
  }
  return { entries }
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
