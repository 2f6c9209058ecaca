/** The OPEN that a session sends, and what it makes of the neighbour's (RFC 4271 §4.2, §6.2; RFC 5492). */
import { err, ok, type Result } from '#core/lib/result.ts'
import { compareAddresses, versionOf } from '#core/net/address.ts'
import { families as allFamilies, type Family } from '../family.ts'
import type { ConnectionEnds } from '../io.ts'
import type { MessageError, Open } from '../wire/message.ts'
import { multiprotocolCapability, openError } from '../wire/open.ts'
import type { Negotiated, SessionConfig } from './io.ts'
import type { Direction } from './state.ts'

/** RFC 4271 §4.2 with all that Herald offers. */
export function ownOpen(config: SessionConfig): Open {
  return {
    kind: 'open',
    version: 4,
    asn: config.localAsn,
    holdTimeSeconds: config.timers.holdTimeSeconds,
    routerId: config.routerId,
    capabilities: {
      families: config.families,
      fourOctetAsn: true,
      routeRefresh: true,
      extendedNextHop: ownExtendedNextHop(config),
      other: [],
    },
  }
}

/** The session that both OPENs make, or the NOTIFICATION that refuses it. */
export function negotiate(
  config: SessionConfig,
  open: Open,
  ends: ConnectionEnds,
): Result<Negotiated, MessageError> {
  const { capabilities } = open
  if (config.remoteAsn !== 0 && open.asn !== config.remoteAsn)
    return err(openError(2, noBytes, `AS ${open.asn} instead of ${config.remoteAsn}`))
  const kind = open.asn === config.localAsn ? 'ibgp' : 'ebgp'
  // RFC 6286 §2.2: identifiers are unique within an AS only.
  if (kind === 'ibgp' && open.routerId === config.routerId)
    return err(openError(3, noBytes, `the BGP identifier ${open.routerId}, which is this speaker's own`))
  // RFC 4760 §8: without the capability a neighbour speaks IPv4 unicast.
  const offered: Family[] = capabilities.families.length === 0 ? ['ipv4/unicast'] : capabilities.families
  const families = allFamilies.filter(
    (family) => config.families.includes(family) && offered.includes(family),
  )
  if (families.length === 0) {
    // RFC 5492 §5: the data lists the capabilities that were missed.
    const missed = config.families.flatMap((family) => [...multiprotocolCapability(family)])
    return err(openError(7, Uint8Array.from(missed), `none of the families ${config.families.join(', ')}`))
  }
  // RFC 4271 §4.2: the smaller of both; 0, which is the smallest, turns the timer off.
  const holdTimeSeconds = Math.min(config.timers.holdTimeSeconds, open.holdTimeSeconds)
  const extendedNextHop = ownExtendedNextHop(config).filter((family) =>
    capabilities.extendedNextHop.includes(family),
  )
  return ok({
    asn: open.asn,
    routerId: open.routerId,
    kind,
    families,
    holdTimeSeconds,
    keepaliveSeconds: Math.min(config.timers.keepaliveSeconds, Math.floor(holdTimeSeconds / 3)),
    fourOctetAsn: capabilities.fourOctetAsn,
    extendedNextHop,
    routeRefresh: capabilities.routeRefresh,
    ends,
  })
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

/** RFC 8950 §4: over IPv6 an IPv4 route may have the IPv6 next hop that the session itself uses. */
function ownExtendedNextHop(config: SessionConfig): Family[] {
  return versionOf(config.remoteAddress) === 6 && config.families.includes('ipv4/unicast')
    ? ['ipv4/unicast']
    : []
}
