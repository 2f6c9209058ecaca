/** A chain of policies that was made ready to be asked: what rules hold of it, without knowing how it was made. */
import type { Address } from '#core/net/address.ts'
import type { PathAttributes } from '../attributes.ts'
import type { Family } from '../family.ts'
import type { NeighbourKind, PathSource } from '../rib/path-source.ts'
import type { Outcome } from './outcome.ts'

export interface CompiledChain {
  /** Chains with equal keys answer alike. */
  readonly key: string
  /** Some statement looks at the address or AS number of the neighbour that the route comes from or goes to. */
  readonly readsNeighbour: boolean
  /** Some statement looks at the name of the peer that the route was learned from. */
  readonly readsSource: boolean
  /** Some statement puts the neighbour's address into routes that come in. */
  readonly writesNeighbour: boolean
  /** `finish` makes the outcome of what was accepted. The attributes that come in are not changed. */
  decide(route: PolicyRoute, attributes: PathAttributes, finish: (accepted: Accepted) => Outcome): Outcome
}

/** What policies may ask of a route beside its attributes and its prefix. */
export interface PolicyRoute {
  direction: 'import' | 'export'
  family: Family
  /** It comes from this one (import) or goes to it (export). */
  neighbour: { kind: NeighbourKind; address: Address; asn: number }
  source: PathSource
  /** The speaker's AS number, as this neighbour sees it. */
  ownAsn: number
}

export interface Accepted {
  /** The same object as came in when no statement changed anything. */
  attributes: PathAttributes
  /** What a statement said about the next hop; absent: nothing. */
  nextHop?: 'self' | 'keep' | 'peer' | 'address'
  /** A statement gave it its MED, so it is no longer that of another AS (RFC 4271 §5.1.4). */
  medSet?: boolean
}
