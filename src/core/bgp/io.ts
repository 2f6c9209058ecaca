/**
 * Inputs and outputs of a BGP speaker, as plain data: what `bgp.ts` takes and gives, what `core/speaker` passes on and
 * what the edge (`daemon/`, `sim/`) performs. Times are milliseconds of whatever clock drives the speaker.
 */
import type { Address } from '#core/net/address.ts'
import type { LargeCommunity } from '#core/net/community.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from './attributes.ts'
import type { InstanceConfig, PeerConfig, Role } from './config.ts'
import type { Family } from './family.ts'
import type { Tap } from './tap.ts'

/**
 * Names one TCP connection. Positive for connections that the speaker asked for by `dial` (it chose the number),
 * negative for accepted ones (the edge chose it). Never used twice in the life of a process.
 */
export type ConnectionId = number

/** Addresses and ports of both ends of an open connection. */
export interface ConnectionEnds {
  localAddress: Address
  localPort: number
  remoteAddress: Address
  remotePort: number
  /**
   * The local interface's address of the other IP version, if there is one: the next hop for routes of that version
   * over this connection.
   */
  localAddressOtherVersion?: Address
  /** The interface's link-local address, if the neighbour is in one subnet with the local address (RFC 2545 §3). */
  localLinkLocal?: Address
  /** Of a connection between link-local addresses: the local interface. */
  interface?: string
}

export type BgpInput =
  /** Replaces the whole configuration. Sessions that it does not change stay up. */
  | { kind: 'configure'; config: InstanceConfig }
  /** The connection asked for by `dial` is open. */
  | { kind: 'dialed'; connection: ConnectionId; ends: ConnectionEnds }
  /** It could not be opened. `reason` is for people. */
  | { kind: 'dialFailed'; connection: ConnectionId; reason: string }
  /** Somebody connected to the instance's listening port. */
  | { kind: 'accepted'; connection: ConnectionId; ends: ConnectionEnds }
  /**
   * Nothing from this address comes in, because of its key: it signs with another one or with none, or ours could not be
   * set. `reason`: which, for people. Told now and then while it goes on.
   */
  | { kind: 'unheard'; address: Address; reason: string }
  /** Bytes arrived, in any cut. The speaker may keep the array. */
  | { kind: 'received'; connection: ConnectionId; bytes: Uint8Array }
  /**
   * So many bytes wait to be taken by the kernel. Told when they become more than `sendQueueHigh` or, however few, nothing of
   * them is taken for a second; then at every progress, until they are at most `sendQueueLow`. `stalled`: this is no progress.
   */
  | { kind: 'sendQueue'; connection: ConnectionId; bytes: number; stalled?: boolean }
  /** A person or a program wants it: see {@link PeerCommand}. */
  | { kind: 'command'; peer: string; command: PeerCommand }
  /** Validated ROA payloads came or went (RFC 6811 §2). */
  | { kind: 'origins'; added: RoaPayload[]; removed: RoaPayload[] }
  /** The connection ended, by the far end or by an error, never because of an own `close`. */
  | { kind: 'closed'; connection: ConnectionId; reason: string }
  /**
   * End of the process: nothing is dialed again, and every session ends with Cease/Administrative Shutdown. But for those
   * whose neighbours agreed to keep this speaker's routes over a restart: they are closed without a word (RFC 4724 §4.1),
   * unless `graceful` is false.
   */
  | { kind: 'shutdown'; graceful?: boolean }
  /** Time has passed. Any input does the timers' work too; this one does nothing else. */
  | { kind: 'tick' }

/** @public Above the first a neighbour gets no more UPDATEs until it has caught up to the second, in bytes. */
export { sendQueueHigh, sendQueueLow } from '#core/net/tcp.ts'

/**
 * `reset`: end the session and start anew. `refreshIn`: ask for all routes again (RFC 2918), or judge what is kept anew.
 * `refreshOut`: send all routes again. `enable`: after a prefix limit ended it.
 */
export type PeerCommand = { kind: 'reset'; text?: string } | { kind: 'refreshIn' | 'refreshOut' | 'enable' }

/** RFC 6811 §2: routes inside `prefix` up to `maxLength` may be originated by `asn`. */
export interface RoaPayload {
  prefix: Prefix
  maxLength: number
  asn: number
}

export type BgpOutput =
  | { kind: 'dial'; connection: ConnectionId; dial: Dial }
  /** For a connection that came in, before anything is sent on it: TTL to send with, least TTL to accept (RFC 5082). */
  | { kind: 'setTtl'; connection: ConnectionId; ttl: number; minTtl?: number }
  /** `bytes`: one or more whole messages; the array may be in several outputs. */
  | { kind: 'send'; connection: ConnectionId; bytes: Uint8Array }
  /** Close after what was sent has gone out. Nothing more will be said about this connection by either side. */
  | { kind: 'close'; connection: ConnectionId }
  | { kind: 'event'; event: BgpEvent }
  /** Only while `InstanceConfig.taps` asks for it. */
  | { kind: 'tap'; tap: Tap }

export interface Dial {
  address: Address
  port: number
  sourceAddress?: Address
  interface?: string
  ttl: number
  /** RFC 5082. */
  minTtl?: number
  password?: string
  authenticationOption?: PeerConfig['authenticationOption']
}

/** What happened, for logs, events and metrics. */
export type BgpEvent =
  | { kind: 'sessionUp'; peer: string }
  | { kind: 'sessionDown'; peer: string; reason: string }
  /** The best path of a prefix changed; absent next hop: there is none any more. */
  | { kind: 'bestPath'; prefix: Prefix; nextHop?: Address; peer?: string }
  /** So many more best paths changed than were told one by one. */
  | { kind: 'bestPaths'; count: number }
  | {
      kind: 'notificationSent' | 'notificationReceived'
      peer: string
      code: number
      subcode: number
      message: string
    }
  | { kind: 'updateFault'; peer: string; message: string }
  /** RFC 4271 §6.7: the neighbour has sent so many prefixes. `near`: the warning threshold; `over`: more than `max`. */
  | { kind: 'prefixLimit'; peer: string; family: Family; level: 'near' | 'over'; count: number; max: number }
  /** A connection that belongs to no peer, or comes at a time when none is wanted. */
  | { kind: 'connectionRefused'; address: Address; reason: string }

/** RFC 4271 §8.2.2. */
export type SessionState = 'idle' | 'connect' | 'active' | 'openSent' | 'openConfirm' | 'established'

/** What `get peers` shows. */
export interface PeerStatus {
  peer: string
  address: Address
  /** By which it is reached, if that is configured. */
  interface?: string
  port: number
  localAsn: number
  /** The neighbour's, once known; else the expected one. */
  asn: number
  state: SessionState
  /** Time of the last change into or out of Established. Absent: it has not been up yet. */
  since?: number
  /** Of the session, once up. */
  routerId?: Address
  holdTimeSeconds?: number
  keepaliveSeconds?: number
  ends?: ConnectionEnds
  families: FamilyCounts[]
  messages: { sent: number; received: number; sentByKind: MessageCounts; receivedByKind: MessageCounts }
  /** UPDATEs that were malformed and did not end the session (RFC 7606 §6). */
  updateFaults: number
  /**
   * Why the session last went down or could not come up: `sent` or `received` a NOTIFICATION, or neither. `hex`: the first
   * {@link shownOctets} of the message that led to it.
   */
  lastError?: { at: number; direction: 'sent' | 'received' | 'local'; message: string; hex?: string }
  /** Time at which it last came up and went down, and how often it went down. */
  lastUp?: number
  lastDown?: number
  /** Why it last went down, with the text for people that the neighbour gave (RFC 9003 §2); `lastError` may be newer. */
  lastDownReason?: string
  flaps: number
  /** Made for a neighbour that connected from a listen range. */
  dynamic: boolean
  /** Held down by a prefix limit until then; Infinity: until a person wants it up. */
  heldUntil?: number
  /** This speaker's part (RFC 9234 §4.1), as configured. */
  role?: Role
  /** Families whose routes may be out of date, and until when they are kept like that at most. */
  stale: StaleStatus[]
  /**
   * After an own restart: learned routes are passed on when this peer and others awaited have sent End-of-RIB for these families,
   * and at `until` at the latest (RFC 4724 §4.1).
   */
  awaited?: { families: Family[]; until: number }
  /** While the session is up. */
  negotiated?: NegotiatedStatus
}

/** Octets of an offending message that are shown. */
export const shownOctets = 64

/** By kind of message (RFC 4271 §4.1). */
export type MessageCounts = Record<'open' | 'update' | 'notification' | 'keepalive' | 'routeRefresh', number>

/**
 * `waiting`: for the session to come back (RFC 4724 §4.2). `longLived`: that took too long (RFC 9494 §4.2). `arriving`: until
 * End-of-RIB. `refreshing`: until the end of a refresh (RFC 7313 §4).
 */
export interface StaleStatus {
  family: Family
  phase: 'waiting' | 'longLived' | 'arriving' | 'refreshing'
  until: number
}

/** What both OPENs together say. */
export interface NegotiatedStatus {
  kind: 'ebgp' | 'ibgp' | 'confed'
  fourOctetAsn: boolean
  routeRefresh: boolean
  enhancedRouteRefresh: boolean
  /** Octets of the longest message (RFC 8654). */
  maxLength: number
  extendedNextHop: Family[]
  addPathReceive: Family[]
  addPathSend: Family[]
  gracefulRestart?: {
    restartSeconds: number
    notification: boolean
    families: Family[]
    longLived: { family: Family; staleSeconds: number }[]
  }
  /** The neighbour's part (RFC 9234 §4.1). */
  role?: Role
  /** Capabilities of the own OPEN and the neighbour's, one text each. */
  offered: string[]
  received: string[]
}

export interface FamilyCounts {
  family: Family
  /** Routes in adj-rib-in, those accepted among them, and routes in adj-rib-out. */
  received: number
  accepted: number
  advertised: number
  /** Most that may be received; absent: no limit. */
  limit?: number
}

/** Which routes are asked for; every field that is there must fit. */
export interface RouteFilter {
  /** Name of a peer: what it sent or was sent; in the loc-rib, paths from it. */
  peer?: string | undefined
  family?: Family | undefined
  prefix?: Prefix | undefined
  /**
   * How routes lie to `prefix`: the same; inside it, itself included; around it, itself included; only the longest of
   * those around it. Absent: exact.
   */
  match?: 'exact' | 'longer' | 'covering' | 'longest' | undefined
  /** As in {@link PathAttributes}. */
  community?: number | undefined
  largeCommunity?: LargeCommunity | undefined
  /** Regular expression as in policies: over the AS path as tables show it, `_` a border. One that is none matches nothing. */
  asPath?: string | undefined
}

/** A part of an answer. `next`: where the following page begins, absent when this was the last. */
export interface RoutePage {
  entries: RouteEntry[]
  next?: number
}

/** Which routes are asked for that a neighbour is meant to get and does not. */
export interface WithheldFilter {
  /** Own routes only, or learned ones, too. */
  of: 'all' | 'own'
  prefix?: Prefix | undefined
}

/** A part of an answer about what a neighbour does not get, with the rule; `next` as of {@link RoutePage}. */
export interface WithheldPage {
  entries: { prefix: Prefix; reason: string }[]
  next?: number
}

/**
 * A step of the decision (RFC 4271 §9.1.2.2 and what came after it), in its order. `only`: there was no other path.
 */
export type DecisionStep =
  | 'only'
  | 'own'
  | 'longLivedStale'
  | 'weight'
  | 'localPref'
  | 'aigp'
  | 'asPathLength'
  | 'origin'
  | 'med'
  | 'external'
  | 'routerId'
  | 'clusterListLength'
  | 'peerAddress'
  | 'pathId'

/** One path as `get routes` shows it. */
export interface RouteEntry {
  prefix: Prefix
  /** Peer it was learned from or is sent to; absent: an own route. */
  peer?: string
  /** RFC 7911 §3: as received, or as sent; absent: the session has none. */
  pathId?: number
  attributes: PathAttributes
  /** Time at which it came. */
  since: number
  best: boolean
  /**
   * loc-rib only, of prefixes with several paths that count as used (`InstanceConfig.maxPaths`): this one's weight among them,
   * its link bandwidth in bytes per second if all say one, else 1.
   */
  share?: number
  /** RFC 4724 §4.2: its neighbour is restarting and has not said it again. */
  stale?: boolean
  /** adj-rib-in and loc-rib: the step that parted this path from the best one; of the best, from the next best. */
  why?: DecisionStep
  /** adj-rib-in only: why it is not used. */
  rejected?: string
  /** What the neighbour sent, where import policy made `attributes` of it. */
  received?: PathAttributes
  /** RFC 6811 §2; absent: no validated origins are known. */
  rpki?: 'valid' | 'invalid' | 'notFound'
}

/** `adjRibIn`: all that came, with what was made of it; `accepted`: of that, what import policy let in. */
export type RouteTable = 'adjRibIn' | 'accepted' | 'locRib' | 'adjRibOut'
