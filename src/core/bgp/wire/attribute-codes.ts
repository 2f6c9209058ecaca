/** Path attributes on the wire: type codes and the flags octet (RFC 4271 §4.3). */

export const attributeType = {
  /** Reserved by IANA and so never on the wire: in blocks it is the weight that import policy gave. */
  weight: 0,
  origin: 1,
  asPath: 2,
  nextHop: 3,
  med: 4,
  localPref: 5,
  atomicAggregate: 6,
  aggregator: 7,
  communities: 8,
  originatorId: 9,
  clusterList: 10,
  mpReach: 14,
  mpUnreach: 15,
  extendedCommunities: 16,
  as4Path: 17,
  as4Aggregator: 18,
  ipv6ExtendedCommunities: 25,
  aigp: 26,
  largeCommunities: 32,
  otc: 35,
} as const

export const attributeFlag = {
  optional: 0x80,
  transitive: 0x40,
  partial: 0x20,
  /** The length has two octets. */
  extendedLength: 0x10,
} as const

/** Flags of the three categories that exist (RFC 4271 §5). */
export const wellKnown = attributeFlag.transitive
export const optionalNonTransitive = attributeFlag.optional
export const optionalTransitive = attributeFlag.optional | attributeFlag.transitive

/** Path segment types (RFC 4271 §4.3 b, RFC 5065 §3), by code. */
export const segmentKinds = {
  1: 'set',
  2: 'sequence',
  3: 'confedSequence',
  4: 'confedSet',
} as const

/** Stands for an AS number that does not fit two octets (RFC 6793 §9). */
export const asTrans = 23456

const names: Partial<Record<number, string>> = {
  1: 'ORIGIN',
  2: 'AS_PATH',
  3: 'NEXT_HOP',
  4: 'MULTI_EXIT_DISC',
  5: 'LOCAL_PREF',
  6: 'ATOMIC_AGGREGATE',
  7: 'AGGREGATOR',
  8: 'COMMUNITIES',
  9: 'ORIGINATOR_ID',
  10: 'CLUSTER_LIST',
  14: 'MP_REACH_NLRI',
  15: 'MP_UNREACH_NLRI',
  16: 'EXTENDED COMMUNITIES',
  17: 'AS4_PATH',
  18: 'AS4_AGGREGATOR',
  25: 'IPv6 EXTENDED COMMUNITIES',
  26: 'AIGP',
  32: 'LARGE_COMMUNITY',
  35: 'ONLY_TO_CUSTOMER',
}

/** The name that RFCs give it, or its number. */
export function attributeName(type: number): string {
  return names[type] ?? `attribute ${type}`
}
