/** What a dialect makes of foreign resources, and what the controller and `plan` work on. */
import type { ObjectRef, Problem, Reason } from '#core/lib/reason.ts'
import type { AddressPool } from '#core/schema/address-pool.ts'
import type { BGPAdvertisement } from '#core/schema/bgp-advertisement.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { BGPPeerGroup } from '#core/schema/bgp-peer-group.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import { refOf, type KubeObject } from '#core/schema/object.ts'
import type { RoutePolicy } from '#core/schema/route-policy.ts'

/** A native resource with the object that it was made from: itself, or a foreign one whose status and events report on it. */
export interface Derived<T> {
  /**
   * Names are unique by kind in a set. That of a resource made from a foreign one starts with its dialect's name and a
   * slash, which no native name contains.
   */
  resource: T
  source: KubeObject
  /**
   * Where users said what the resource says, by paths in the resource: paths in `source`, or in yet another object.
   * Absent: the same paths in `source`.
   */
  sourceFields?: Record<string, string | { object: ObjectRef; field: string }>
}

/** A pool, and whether it may be used. */
export interface DerivedPool extends Derived<AddressPool> {
  /** Its addresses are (also) another pool's. `resource` is disabled then: what it gave out stays, no more is given. */
  conflict?: Problem
}

/** A peer, perhaps with a password that its users wrote where a resource names a Secret. */
export interface DerivedPeer extends Derived<BGPPeer> {
  password?: string
}

/** Native resources of all dialects obeyed, valid ones only; what was wrong with the others is in `problems`. */
export interface NativeSet {
  pools: DerivedPool[]
  instances: Derived<BGPInstance>[]
  peers: DerivedPeer[]
  groups: Derived<BGPPeerGroup>[]
  advertisements: Derived<BGPAdvertisement>[]
  policies: Derived<RoutePolicy>[]
  /** In canonical order. Conflicts between pools are among them. */
  problems: Problem[]
}

/** A set with nothing in it, to be filled. */
export function emptyNativeSet(): NativeSet {
  return { pools: [], instances: [], peers: [], groups: [], advertisements: [], policies: [], problems: [] }
}

/** The object and field in which users said what is at `path` in the resource. */
export function sourceOf(derived: Derived<unknown>, path: string): { object: ObjectRef; field: string } {
  const object = refOf(derived.source)
  let best: string | undefined
  for (const known of Object.keys(derived.sourceFields ?? {})) {
    const rest = path.slice(known.length)
    if (!path.startsWith(known) || (rest !== '' && rest[0] !== '.' && rest[0] !== '[')) continue
    if (best === undefined || known.length > best.length) best = known
  }
  const found = best === undefined ? path : (derived.sourceFields?.[best] ?? path)
  return typeof found === 'string' ? { object, field: found } : found
}

/** A reason that points to what users wrote for `path` in the resource. */
export function reasonFrom(derived: Derived<unknown>, path: string, rule: string, message: string): Reason {
  return { rule, message, ...sourceOf(derived, path) }
}
