/** What stands beside the speaker of an instance: where it learns validated origins from, and whom it tells what happens. */
import type { InstanceConfig } from '#core/bgp/config.ts'
import type { StationConfig } from '#core/bmp/station.ts'
import type { MrtConfig } from '#core/mrt/dump.ts'
import { address } from '#core/net/address.ts'
import type { BGPInstanceSpec } from '#core/schema/bgp-instance.ts'
import type { InstancePlan } from './node-plan.ts'

export function observationOf(
  spec: BGPInstanceSpec,
): Pick<InstancePlan, 'rpkiCaches' | 'bmpStations' | 'mrt'> {
  const caches = spec.rpki?.caches.map((cache) => ({ ...cache, address: address(cache.address) }))
  const stations = spec.bmpStations?.map(
    ({ address: text, port, views, statisticsSeconds }): StationConfig => ({
      address: address(text),
      port,
      views,
      ...(statisticsSeconds !== undefined && { statisticsSeconds }),
    }),
  )
  const mrt = mrtOf(spec)
  return {
    ...(caches !== undefined && { rpkiCaches: caches }),
    ...(stations !== undefined && stations.length > 0 && { bmpStations: stations }),
    ...(mrt !== undefined && { mrt }),
  }
}

/** What the speaker must show for that. */
export function tapsOf({
  bmpStations = [],
  mrt,
}: Pick<InstancePlan, 'bmpStations' | 'mrt'>): InstanceConfig['taps'] {
  const views = bmpStations.flatMap((station) => station.views)
  if (views.length === 0 && mrt?.updates === undefined) return undefined
  return {
    received: mrt?.updates !== undefined || views.includes('pre') || views.includes('post'),
    sent: views.includes('adjOut'),
    best: views.includes('locRib'),
  }
}

function mrtOf({ mrt }: BGPInstanceSpec): MrtConfig | undefined {
  if (mrt?.updates === undefined && mrt?.rib === undefined) return undefined
  const { updates, rib } = mrt
  const config: MrtConfig = {}
  if (rib !== undefined) config.rib = rib
  if (updates !== undefined) {
    const { file, rotateSeconds, rotateBytes } = updates
    config.updates = { file, rotateSeconds, ...(rotateBytes !== undefined && { rotateBytes }) }
  }
  return config
}
