/**
 * Routing policy as data: what a user decided about routes that come in from a neighbour or go out to it. A policy is a list
 * of statements; the first that matches and does not say `next` decides. Everything that Calico's BGPFilter, GoBGP's and
 * loxilb's policies and the attributes of MetalLB and Cilium can say can be said here.
 */
import type { Address } from '#core/net/address.ts'
import type { LargeCommunity } from '#core/net/community.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { Origin } from '../attributes.ts'
import type { Family } from '../family.ts'

/** What is asked about a route, in order. `otherwise` is the answer when no statement of any policy decides. */
export interface PolicyChain {
  /** Names of policies of the instance. */
  policies: string[]
  otherwise: 'accept' | 'reject'
}

export interface RoutePolicy {
  /** Unique in the instance. */
  name: string
  statements: PolicyStatement[]
}

export interface PolicyStatement {
  /** For people: what `rejected by …` names; absent: its number. */
  name?: string
  /** All of them must hold; none: it holds for every route. */
  match: PolicyMatch
  /** Done when it matches, before `then`. */
  set?: PolicyActions
  /** `next`: go on with the next statement, with what `set` changed. */
  then: 'accept' | 'reject' | 'next'
}

/** `any`: at least one member of the set; `all`: each member; `none`: no member. */
export type SetMode = 'any' | 'all' | 'none'

export interface PolicyMatch {
  families?: Family[]
  prefixes?: { mode: 'any' | 'none'; entries: PrefixEntry[] }
  /** Neighbour that the route came from (import) or goes to (export). */
  neighbours?: { mode: 'any' | 'none'; entries: Prefix[] }
  /** AS number of that neighbour. */
  neighbourAsns?: number[]
  communities?: { mode: SetMode; entries: CommunityPattern[] }
  largeCommunities?: { mode: SetMode; entries: CommunityPattern[] }
  extendedCommunities?: { mode: SetMode; entries: CommunityPattern[] }
  asPath?: { mode: SetMode; entries: AsPathPattern[] }
  asPathLength?: Comparison
  /** Number of communities. */
  communityCount?: Comparison
  /** Next hop within one of these. */
  nextHops?: Prefix[]
  /** A path without MED has 0, as the decision sees it. */
  med?: Comparison
  /** A path without LOCAL_PREF has the default. */
  localPref?: Comparison
  origins?: Origin[]
  /** `own`: of this speaker; else what kind of neighbour it came from. A confederation's members are internal. */
  sources?: ('own' | 'internal' | 'external')[]
  /** Name of the peer that it came from, for export. */
  learnedFrom?: string[]
  rpki?: ('valid' | 'invalid' | 'notFound')[]
}

/** Prefixes inside `prefix` with lengths from `minLength` to `maxLength`, both included. */
export interface PrefixEntry {
  prefix: Prefix
  minLength: number
  maxLength: number
}

export interface Comparison {
  operator: 'eq' | 'ge' | 'le'
  value: number
}

/**
 * Text of the community as tables show it, or a regular expression that is looked for in it and in its plain form
 * (`65535:666`, or `0x` and digits of extended ones). Names such as `no-export` are texts.
 */
export type CommunityPattern = { kind: 'text'; text: string } | { kind: 'regex'; source: string }

export type AsPathPattern =
  /** Looked for in the AS numbers joined by blanks, as tables show them; `_` is a border, as routers have it. */
  | { kind: 'regex'; source: string }
  /** The path starts with these. */
  | { kind: 'first'; asns: number[] }
  /** The route was originated by one of these. */
  | { kind: 'origin'; asns: number[] }
  /** One of these is in it. */
  | { kind: 'contains'; asns: number[] }

export interface PolicyActions {
  localPref?: number
  /** `set`: this value; `add`: to what there is, never below 0 or above 4294967295; `remove`. */
  med?: { kind: 'set' | 'add'; value: number } | { kind: 'remove' }
  /** Cisco's weight: higher wins before all but what is long-lived stale, and it never leaves the speaker. */
  weight?: number
  origin?: Origin
  /** `first`: the path's first AS number again; `own`: this speaker's. */
  prepend?: { asn: number | 'own' | 'first'; count: number }
  nextHop?: { kind: 'self' } | { kind: 'keep' } | { kind: 'peer' } | { kind: 'address'; address: Address }
  communities?: CommunityChange<number>
  largeCommunities?: CommunityChange<LargeCommunity>
  /** Eight octets each, as lower-case hexadecimal. */
  extendedCommunities?: CommunityChange<string>
}

/** Done in this order: replace (absent: keep), remove, add. */
export interface CommunityChange<T> {
  replace?: T[]
  remove?: CommunityPattern[]
  add?: T[]
}
