/** Where a path came from, as far as the rules of distribution and policies look at it. */
import type { Address } from '#core/net/address.ts'

/** `confed`: of another member AS of the own confederation (RFC 5065 §1.2). */
export type NeighbourKind = 'external' | 'internal' | 'confed'

/** `own`: of this speaker. */
export type PathSource = { kind: 'own' } | LearnedFrom

export interface LearnedFrom {
  kind: NeighbourKind
  /** Name of the peer in the configuration. */
  name: string
  address: Address
  asn: number
  /** Its BGP identifier: ORIGINATOR_ID of what it sends, unless that has one (RFC 4456 §8). */
  routerId: Address
  /** It is a client of this reflector (RFC 4456 §5). */
  client?: boolean
}
