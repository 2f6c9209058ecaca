/** What a dialect makes of foreign resources, and what the controller and `plan` work on. */
import type { Problem } from '#core/lib/reason.ts'
import type { AddressPool } from '#core/schema/address-pool.ts'
import type { BGPAdvertisement } from '#core/schema/bgp-advertisement.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { BGPPeer } from '#core/schema/bgp-peer.ts'
import type { KubeObject } from '#core/schema/object.ts'

/** A native resource with the object that it was made from: itself, or a foreign one whose status and events report on it. */
export interface Derived<T> {
  /**
   * Names are unique by kind in a set. That of a resource made from a foreign one starts with its dialect's name and a
   * slash, which no native name contains.
   */
  resource: T
  source: KubeObject
  /** Where `source` says what the resource says: paths in the source by paths in the resource. Absent: the same paths. */
  sourceFields?: Record<string, string>
}

/** A pool, and whether it may be used. */
export interface DerivedPool extends Derived<AddressPool> {
  /** Its addresses are (also) another pool's. `resource` is disabled then: what it gave out stays, no more is given. */
  conflict?: Problem
}

/** Native resources of all dialects obeyed, valid ones only; what was wrong with the others is in `problems`. */
export interface NativeSet {
  pools: DerivedPool[]
  instances: Derived<BGPInstance>[]
  peers: Derived<BGPPeer>[]
  advertisements: Derived<BGPAdvertisement>[]
  /** In canonical order. Conflicts between pools are among them. */
  problems: Problem[]
}

/** The path in the source that gave the resource its `field`: of the longest known path that `field` starts with. */
export function sourceField(derived: Derived<unknown>, field: string): string {
  const { sourceFields } = derived
  if (sourceFields === undefined) return field
  let best: string | undefined
  for (const path of Object.keys(sourceFields)) {
    const rest = field.slice(path.length)
    if (!field.startsWith(path) || (rest !== '' && rest[0] !== '.' && rest[0] !== '[')) continue
    if (best === undefined || path.length > best.length) best = path
  }
  return best === undefined ? field : (sourceFields[best] ?? field)
}
