/** Records of MRT files (RFC 6396, RFC 8050) as values. Attributes and messages in them stay bytes. */
import type { Family } from '#core/bgp/family.ts'
import type { Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'

/** RFC 6396 §4, and the 16-bit subtypes that follow from it. */
export const mrtType = { tableDump2: 13, bgp4mp: 16, bgp4mpEt: 17 } as const

/** RFC 6396 §4.4, RFC 8050 §3. */
export const bgp4mpSubtype = {
  stateChange: 0,
  message: 1,
  messageAs4: 4,
  stateChangeAs4: 5,
  messageLocal: 6,
  messageAs4Local: 7,
  messageAddPath: 8,
  messageAs4AddPath: 9,
  messageLocalAddPath: 10,
  messageAs4LocalAddPath: 11,
} as const

/** RFC 6396 §4.3, RFC 8050 §4. */
export const tableDump2Subtype = {
  peerIndexTable: 1,
  ribIpv4Unicast: 2,
  ribIpv6Unicast: 4,
  ribIpv4UnicastAddPath: 8,
  ribIpv6UnicastAddPath: 10,
} as const

/** Both ends of a session. */
export interface MrtSession {
  peerAsn: number
  localAsn: number
  peerAddress: Address
  localAddress: Address
}

/** `at`: milliseconds since 1970; whole seconds but in extended records. */
export type MrtRecord = { at: number } & (
  | {
      kind: 'message'
      session: MrtSession
      /** AS numbers in AS_PATH and AGGREGATOR have four octets. */
      fourOctetAsn: boolean
      addPath: boolean
      /** The collector sent it (RFC 6396 §4.4.6). */
      local: boolean
      /** A whole message, header included; a view of the file. */
      message: Uint8Array
    }
  /** States as in RFC 6396 §4.4.1: 1 (Idle) to 6 (Established). */
  | { kind: 'stateChange'; session: MrtSession; from: number; to: number }
  | { kind: 'peers'; collector: Address; view: string; peers: MrtPeer[] }
  | { kind: 'rib'; family: Family; sequence: number; prefix: Prefix; entries: RibEntry[] }
  /** Of a kind that is not looked into. */
  | { kind: 'other'; type: number; subtype: number }
)

/** RFC 6396 §4.3.1. */
export interface MrtPeer {
  address: Address
  routerId: Address
  asn: number
}

/** RFC 6396 §4.3.4. */
export interface RibEntry {
  /** Place in the table of peers that came before. */
  peer: number
  /** Milliseconds since 1970. */
  originatedAt: number
  pathId?: number
  /** Path attributes with AS numbers of four octets and MP_REACH_NLRI cut down to the next hop. */
  attributes: Uint8Array
}
