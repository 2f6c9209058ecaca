/**
 * One configured neighbour of an instance: its configuration, its session and what is known of both. `bgp.ts` moves it; here
 * is what can be said about it without moving it.
 */
import type { InstanceConfig, PeerConfig } from './config.ts'
import type { Family } from './family.ts'
import type { ConnectionId, FamilyCounts, PeerStatus } from './io.ts'
import type { ExportTarget } from './rib/export.ts'
import type { ImportSource } from './rib/import.ts'
import type { LearnedFrom, NeighbourKind } from './rib/path-source.ts'
import type { NeighbourSession, Rib } from './rib/rib.ts'
import type { Negotiated, SessionConfig } from './session/io.ts'
import { sessionState, type Session } from './session/session.ts'
import type { TappedSession } from './tap.ts'

export interface Neighbour {
  config: PeerConfig
  sessionConfig: SessionConfig
  session: Session
  /** Its place in the RIB. */
  slot: number
  /** While the session is established. */
  established?: {
    connection: ConnectionId
    negotiated: Negotiated
    /** Both OPENs as whole messages. */
    opens: { sent: Uint8Array; received: Uint8Array }
  }
  /** Time of the last change into or out of Established. */
  since?: number
  lastError?: PeerStatus['lastError']
  sent: number
  received: number
}

/** What a session with this peer is made from. */
export function sessionConfigOf(instance: InstanceConfig, peer: PeerConfig): SessionConfig {
  const localAsn = ownAsnFor(instance, peer)
  const { peerAs, extendedMessages, addPath, role, sendHoldSeconds, delayOpenSeconds } = peer
  const { confederation } = instance
  return {
    localAsn,
    ...(confederation === undefined || localAsn !== instance.asn ? {} : { members: confederation.members }),
    routerId: instance.routerId,
    remoteAsn: peer.asn,
    ...(peerAs === undefined ? {} : { peerAs }),
    remoteAddress: peer.address,
    passive: peer.passive,
    families: peer.families,
    timers: peer.timers,
    ...(extendedMessages === undefined ? {} : { extendedMessages }),
    ...(addPath === undefined ? {} : { addPath }),
    ...(sendHoldSeconds === undefined ? {} : { sendHoldSeconds }),
    ...(delayOpenSeconds === undefined ? {} : { delayOpenSeconds }),
    // RFC 9234 §4: between autonomous systems only.
    ...(role === undefined || peer.asn === localAsn ? {} : { role }),
  }
}

/**
 * The AS number in the OPEN: this neighbour's local-as if there is one, else what it is to see of a confederation (RFC 5065
 * §4: members see the member's number, all others the confederation's), else the instance's.
 */
function ownAsnFor({ asn, confederation }: InstanceConfig, peer: PeerConfig): number {
  if (peer.localAs !== undefined) return peer.localAs.asn
  if (confederation === undefined) return asn
  const inside =
    peer.asn === 0 ? peer.peerAs === 'internal' : [asn, ...confederation.members].includes(peer.asn)
  return inside ? asn : confederation.id
}

/** What stations and dumps are told of a session that is established. */
export function tappedSession({ config, established, since }: Neighbour): TappedSession | undefined {
  if (established === undefined) return undefined
  const { negotiated, opens } = established
  const { asn, routerId, localAsn, ends, families, fourOctetAsn, addPathReceive, addPathSend } = negotiated
  return {
    peer: config.name,
    asn,
    routerId,
    localAsn,
    ends,
    families,
    fourOctetAsn,
    addPathReceive,
    addPathSend,
    since: since ?? 0,
    sentOpen: opens.sent,
    receivedOpen: opens.received,
  }
}

/** Whether the change touches what the OPEN or the connection was made from, so that the session must start anew. */
export function mustRestart(old: PeerConfig, next: PeerConfig): boolean {
  return connectionPart(old) !== connectionPart(next)
}

/** What the RIB needs of a session. */
export function ribSession(
  instance: InstanceConfig,
  peer: PeerConfig,
  negotiated: Negotiated,
): NeighbourSession {
  const from: LearnedFrom = {
    kind: neighbourKinds[negotiated.kind],
    name: peer.name,
    address: peer.address,
    asn: negotiated.asn,
    routerId: negotiated.routerId,
  }
  if (peer.routeReflectorClient === true) from.client = true
  return {
    from,
    source: importSource(instance, peer, from, negotiated),
    target: exportTarget(instance, peer, from, negotiated),
    families: negotiated.families,
    enhancedRouteRefresh: negotiated.enhancedRouteRefresh,
    // AS4_PATH beside AS_PATH makes attributes longer by half at most (RFC 6793 §4.2.2).
    maxLength: negotiated.fourOctetAsn ? negotiated.maxLength : Math.floor((2 * negotiated.maxLength) / 3),
  }
}

const neighbourKinds = { ibgp: 'internal', confed: 'confed', ebgp: 'external' } as const satisfies Record<
  Negotiated['kind'],
  NeighbourKind
>

function importSource(
  instance: InstanceConfig,
  peer: PeerConfig,
  from: LearnedFrom,
  { ends }: Negotiated,
): ImportSource {
  const source: ImportSource = {
    from,
    ...ownIdentity(instance, ends),
    localRouterId: instance.routerId,
    importRoutes: peer.importRoutes,
    enforceFirstAs: peer.enforceFirstAs ?? peer.routeServerClient !== true,
    honourGracefulShutdown: peer.honourGracefulShutdown ?? true,
    aigp: peer.aigp ?? false,
  }
  if (peer.localAs !== undefined) source.localAs = peer.localAs
  if (peer.allowOwnAs !== undefined) source.allowOwnAs = peer.allowOwnAs
  if (peer.role !== undefined) source.role = peer.role.name
  return source
}

function exportTarget(
  instance: InstanceConfig,
  peer: PeerConfig,
  { kind, address, asn }: LearnedFrom,
  { ends, extendedNextHop, families, received }: Negotiated,
): ExportTarget {
  const target: ExportTarget = { kind, address, asn, ...ownIdentity(instance, ends), extendedNextHop }
  const { localAs, routeReflectorClient, routeServerClient, removePrivateAs, nextHop } = peer
  if (localAs !== undefined) target.localAs = localAs
  if (routeReflectorClient === true) target.routeReflectorClient = true
  if (routeServerClient === true) target.routeServerClient = true
  if (removePrivateAs !== undefined) target.removePrivateAs = removePrivateAs
  if (nextHop !== undefined) target.nextHop = nextHop
  if (peer.role !== undefined) target.role = peer.role.name
  if (peer.gracefulShutdown === true) target.gracefulShutdown = true
  if (peer.aigp === true) target.aigp = true
  if (peer.linkBandwidth !== undefined) target.linkBandwidth = peer.linkBandwidth
  // RFC 9494 §4.3: whoever sent the capability knows what such a path is, whatever families it keeps itself.
  if (received.longLivedRestart !== undefined) target.longLived = families
  return target
}

/** What both directions need of the speaker and its side of the session. */
function ownIdentity(
  { asn, confederation, clusterId, routerId }: InstanceConfig,
  { localAddress, localAddressOtherVersion }: Negotiated['ends'],
): Pick<
  ImportSource,
  'localAsn' | 'confederation' | 'clusterId' | 'localAddress' | 'localAddressOtherVersion'
> {
  return {
    localAsn: asn,
    clusterId: clusterId ?? routerId,
    localAddress,
    ...(confederation === undefined ? {} : { confederation }),
    ...(localAddressOtherVersion === undefined ? {} : { localAddressOtherVersion }),
  }
}

/** What `get peers` shows: of the session while it is up, else of the configuration. */
export function peerStatus(localAsn: number, { config, ...neighbour }: Neighbour, rib: Rib): PeerStatus {
  const negotiated = neighbour.established?.negotiated
  const status: PeerStatus = {
    peer: config.name,
    address: config.address,
    port: config.port,
    localAsn,
    asn: negotiated?.asn ?? config.asn,
    state: sessionState(neighbour.session),
    families: (negotiated?.families ?? config.families).map((family) =>
      familyCounts(rib, neighbour.slot, family),
    ),
    messages: { sent: neighbour.sent, received: neighbour.received },
  }
  if (neighbour.since !== undefined) status.since = neighbour.since
  if (neighbour.lastError !== undefined) status.lastError = neighbour.lastError
  if (negotiated === undefined) return status
  const { routerId, holdTimeSeconds, keepaliveSeconds, ends } = negotiated
  return { ...status, routerId, holdTimeSeconds, keepaliveSeconds, ends }
}

function familyCounts(rib: Rib, slot: number, family: Family): FamilyCounts {
  const { received, accepted, advertised } = rib.tables[family].peers[slot]!
  return { family, received, accepted, advertised }
}

function connectionPart({ importRoutes: _, exportLearned: __, heldDown: ___, ...rest }: PeerConfig): string {
  const { address, port, asn, sourceAddress, passive, families, ttl, timers, password } = rest
  const { peerAs, localAs, extendedMessages, addPath, role, minTtl, authenticationOption } = rest
  const { connectRetrySeconds, holdTimeSeconds, keepaliveSeconds } = timers
  return JSON.stringify([
    [address, port, asn, sourceAddress, passive, families, ttl, password],
    [peerAs, localAs, extendedMessages, addPath, role],
    [rest.interface, minTtl, authenticationOption],
    [connectRetrySeconds, holdTimeSeconds, keepaliveSeconds],
  ])
}
