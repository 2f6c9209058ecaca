/** Reads routes out of the RIB for people: decodes what it shows, walks what it must, changes nothing. */
import { compareText } from '#core/lib/order.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { RouteEntry, RouteTable } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { attributesOf, isUsable } from './decision.ts'
import type { Rib } from './rib.ts'
import type { Prefix } from '#core/net/prefix.ts'

export interface RouteQuery {
  /** Only what this neighbour sent or was sent; in the loc-rib, only paths from it. 0: own routes. */
  slot?: number
  family?: Family
  /** Exactly this prefix: answered without walking the table. */
  prefix?: Prefix
}

/** Ordered by prefix, then peer. `names`: of the peers, by slot. */
export function queryRoutes(
  rib: Rib,
  table: RouteTable,
  { slot, family, prefix }: RouteQuery,
  names: ReadonlyMap<number, string>,
): RouteEntry[] {
  const entries: RouteEntry[] = []
  const slots = [...names].toSorted(([, a], [, b]) => compareText(a, b)).map(([each]) => each)
  for (const each of families) {
    if (family !== undefined && each !== family) continue
    if (prefix !== undefined && familyOfPrefix(prefix) !== each) continue
    const { prefixes } = rib.tables[each]
    if (prefix === undefined) {
      const ids: number[] = []
      for (let id = 0; id < prefixes.top; id++) if (!prefixes.isFree(id)) ids.push(id)
      ids.sort((a, b) => prefixes.compare(a, b))
      for (const id of ids) collect(entries, each, id)
    } else {
      const id = prefixes.find(encodePrefix(prefix), 0)
      if (id >= 0) collect(entries, each, id)
    }
  }
  return entries

  function collect(into: RouteEntry[], family: Family, id: number): void {
    const { peers, best } = rib.tables[family]
    const bestSlot = best.get(id) - 1
    if (table === 'locRib') {
      if (bestSlot < 0 || (slot !== undefined && slot !== bestSlot)) return
      into.push(received(family, id, bestSlot))
      return
    }
    for (const each of slots) {
      const peer = peers[each]
      if (peer === undefined || (slot !== undefined && slot !== each)) continue
      if (table === 'adjRibIn') {
        if (peer.in.get(id) !== 0) into.push(received(family, id, each))
        continue
      }
      const sent = peer.out.get(id)
      if (sent === 0) continue
      into.push({
        prefix: rib.tables[family].prefixes.prefix(id),
        peer: names.get(each)!,
        attributes: rib.store.attributes(sent),
        // The time of the route it tells of: when it was sent is not kept.
        since: rib.timeOf(bestSlot < 0 ? 0 : peers[bestSlot]!.since.get(id)),
        best: true,
      })
    }
  }

  function received(family: Family, id: number, from: number): RouteEntry {
    const { peers, best, prefixes } = rib.tables[family]
    const peer = peers[from]!
    const cell = peer.in.get(id)
    const entry: RouteEntry = {
      prefix: prefixes.prefix(id),
      attributes: rib.store.attributes(attributesOf(cell)),
      since: rib.timeOf(peer.since.get(id)),
      best: best.get(id) === from + 1,
    }
    if (from !== 0) entry.peer = names.get(from)!
    const rejected = isUsable(cell) ? undefined : rib.rejectionOf(from, attributesOf(cell))
    if (rejected !== undefined) entry.rejected = rejected
    return entry
  }
}
