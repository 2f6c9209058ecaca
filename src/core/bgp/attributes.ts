/** Path attributes as values: what policies, tables and tests read and write. Their bytes are in `wire/`. */
import type { Address } from '#core/net/address.ts'
import type { LargeCommunity } from '#core/net/community.ts'

/** RFC 4271 §5.1.1. The order is that of preference: the first is the most preferred. */
export type Origin = 'igp' | 'egp' | 'incomplete'

/** RFC 4271 §4.3 b), RFC 5065 §3. `asns`: at most 255, four octets each. */
export interface AsPathSegment {
  kind: 'sequence' | 'set' | 'confedSequence' | 'confedSet'
  asns: number[]
}

/** An attribute that Herald does not interpret, kept to be passed on when it is transitive (RFC 4271 §5). */
export interface UnknownAttribute {
  /** The flags octet as received. */
  flags: number
  type: number
  value: Uint8Array
}

/** The attributes of one path, AS numbers always of four octets (AS4_PATH merged in, RFC 6793 §4.2.3). */
export interface PathAttributes {
  origin: Origin
  asPath: AsPathSegment[]
  /** NEXT_HOP, or the global next hop of MP_REACH_NLRI (RFC 4760 §3, RFC 2545 §3). */
  nextHop: Address
  /** The link-local next hop of MP_REACH_NLRI, if it carried one. */
  linkLocalNextHop?: Address
  /** MULTI_EXIT_DISC. */
  med?: number
  /** LOCAL_PREF: on iBGP only. */
  localPref?: number
  atomicAggregate?: boolean
  aggregator?: { asn: number; address: Address }
  /** RFC 1997: `(asn << 16 | value) >>> 0`, ascending and without duplicates. */
  communities?: number[]
  /** RFC 8092, ascending and without duplicates. */
  largeCommunities?: LargeCommunity[]
  /** RFC 4360: eight octets each in lower-case hexadecimal, ascending and without duplicates. */
  extendedCommunities?: string[]
  /** RFC 5701: twenty octets each, likewise. */
  ipv6ExtendedCommunities?: string[]
  /** RFC 4456 §8. */
  originatorId?: Address
  /** RFC 4456 §8, the latest reflector first. */
  clusterList?: Address[]
  /** RFC 7311: accumulated metric, 64 bits. */
  aigp?: bigint
  /** RFC 7311 §3: the TLVs beside that, whole, in lower-case hexadecimal; they mean nothing here. Only where there is `aigp`. */
  aigpOthers?: string
  /** RFC 9234 §5: AS number of ONLY_TO_CUSTOMER. */
  otc?: number
  /** Cisco's weight, given by import policy: never on the wire. Absent: 0. */
  weight?: number
  /** Type codes, ascending, of the above that came with the Partial bit, which once set stays (RFC 4271 §5). */
  partial?: number[]
  /** Ascending by type. */
  unknown?: UnknownAttribute[]
}
