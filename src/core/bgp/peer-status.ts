/** What `get peers` shows of a neighbour: of the session while it is up, else of the configuration. */
import type { Family } from './family.ts'
import type { FamilyCounts, MessageCounts, NegotiatedStatus, PeerStatus } from './io.ts'
import type { Neighbour } from './neighbour.ts'
import { type Restarter, awaitedFrom } from './restarter.ts'
import type { Rib } from './rib/rib.ts'
import type { Negotiated } from './session/io.ts'
import { sessionState } from './session/session.ts'
import { staleStatus } from './stale-routes.ts'
import { capabilityTexts } from './wire/capability-text.ts'

/** `restarter`: while this speaker waits for neighbours after its own restart. */
export function peerStatus(
  { config, ...neighbour }: Neighbour,
  rib: Rib,
  restarter: Restarter | undefined,
): PeerStatus {
  const negotiated = neighbour.established?.negotiated
  const { sent, received, breach } = neighbour
  const status: PeerStatus = {
    peer: config.name,
    address: config.address,
    port: config.port,
    localAsn: negotiated?.localAsn ?? neighbour.sessionConfig.localAsn,
    asn: negotiated?.asn ?? config.asn,
    state: sessionState(neighbour.session),
    families: (negotiated?.families ?? config.families).map((family) => {
      const counts = familyCounts(rib, neighbour.slot, family)
      const limit = config.prefixLimits?.[family]
      return limit === undefined ? counts : { ...counts, limit: limit.max }
    }),
    messages: {
      sent: total(sent),
      received: total(received),
      sentByKind: { ...sent },
      receivedByKind: { ...received },
    },
    updateFaults: neighbour.updateFaults,
    flaps: neighbour.flaps,
    dynamic: neighbour.dynamic !== undefined,
    stale: staleStatus(neighbour.stale),
  }
  if (config.interface !== undefined) status.interface = config.interface
  if (neighbour.since !== undefined) status.since = neighbour.since
  if (neighbour.upAt !== undefined) status.lastUp = neighbour.upAt
  if (neighbour.downAt !== undefined) status.lastDown = neighbour.downAt
  if (neighbour.downReason !== undefined) status.lastDownReason = neighbour.downReason
  if (neighbour.lastError !== undefined) status.lastError = neighbour.lastError
  if (breach !== undefined) status.heldUntil = breach.until
  const awaited = restarter && awaitedFrom(restarter, config.name, config.families)
  if (awaited !== undefined) status.awaited = awaited
  if (config.role !== undefined) status.role = config.role.name
  if (negotiated === undefined) return status
  const { routerId, holdTimeSeconds, keepaliveSeconds, ends } = negotiated
  return {
    ...status,
    routerId,
    holdTimeSeconds,
    keepaliveSeconds,
    ends,
    negotiated: negotiatedStatus(negotiated),
  }
}

export function familyCounts(rib: Rib, slot: number, family: Family): FamilyCounts {
  const { received, accepted, advertised } = rib.tables[family].peers[slot]!
  return { family, received, accepted, advertised }
}

export function noMessages(): MessageCounts {
  return { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 }
}

function total(counts: MessageCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function negotiatedStatus(negotiated: Negotiated): NegotiatedStatus {
  const { kind, fourOctetAsn, routeRefresh, enhancedRouteRefresh, maxLength, extendedNextHop } = negotiated
  const { addPathReceive, addPathSend, gracefulRestart, role } = negotiated
  const status: NegotiatedStatus = {
    kind,
    fourOctetAsn,
    routeRefresh,
    enhancedRouteRefresh,
    maxLength,
    extendedNextHop,
    addPathReceive,
    addPathSend,
    offered: capabilityTexts(negotiated.offered),
    received: capabilityTexts(negotiated.received),
  }
  if (gracefulRestart !== undefined) {
    const { restartSeconds, notification, families, longLived } = gracefulRestart
    status.gracefulRestart = {
      restartSeconds,
      notification,
      families: families.map(({ family }) => family),
      longLived: longLived.map(({ family, staleSeconds }) => ({ family, staleSeconds })),
    }
  }
  if (role !== undefined) status.role = role
  return status
}
