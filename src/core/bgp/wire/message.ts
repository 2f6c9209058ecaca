/**
 * BGP messages as values (RFC 4271 §4). UPDATE stays close to its bytes: NLRI are ranges of validated bytes and the
 * attributes one canonical block, so that the RIB interns the block by its bytes and decodes it once.
 */
import type { Address } from '#core/net/address.ts'
import type { Role } from '../config.ts'
import type { Family } from '../family.ts'

export type Message = Open | Update | Notification | Keepalive | RouteRefresh

export interface Open {
  kind: 'open'
  version: number
  /** From the 4-octet AS capability where there is one, else from the header (RFC 6793 §4.1). */
  asn: number
  holdTimeSeconds: number
  routerId: Address
  capabilities: Capabilities
}

/** What an OPEN offers. Capabilities Herald does not know are kept for display (RFC 5492 §3). */
export interface Capabilities {
  /** RFC 4760 §8. Empty: no Multiprotocol capability was sent, which means IPv4 unicast. */
  families: Family[]
  /** RFC 6793 §3. */
  fourOctetAsn: boolean
  /** RFC 2918 §2. */
  routeRefresh: boolean
  /** RFC 8950 §4: families whose NLRI may have a next hop of the other IP version. */
  extendedNextHop: Family[]
  /** RFC 8654 §3. */
  extendedMessages?: boolean
  /** RFC 7313 §3.1. */
  enhancedRouteRefresh?: boolean
  /** RFC 7911 §4: what the sender of the OPEN is able to do, by family. */
  addPath?: { family: Family; receive: boolean; send: boolean }[]
  gracefulRestart?: GracefulRestartCapability
  /** RFC 9494 §3.1. */
  longLivedRestart?: LongLivedFamily[]
  /** RFC 9234 §4.1. */
  role?: Role
  /** draft-walton-bgp-hostname-capability: for people. */
  hostname?: string
  /** All other capabilities, as received. */
  other: { code: number; value: Uint8Array }[]
}

/** RFC 4724 §3. No families: the sender only helps others, and sends End-of-RIB. */
export interface GracefulRestartCapability {
  /** R bit: it has just restarted. */
  restarting: boolean
  /** N bit (RFC 8538 §2). */
  notification: boolean
  /** 0..4095. */
  restartSeconds: number
  /** `forwarding`: F bit, the family's forwarding state survived. */
  families: { family: Family; forwarding: boolean }[]
}

/** RFC 9494 §3.1. `staleSeconds`: 0..16777215. */
export interface LongLivedFamily {
  family: Family
  forwarding: boolean
  staleSeconds: number
}

export interface Update {
  kind: 'update'
  /** Routes taken back, by family. */
  withdrawn: NlriBlock[]
  /** Routes announced, by family, with the next hop that came with them. */
  announced: (NlriBlock & { nextHop: NextHop })[]
  /**
   * The path attributes without NEXT_HOP, MP_REACH_NLRI and MP_UNREACH_NLRI: ascending by type, flags normalised, AS
   * numbers of four octets. Empty when nothing is announced. Decoded by `decodeAttributes`.
   */
  attributes: Uint8Array
  /** Families whose End-of-RIB this is (RFC 4724 §2). */
  endOfRib: Family[]
  /** What was wrong with it and has been put right as RFC 7606 says: for counters and logs. */
  faults: UpdateFault[]
}

/** Prefixes of one family in wire form (length octet, then as few octets as hold it): valid lengths, no host bits. */
export interface NlriBlock {
  family: Family
  nlri: Uint8Array
  /** A path identifier of four octets stands before each prefix (RFC 7911 §3); absent: none does. */
  pathIds?: true
}

export interface NextHop {
  global: Address
  linkLocal?: Address
}

/** One malformed thing in an UPDATE and the milder answer that was given (RFC 7606 §2). */
export interface UpdateFault {
  /** Attribute type code. 0: the fault is not in an attribute. */
  attribute: number
  answer: 'attributeDiscard' | 'treatAsWithdraw'
  /** RFC and section that ask for this answer, and what was wrong: `RFC 7606 §7.1: ORIGIN of value 7`. */
  message: string
}

export interface Notification {
  kind: 'notification'
  code: number
  subcode: number
  data: Uint8Array
}

export interface Keepalive {
  kind: 'keepalive'
}

/** RFC 2918 §3. */
export interface RouteRefresh {
  kind: 'routeRefresh'
  /** Absent: a family or subtype that Herald does not speak; to be ignored (RFC 2918 §4, RFC 7313 §5). */
  family: Family | undefined
  /** `begin`, `end`: a border of what a request is answered with (RFC 7313 §3.2). */
  role: 'request' | 'begin' | 'end'
}

/** The NOTIFICATION that answers an error in a message; sending it ends the session (RFC 4271 §6). */
export interface MessageError {
  code: number
  subcode: number
  data: Uint8Array
  /** For people: what was wrong. */
  message: string
}
