/**
 * What a path becomes on its way to a neighbour (RFC 4271 §9.2, §5): the attributes that it is sent with, or why it is
 * withheld. Pure and per (kind of neighbour, attribute set): the RIB calls it once for all prefixes of a set. Export policies
 * belong here, between the rules that withhold and the rewriting.
 */
import { versionOf, type Address } from '#core/net/address.ts'
import type { AsPathSegment, PathAttributes, UnknownAttribute } from '../attributes.ts'
import type { LocalAs, Role } from '../config.ts'
import type { Family } from '../family.ts'
import type { CompiledChain } from '../policy/chain.ts'
import type { Outcome } from '../policy/outcome.ts'
import type { NextHop } from '../wire/message.ts'
import { defaultLocalPref } from './attribute-store.ts'
import type { NeighbourKind, PathSource } from './path-source.ts'

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
  /** RFC 4456 §2. */
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
  /** AIGP is sent (RFC 7311 §3.4). */
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

/** @public Equal for sources whose paths become the same for this target (and all of equal {@link targetKey}). */
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

/** @public As {@link exportPath}, in the form in which the RIB takes the outcome of rules and policies. */
export function exportOutcome(
  target: ExportTarget,
  family: Family,
  source: PathSource,
  attributes: PathAttributes,
): Outcome {
  const verdict = exportPath(target, family, source, attributes)
  return verdict.kind === 'send'
    ? { kind: 'accept', attributes: verdict.attributes }
    : { kind: 'reject', reason: verdict.reason }
}

export type ExportVerdict =
  | { kind: 'send'; attributes: PathAttributes; nextHop: NextHop }
  | { kind: 'withhold'; reason: string }

/** Next hop of an own route that takes the session's local address: the unspecified address, as tables show it. */
export function isSelf(nextHop: Address): boolean {
  return nextHop === '0.0.0.0' || nextHop === '::'
}

/** `attributes`: of a path as the RIB has it; they are not changed. */
export function exportPath(
  target: ExportTarget,
  family: Family,
  source: PathSource,
  attributes: PathAttributes,
): ExportVerdict {
  const barred = barredBy(target, source, attributes)
  if (barred !== undefined) return { kind: 'withhold', reason: barred }
  const nextHop = nextHopOf(target, family, source, attributes)
  if (typeof nextHop === 'string') return { kind: 'withhold', reason: nextHop }
  return { kind: 'send', attributes: rewrite(target, source, attributes, nextHop), nextHop }
}

/** Why the rules of distribution keep the path from this neighbour. */
function barredBy(target: ExportTarget, source: PathSource, attributes: PathAttributes): string | undefined {
  if (source.kind === 'own') return undefined
  // §9.2: what an internal neighbour told is not told to another.
  if (source.kind === 'internal' && target.kind === 'internal')
    return 'learned over iBGP, so not passed on over iBGP (RFC 4271 §9.2)'
  // RFC 1997, "Well-known Communities"; they bind who receives them, not who attaches them.
  const communities = attributes.communities ?? []
  if (communities.includes(0xffffff02)) return 'carries the community NO_ADVERTISE (RFC 1997)'
  if (target.kind !== 'internal' && communities.includes(0xffffff01))
    return 'carries the community NO_EXPORT (RFC 1997)'
  if (target.kind !== 'internal' && communities.includes(0xffffff03))
    return 'carries the community NO_EXPORT_SUBCONFED (RFC 1997)'
  return undefined
}

/** The next hop to send (§5.1.3), or why none can be expressed. */
function nextHopOf(
  target: ExportTarget,
  family: Family,
  source: PathSource,
  attributes: PathAttributes,
): NextHop | string {
  const version = family === 'ipv4/unicast' ? 4 : 6
  const extended = target.extendedNextHop.includes(family)
  // Own routes and those sent to an external neighbour leave by this speaker: always allowed, and never a third party's.
  const keep = source.kind === 'own' ? !isSelf(attributes.nextHop) : target.kind === 'internal'
  if (keep) {
    if (versionOf(attributes.nextHop) !== version && !extended)
      return `its next hop ${attributes.nextHop} is not an IPv${version} address, and the neighbour takes no other (RFC 8950)`
    return { global: attributes.nextHop }
  }
  const { localAddress, localAddressOtherVersion } = target
  if (versionOf(localAddress) === version) return { global: localAddress }
  if (localAddressOtherVersion !== undefined) return { global: localAddressOtherVersion }
  if (extended) return { global: localAddress }
  return `there is no IPv${version} address on the interface of ${localAddress} to be its next hop`
}

function rewrite(
  target: ExportTarget,
  source: PathSource,
  { linkLocalNextHop: _, med, localPref, unknown, ...attributes }: PathAttributes,
  nextHop: NextHop,
): PathAttributes {
  const sent: PathAttributes = { ...attributes, nextHop: nextHop.global }
  if (target.kind !== 'internal') sent.asPath = prepended(attributes.asPath, target.localAsn)
  // §5.1.4: another AS's MED goes no further than to internal neighbours.
  if (med !== undefined && (source.kind === 'own' || target.kind === 'internal')) sent.med = med
  // §5.1.5: on iBGP always, on eBGP never; a path from an external neighbour has the default preference.
  if (target.kind === 'internal')
    sent.localPref = source.kind === 'external' ? defaultLocalPref : (localPref ?? defaultLocalPref)
  const passed = unknown?.flatMap(passOn)
  if (passed !== undefined && passed.length > 0) sent.unknown = passed
  return sent
}

/** §5.1.2 b: the own AS number goes in front, in a new segment if there is no sequence with room. */
function prepended(path: readonly AsPathSegment[], asn: number): AsPathSegment[] {
  const [first, ...rest] = path
  if (first?.kind === 'sequence' && first.asns.length < 255)
    return [{ kind: 'sequence', asns: [asn, ...first.asns] }, ...rest]
  return [{ kind: 'sequence', asns: [asn] }, ...path]
}

/** §5: transitive ones go on with the Partial bit set, others stop here. */
function passOn(attribute: UnknownAttribute): UnknownAttribute[] {
  return (attribute.flags & 0x40) === 0 ? [] : [{ ...attribute, flags: attribute.flags | 0x20 }]
}
