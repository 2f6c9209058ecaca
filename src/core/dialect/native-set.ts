/** What a dialect makes of foreign resources, and what the controller and `plan` work on. */
import type { Problem } from '#core/lib/reason.ts'
import type { AddressPool } from '#core/schema/address-pool.ts'
import type { KubeObject } from '#core/schema/object.ts'

/** A native resource with the object that it was made from: itself, or a foreign one whose status and events report on it. */
export interface Derived<T> {
  resource: T
  source: KubeObject
}

/** Native resources of all dialects obeyed, valid ones only; what was wrong with the others is in `problems`. */
export interface NativeSet {
  pools: Derived<AddressPool>[]
  problems: Problem[]
}
