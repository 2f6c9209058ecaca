/**
 * Inputs and outputs of a BGP speaker, as plain data: what `bgp.ts` takes and gives, what `core/speaker` passes on and
 * what the edge (`daemon/`, `sim/`) performs. Times are milliseconds of whatever clock drives the speaker.
 */
import type { Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { PathAttributes } from './attributes.ts'
import type { InstanceConfig } from './config.ts'
import type { Family } from './family.ts'

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
  /** Bytes arrived, in any cut. The speaker may keep the array. */
  | { kind: 'received'; connection: ConnectionId; bytes: Uint8Array }
  /** The connection ended, by the far end or by an error, never because of an own `close`. */
  | { kind: 'closed'; connection: ConnectionId; reason: string }
  /** End of the process: every session ends with Cease/Administrative Shutdown and nothing is dialed again. */
  | { kind: 'shutdown' }
  /** Time has passed. Any input does the timers' work too; this one does nothing else. */
  | { kind: 'tick' }

export type BgpOutput =
  | { kind: 'dial'; connection: ConnectionId; dial: Dial }
  | { kind: 'send'; connection: ConnectionId; bytes: Uint8Array }
  /** Close after what was sent has gone out. Nothing more will be said about this connection by either side. */
  | { kind: 'close'; connection: ConnectionId }
  | { kind: 'event'; event: BgpEvent }

export interface Dial {
  address: Address
  port: number
  sourceAddress?: Address
  ttl: number
  password?: string
}

/** What happened, for logs, events and metrics. */
export type BgpEvent =
  | { kind: 'sessionUp'; peer: string }
  | { kind: 'sessionDown'; peer: string; reason: string }
  /** The best path of a prefix changed; absent attributes: there is none any more. */
  | { kind: 'bestPath'; prefix: Prefix; attributes?: PathAttributes; peer?: string }
  | {
      kind: 'notificationSent' | 'notificationReceived'
      peer: string
      code: number
      subcode: number
      message: string
    }
  | { kind: 'updateFault'; peer: string; message: string }
  /** A connection that belongs to no peer, or comes at a time when none is wanted. */
  | { kind: 'connectionRefused'; address: Address; reason: string }

/** RFC 4271 §8.2.2. */
export type SessionState = 'idle' | 'connect' | 'active' | 'openSent' | 'openConfirm' | 'established'

/** What `get peers` shows. */
export interface PeerStatus {
  peer: string
  address: Address
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
  messages: { sent: number; received: number }
  /** Why the session last went down or could not come up: `sent` or `received` a NOTIFICATION, or neither. */
  lastError?: { at: number; direction: 'sent' | 'received' | 'local'; message: string }
}

export interface FamilyCounts {
  family: Family
  /** Routes in adj-rib-in, those accepted among them, and routes in adj-rib-out. */
  received: number
  accepted: number
  advertised: number
}

/** One path as `get routes` shows it. */
export interface RouteEntry {
  prefix: Prefix
  /** Peer it was learned from or is sent to; absent: an own route. */
  peer?: string
  attributes: PathAttributes
  /** Time at which it came. */
  since: number
  best: boolean
  /** adj-rib-in only: why it is not used. */
  rejected?: string
}

export type RouteTable = 'adjRibIn' | 'locRib' | 'adjRibOut'
