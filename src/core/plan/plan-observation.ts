/** What stands beside the speaker of an instance: where it learns validated origins from. */
import { address } from '#core/net/address.ts'
import type { BGPInstanceSpec } from '#core/schema/bgp-instance.ts'
import type { InstancePlan } from './node-plan.ts'

export function observationOf(spec: BGPInstanceSpec): Pick<InstancePlan, 'rpkiCaches'> {
  const caches = spec.rpki?.caches.map((cache) => ({ ...cache, address: address(cache.address) }))
  return { ...(caches !== undefined && { rpkiCaches: caches }) }
}
