/**
 * What each path attribute must look like, and what its being malformed is answered with (RFC 7606 §7 and the RFCs of the
 * attributes). A table: an attribute that is not in it is unrecognised.
 */
import { asPathFault, beginsInConfederation, hasConfederationSegment } from './as-path.ts'
import { attributeType, optionalNonTransitive, optionalTransitive, wellKnown } from './attribute-codes.ts'
import type { UpdateContext } from './context.ts'
import type { UpdateFault } from './message.ts'

export interface AttributeRule {
  /** Optional and Transitive, as they must be. */
  flags: number
  /** For a malformed value. */
  answer: UpdateFault['answer']
  /** RFC and section that ask for the answer. */
  source: string
  /** Subcode of the UPDATE Message Error, should the session have to end for it after all (RFC 7606 §5.2). */
  subcode: number
  /** The one length that it may have, where another is not answered with `subcode`. */
  octets?: number
  /** From an external neighbour it is left out, unseen (RFC 7606 §7.5, §7.9, §7.10). */
  internalOnly?: true
  /** What is wrong with the value, or undefined. */
  fault(value: Uint8Array, context: UpdateContext): string | undefined
}

/** MP_REACH_NLRI and MP_UNREACH_NLRI have their own parsers; here are only their flags. */
export const attributeRules: Partial<Record<number, AttributeRule>> = {
  [attributeType.origin]: {
    flags: wellKnown,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.1',
    subcode: 6,
    octets: 1,
    fault: (value) => lengthFault(value, 1) ?? (value[0]! > 2 ? `value ${value[0]}` : undefined),
  },
  [attributeType.asPath]: {
    flags: wellKnown,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.2',
    subcode: 11,
    fault(value, context) {
      const octets = context.fourOctetAsn ? 4 : 2
      const fault = asPathFault(value, octets)
      if (fault !== undefined) return fault
      // RFC 5065 §5: such segments never leave their confederation.
      if (context.kind === 'ebgp' && hasConfederationSegment(value, octets))
        return 'a confederation segment from outside the confederation'
      // RFC 5065 §5: a neighbour in another member AS has put its own in front.
      if (context.kind === 'confed' && !beginsInConfederation(value))
        return 'no AS_CONFED_SEQUENCE in front, from within the confederation'
      return undefined
    },
  },
  [attributeType.nextHop]: {
    flags: wellKnown,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.3',
    subcode: 8,
    fault: (value) => lengthFault(value, 4),
  },
  [attributeType.med]: {
    flags: optionalNonTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.4',
    subcode: 5,
    fault: (value) => lengthFault(value, 4),
  },
  [attributeType.localPref]: {
    flags: wellKnown,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.5',
    subcode: 5,
    internalOnly: true,
    fault: (value) => lengthFault(value, 4),
  },
  [attributeType.atomicAggregate]: {
    flags: wellKnown,
    answer: 'attributeDiscard',
    source: 'RFC 7606 §7.6',
    subcode: 5,
    fault: (value) => lengthFault(value, 0),
  },
  [attributeType.aggregator]: {
    flags: optionalTransitive,
    answer: 'attributeDiscard',
    source: 'RFC 7606 §7.7',
    subcode: 9,
    fault: (value, context) => aggregatorFault(value, context.fourOctetAsn ? 4 : 2),
  },
  [attributeType.communities]: {
    flags: optionalTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.8',
    subcode: 9,
    fault: (value) => listFault(value, 4),
  },
  [attributeType.originatorId]: {
    flags: optionalNonTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.9',
    subcode: 9,
    internalOnly: true,
    fault: (value) => lengthFault(value, 4),
  },
  [attributeType.clusterList]: {
    flags: optionalNonTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.10',
    subcode: 9,
    internalOnly: true,
    fault: (value) => listFault(value, 4),
  },
  [attributeType.mpReach]: {
    flags: optionalNonTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.11',
    subcode: 9,
    fault: () => undefined,
  },
  [attributeType.mpUnreach]: {
    flags: optionalNonTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.12',
    subcode: 9,
    fault: () => undefined,
  },
  [attributeType.extendedCommunities]: {
    flags: optionalTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.14',
    subcode: 9,
    fault: (value) => listFault(value, 8),
  },
  [attributeType.as4Path]: {
    flags: optionalTransitive,
    answer: 'attributeDiscard',
    source: 'RFC 6793 §6',
    subcode: 9,
    fault: (value) => (value.length === 0 ? 'no segment' : asPathFault(value, 4)),
  },
  [attributeType.as4Aggregator]: {
    flags: optionalTransitive,
    answer: 'attributeDiscard',
    source: 'RFC 6793 §6',
    subcode: 9,
    fault: (value) => aggregatorFault(value, 4),
  },
  [attributeType.ipv6ExtendedCommunities]: {
    flags: optionalTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 7606 §7.15',
    subcode: 9,
    fault: (value) => listFault(value, 20),
  },
  [attributeType.aigp]: {
    flags: optionalNonTransitive,
    answer: 'attributeDiscard',
    source: 'RFC 7311 §3.2',
    subcode: 9,
    fault: aigpFault,
  },
  [attributeType.otc]: {
    flags: optionalTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 9234 §5',
    subcode: 9,
    fault: (value) => lengthFault(value, 4),
  },
  [attributeType.largeCommunities]: {
    flags: optionalTransitive,
    answer: 'treatAsWithdraw',
    source: 'RFC 8092 §6',
    subcode: 9,
    fault: (value) => listFault(value, 12),
  },
}

function lengthFault(value: Uint8Array, length: number): string | undefined {
  return value.length === length ? undefined : `length ${value.length} instead of ${length}`
}

function listFault(value: Uint8Array, octets: number): string | undefined {
  if (value.length > 0 && value.length % octets === 0) return undefined
  return `length ${value.length}, not a positive multiple of ${octets}`
}

/**
 * RFC 7311 §3: TLVs of type (1), length of the whole (2) and value; one of them the AIGP TLV of type 1 and length 11. §3.2:
 * the first of those has not reached its maximum.
 */
function aigpFault(value: Uint8Array): string | undefined {
  let metric = false
  for (let at = 0; at < value.length;) {
    const length = at + 3 > value.length ? 0 : (value[at + 1]! << 8) | value[at + 2]!
    if (length < 3 || at + length > value.length) return 'a TLV that does not fit'
    if (value[at] === 1 && length !== 11) return `an AIGP TLV of length ${length} instead of 11`
    if (value[at] === 1 && !metric) {
      if (value.subarray(at + 3, at + 11).every((octet) => octet === 0xff))
        return 'the maximum, which cannot grow'
      metric = true
    }
    at += length
  }
  return metric ? undefined : 'no AIGP TLV'
}

function aggregatorFault(value: Uint8Array, asnOctets: number): string | undefined {
  const fault = lengthFault(value, asnOctets + 4)
  if (fault !== undefined) return fault
  return value.subarray(0, asnOctets).every((octet) => octet === 0) ? 'AS number 0 (RFC 7607)' : undefined
}
