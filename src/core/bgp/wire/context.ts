/** What decoding and encoding need to know of the session: both are plain data that `Negotiated` fits into. */
import type { Address } from '#core/net/address.ts'
import type { Family } from '../family.ts'

/** For what the neighbour sends. */
export interface UpdateContext {
  /** AS numbers of four octets in AS_PATH and AGGREGATOR (RFC 6793 §3). */
  fourOctetAsn: boolean
  /** `confed`: between members of a confederation (RFC 5065 §4). */
  kind: 'ebgp' | 'ibgp' | 'confed'
  /** Negotiated families: NLRI of another one is ignored (RFC 4760 §7). */
  families: readonly Family[]
  /** Families that may have a next hop of the other IP version (RFC 8950 §4). */
  extendedNextHop: readonly Family[]
  /** Families whose NLRI come with path identifiers (RFC 7911 §3); absent: none. */
  addPathReceive?: readonly Family[]
  /** Own addresses of the session: a route must not point back at its receiver (RFC 4271 §6.3). */
  ends?: { localAddress: Address; localAddressOtherVersion?: Address }
}

/** For what is sent to the neighbour. */
export interface EncodeContext {
  fourOctetAsn: boolean
  /** Largest message, header included: 4096 unless RFC 8654 raised it. */
  maxLength?: number
  /** Families whose NLRI leave with path identifiers (RFC 7911 §3); absent: none. */
  addPathSend?: readonly Family[]
}

/** Before OPENs are exchanged, when any UPDATE is an error anyway. */
export const unnegotiated: UpdateContext = {
  fourOctetAsn: true,
  kind: 'ebgp',
  families: [],
  extendedNextHop: [],
}

/** RFC 4271 §4.1. */
export const headerLength = 19
/** RFC 4271 §4.1, without RFC 8654. */
export const defaultMaxLength = 4096
