/**
 * The RIB said again with maps and plain values, computed whole from what neighbours last said: slow, and the oracle of
 * `rib.ts`. It remembers nothing derived, so nothing in it can depend on the order of events.
 */
import type { Address } from '#core/net/address.ts'
import { prefixVersion, type Prefix } from '#core/net/prefix.ts'
import type { OriginatedAttributes } from '../config.ts'
import type { PathAttributes } from '../attributes.ts'
import { familyOfPrefix } from '../family.ts'
import { decideReference, type ReferencePath } from './decision.reference.ts'
import { exportPath } from './export.ts'
import type { NeighbourPolicy, NeighbourSession } from './rib.ts'

export interface ReferenceNeighbour {
  policy: NeighbourPolicy
  session?: NeighbourSession
  /** What it announced and did not withdraw. */
  sent: Map<Prefix, PathAttributes>
}

export interface ReferenceRib {
  localAsn: number
  neighbours: Map<number, ReferenceNeighbour>
  own: Map<Prefix, Map<number, OriginatedAttributes>>
}

/** A path with the neighbour that it came from; 0: an own route. */
export type ReferenceRoute = ReferencePath & { slot: number }

/** The loc-rib: the best path of every prefix that has one. */
export function referenceLocRib(rib: ReferenceRib): Map<Prefix, ReferenceRoute> {
  const candidates = new Map<Prefix, ReferenceRoute[]>()
  const add = (prefix: Prefix, route: ReferenceRoute) => {
    candidates.set(prefix, [...(candidates.get(prefix) ?? []), route])
  }
  for (const [prefix, to] of rib.own) {
    const first = to.values().next().value ?? {}
    add(prefix, { slot: 0, attributes: ownAttributes(prefix, first) })
  }
  for (const [slot, { policy, session, sent }] of rib.neighbours) {
    if (session === undefined || !policy.importRoutes) continue
    for (const [prefix, attributes] of sent) {
      const looped = attributes.asPath.some(({ asns }) => asns.includes(rib.localAsn))
      const toItself =
        attributes.nextHop === session.source.localAddress ||
        attributes.nextHop === session.source.localAddressOtherVersion
      if (!looped && !toItself) add(prefix, { slot, from: session.from, attributes })
    }
  }
  const best = new Map<Prefix, ReferenceRoute>()
  for (const [prefix, routes] of candidates) best.set(prefix, decideReference(routes)!)
  return best
}

/** What the neighbour should have been sent by now. */
export function referenceAdjRibOut(rib: ReferenceRib, slot: number): Map<Prefix, PathAttributes> {
  const out = new Map<Prefix, PathAttributes>()
  const { session, policy } = rib.neighbours.get(slot)!
  if (session === undefined) return out
  for (const [prefix, route] of referenceLocRib(rib)) {
    const family = familyOfPrefix(prefix)
    if (!session.families.includes(family) || route.slot === slot) continue
    let { attributes } = route
    if (route.slot === 0) {
      const mine = rib.own.get(prefix)!.get(slot)
      if (mine === undefined) continue
      attributes = ownAttributes(prefix, mine)
    } else if (!policy.exportLearned) continue
    const source = rib.neighbours.get(route.slot)?.session?.from ?? { kind: 'own' as const }
    const verdict = exportPath(session.target, family, source, attributes)
    if (verdict.kind === 'send' && verdict.nextHop.global !== session.target.address)
      out.set(prefix, verdict.attributes)
  }
  return out
}

function ownAttributes(prefix: Prefix, own: OriginatedAttributes): PathAttributes {
  const self = (prefixVersion(prefix) === 4 ? '0.0.0.0' : '::') as Address
  return { ...own, origin: own.origin ?? 'igp', asPath: [], nextHop: own.nextHop ?? self }
}
