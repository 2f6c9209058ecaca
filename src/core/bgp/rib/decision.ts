/**
 * The decision process among the paths to one prefix (RFC 4271 §9.1.2), on columns: no object per path.
 *
 * The order of steps: own routes, degree of preference, AS path length, origin, MED among paths from the same neighbouring AS,
 * eBGP over iBGP, (interior cost: always 0), lowest BGP identifier, lowest peer address. MED makes this no total order: a path
 * that loses to another by MED may have beaten a third. So the outcome is that of the RFC's elimination over all paths
 * together, whatever order they arrived in; `locate` says when the incremental answer is known to be the same and when the
 * prefix has to be scanned. `decision.reference.ts` is the oracle.
 */
import { defaultLocalPref, type AttributeStore } from './attribute-store.ts'
import type { Column } from './column.ts'

/** What the decision needs to know of the neighbour that a path came from. */
export interface DecisionPeer {
  /** eBGP. */
  external: boolean
  asn: number
  /** Position among all neighbours by BGP identifier, then address. */
  rank: number
  /** Its adj-rib-in: cells of {@link cellOf}. */
  in: Column
}

/** A cell of adj-rib-in: the attribute set, and whether the path may not be used. 0: no path. */
export function cellOf(attributes: number, rejected: boolean): number {
  return 2 * attributes + (rejected ? 1 : 0)
}

export function attributesOf(cell: number): number {
  return cell >>> 1
}

export function isUsable(cell: number): boolean {
  return cell !== 0 && (cell & 1) === 0
}

/** Slot of the neighbour with the best path to this prefix, −1 if there is none. Slot 0 is the speaker itself. */
export function selectBest(
  store: AttributeStore,
  peers: readonly (DecisionPeer | undefined)[],
  prefix: number,
): number {
  if (isUsable(peers[0]!.in.get(prefix))) return 0
  let lead = -1
  let ties = 0
  for (let slot = 1; slot < peers.length; slot++) {
    const cell = usableCell(peers[slot], prefix)
    if (cell === 0) continue
    const order = lead < 0 ? -1 : compareUntilMed(store, peers, prefix, slot, lead)
    if (order > 0) continue
    ties = order < 0 ? 1 : ties + 1
    if (order < 0) lead = slot
  }
  return ties < 2 ? lead : selectAmongTies(store, peers, prefix, lead)
}

export type Verdict = 'unchanged' | 'better' | 'scan'

/**
 * What a path that came or went on `slot` does to the choice of `best`, another neighbour's path that is the best so far:
 * nothing, take its place, or something that only a scan can tell. `gone` and `come` are attribute sets of usable paths, 0
 * for none.
 */
export function locate(
  store: AttributeStore,
  peers: readonly (DecisionPeer | undefined)[],
  slot: number,
  gone: number,
  come: number,
  best: number,
  bestAttributes: number,
): Verdict {
  const peer = peers[slot]!
  const bestPeer = peers[best]!
  if (
    gone !== 0 &&
    compareSets(store, gone, peer.external, bestAttributes, bestPeer.external) === 0 &&
    neighbourOf(store, gone, peer) !== neighbourOf(store, bestAttributes, bestPeer)
  )
    // It may have kept out, by MED, a path that beats the best one.
    return 'scan'
  if (come === 0) return 'unchanged'
  const order = compareSets(store, come, peer.external, bestAttributes, bestPeer.external)
  if (order !== 0) return order < 0 ? 'better' : 'unchanged'
  const preferred = comparePeers(peer, bestPeer) < 0
  if (neighbourOf(store, come, peer) !== neighbourOf(store, bestAttributes, bestPeer))
    return preferred ? 'scan' : 'unchanged'
  const med = store.med[come]! - store.med[bestAttributes]!
  if (med === 0) return preferred ? 'better' : 'unchanged'
  return med < 0 ? 'scan' : 'unchanged'
}

/** Steps before MED for two sets: negative when the first is preferred (RFC 4271 §9.1.1, §9.1.2.2 a and b). */
export function compareSets(
  store: AttributeStore,
  a: number,
  aExternal: boolean,
  b: number,
  bExternal: boolean,
): number {
  // LOCAL_PREF counts on iBGP only (RFC 4271 §5.1.5).
  const preference =
    (bExternal ? defaultLocalPref : store.localPref[b]!) -
    (aExternal ? defaultLocalPref : store.localPref[a]!)
  if (preference !== 0) return preference
  return store.pathLength[a]! - store.pathLength[b]! || store.origin[a]! - store.origin[b]!
}

/** The elimination by MED and what follows it, among the paths that equal `lead`'s in the steps before. */
function selectAmongTies(
  store: AttributeStore,
  peers: readonly (DecisionPeer | undefined)[],
  prefix: number,
  lead: number,
): number {
  let best = -1
  for (let slot = lead; slot < peers.length; slot++) {
    if (usableCell(peers[slot], prefix) === 0 || compareUntilMed(store, peers, prefix, slot, lead) !== 0)
      continue
    if (best >= 0 && comparePeers(peers[slot]!, peers[best]!) > 0) continue
    if (!isEliminated(store, peers, prefix, lead, slot)) best = slot
  }
  return best
}

/** RFC 4271 §9.1.2.2 c: another path from the same neighbouring AS has a lower MED. */
function isEliminated(
  store: AttributeStore,
  peers: readonly (DecisionPeer | undefined)[],
  prefix: number,
  lead: number,
  slot: number,
): boolean {
  const set = attributesOf(peers[slot]!.in.get(prefix))
  const med = store.med[set]!
  if (med === 0) return false
  const neighbour = neighbourOf(store, set, peers[slot]!)
  for (let other = lead; other < peers.length; other++) {
    const cell = usableCell(peers[other], prefix)
    if (cell === 0 || store.med[attributesOf(cell)]! >= med) continue
    if (neighbourOf(store, attributesOf(cell), peers[other]!) !== neighbour) continue
    if (compareUntilMed(store, peers, prefix, other, lead) === 0) return true
  }
  return false
}

function compareUntilMed(
  store: AttributeStore,
  peers: readonly (DecisionPeer | undefined)[],
  prefix: number,
  a: number,
  b: number,
): number {
  const x = peers[a]!
  const y = peers[b]!
  return compareSets(
    store,
    attributesOf(x.in.get(prefix)),
    x.external,
    attributesOf(y.in.get(prefix)),
    y.external,
  )
}

/** RFC 4271 §9.1.2.2 d, f and g. */
function comparePeers(a: DecisionPeer, b: DecisionPeer): number {
  if (a.external !== b.external) return a.external ? -1 : 1
  return a.rank - b.rank
}

/** The neighbouring AS that MED is compared within: the first of the path, else the peer's own (§9.1.2.2 c). */
function neighbourOf(store: AttributeStore, set: number, peer: DecisionPeer): number {
  return store.neighbourAsn[set]! || peer.asn
}

function usableCell(peer: DecisionPeer | undefined, prefix: number): number {
  if (peer === undefined) return 0
  const cell = peer.in.get(prefix)
  return (cell & 1) === 0 ? cell : 0
}
