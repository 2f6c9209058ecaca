/** Reads routes out of the RIB for people: decodes what it shows, walks what it must, changes nothing. */
import { compareText } from '#core/lib/order.ts'
import { largeCommunityText } from '#core/net/community.ts'
import { covers, lengthOf } from '#core/net/prefix.ts'
import type { AsPathSegment } from '../attributes.ts'
import { families, familyOfPrefix, type Family } from '../family.ts'
import type { RouteEntry, RouteFilter, RouteTable } from '../io.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { attributesOf, isUsable } from './decision.ts'
import type { Rib } from './rib.ts'

export interface RouteQuery extends Omit<RouteFilter, 'peer'> {
  /** Only what this neighbour sent or was sent; in the loc-rib, only paths from it. 0: own routes. */
  slot?: number
}

/** Ordered by prefix, then peer. `names`: of the peers, by slot. */
export function queryRoutes(
  rib: Rib,
  table: RouteTable,
  query: RouteQuery,
  names: ReadonlyMap<number, string>,
): RouteEntry[] {
  const { slot, family, prefix, match = 'exact' } = query
  const entries: RouteEntry[] = []
  const slots = [...names].toSorted(([, a], [, b]) => compareText(a, b)).map(([each]) => each)
  for (const each of families) {
    if (family !== undefined && each !== family) continue
    if (prefix !== undefined && familyOfPrefix(prefix) !== each) continue
    const { prefixes } = rib.tables[each]
    if (prefix === undefined || match !== 'exact') {
      const ids: number[] = []
      for (let id = 0; id < prefixes.top; id++) if (!prefixes.isFree(id)) ids.push(id)
      ids.sort((a, b) => prefixes.compare(a, b))
      for (const id of ids) collect(entries, each, id)
    } else {
      const id = prefixes.find(encodePrefix(prefix), 0)
      if (id >= 0) collect(entries, each, id)
    }
  }
  return filtered(entries, query)

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
      if (table === 'adjRibIn' || table === 'accepted') {
        const cell = peer.in.get(id)
        if (cell !== 0 && (table === 'adjRibIn' || isUsable(cell))) into.push(received(family, id, each))
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

function filtered(entries: RouteEntry[], query: RouteQuery): RouteEntry[] {
  const { prefix, match = 'exact', community, largeCommunity } = query
  const path = query.asPath === undefined ? undefined : pathPattern(query.asPath)
  if (path === 'none') return []
  const left = entries.filter(({ prefix: each, attributes }) => {
    if (prefix !== undefined && match === 'longer' && !covers(prefix, each)) return false
    if (prefix !== undefined && (match === 'covering' || match === 'longest') && !covers(each, prefix))
      return false
    if (community !== undefined && attributes.communities?.includes(community) !== true) return false
    if (largeCommunity !== undefined) {
      const text = largeCommunityText(largeCommunity)
      if (attributes.largeCommunities?.some((other) => largeCommunityText(other) === text) !== true)
        return false
    }
    return path === undefined || path.test(asPathText(attributes.asPath))
  })
  if (prefix === undefined || match !== 'longest') return left
  const longest = Math.max(...left.map((entry) => lengthOf(entry.prefix)))
  return left.filter((entry) => lengthOf(entry.prefix) === longest)
}

function pathPattern(source: string): RegExp | 'none' {
  try {
    return new RegExp(source)
  } catch {
    return 'none'
  }
}

function asPathText(path: readonly AsPathSegment[]): string {
  return path.flatMap(({ asns }) => asns).join(' ')
}
