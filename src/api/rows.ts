/** From the core's state to the rows of the contract. */
import { rfc3339 } from '#core/lib/time.ts'
import { communityText, largeCommunityText } from '#core/net/community.ts'
import { asPathText } from '#core/bgp/as-path-text.ts'
import type { PeerStatus, RouteEntry } from '#core/bgp/io.ts'
import type { Reason } from '#core/lib/reason.ts'
import type { StationStatus } from '#core/bmp/station.ts'
import type { CacheStatus } from '#core/rpki/rpki.ts'
import type { InstancePlan } from '#core/plan/node-plan.ts'
import type { PeerRow, RouteRow, RpkiRow, StationRow } from './contract/contract.ts'

/** Session states in the words of the contract. */
export const stateNames = {
  idle: 'idle',
  connect: 'connect',
  active: 'active',
  openSent: 'open_sent',
  openConfirm: 'open_confirm',
  established: 'established',
} as const

/** `reasons`: why it is a peer of this instance. */
export function peerRow(node: string, instance: string, status: PeerStatus, reasons: Reason[]): PeerRow {
  return {
    node,
    instance,
    peer: status.peer,
    localAsn: status.localAsn,
    asn: status.asn,
    address: status.address,
    port: status.port,
    state: stateNames[status.state],
    since: status.since === undefined ? undefined : rfc3339(status.since),
    holdTimeSeconds: status.holdTimeSeconds,
    keepaliveSeconds: status.keepaliveSeconds,
    routerId: status.routerId,
    families: status.families,
    lastError:
      status.lastError === undefined ? undefined : { ...status.lastError, at: rfc3339(status.lastError.at) },
    reasons,
  }
}

/** One monitoring station of an instance. */
export function stationRow(node: string, instance: string, status: StationStatus): StationRow {
  const { since, lastError, ...rest } = status
  return {
    node,
    instance,
    ...rest,
    since: since === undefined ? undefined : rfc3339(since),
    lastError: lastError === undefined ? undefined : { ...lastError, at: rfc3339(lastError.at) },
  }
}

/** One RPKI cache of an instance. */
export function rpkiRow(node: string, instance: string, status: CacheStatus): RpkiRow {
  const { records, updatedAt, expiresAt, lastError, ...rest } = status
  return {
    node,
    instance,
    ...rest,
    ...records,
    updatedAt: updatedAt === undefined ? undefined : rfc3339(updatedAt),
    expiresAt: expiresAt === undefined ? undefined : rfc3339(expiresAt),
    lastError: lastError === undefined ? undefined : { ...lastError, at: rfc3339(lastError.at) },
  }
}

/** `advertised`: the route is one sent to a peer, else one of loc-rib or adj-rib-in. */
export function routeRow(node: string, plan: InstancePlan, entry: RouteEntry, advertised: boolean): RouteRow {
  const { attributes } = entry
  const peer = plan.config.peers.find((candidate) => candidate.name === entry.peer)
  const own = advertised || entry.peer === undefined
  const reasons = own
    ? plan.routeReasons.filter(
        (why) => why.prefix === entry.prefix && (!advertised || why.peer === entry.peer),
      )
    : []
  return {
    node,
    instance: plan.config.name,
    localAsn: plan.config.asn,
    peer: peer?.address ?? entry.peer,
    prefix: entry.prefix,
    nextHop: attributes.nextHop,
    since: rfc3339(entry.since),
    best: entry.best,
    origin: attributes.origin,
    asPath: asPathText(attributes.asPath),
    med: attributes.med,
    localPref: attributes.localPref,
    communities: [
      ...(attributes.communities ?? []).map(communityText),
      ...(attributes.largeCommunities ?? []).map(largeCommunityText),
    ],
    rejected: entry.rejected,
    reasons: dedupe(reasons.flatMap((why) => why.reasons)),
  }
}

function dedupe<T>(items: T[]): T[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const key = JSON.stringify(item)
    return seen.has(key) ? false : seen.add(key)
  })
}
