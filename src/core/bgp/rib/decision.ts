/**
 * The decision process among the paths to one prefix (RFC 4271 §9.1.2), on columns: no object per path.
 *
 * The order of steps: own routes, not long-lived stale (RFC 9494 §4.4), weight, degree of preference, AIGP (RFC 7311 §4.1), AS
 * path length, origin, MED among paths from the same neighbouring AS, eBGP over iBGP, (interior cost: always 0), lowest BGP
 * identifier or ORIGINATOR_ID, shortest CLUSTER_LIST (RFC 4456 §9), lowest peer address, lowest path identifier.
 *
 * MED makes this no total order: a path that loses to another by MED may have beaten a third. So the outcome is that of the
 * RFC's elimination over all paths together, whatever order they arrived in; `locate` says when the incremental answer is
 * known to be the same and when all paths have to be looked at. `decision.reference.ts` is the oracle.
 *
 *     among     | set | neighbour | path id | path |     per candidate, in arrays that are used again for every prefix
 *
 * Nothing is kept per route. Bench: `bench/rib.ts`.
 */
import type { DecisionStep } from '../io.ts'
import { attributeFlags, type AttributeStore } from './attribute-store.ts'

/** What the decision needs to know of the neighbour that a path came from. */
export interface DecisionPeer {
  /** eBGP. A neighbour of the own confederation counts as internal (RFC 5065 §5.3). */
  external: boolean
  /** 0 inside the own AS or confederation. */
  asn: number
  /** BGP identifier. */
  routerId: number
  /** Position among all neighbours by address. */
  addressRank: number
}

/** Rules of the decision that a user sets. */
export interface DecisionRules {
  /** Compare MED of paths from different neighbouring ASes too. */
  alwaysCompareMed: boolean
}

/** The usable paths to one prefix, but the own one: for the steps that look at all of them together. */
export class Candidates {
  count = 0
  readonly sets: number[] = []
  readonly peers: DecisionPeer[] = []
  readonly pathIds: number[] = []
  /** Names the path for whoever collects. */
  readonly refs: number[] = []

  clear(): void {
    this.count = 0
  }

  add(set: number, peer: DecisionPeer, pathId: number, ref: number): void {
    const at = this.count++
    this.sets[at] = set
    this.peers[at] = peer
    this.pathIds[at] = pathId
    this.refs[at] = ref
  }

  /** Takes the candidate at `index` out; order means nothing. */
  remove(index: number): void {
    const last = --this.count
    this.sets[index] = this.sets[last]!
    this.peers[index] = this.peers[last]!
    this.pathIds[index] = this.pathIds[last]!
    this.refs[index] = this.refs[last]!
  }
}

/** So many that are equal until MED are not compared each with each: a neighbour may send hundreds (RFC 7911). */
const crowd = 16

/** Index of the best candidate, −1 if there is none. */
export function selectBest(store: AttributeStore, rules: DecisionRules, among: Candidates): number {
  const { count, sets } = among
  let lead = -1
  let ties = 0
  for (let i = 0; i < count; i++) {
    const order = lead < 0 ? -1 : compareSets(store, sets[i]!, sets[lead]!)
    if (order > 0) continue
    ties = order < 0 ? 1 : ties + 1
    if (order < 0) lead = i
  }
  if (ties < 2) return lead
  const lowest = ties > crowd ? lowestMeds(store, rules, among, lead) : undefined
  let best = -1
  for (let i = lead; i < count; i++) {
    if (compareSets(store, sets[i]!, sets[lead]!) !== 0) continue
    if (best >= 0 && compareLast(store, among, i, best) > 0) continue
    const beaten =
      lowest === undefined
        ? isEliminated(store, rules, among, lead, i)
        : store.med[sets[i]!]! > lowest.get(medGroup(store, rules, among, i))!
    if (!beaten) best = i
  }
  return best
}

export type Verdict = 'unchanged' | 'better' | 'scan'

/**
 * What a path that came or went does to the choice of another path that is the best so far: nothing, take its place, or
 * something that only a look at all paths can tell. `gone` and `come` are attribute sets of usable paths of `peer`, 0 for none.
 * Each neighbour has one path.
 */
export function locate(
  store: AttributeStore,
  rules: DecisionRules,
  peer: DecisionPeer,
  gone: number,
  come: number,
  bestPeer: DecisionPeer,
  best: number,
): Verdict {
  if (
    gone !== 0 &&
    !rules.alwaysCompareMed &&
    compareSets(store, gone, best) === 0 &&
    neighbourOf(store, gone, peer) !== neighbourOf(store, best, bestPeer)
  )
    // It may have kept out, by MED, a path that beats the best one.
    return 'scan'
  if (come === 0) return 'unchanged'
  const order = compareSets(store, come, best)
  if (order !== 0) return order < 0 ? 'better' : 'unchanged'
  const preferred = comparePaths(store, come, peer, best, bestPeer) < 0
  if (!rules.alwaysCompareMed && neighbourOf(store, come, peer) !== neighbourOf(store, best, bestPeer))
    return preferred ? 'scan' : 'unchanged'
  const med = store.med[come]! - store.med[best]!
  if (med === 0) return preferred ? 'better' : 'unchanged'
  return med < 0 ? 'scan' : 'unchanged'
}

const rareFlags = attributeFlags.weight | attributeFlags.longLivedStale | attributeFlags.aigp

/** Steps before MED for two sets: negative when the first is preferred (RFC 4271 §9.1.1, §9.1.2.2 a and b). */
export function compareSets(store: AttributeStore, a: number, b: number): number {
  if (a === b) return 0
  const rare = ((store.flags[a]! | store.flags[b]!) & rareFlags) !== 0
  if (rare) {
    const order = compareRareFirst(store, a, b)
    if (order !== 0) return order
  }
  const preference = store.localPref[b]! - store.localPref[a]!
  if (preference !== 0) return preference
  if (rare) {
    const order = compareAigp(store, a, b)
    if (order !== 0) return order
  }
  return store.shape[a]! - store.shape[b]!
}

/** The step that parts two paths, the first one being preferred by all that decides between the two alone. */
export function decisiveStep(
  store: AttributeStore,
  rules: DecisionRules,
  among: Candidates,
  a: number,
  b: number,
): DecisionStep {
  const [x, y] = [among.sets[a]!, among.sets[b]!]
  const [p, q] = [among.peers[a]!, among.peers[b]!]
  if (isLongLivedStale(store, x) !== isLongLivedStale(store, y)) return 'longLivedStale'
  if (store.weight(x) !== store.weight(y)) return 'weight'
  if (store.localPref[x] !== store.localPref[y]) return 'localPref'
  if (store.aigp(x) !== store.aigp(y)) return 'aigp'
  if (store.shape[x]! >> 2 !== store.shape[y]! >> 2) return 'asPathLength'
  if (store.shape[x] !== store.shape[y]) return 'origin'
  const comparable = rules.alwaysCompareMed || neighbourOf(store, x, p) === neighbourOf(store, y, q)
  if (comparable && store.med[x] !== store.med[y]) return 'med'
  // It may have gone to a third one's MED before it was compared with this one.
  if (isEliminated(store, rules, among, b, b)) return 'med'
  if (p.external !== q.external) return 'external'
  if (identifierOf(store, x, p) !== identifierOf(store, y, q)) return 'routerId'
  if (store.clusterListLength[x] !== store.clusterListLength[y]) return 'clusterListLength'
  return p.addressRank === q.addressRank ? 'pathId' : 'peerAddress'
}

/**
 * The candidates that are as good as the best one in all steps before the BGP identifier, the best one first and then in the
 * order of the last steps, at most `max` (RFC 4271 leaves load sharing open).
 */
export function multipaths(
  store: AttributeStore,
  rules: DecisionRules,
  among: Candidates,
  best: number,
  max: number,
): number[] {
  const { count, sets, peers } = among
  const equal: number[] = []
  for (let i = 0; i < count; i++) {
    if (compareSets(store, sets[i]!, sets[best]!) !== 0 || peers[i]!.external !== peers[best]!.external)
      continue
    if (!isEliminated(store, rules, among, best, i)) equal.push(i)
  }
  return equal.sort((a, b) => compareLast(store, among, a, b)).slice(0, max)
}

function compareRareFirst(store: AttributeStore, a: number, b: number): number {
  const stale = (isLongLivedStale(store, a) ? 1 : 0) - (isLongLivedStale(store, b) ? 1 : 0)
  return stale === 0 ? store.weight(b) - store.weight(a) : stale
}

function isLongLivedStale(store: AttributeStore, set: number): boolean {
  return (store.flags[set]! & attributeFlags.longLivedStale) !== 0
}

/** RFC 7311 §4.1: a path with it before one without, then the lower one. */
function compareAigp(store: AttributeStore, a: number, b: number): number {
  const [x, y] = [store.aigp(a), store.aigp(b)]
  if (x === y) return 0
  if (x === undefined || y === undefined) return x === undefined ? 1 : -1
  return x < y ? -1 : 1
}

/** RFC 4271 §9.1.2.2 c: another path from the same neighbouring AS, equal until here, has a lower MED. */
function isEliminated(
  store: AttributeStore,
  rules: DecisionRules,
  among: Candidates,
  lead: number,
  index: number,
): boolean {
  const { count, sets, peers } = among
  const set = sets[index]!
  const med = store.med[set]!
  if (med === 0) return false
  const neighbour = neighbourOf(store, set, peers[index]!)
  for (let other = 0; other < count; other++) {
    if (store.med[sets[other]!]! >= med) continue
    if (!rules.alwaysCompareMed && neighbourOf(store, sets[other]!, peers[other]!) !== neighbour) continue
    if (compareSets(store, sets[other]!, sets[lead]!) === 0) return true
  }
  return false
}

/** The lowest MED of each {@link medGroup} among the candidates that are as good as `lead` until then. */
function lowestMeds(
  store: AttributeStore,
  rules: DecisionRules,
  among: Candidates,
  lead: number,
): Map<number, number> {
  const { count, sets } = among
  const lowest = new Map<number, number>()
  for (let i = lead; i < count; i++) {
    if (compareSets(store, sets[i]!, sets[lead]!) !== 0) continue
    const group = medGroup(store, rules, among, i)
    const med = store.med[sets[i]!]!
    if (med < (lowest.get(group) ?? Infinity)) lowest.set(group, med)
  }
  return lowest
}

/** Candidates with the same one have comparable MEDs. */
function medGroup(
  store: AttributeStore,
  { alwaysCompareMed }: DecisionRules,
  { sets, peers }: Candidates,
  i: number,
): number {
  return alwaysCompareMed ? 0 : neighbourOf(store, sets[i]!, peers[i]!)
}

/** RFC 4271 §9.1.2.2 d, f and g; RFC 4456 §9; then the lower path identifier, as RFC 7911 leaves it open. */
function compareLast(
  store: AttributeStore,
  { sets, peers, pathIds }: Candidates,
  a: number,
  b: number,
): number {
  return comparePaths(store, sets[a]!, peers[a]!, sets[b]!, peers[b]!) || pathIds[a]! - pathIds[b]!
}

function comparePaths(
  store: AttributeStore,
  a: number,
  peerA: DecisionPeer,
  b: number,
  peerB: DecisionPeer,
): number {
  if (peerA.external !== peerB.external) return peerA.external ? -1 : 1
  return (
    identifierOf(store, a, peerA) - identifierOf(store, b, peerB) ||
    store.clusterListLength[a]! - store.clusterListLength[b]! ||
    peerA.addressRank - peerB.addressRank
  )
}

/** RFC 4456 §9: ORIGINATOR_ID stands for the neighbour's own identifier. */
function identifierOf(store: AttributeStore, set: number, peer: DecisionPeer): number {
  return store.originatorId[set]! || peer.routerId
}

/** The neighbouring AS that MED is compared within: the first of the path, else the peer's own (RFC 4271 §9.1.2.2 c). */
function neighbourOf(store: AttributeStore, set: number, peer: DecisionPeer): number {
  return store.neighbourAsn[set]! || peer.asn
}
