/** The OPEN that a session sends, and what it makes of the neighbour's (RFC 4271 §4.2, §6.2; RFC 5492). */
import { err, ok, type Result } from '#core/lib/result.ts'
import { compareAddresses, versionOf } from '#core/net/address.ts'
import type { Role } from '../config.ts'
import { families as allFamilies, type Family } from '../family.ts'
import type { ConnectionEnds } from '../io.ts'
import { hasUnknownRole, noCapabilities, multiprotocolCapability } from '../wire/capability.ts'
import { defaultMaxLength } from '../wire/context.ts'
import type { Capabilities, MessageError, Open } from '../wire/message.ts'
import { openError } from '../wire/open.ts'
import type { Negotiated, NegotiatedRestart, SessionConfig } from './io.ts'
import type { Direction } from './state.ts'

/** RFC 4271 §4.2 with all that Herald offers. `plain`: without optional parameters, so nothing but IPv4 unicast. */
export function ownOpen(config: SessionConfig, plain: boolean): Open {
  return {
    kind: 'open',
    version: 4,
    asn: config.localAsn,
    holdTimeSeconds: config.timers.holdTimeSeconds,
    routerId: config.routerId,
    capabilities: plain ? noCapabilities() : ownCapabilities(config),
  }
}

/** The session that both OPENs make, or the NOTIFICATION that refuses it. `offered`: what the own OPEN said. */
export function negotiate(
  config: SessionConfig,
  offered: Capabilities,
  open: Open,
  ends: ConnectionEnds,
): Result<Negotiated, MessageError> {
  const received = open.capabilities
  const kind = kindOf(config, open.asn)
  const refused = badAsn(config, open.asn, kind) ?? badRole(config, received, kind)
  if (refused !== undefined) return err(refused)
  // RFC 6286 §2.2: identifiers are unique within an AS only.
  if (kind === 'ibgp' && open.routerId === config.routerId)
    return err(openError(3, noBytes, `the BGP identifier ${open.routerId}, which is this speaker's own`))
  // RFC 4760 §8: without the capability a neighbour speaks IPv4 unicast.
  const [own, remote] = [offered, received].map(({ families }): Family[] =>
    families.length === 0 ? ['ipv4/unicast'] : families,
  ) as [Family[], Family[]]
  const families = allFamilies.filter((family) => own.includes(family) && remote.includes(family))
  if (families.length === 0) {
    // RFC 5492 §5: the data lists the capabilities that were missed.
    const missed = config.families.flatMap((family) => [...multiprotocolCapability(family)])
    return err(openError(7, Uint8Array.from(missed), `none of the families ${config.families.join(', ')}`))
  }
  // RFC 4271 §4.2: the smaller of both; 0, which is the smallest, turns the timer off.
  const holdTimeSeconds = Math.min(config.timers.holdTimeSeconds, open.holdTimeSeconds)
  const negotiated: Negotiated = {
    asn: open.asn,
    routerId: open.routerId,
    kind,
    localAsn: config.localAsn,
    families,
    holdTimeSeconds,
    keepaliveSeconds: Math.min(config.timers.keepaliveSeconds, Math.floor(holdTimeSeconds / 3)),
    fourOctetAsn: offered.fourOctetAsn && received.fourOctetAsn,
    extendedNextHop: common(offered.extendedNextHop, received.extendedNextHop, families),
    routeRefresh: offered.routeRefresh && received.routeRefresh,
    enhancedRouteRefresh: offered.enhancedRouteRefresh === true && received.enhancedRouteRefresh === true,
    // RFC 8654 §4: only when both sides offer it.
    maxLength:
      offered.extendedMessages === true && received.extendedMessages === true ? 0xffff : defaultMaxLength,
    // RFC 7911 §4: a family is sent with identifiers if one side offers to send and the other to receive them.
    addPathReceive: common(addPath(offered, 'receive'), addPath(received, 'send'), families),
    addPathSend: common(addPath(offered, 'send'), addPath(received, 'receive'), families),
    offered,
    received,
    ends,
  }
  const gracefulRestart = negotiatedRestart(offered, received, families)
  if (gracefulRestart !== undefined) negotiated.gracefulRestart = gracefulRestart
  if (received.role !== undefined) negotiated.role = received.role
  return ok(negotiated)
}

/**
 * Which of two colliding connections stays (RFC 4271 §6.8): that of the side with the higher BGP identifier or, these being
 * equal, with the higher AS number (RFC 6286 §2.3).
 */
export function collisionWinner(config: SessionConfig, remote: Negotiated): Direction {
  const order = compareAddresses(config.routerId, remote.routerId) || Math.sign(config.localAsn - remote.asn)
  return order > 0 ? 'outbound' : 'inbound'
}

const noBytes = new Uint8Array(0)

function ownCapabilities(config: SessionConfig): Capabilities {
  const capabilities: Capabilities = {
    families: config.families,
    fourOctetAsn: true,
    routeRefresh: true,
    enhancedRouteRefresh: true,
    extendedNextHop: ownExtendedNextHop(config),
    other: [],
  }
  if (config.extendedMessages !== false) capabilities.extendedMessages = true
  const addPathOffers = config.families.flatMap((family) => {
    const { receive = false, send = 0 } = config.addPath?.[family] ?? {}
    return receive || send > 0 ? [{ family, receive, send: send > 0 }] : []
  })
  if (addPathOffers.length > 0) capabilities.addPath = addPathOffers
  if (config.role !== undefined) capabilities.role = config.role.name
  const restart = config.gracefulRestart
  if (restart === undefined) return capabilities
  const { restarting, forwarding, notification, restartSeconds, helperOnly, longLivedSeconds } = restart
  // RFC 4724 §3: without families it says that this speaker only helps.
  const kept = helperOnly ? [] : config.families
  capabilities.gracefulRestart = {
    restarting: restarting && !helperOnly,
    notification,
    restartSeconds,
    families: kept.map((family) => ({ family, forwarding })),
  }
  // RFC 9494 §4.1: never without the other.
  if (longLivedSeconds !== undefined)
    capabilities.longLivedRestart = kept.map((family) => ({
      family,
      forwarding,
      staleSeconds: longLivedSeconds,
    }))
  return capabilities
}

/** RFC 8950 §4: over IPv6 an IPv4 route may have the IPv6 next hop that the session itself uses. */
function ownExtendedNextHop(config: SessionConfig): Family[] {
  return versionOf(config.remoteAddress) === 6 && config.families.includes('ipv4/unicast')
    ? ['ipv4/unicast']
    : []
}

function kindOf({ localAsn, members }: SessionConfig, asn: number): Negotiated['kind'] {
  if (asn === localAsn) return 'ibgp'
  return members?.includes(asn) === true ? 'confed' : 'ebgp'
}

/** RFC 4271 §6.2. */
function badAsn(
  { remoteAsn, peerAs }: SessionConfig,
  asn: number,
  kind: Negotiated['kind'],
): MessageError | undefined {
  if (remoteAsn !== 0)
    return asn === remoteAsn ? undefined : openError(2, noBytes, `AS ${asn} instead of ${remoteAsn}`)
  if (peerAs === 'internal' && kind !== 'ibgp')
    return openError(2, noBytes, `AS ${asn}, where only the own one is expected`)
  if (peerAs === 'external' && kind === 'ibgp')
    return openError(2, noBytes, `the own AS ${asn}, where another one is expected`)
  return undefined
}

/** RFC 9234 §4.2: what the neighbour must be, by what this speaker is to it. */
const counterparts: Record<Role, Role> = {
  provider: 'customer',
  customer: 'provider',
  rs: 'rs-client',
  'rs-client': 'rs',
  peer: 'peer',
}

function badRole(
  { role }: SessionConfig,
  received: Capabilities,
  kind: Negotiated['kind'],
): MessageError | undefined {
  // RFC 9234 §4.1: roles are for eBGP; on other sessions they have no meaning.
  if (role === undefined || kind !== 'ebgp') return undefined
  const wanted = counterparts[role.name]
  if (received.role === wanted) return undefined
  if (received.role !== undefined)
    return openError(
      11,
      noBytes,
      `the role ${received.role} towards a ${role.name}, not ${wanted} (RFC 9234 §4.2)`,
    )
  // §4.2: one that is not assigned is a mismatch, one that is not told only for who is strict.
  if (hasUnknownRole(received)) return openError(11, noBytes, 'an unknown role (RFC 9234 §4.2)')
  return role.strict
    ? openError(11, noBytes, `no role, where ${wanted} is required (RFC 9234 §4.2)`)
    : undefined
}

/** In the order of `families`, which is that of tables. */
function common(a: readonly Family[], b: readonly Family[], families: readonly Family[]): Family[] {
  return families.filter((family) => a.includes(family) && b.includes(family))
}

function addPath(capabilities: Capabilities, way: 'receive' | 'send'): Family[] {
  return (capabilities.addPath ?? []).flatMap((each) => (each[way] ? [each.family] : []))
}

function negotiatedRestart(
  offered: Capabilities,
  { gracefulRestart: remote, longLivedRestart: longLived = [] }: Capabilities,
  families: readonly Family[],
): NegotiatedRestart | undefined {
  const own = offered.gracefulRestart
  if (own === undefined || remote === undefined) return undefined
  return {
    restarting: remote.restarting,
    restartSeconds: remote.restartSeconds,
    // RFC 8538 §4: only when both sides set the bit.
    notification: own.notification && remote.notification,
    families: remote.families.filter(({ family }) => families.includes(family)),
    longLived:
      offered.longLivedRestart === undefined
        ? []
        : longLived.filter(({ family }) => families.includes(family)),
  }
}
