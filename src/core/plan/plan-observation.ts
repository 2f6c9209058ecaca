/** What stands beside the speaker of an instance: where it learns validated origins from, and whom it tells what happens. */
import type { InstanceConfig } from '#core/bgp/config.ts'
import type { StationConfig } from '#core/bmp/station.ts'
import { address } from '#core/net/address.ts'
import type { BGPInstanceSpec } from '#core/schema/bgp-instance.ts'
import type { InstancePlan } from './node-plan.ts'

export function observationOf(spec: BGPInstanceSpec): Pick<InstancePlan, 'rpkiCaches' | 'bmpStations'> {
  const caches = spec.rpki?.caches.map((cache) => ({ ...cache, address: address(cache.address) }))
  const stations = spec.bmpStations?.map(
    ({ address: text, port, views, statisticsSeconds }): StationConfig => ({
      address: address(text),
      port,
      views,
      ...(statisticsSeconds !== undefined && { statisticsSeconds }),
    }),
  )
  return {
    ...(caches !== undefined && { rpkiCaches: caches }),
    ...(stations !== undefined && stations.length > 0 && { bmpStations: stations }),
  }
}

/** What the speaker must show for that. */
export function tapsOf(observation: Pick<InstancePlan, 'bmpStations'>): InstanceConfig['taps'] {
  const views = observation.bmpStations?.flatMap((station) => station.views)
  if (views === undefined) return undefined
  return {
    received: views.includes('pre') || views.includes('post'),
    sent: views.includes('adjOut'),
    best: views.includes('locRib'),
  }
}
