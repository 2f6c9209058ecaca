/**
 * The RIB said again with maps and plain values, computed whole from what neighbours last said: slow, and the oracle of
 * `rib.ts`. It remembers nothing derived, so nothing in it can depend on the order of events.
 */
import type { Address } from '#core/net/address.ts'
import { prefixVersion, type Prefix } from '#core/net/prefix.ts'
import type { OriginatedAttributes } from '../config.ts'
import type { PathAttributes } from '../attributes.ts'
import { familyOfPrefix } from '../family.ts'
import type { Outcome } from '../policy/outcome.ts'
import { pathEnd } from '../wire/as-path.ts'
import { encodePrefix } from '../wire/nlri.ts'
import { decideReference, type ReferencePath } from './decision.reference.ts'
import { exportOutcome } from './export.ts'
import { importOutcome } from './import.ts'
import type { NeighbourPolicy, NeighbourSession } from './rib.ts'

export interface ReferenceNeighbour {
  policy: NeighbourPolicy
  session?: NeighbourSession
  /** The session that `sent` came over. */
  learned?: NeighbourSession
  sent: ReferenceSent[]
}

/** What it announced and did not withdraw. */
export interface ReferenceSent {
  prefix: Prefix
  /** 0 where there is none. */
  pathId: number
  attributes: PathAttributes
  stale: boolean
  longLived: boolean
}

export interface ReferenceRib {
  neighbours: Map<number, ReferenceNeighbour>
  own: Map<Prefix, Map<number, OriginatedAttributes>>
}

/** A path with the neighbour that it came from; 0: an own route. */
export type ReferenceRoute = ReferencePath & { slot: number }

/** The usable paths by prefix, the best one first. */
export function referenceLocRib(rib: ReferenceRib): Map<Prefix, ReferenceRoute[]> {
  const candidates = new Map<Prefix, ReferenceRoute[]>()
  const add = (prefix: Prefix, route: ReferenceRoute) => {
    candidates.set(prefix, [...(candidates.get(prefix) ?? []), route])
  }
  for (const [prefix, to] of rib.own) {
    const first = to.values().next().value ?? {}
    add(prefix, { slot: 0, attributes: ownAttributes(prefix, first) })
  }
  for (const [slot, neighbour] of rib.neighbours)
    for (const sent of neighbour.sent) {
      const attributes = referenceImport(neighbour, sent)
      if (attributes === undefined) continue
      add(sent.prefix, { slot, from: neighbour.learned!.from, attributes, pathId: sent.pathId })
    }
  for (const [prefix, routes] of candidates) candidates.set(prefix, ordered(routes))
  return candidates
}

/** What the decision sees of a path, undefined if it is rejected. */
export function referenceImport(
  { policy, learned }: ReferenceNeighbour,
  { prefix, attributes, longLived }: ReferenceSent,
): PathAttributes | undefined {
  const source = { ...learned!.source, importRoutes: policy.importRoutes }
  const taken = settled(importOutcome(source, familyOfPrefix(prefix), attributes), prefix, attributes)
  if (taken === undefined || !longLived) return taken
  // RFC 9494 §4.2.
  const marked = new Set([...(taken.communities ?? []), 0xffff0006])
  return { ...taken, communities: [...marked].sort((a, b) => a - b) }
}

/** What the neighbour should have been sent by now: by prefix, several if it takes several. */
export function referenceAdjRibOut(rib: ReferenceRib, slot: number): Map<Prefix, PathAttributes[]> {
  const out = new Map<Prefix, PathAttributes[]>()
  const { session } = rib.neighbours.get(slot)!
  if (session === undefined) return out
  for (const [prefix, routes] of referenceLocRib(rib)) {
    const family = familyOfPrefix(prefix)
    if (!session.families.includes(family)) continue
    const several = session.addPathSend?.[family]
    const chosen: { route: ReferenceRoute; attributes: PathAttributes }[] = []
    for (const route of several === undefined ? routes.slice(0, 1) : routes) {
      if (chosen.length === (several ?? 1)) break
      const attributes = referenceExport(rib, slot, prefix, route)
      if (attributes !== undefined) chosen.push({ route, attributes })
    }
    // What is kept from this neighbour alone takes a place nevertheless.
    const told = chosen
      .filter(({ route, attributes }) => route.slot !== slot && attributes.nextHop !== session.target.address)
      .map(({ attributes }) => attributes)
    if (told.length > 0) out.set(prefix, told)
  }
  return out
}

function referenceExport(
  rib: ReferenceRib,
  slot: number,
  prefix: Prefix,
  route: ReferenceRoute,
): PathAttributes | undefined {
  const { session, policy } = rib.neighbours.get(slot)!
  let { attributes } = route
  if (route.slot === 0) {
    const mine = rib.own.get(prefix)!.get(slot)
    if (mine === undefined) return undefined
    attributes = ownAttributes(prefix, mine)
  } else if (!policy.exportLearned) return undefined
  const outcome = exportOutcome(
    session!.target,
    familyOfPrefix(prefix),
    route.from === undefined ? { kind: 'own' } : rib.neighbours.get(route.slot)!.learned!.from,
    attributes,
  )
  return settled(outcome, prefix, attributes)
}

/** Best first: the best, then the best of what is left. */
function ordered(routes: readonly ReferenceRoute[]): ReferenceRoute[] {
  const order: ReferenceRoute[] = []
  let left = [...routes]
  while (left.length > 0) {
    const best = decideReference(left)!
    order.push(best)
    left = left.filter((each) => each !== best)
  }
  return order
}

function settled(outcome: Outcome, prefix: Prefix, { asPath }: PathAttributes): PathAttributes | undefined {
  const end = pathEnd(asPath)
  const originAsn = end?.kind === 'sequence' ? end.asns.at(-1)! : 0
  let left = outcome
  while (left.kind === 'choice')
    left = left.test.matches(encodePrefix(prefix), 0, originAsn) ? left.yes() : left.no()
  return left.kind === 'accept' ? left.attributes : undefined
}

function ownAttributes(prefix: Prefix, own: OriginatedAttributes): PathAttributes {
  const self = (prefixVersion(prefix) === 4 ? '0.0.0.0' : '::') as Address
  return { ...own, origin: own.origin ?? 'igp', asPath: [], nextHop: own.nextHop ?? self }
}
