/**
 * What a BGP session is told and what it asks for, as plain data. A session is one neighbour's finite state machine
 * (RFC 4271 §8); whoever runs it frames and decodes the bytes of its connections and encodes what it sends.
 */
import type { Address } from '#core/net/address.ts'
import type { Family } from '../family.ts'
import type { ConnectionEnds, ConnectionId } from '../io.ts'
import type { PeerConfig, PeerTimers, Role } from '../config.ts'
import type {
  Capabilities,
  LongLivedFamily,
  Message,
  MessageError,
  Notification,
  RouteRefresh,
  Update,
} from '../wire/message.ts'

/** The part of an instance and of one of its peers that the session depends on. */
export interface SessionConfig {
  /** As in the OPEN: the instance's, or what this neighbour is shown instead of it (local-as, RFC 5065). */
  localAsn: number
  /** AS numbers of the other members of the own confederation (RFC 5065 §1.2); absent: there is none. */
  members?: readonly number[]
  /** An IPv4 address, not 0.0.0.0. */
  routerId: Address
  /** The neighbour's expected AS number; 0: any. */
  remoteAsn: number
  /** With `remoteAsn` 0: only an AS number other than `localAsn`, or only that one. */
  peerAs?: 'internal' | 'external'
  /** Whether connections are IPv4 or IPv6, and so what an extended next hop would be, shows in this. */
  remoteAddress: Address
  /** Never dial (RFC 4271 §8.1.1 PassiveTcpEstablishment). */
  passive: boolean
  /** At least one. */
  families: Family[]
  timers: PeerTimers
  /** RFC 8654; absent: true. */
  extendedMessages?: boolean
  /** RFC 7911; absent: neither way. */
  addPath?: PeerConfig['addPath']
  /** RFC 9234. */
  role?: PeerConfig['role']
  /** RFC 4724, RFC 8538, RFC 9494: what the next OPEN says; absent: nothing. */
  gracefulRestart?: RestartOffer
  /** As in `PeerConfig`. */
  sendHoldSeconds?: number
  /** As in `PeerConfig`. */
  delayOpenSeconds?: number
}

/** What an OPEN tells about the own restarts. */
export interface RestartOffer {
  /** 1..4095. */
  restartSeconds: number
  /** R bit (RFC 4724 §3): this speaker has just restarted. */
  restarting: boolean
  /** F bits: the forwarding state outlived the last session or process. */
  forwarding: boolean
  /** N bit (RFC 8538 §2). */
  notification: boolean
  /** Only help the neighbour. */
  helperOnly: boolean
  /** RFC 9494 §4.2, 1..16777215; absent: not long-lived. */
  longLivedSeconds?: number
}

/** What comes with every step beside the input. */
export interface StepContext {
  /** Milliseconds; never less than in an earlier step. */
  now: number
  /** Random, in [0, 1): jitter of the timers that this step starts (RFC 4271 §10). */
  fraction: number
  /** The number that a `dial` in this step's outputs gets; at most one is made per step. */
  nextConnection: ConnectionId
}

export type SessionInput =
  /**
   * Let the session come up: an automatic start (RFC 4271 §8.1.2, events 3, 5 and 7). `pause`: not at once, since the
   * neighbour that was just told of the end refuses connections for a moment.
   */
  | { kind: 'start'; pause?: boolean }
  /** End it and keep it down. */
  | Stop
  /** The connection asked for by `dial` is open. */
  | { kind: 'dialed'; connection: ConnectionId; ends: ConnectionEnds }
  | { kind: 'dialFailed'; connection: ConnectionId; reason: string }
  /** The neighbour opened a connection. */
  | { kind: 'accepted'; connection: ConnectionId; ends: ConnectionEnds }
  | { kind: 'received'; connection: ConnectionId; message: Message }
  /** A message could not be understood; framing or decoding gave this error. Nothing after it can be read. */
  | { kind: 'malformed'; connection: ConnectionId; error: MessageError }
  /** The connection ended without an own `close`. */
  | { kind: 'closed'; connection: ConnectionId; reason: string }
  /** UPDATEs are on their way to the neighbour: they tell it that we live as a KEEPALIVE would. */
  | { kind: 'updateSent' }
  /** UPDATEs of the established connection were taken in by who runs the session (RFC 4271 §8.2.2, event 27). */
  | { kind: 'updatesTaken'; connection: ConnectionId }
  /** So many bytes wait to be taken by the connection; as in `BgpInput`. */
  | { kind: 'sendQueue'; connection: ConnectionId; bytes: number; stalled?: boolean }
  | { kind: 'tick' }

export interface Stop {
  kind: 'stop'
  /** Of Cease (RFC 4486). */
  subcode: number
  /** For people (RFC 9003), up to 255 bytes. */
  text?: string
  /** Data of a subcode that has another than a text. */
  data?: Uint8Array
  /** For people at this end: what the subcode does not say. */
  detail?: string
  /**
   * `end` (absent): both sides forget the other's routes; where a NOTIFICATION would not make them, it is a hard reset
   * (RFC 8538 §3). `restart`: the session comes back soon, so routes stay where that was agreed on. `leave`: no word to a
   * neighbour that agreed to keep this speaker's routes over a restart of its process (RFC 4724 §4.1).
   */
  manner?: 'end' | 'restart' | 'leave'
}

/** What can happen to a connection that is open. */
export type ConnectionInput = Extract<SessionInput, { kind: 'received' | 'malformed' | 'closed' }>

export type SessionOutput =
  | { kind: 'dial'; connection: ConnectionId }
  | { kind: 'send'; connection: ConnectionId; message: SessionMessage }
  /** After what was sent has gone out. Nothing more is said about this connection by either side. */
  | { kind: 'close'; connection: ConnectionId }
  /** Established: routes may be exchanged over this connection, to which `update` and `routeRefresh` belong too. */
  | { kind: 'up'; connection: ConnectionId; negotiated: Negotiated }
  | { kind: 'update'; update: Update }
  /** The neighbour asks for all routes of this negotiated family again (RFC 2918 §4), or sends them (RFC 7313 §4). */
  | { kind: 'routeRefresh'; family: Family; role: RouteRefresh['role'] }
  /**
   * No longer Established. `graceful`: the routes of the families that the neighbour wants kept are kept as stale ones
   * (RFC 4724 §4.2); all others are forgotten.
   */
  | { kind: 'down'; ending: Ending; graceful: boolean }
  /** An attempt to come up failed before Established. */
  | { kind: 'failed'; ending: Ending }

/** What a session itself sends. UPDATE and ROUTE-REFRESH are sent by the RIB. */
export type SessionMessage = Exclude<Message, { kind: 'update' | 'routeRefresh' }>

/** Why a session or an attempt ended. */
export interface Ending {
  /** Who ended it: a NOTIFICATION `sent` or `received`, or neither (the connection, a timer, a user). */
  direction: 'sent' | 'received' | 'local'
  /** For people, one sentence without a full stop. */
  reason: string
  notification?: Notification
}

/** What both OPENs together say about a session. Serves as the {@link UpdateContext} of decoding. */
export interface Negotiated {
  /** The neighbour's. */
  asn: number
  routerId: Address
  /** `confed`: between members of a confederation (RFC 5065 §4). */
  kind: 'ebgp' | 'ibgp' | 'confed'
  /** Own AS number as in the OPEN. */
  localAsn: number
  /** Those that both sides offered, in the order of `families`; at least one. */
  families: Family[]
  /** 0: the session never expires and no KEEPALIVE is sent. */
  holdTimeSeconds: number
  keepaliveSeconds: number
  /** AS numbers of four octets in AS_PATH and AGGREGATOR (RFC 6793). */
  fourOctetAsn: boolean
  /** Families whose next hop may be of the other IP version (RFC 8950), in both directions. */
  extendedNextHop: Family[]
  /** The neighbour takes ROUTE-REFRESH (RFC 2918). */
  routeRefresh: boolean
  /** Both sides mark the borders of a refresh (RFC 7313). */
  enhancedRouteRefresh: boolean
  /** Octets of the longest message either side may send, but for OPEN and KEEPALIVE (RFC 8654 §4): 4096 or 65535. */
  maxLength: number
  /** Families whose NLRI carry path identifiers, coming and going (RFC 7911 §4). */
  addPathReceive: Family[]
  addPathSend: Family[]
  /** Both sides offered graceful restart (RFC 4724); what the neighbour said of it. */
  gracefulRestart?: NegotiatedRestart
  /** The neighbour's role, if it told one (RFC 9234). */
  role?: Role
  /** What the OPENs said: for people. */
  offered: Capabilities
  received: Capabilities
  ends: ConnectionEnds
}

export interface NegotiatedRestart {
  /** The neighbour has just restarted. */
  restarting: boolean
  /** How long it asks to be waited for. */
  restartSeconds: number
  /** RFC 8538: a NOTIFICATION that is no hard reset does not end it. Both sides said so. */
  notification: boolean
  /** Negotiated families whose routes are to be kept (RFC 4724 §4.2): all in its OPEN, with F bits. */
  families: { family: Family; forwarding: boolean }[]
  /** RFC 9494, likewise; empty: not long-lived. */
  longLived: LongLivedFamily[]
}
