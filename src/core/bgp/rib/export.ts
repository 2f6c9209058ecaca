/**
 * What a path becomes on its way to a neighbour (RFC 4271 §9.2, §5): the attributes that it is sent with, or why it is
 * withheld. Pure and per (kind of neighbour, kind of source, attribute set): the RIB asks once for all prefixes of a set. First
 * come the rules that withhold (`distribution.ts`), then policies, then the rewriting that the protocol asks for.
 */
import type { Address } from '#core/net/address.ts'
import {
  isTransitiveCommunity,
  linkBandwidthCommunity,
  linkBandwidthOf,
} from '#core/net/extended-community.ts'
import type { PathAttributes, UnknownAttribute } from '../attributes.ts'
import type { LocalAs, Role } from '../config.ts'
import type { Family } from '../family.ts'
import type { Accepted, CompiledChain } from '../policy/chain.ts'
import type { Outcome } from '../policy/outcome.ts'
import { asTrans } from '../wire/attribute-codes.ts'
import { defaultLocalPref } from './attribute-store.ts'
import { barredBy } from './distribution.ts'
import { chooseNextHop } from './next-hop.ts'
import type { NeighbourKind, PathSource } from './path-source.ts'
import { gracefulShutdown, sortedNumbers, withPartial } from './rewrite.ts'
import { sentPath, shownAsn } from './sent-path.ts'

const aigpMax = 0xffff_ffff_ffff_ffffn

/** What the sending rules need to know of a neighbour and its session: those with equal {@link targetKey} get the same. */
export interface ExportTarget {
  kind: NeighbourKind
  address: Address
  asn: number
  /** The instance's AS number: in a confederation the member AS. */
  localAsn: number
  /** RFC 5065. */
  confederation?: { id: number; members: readonly number[] }
  localAs?: LocalAs
  /** RFC 4456 §7. */
  clusterId: Address
  /** RFC 4456 §5. */
  routeReflectorClient?: boolean
  /** RFC 7947 §2. */
  routeServerClient?: boolean
  removePrivateAs?: 'remove' | 'replace'
  /** Absent: auto. */
  nextHop?: 'auto' | 'self' | 'keep'
  /** This side of the session, and its address of the other IP version if it has one. */
  localAddress: Address
  localAddressOtherVersion?: Address
  /** This side's link-local address on the link that it shares with the neighbour (RFC 2545 §3); absent: no such link. */
  localLinkLocal?: Address
  /** Families whose next hop may be of the other IP version (RFC 8950), as negotiated. */
  extendedNextHop: readonly Family[]
  /** This speaker's role (RFC 9234 §4.1). */
  role?: Role
  /** RFC 8326 §4. */
  gracefulShutdown?: boolean
  /** Families that the neighbour keeps long-lived stale paths of (RFC 9494 §4.3), as negotiated. */
  longLived?: readonly Family[]
  /** AIGP is sent (RFC 7311 §3.3). */
  aigp?: boolean
  /** Bytes per second, for a link bandwidth community beside next hop self. */
  linkBandwidth?: number
  /** Absent: everything that the rules let out is accepted. */
  policy?: CompiledChain
}

/** Equal for targets whose outcomes are equal, whatever the family, the source and the attributes. */
export function targetKey({ policy, ...target }: ExportTarget): string {
  const { kind, address, asn, localAsn, confederation, localAs, clusterId, role } = target
  const { routeReflectorClient, routeServerClient, removePrivateAs, nextHop, extendedNextHop } = target
  const { localAddress, localAddressOtherVersion, localLinkLocal } = target
  const { gracefulShutdown, longLived, aigp, linkBandwidth } = target
  return JSON.stringify([
    [kind, localAsn, confederation, localAs, clusterId, role],
    [routeReflectorClient, routeServerClient, removePrivateAs, nextHop, extendedNextHop],
    [localAddress, localAddressOtherVersion, localLinkLocal],
    [gracefulShutdown, longLived, aigp, linkBandwidth, policy?.key],
    policy?.readsNeighbour === true ? [address, asn] : [],
    // It is left in a path that would otherwise come to look as if it had never been there.
    removePrivateAs === undefined ? 0 : asn,
  ])
}

/** Equal for sources whose paths become the same for this target (and all of equal {@link targetKey}). */
export function pathSourceKey(target: ExportTarget, source: PathSource): string {
  if (source.kind === 'own') return 'own'
  const { kind, client, routerId, name } = source
  const reflects = kind === 'internal' && target.kind === 'internal'
  return JSON.stringify([
    kind,
    reflects && client === true,
    reflects ? routerId : '',
    target.policy?.readsSource === true ? name : '',
  ])
}

/** `attributes`: of a path as the RIB has it; they are not changed. */
export function exportOutcome(
  target: ExportTarget,
  family: Family,
  source: PathSource,
  attributes: PathAttributes,
): Outcome {
  const barred = barredBy(target, family, source, attributes)
  if (barred !== undefined) return { kind: 'reject', reason: barred }
  const finish = (accepted: Accepted) => finished(target, family, source, attributes, accepted)
  if (target.policy === undefined) return finish({ attributes })
  const ownAsn = target.localAs?.asn ?? shownAsn(target)
  const route = { direction: 'export', family, neighbour: target, source, ownAsn } as const
  return target.policy.decide(route, attributes, finish)
}

/** The attributes to be sent when rules and policies let the path go. `original`: before policies. */
function finished(
  target: ExportTarget,
  family: Family,
  source: PathSource,
  original: PathAttributes,
  accepted: Accepted,
): Outcome {
  const { attributes } = accepted
  const chosen = chooseNextHop(target, family, source, accepted)
  if (chosen.kind === 'none') return { kind: 'reject', reason: chosen.reason }
  const {
    linkLocalNextHop: _,
    weight: _weight,
    med,
    localPref,
    aigp,
    aigpOthers,
    originatorId,
    clusterList,
    unknown,
    ...kept
  } = attributes
  const { nextHop, self } = chosen
  const sent: PathAttributes = { ...kept, nextHop: nextHop.global }
  if (nextHop.linkLocal !== undefined) sent.linkLocalNextHop = nextHop.linkLocal
  sent.asPath = sentPath(target, source, attributes.asPath)
  const external = target.kind === 'external'
  // RFC 4271 §5.1.4: another AS's MED goes no further than to internal neighbours. RFC 5065 §5.2: member ASes are inside.
  const ownMed = source.kind === 'own' || accepted.medSet === true
  // RFC 7947 §2.2.3: a route server is not there.
  if (med !== undefined && (!external || ownMed || target.routeServerClient === true)) sent.med = med
  // RFC 4271 §5.1.5, RFC 5065 §5.2: inside always, outside never.
  if (!external) sent.localPref = localPref ?? defaultLocalPref
  if (source.kind === 'internal' && target.kind === 'internal') {
    // RFC 4456 §8.
    sent.originatorId = originatorId ?? source.routerId
    sent.clusterList = [target.clusterId, ...(clusterList ?? [])]
  }
  // RFC 7311 §3.4.3: whoever puts itself in as next hop adds its distance, which is at least 1.
  const metric = aigp !== undefined && self ? aigp + 1n : aigp
  // RFC 7311 §3.2: what has reached its maximum is malformed, and nobody takes it.
  if (metric !== undefined && metric < aigpMax && target.aigp === true) {
    sent.aigp = metric
    // RFC 7311 §3: the other TLVs are passed along unchanged.
    if (aigpOthers !== undefined) sent.aigpOthers = aigpOthers
  }
  // RFC 4271 §5: of unknown attributes the transitive ones go on, with the Partial bit set.
  const passed = unknown?.flatMap(passOn)
  if (passed !== undefined && passed.length > 0) sent.unknown = passed
  markForCustomers(target, sent)
  setExtendedCommunities(target, source, original, sent, self)
  if (target.gracefulShutdown === true) {
    // RFC 8326 §4.2: the neighbour is to prefer other paths. One inside honours no community, but this.
    sent.communities = sortedNumbers([...(sent.communities ?? []), gracefulShutdown])
    if (!external) sent.localPref = 0
  }
  return { kind: 'accept', attributes: source.kind === 'own' ? sent : withPartial(original, sent) }
}

/** RFC 9234 §5, egress 1. */
function markForCustomers({ kind, role, ...target }: ExportTarget, sent: PathAttributes): void {
  const below = role === 'provider' || role === 'rs' || role === 'peer'
  if (kind === 'external' && below) sent.otc ??= shownAsn({ kind, ...target })
}

/** What is not transitive stays inside the AS, and bandwidth is that of the link that the next hop is on. */
function setExtendedCommunities(
  target: ExportTarget,
  source: PathSource,
  original: PathAttributes,
  sent: PathAttributes,
  self: boolean,
): void {
  const { extendedCommunities = [] } = sent
  // What a policy attached here is meant for this neighbour.
  const received = new Set(source.kind === 'own' ? [] : original.extendedCommunities)
  const kept = extendedCommunities.filter((community) => {
    if (!received.has(community)) return true
    // RFC 4360 §6: communities that are not transitive across ASes are taken off at their border.
    if (target.kind === 'external' && !isTransitiveCommunity(community)) return false
    return !self || linkBandwidthOf(community) === undefined
  })
  if (self && target.linkBandwidth !== undefined) {
    const asn = shownAsn(target)
    kept.push(linkBandwidthCommunity(asn > 0xffff ? asTrans : asn, target.linkBandwidth))
  }
  if (kept.length > 0) sent.extendedCommunities = [...new Set(kept)].sort()
  else delete sent.extendedCommunities
}

function passOn(attribute: UnknownAttribute): UnknownAttribute[] {
  return (attribute.flags & 0x40) === 0 ? [] : [{ ...attribute, flags: attribute.flags | 0x20 }]
}
