/** Answers for one node, from its speaker's own tables. */
import { families, type Family } from '#core/bgp/family.ts'
import type { PeerStatus, RouteEntry, RouteTable } from '#core/bgp/io.ts'
import type { NodePlan } from '#core/plan/node-plan.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { StationStatus } from '#core/bmp/station.ts'
import type { CacheStatus } from '#core/rpki/rpki.ts'
import type {
  PeerRow,
  RouteQuery,
  RouteRow,
  RouteView,
  RpkiRow,
  StationRow,
  Version,
} from './contract/contract.ts'
import { peerRow, routeRow, rpkiRow, stationRow } from './rows.ts'
import type { ApiBackend } from './server.ts'

/** What a speaker gives to see. */
export interface SpeakerView {
  version: Version
  node: string
  plan(): NodePlan | undefined
  /** Of one instance. */
  peers(instance: string): PeerStatus[]
  /** Of one instance. `peer` is a peer's name. */
  routes(
    instance: string,
    table: RouteTable,
    filter: { family?: Family; peer?: string; prefix?: Prefix },
  ): RouteEntry[]
  /** RPKI caches of one instance. */
  rpkiCaches(instance: string): CacheStatus[]
  /** Monitoring stations of one instance. */
  stations(instance: string): StationStatus[]
  subscribe(changed: () => void): () => void
}

const tables: Record<RouteView, RouteTable> = {
  available: 'locRib',
  received: 'adjRibIn',
  advertised: 'adjRibOut',
}

/** Answers from the view of one speaker; it knows of no Services. */
export function speakerBackend(view: SpeakerView): ApiBackend {
  return {
    version: () => view.version,
    subscribe: (changed) => view.subscribe(changed),
    peers: () => ({ items: peerRows(view), warnings: [] }),
    stations: () => ({ items: stationRows(view), warnings: [] }),
    rpki: () => ({ items: rpkiRows(view), warnings: [] }),
    routes: (query) => ({ items: routeRows(view, query), warnings: [] }),
  }
}

function peerRows(view: SpeakerView): PeerRow[] {
  const plan = view.plan()
  return (plan?.instances ?? []).flatMap(({ config, peerReasons }) =>
    view
      .peers(config.name)
      .map((status) => peerRow(view.node, config.name, status, peerReasons[status.peer] ?? [])),
  )
}

function stationRows(view: SpeakerView): StationRow[] {
  return (view.plan()?.instances ?? []).flatMap(({ config }) =>
    view.stations(config.name).map((status) => stationRow(view.node, config.name, status)),
  )
}

function rpkiRows(view: SpeakerView): RpkiRow[] {
  return (view.plan()?.instances ?? []).flatMap(({ config }) =>
    view.rpkiCaches(config.name).map((status) => rpkiRow(view.node, config.name, status)),
  )
}

function routeRows(view: SpeakerView, query: RouteQuery): RouteRow[] {
  const plan = view.plan()
  if (plan === undefined || (query.node ?? view.node) !== view.node) return []
  const advertised = query.view === 'advertised'
  return plan.instances.flatMap((instance) => {
    const peers = instance.config.peers.filter(({ address }) => (query.peer ?? address) === address)
    // loc-rib is one table; the others are one a peer.
    const peerNames =
      query.view === 'available' && query.peer === undefined ? [undefined] : peers.map((p) => p.name)
    return peerNames.flatMap((peer) =>
      wantedFamilies(query).flatMap((family) =>
        view
          .routes(instance.config.name, tables[query.view], {
            family,
            peer,
            prefix: query.prefix as Prefix | undefined,
          })
          .map((entry) => routeRow(view.node, instance, entry, advertised)),
      ),
    )
  })
}

function wantedFamilies(query: RouteQuery): readonly Family[] {
  return query.family === undefined ? families : [query.family]
}
