/**
 * One neighbour of an instance: its configuration, its session and what is known of both. `sessions.ts` moves it; here is what can
 * be said about it without moving it.
 */
import type { InstanceConfig, PeerConfig } from './config.ts'
import type { Family } from './family.ts'
import type { ConnectionId, MessageCounts, PeerStatus } from './io.ts'
import { limitText, type LimitBreach, type LimitLevel } from './prefix-limits.ts'
import type { Negotiated, RestartOffer, SessionConfig } from './session/io.ts'
import { nextDeadline, sessionState, type Session } from './session/session.ts'
import { staleDeadline, type StaleRoutes } from './stale-routes.ts'
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
  /** Time at which its silence on an open connection is told of; Infinity: it has been. */
  silentAt?: number
  /** Its routes that are kept although they may be out of date. */
  stale: StaleRoutes
  /** What the session had agreed on that routes are kept of, until the next one is up. */
  lost?: Negotiated
  /** Time at which it last came up, and went down. */
  upAt?: number
  downAt?: number
  /** Why it went down: `lastError` is soon about an attempt to get it up again. */
  downReason?: string
  /** How often it went down. */
  flaps: number
  sent: MessageCounts
  received: MessageCounts
  updateFaults: number
  /** Families that are near their prefix limit or over it, which has been said. */
  nearLimit: Map<Family, LimitLevel>
  /** The prefix limit that keeps the session down. */
  breach?: LimitBreach
  /** Made from this range's template; removed at `expiresAt`. */
  dynamic?: { range: string; expiresAt: number }
}

/** A dynamic neighbour is forgotten this long after its session has ended. */
export const dynamicIdleMs = 60_000

/** What a session with this peer is made from. `hasBeenUp`: since this process started. */
export function sessionConfigOf(
  instance: InstanceConfig,
  peer: PeerConfig,
  hasBeenUp: boolean,
): SessionConfig {
  const localAsn = ownAsnFor(instance, peer)
  const { peerAs, extendedMessages, addPath, role, sendHoldSeconds, delayOpenSeconds } = peer
  const { confederation } = instance
  const gracefulRestart = restartOffer(instance, peer, hasBeenUp)
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
    ...(gracefulRestart === undefined ? {} : { gracefulRestart }),
    ...(sendHoldSeconds === undefined ? {} : { sendHoldSeconds }),
    ...(delayOpenSeconds === undefined ? {} : { delayOpenSeconds }),
    // RFC 9234 §4: between autonomous systems only, and the members of a confederation are one.
    ...(role === undefined || isInside(instance, peer) ? {} : { role }),
  }
}

/** Whether the change touches what the OPEN or the connection was made from, so that the session must start anew. */
export function mustRestart(
  [oldInstance, old]: [InstanceConfig, PeerConfig],
  [instance, peer]: [InstanceConfig, PeerConfig],
): boolean {
  return restartKey(oldInstance, old) !== restartKey(instance, peer)
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

/** Time at which the neighbour wants a step; Infinity: none. */
export function neighbourDeadline({ session, stale, breach, dynamic, silentAt }: Neighbour): number {
  return Math.min(
    nextDeadline(session),
    silentAt ?? Infinity,
    staleDeadline(stale),
    breach?.until ?? Infinity,
    dynamic?.expiresAt ?? Infinity,
  )
}

/** Whether it has a connection on which OPENs have been or are being exchanged. */
export function isOpening({ session }: Neighbour): boolean {
  const state = sessionState(session)
  return state === 'openSent' || state === 'openConfirm' || state === 'established'
}

/** Why the session must not be; undefined: it may. */
export function heldDownBy({ config, breach }: Neighbour): string | undefined {
  return config.heldDown ?? (breach === undefined ? undefined : limitText(breach))
}

/**
 * The AS number in the OPEN: this neighbour's local-as if there is one, else what it is to see of a confederation (RFC 5065
 * §4: members see the member's number, all others the confederation's), else the instance's.
 */
function ownAsnFor({ asn, confederation }: InstanceConfig, peer: PeerConfig): number {
  if (peer.localAs !== undefined) return peer.localAs.asn
  if (confederation === undefined) return asn
  return isInside({ asn, confederation }, peer) ? asn : confederation.id
}

/** Whether the neighbour is meant to be in the same autonomous system or confederation. */
function isInside(
  { asn, confederation }: Pick<InstanceConfig, 'asn' | 'confederation'>,
  peer: PeerConfig,
): boolean {
  if (peer.asn === 0) return peer.peerAs === 'internal'
  return peer.asn === asn || confederation?.members.includes(peer.asn) === true
}

function restartOffer(
  { restarted = false }: Pick<InstanceConfig, 'restarted'>,
  { gracefulRestart }: PeerConfig,
  hasBeenUp: boolean,
): RestartOffer | undefined {
  if (gracefulRestart === undefined) return undefined
  const { restartSeconds, notification, helperOnly, longLivedSeconds } = gracefulRestart
  return {
    restartSeconds,
    notification,
    helperOnly,
    ...(longLivedSeconds === undefined ? {} : { longLivedSeconds }),
    // RFC 4724 §3: the R bit until the neighbour has seen it, so that it does not wait for this speaker's End-of-RIB.
    restarting: restarted && !hasBeenUp,
    // Forwarding survives the end of a session as long as the process lives, or as whoever started it says.
    forwarding: restarted || hasBeenUp,
  }
}

/**
 * What the OPEN and the connection are made from. `false`: the field takes effect without a new session, or with the next
 * one that comes for another reason.
 */
const restarts: Record<keyof PeerConfig, boolean> = {
  name: false,
  address: true,
  interface: true,
  port: true,
  asn: true,
  peerAs: true,
  sourceAddress: true,
  passive: false,
  families: true,
  ttl: true,
  minTtl: true,
  timers: false,
  password: true,
  authenticationOption: true,
  heldDown: false,
  shutdownText: false,
  importRoutes: false,
  exportLearned: false,
  localAs: false,
  routeReflectorClient: false,
  routeServerClient: false,
  addPath: true,
  // What the OPEN says of it is in the key.
  gracefulRestart: false,
  role: true,
  allowOwnAs: false,
  removePrivateAs: false,
  nextHop: false,
  enforceFirstAs: false,
  prefixLimits: false,
  importPolicy: false,
  exportPolicy: false,
  gracefulShutdown: false,
  honourGracefulShutdown: false,
  extendedMessages: true,
  sendHoldSeconds: false,
  delayOpenSeconds: false,
  linkBandwidth: false,
  aigp: false,
}

/** Equal for configurations that make the same OPEN over the same connection. */
function restartKey(instance: InstanceConfig, peer: PeerConfig): string {
  const fields = Object.keys(restarts) as (keyof PeerConfig)[]
  return JSON.stringify([
    // Whether it is inside a confederation shows in this, too.
    ownAsnFor(instance, peer),
    // RFC 4271 §4.2: in the OPEN. The other timers are this side's alone.
    peer.timers.holdTimeSeconds,
    restartOffer({}, peer, false),
    fields.filter((field) => restarts[field]).map((field) => [field, peer[field]]),
  ])
}
