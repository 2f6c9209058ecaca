/** From the core's state to the rows of the contract. */
import { rfc3339 } from '#core/lib/time.ts'
import { communityText, largeCommunityText } from '#core/net/community.ts'
import { extendedCommunityText } from '#core/net/extended-community.ts'
import type { PathAttributes } from '#core/bgp/attributes.ts'
import { asPathText } from '#core/bgp/as-path-text.ts'
import type { PeerConfig } from '#core/bgp/config.ts'
import type { PeerStatus, RouteEntry } from '#core/bgp/io.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { Problem, Reason } from '#core/lib/reason.ts'
import type { StationStatus } from '#core/bmp/station.ts'
import type { CacheStatus } from '#core/rpki/rpki.ts'
import type { InstancePlan } from '#core/plan/node-plan.ts'
import type { PeerRow, ProblemRow, RouteRow, RpkiRow, StationRow } from './contract/contract.ts'

/** Session states in the words of the contract. */
export const stateNames = {
  idle: 'idle',
  connect: 'connect',
  active: 'active',
  openSent: 'open_sent',
  openConfirm: 'open_confirm',
  established: 'established',
} as const

/** What its instance's plan says about a peer: why it is one, and how it is configured. */
export interface PeerPlan {
  reasons: Reason[]
  /** Absent: its session is just being ended. */
  config?: Omit<PeerConfig, 'address'>
}

export function peerRow(
  node: string,
  instance: string,
  status: PeerStatus,
  { reasons, config }: PeerPlan,
): PeerRow {
  const { ends, lastError, messages, negotiated, heldUntil } = status
  return {
    node,
    instance,
    peer: status.peer,
    localAsn: status.localAsn,
    asn: status.asn,
    address: status.address,
    interface: status.interface,
    port: status.port,
    state: stateNames[status.state],
    since: timeOf(status.since),
    holdTimeSeconds: status.holdTimeSeconds,
    keepaliveSeconds: status.keepaliveSeconds,
    routerId: status.routerId,
    families: status.families,
    lastError: lastError === undefined ? undefined : { ...lastError, at: rfc3339(lastError.at) },
    heldDown: config?.heldDown,
    dynamic: status.dynamic,
    connection: ends,
    messages: { sent: messages.sentByKind, received: messages.receivedByKind },
    updateFaults: status.updateFaults,
    lastUp: timeOf(status.lastUp),
    lastDown: timeOf(status.lastDown),
    lastDownReason: status.lastDownReason,
    flaps: status.flaps,
    heldByLimit:
      heldUntil === undefined
        ? undefined
        : { until: heldUntil === Infinity ? undefined : rfc3339(heldUntil) },
    role: status.role,
    stale: status.stale.map((one) => ({ ...one, until: rfc3339(one.until) })),
    awaited: status.awaited && { ...status.awaited, until: rfc3339(status.awaited.until) },
    negotiated,
    configured: config === undefined ? undefined : configuredOf(config),
    reasons,
  }
}

function configuredOf(config: Omit<PeerConfig, 'address'>): PeerRow['configured'] {
  const { password, authenticationOption, importPolicy, exportPolicy } = config
  return {
    ...config.timers,
    passive: config.passive,
    ttl: config.ttl,
    minTtl: config.minTtl,
    authentication: password !== undefined ? 'md5' : authenticationOption !== undefined ? 'tcp-ao' : 'none',
    importRoutes: config.importRoutes,
    exportLearned: config.exportLearned,
    importPolicies: importPolicy?.policies ?? [],
    exportPolicies: exportPolicy?.policies ?? [],
  }
}

function timeOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : rfc3339(ms)
}

/** A problem as a node has it. */
export function problemRow(node: string, problem: Problem): ProblemRow {
  const { nodes: _nodes, ...shown } = problem
  return { node, ...shown }
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

/** What is the same for all routes of a list. */
export interface RouteList {
  node: string
  plan: InstancePlan
  /** Of peers by name. */
  addresses: ReadonlyMap<string, string>
  /** The routes are those sent to peers, else they are of loc-rib or adj-rib-in. */
  advertised: boolean
  /** Why own routes are announced: `routeReasons` of the plan. Asked once for each row, of which there may be many. */
  reasonsOf: (prefix: Prefix) => InstancePlan['routeReasons']
}

export function routeRow(list: RouteList, entry: RouteEntry): RouteRow {
  const { node, plan, addresses, advertised } = list
  const { attributes, peer, received } = entry
  const own = advertised || peer === undefined
  const reasons = own ? list.reasonsOf(entry.prefix).filter((why) => !advertised || why.peer === peer) : []
  return {
    node,
    instance: plan.config.name,
    localAsn: plan.config.asn,
    peer: peer === undefined ? undefined : (addresses.get(peer) ?? peer),
    prefix: entry.prefix,
    since: rfc3339(entry.since),
    best: entry.best,
    ...shownAttributes(attributes),
    rejected: entry.rejected,
    pathId: entry.pathId,
    why: entry.why,
    stale: entry.stale,
    rpki: entry.rpki,
    weight: attributes.weight,
    originatorId: attributes.originatorId,
    clusterList: attributes.clusterList,
    aigp: attributes.aigp?.toString(),
    onlyToCustomer: attributes.otc,
    received: received === undefined ? undefined : shownAttributes(received),
    reasons: dedupe(reasons.flatMap((why) => why.reasons)),
  }
}

function shownAttributes(attributes: PathAttributes) {
  return {
    nextHop: attributes.nextHop,
    origin: attributes.origin,
    asPath: asPathText(attributes.asPath),
    med: attributes.med,
    localPref: attributes.localPref,
    communities: [
      ...(attributes.communities ?? []).map(communityText),
      ...(attributes.largeCommunities ?? []).map(largeCommunityText),
      ...(attributes.extendedCommunities ?? []).map(extendedCommunityText),
      ...(attributes.ipv6ExtendedCommunities ?? []).map(extendedCommunityText),
    ],
  }
}

function dedupe<T>(items: T[]): T[] {
  const seen = new Set<string>()
  return items.filter((item) => {
    const key = JSON.stringify(item)
    return seen.has(key) ? false : seen.add(key)
  })
}
